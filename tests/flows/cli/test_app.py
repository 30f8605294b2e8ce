"""The commands as a person gives them: what they print, what they exit with, what they leave."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from tests.support import raw

DEMO = Path(__file__).parents[2] / "fixtures/demo"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def python(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run the interpreter as a fresh process, for what only such a one can show."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def sql(database: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(database, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few records of every fate."""
    sold = raw.event("sold", custom_data={"value": 1250, "currency": "EUR"})
    return raw.write_log(
        tmp_path_factory.mktemp("log"),
        events=[
            raw.envelope(sold, raw.event("alone", user_match=None), {"no": "event"}),
            raw.envelope(sold),
            raw.envelope(raw.event("tried"), test_event_code="TEST1"),
            b"{",
        ],
        impressions=[raw.impression("i1"), raw.click("i2"), raw.click("i2"), {"no": "record"}],
    )


@pytest.fixture(scope="module")
def result(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result of replaying it."""
    database = tmp_path_factory.mktemp("result") / "result.duckdb"
    assert run("replay", log, "--db", database, "--quiet").exit_code == 0
    return database


@pytest.fixture
def torn(log: Path, tmp_path: Path) -> Path:
    """Return a log one of whose files ends in the middle of a compressed block."""
    folder = tmp_path / "torn"
    folder.mkdir()
    raw.write_log(folder, impressions={"impressions.ndjson.gz": [raw.impression()] * 1_000})
    (folder / "events.ndjson").write_bytes((log / "events.ndjson").read_bytes())
    packed = folder / "impressions.ndjson.gz"
    packed.write_bytes(packed.read_bytes()[:-50])
    return folder


SUMMARY = """\
8 records in TIME
50.0% of the conversions are attributed

event             count
received          6
attributed        1
  by a click      1
unattributed      1
  no identifier   1
duplicate         1
rejected          2
test              1

touchpoint   count   duplicate
impression   1       0
click        1       1

rejected from   because            records   events
events          INVALID_EVENT_ID   1         1
events          INVALID_REQUEST    1         1
impressions     INVALID_REQUEST    1         1

currency   advertiser   campaign   won by last touch   value
EUR        adv          cmp        1                   1,250.00
"""


def test_replay_says_what_it_found(log: Path, tmp_path: Path) -> None:
    done = run("replay", log, "--db", tmp_path / "result.duckdb")
    timed = re.sub(r"in [\d.]+ s, [\d,]+ per second", "in TIME", done.stdout)
    assert re.sub(r"─+\n", "", timed) == SUMMARY
    assert (done.stderr, done.exit_code) == ("", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["result.duckdb"]


def test_nothing_is_found_in_an_empty_log(tmp_path: Path) -> None:
    raw.write_log(tmp_path)
    done = run("replay", tmp_path, "--db", tmp_path / "result.duckdb", "--fail-on-rejects")
    assert (done.stdout.splitlines()[1:], done.exit_code) == ([], 0)


def test_quiet_and_rejects(log: Path, tmp_path: Path) -> None:
    database = tmp_path / "result.duckdb"
    done = run("replay", log, "--db", database, "--quiet", "--fail-on-rejects")
    assert (done.output, done.exit_code) == ("", 3)
    assert database.exists()


def test_a_result_is_replaced_only_on_demand(log: Path, tmp_path: Path) -> None:
    database = tmp_path / "result.duckdb"
    assert run("replay", DEMO, "--db", database, "--quiet").exit_code == 0
    before = database.read_bytes()
    done = run("replay", log, "--db", database)
    hint = "exists already; name another file, or add --overwrite to replace it"
    assert (done.stderr, done.exit_code) == (f"tributary: {database} {hint}\n", 2)
    assert database.read_bytes() == before
    assert run("replay", log, "--db", database, "--overwrite", "--quiet").exit_code == 0
    assert sql(database, "select count(*) from conversions") == [(2,)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_log_that_cannot_be_read_leaves_the_old_result(
    torn: Path, result: Path, tmp_path: Path, workers: int
) -> None:
    database = tmp_path / "result.duckdb"
    database.write_bytes(result.read_bytes())
    words = ("replay", torn, "--db", database, "--overwrite", "--workers", workers)
    done = python("-m", "flows", *words)
    place = torn / "impressions.ndjson.gz"
    reason = "Truncated compressed stream; replace the file and replay again"
    assert done.stderr == f"tributary: {place} cannot be read: {reason}\n"
    assert (done.stdout, done.returncode) == ("", 2)
    assert database.read_bytes() == result.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.duckdb", "torn"]


def test_a_full_disk_is_told_in_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    # The file may not grow beyond 2 MB, as on a full disk; the demo's result needs more.
    command = f"ulimit -f 2000; exec {sys.executable} -m flows replay {DEMO} --db {tmp_path}/r"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"tributary: {tmp_path}/r cannot be written: ")
    assert done.stderr.endswith("; make room or mend that, and replay again; no result was made\n")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_settings_are_recorded_with_the_run(log: Path, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text('policy.post_view = "3d"\npolicy.max_candidates = 7\n')
    told = ("--config", config, "--set", "policy.post_view=2d", "--quiet")
    assert run("replay", log, "--db", tmp_path / "result.duckdb", *told).exit_code == 0
    recorded = "select policy->>'post_view', policy->>'max_candidates' from runs"
    assert sql(tmp_path / "result.duckdb", recorded) == [("2d", "7")]


def test_unregistered_sources(log: Path, tmp_path: Path) -> None:
    for stream in ("events", "impressions"):
        name = f"{stream}.ndjson"
        (tmp_path / name).write_bytes((log / name).read_bytes())
    database = tmp_path / "result.duckdb"
    refused = run("replay", tmp_path, "--db", database)
    registry = tmp_path / "event_sources.json"
    hint = "is missing; add the registry, or --allow-unregistered to do without"
    assert (refused.stderr, refused.exit_code) == (f"tributary: {registry} {hint}\n", 2)
    words = ("--db", database, "--allow-unregistered", "--quiet")
    assert run("replay", tmp_path, *words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("replay", "none", "--db", "r"), "none is not a folder; expected one with events*.ndjson"),
        (("replay", DEMO, "--db", "none/r"), "DIR/none, where r is to be, is no folder; make"),
        (
            ("replay", DEMO, "--db", "r", "--set", "policy.half_live=1d"),
            "policy.half_live (--set):",
        ),
        (("replay", DEMO, "--db", "r", "--config", "none"), "none: cannot be read: "),
        (("config", "--config", "none"), "none: cannot be read: "),
        (("config", "--set", "policy"), "--set: expected KEY=VALUE; got 'policy'"),
        (("sql", "select 1", "--db", "none"), "there is no result file none; make it with: "),
        (("explain", "e1", "--db", "none"), "there is no result file none; make it with: "),
        (("verify", "--db", "none"), "there is no result file none; make it with: "),
        (("generate", "log", DEMO), f"{DEMO} already holds events-00.ndjson: name an empty folder"),
    ],
)
def test_mistakes_are_told_in_a_line(
    words: tuple[object, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == 2
    assert done.stderr.replace(str(tmp_path), "DIR").startswith(f"tributary: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_sql_in_every_format(result: Path) -> None:
    query = "select event_id, value from conversions order by event_id desc"
    table = run("sql", query, "--db", result).stdout.splitlines()
    assert [table[0], *table[2:]] == [
        "event_id   value",
        "sold       1250.000000",
        "alone      NULL",
    ]
    csv = run("sql", query, "--db", result, "--format", "csv").stdout
    assert csv == "event_id,value\nsold,1250.000000\nalone,\n"
    written = run("sql", query, "--db", result, "--format", "json").stdout
    assert json.loads(written) == [
        {"event_id": "sold", "value": 1250},
        {"event_id": "alone", "value": None},
    ]


def test_sql_that_is_none(result: Path) -> None:
    done = run("sql", "selct 1", "--db", result)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("tributary: Parser Error: ")


def test_explain(result: Path, tmp_path: Path) -> None:
    done = run("explain", "alone", "--db", result)
    assert done.stdout.splitlines()[0] == "purchase alone of adv/src"
    assert done.exit_code == 0
    unknown = run("explain", "other", "--db", result)
    assert unknown.stderr.startswith("tributary: no event with id other in ")
    assert unknown.exit_code == 2
    elsewhere = run("explain", "alone", "--db", result, "--log", tmp_path / "none")
    assert elsewhere.stderr.startswith("tributary: the log is not at ")


def test_verify(result: Path, tmp_path: Path) -> None:
    done = run("verify", "--db", result)
    assert (done.stdout.splitlines()[-1], done.exit_code) == ("no differences", 0)
    raw.write_log(tmp_path)
    other = run("verify", "--db", result, "--log", tmp_path)
    assert other.stderr.startswith(f"tributary: the log in {tmp_path} has changed since it was ")
    assert (other.stdout, other.exit_code) == ("", 2)
    spoiled = tmp_path / "spoiled"
    spoiled.write_bytes(result.read_bytes())
    with duckdb.connect(spoiled) as connection:
        connection.execute("delete from conversions_final")
    wrong = run("verify", "--db", spoiled, "--limit", 0)
    assert wrong.stdout.splitlines()[0] == "conversions_final: 2 rows, 2 differ"
    assert wrong.exit_code == 1


def test_generate(tmp_path: Path) -> None:
    words = ("--events", 50, "--impressions", 200, "--seed", 3, "--start", "2026-05-01", "--truth")
    done = run("generate", "log", tmp_path / "log", *words)
    assert done.exit_code == 0
    assert re.match(r"impressions: 200 records, .*\nevents: 50 records, ", done.stdout)
    spec = json.loads((tmp_path / "log/truth.json").read_text())["spec"]
    assert (spec["seed"], spec["start"], spec["truth"]) == (3, "2026-05-01", True)
    assert (tmp_path / "log/truth.ndjson").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--files", 0), ("--events", -1), ("--bad", 1.0), ("--users", 0)]
)
def test_sizes_that_mean_nothing_are_refused(option: str, value: float, tmp_path: Path) -> None:
    done = run("generate", "log", tmp_path / "log", option, value)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"Invalid value for '{option}'" in done.stderr


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to what is not there": lambda path: path.symlink_to("nothing"),
    "a link that leads back to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    folder, database = tmp_path / "log", tmp_path / "r.duckdb"
    folder.mkdir()
    raw.write_log(folder, events=[raw.envelope(raw.event())], impressions=[raw.click("i1")])
    IRREGULAR[kind](folder / "events-2.ndjson")
    done = run("replay", folder, "--db", database, "--quiet")
    assert done.exit_code == 0
    said = f"{folder} holds what is not read: events-2.ndjson ({kind})"
    assert done.stderr == f"tributary: warning: {said}\n"
    (folder / "event_sources.json").unlink()
    IRREGULAR[kind](folder / "event_sources.json")
    done = run("replay", folder, "--db", database, "--overwrite")
    assert done.exit_code == 2
    assert f"event_sources.json cannot be read: it is {kind}, and no regular file" in done.stderr


@pytest.mark.parametrize("kind", IRREGULAR)
def test_settings_are_read_from_regular_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    IRREGULAR[kind](tmp_path / "tributary.toml")
    for words in ((), ("--config", "tributary.toml")):
        done = run("config", *words)
        assert done.exit_code == 2
        said = f"tributary.toml: cannot be read: it is {kind}, and no regular file"
        assert said in " ".join(done.stderr.split())


def test_a_folder_without_events_says_so(tmp_path: Path) -> None:
    (tmp_path / "impressions.ndjson").touch()
    (tmp_path / "event_sources.json").write_text("[]")
    done = run("replay", tmp_path, "--db", tmp_path / "r.duckdb", "--quiet")
    said = f"{tmp_path} holds no events*.ndjson: nothing can be attributed without"
    assert (done.exit_code, done.stderr) == (0, f"tributary: warning: {said}\n")


def test_config_tells_where_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_FLOW__LANES", "2")
    lines = run("config", "--set", "policy.post_view=2d").stdout.splitlines()
    header, _, *rows = [line.split() for line in lines]
    assert header == ["key", "value", "from"]
    assert [row for row in rows if row[-1] != "default"] == [
        ["policy.post_view", "2d", "--set"],
        ["flow.lanes", "2", "environment"],
    ]


def test_version() -> None:
    assert run("--version").stdout == "tributary 0.1.0\n"


HEAVY = ("bytewax", "duckdb", "numpy", "pyarrow", "pydantic_settings", "rich")
SHOW_HEAVY = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"


def test_help_loads_nothing_heavy() -> None:
    code = "from flows.cli.app import app; app(['replay', '--help'], standalone_mode=False)"
    done = python("-c", f"{code}; {SHOW_HEAVY}")
    assert (done.stdout.splitlines()[-1], done.stderr) == ("[]", "")


def test_a_quiet_replay_loads_nothing_for_show(log: Path, tmp_path: Path) -> None:
    words = ["replay", str(log), "--db", str(tmp_path / "r"), "--quiet"]
    code = f"from flows.cli.app import app; app({words}, standalone_mode=False); {SHOW_HEAVY}"
    done = python("-c", code)
    assert done.stdout == "['bytewax', 'duckdb', 'numpy', 'pyarrow']\n"
