"""The state directory: who holds it, what it refuses, what a start puts in order."""

import json
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from attribution.policy import Policy
from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry
from connectors.lanes.snapshot import LaneState, PartitionState
from connectors.positions import FilePosition, TopicPosition
from connectors.preflight.input_log import keep_log
from connectors.preflight.preflight import check_facts, preflight, problems
from connectors.preflight.resume import Resumable
from connectors.registry.kept import update_registry
from connectors.state.directory import StateDir
from connectors.state.errors import StateError
from connectors.state.facts import StateFacts
from connectors.state.manifests import StepState
from connectors.state.sealing import sealed
from flows.run.state import STEPS

NOW = 1_777_000_000_000_000


def init_facts() -> StateFacts:
    return StateFacts(
        policy=Policy(),
        key_groups=1,
        lanes=2,
        allow_unregistered=False,
        steps=STEPS,
        created_at=NOW,
    )


FACTS = init_facts()


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state")
    with made.lock():
        made.create(FACTS)
    return made


def lanes(**partitions: PartitionState) -> dict[str, LaneState]:
    """Return the snapshots of two lanes, the first of which has all partitions."""
    return {"0": LaneState(partitions), "1": LaneState()}


def run_to(state: StateDir, epoch: int, **snapshots: Mapping[str, object]) -> None:
    """Leave the state as a run of one worker does: snapshots of the epoch before `epoch`."""
    update_registry(state, registry(), NOW)
    keep_log(state, {"folder": str(state.path.parent)})
    (file,) = state.recovery.folder.iterdir()
    rows = [
        (f"tributary.{step}", key, epoch - 1, pickle.dumps(sealed(snapshot)))
        for step, by_key in ({"read": lanes()} | snapshots).items()
        for key, snapshot in by_key.items()
    ]
    insert = "insert or replace into snaps (step_id, state_key, snap_epoch, ser_change) values"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("insert or ignore into exs values ('', 0, 1, 1)")
        connection.execute("insert or replace into fronts values ('', 0, 0, ?)", [epoch])
        connection.executemany(f"{insert} (?, ?, ?, ?)", rows)


def saved(state: StateDir, rows: int = 10_000) -> StepState:
    """Save a key group of DEDUP, with a segment file of its own."""
    batch = pa.RecordBatch.from_pydict({"key": pa.array(range(rows))})
    return StepState("dedup", 0, {}, state.segments.snapshots().save({"held": [batch]}))


def test_a_state_is_read_as_it_was_made(state: StateDir) -> None:
    assert state.read() == FACTS
    assert not state.is_new()
    other = replace(init_facts(), lanes=7, key_groups=7)
    check_facts(state, state.read(), other, unset={"flow.lanes", "flow.key_groups"})


@pytest.mark.parametrize(
    ("old", "new"), [("hash_check", "iash_check"), ('"salts": [\n    "', '"salts": [\n    "\'')]
)
def test_a_state_that_was_spoiled_is_refused(state: StateDir, old: str, new: str) -> None:
    path = state.path / "state.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StateError, match="cannot be read"):
        state.read()


def test_two_states_have_nothing_in_common() -> None:
    one, other = init_facts(), init_facts()
    assert one.state_id != other.state_id
    assert one.salts != other.salts


def test_one_process_holds_a_state(state: StateDir) -> None:
    with state.lock(), pytest.raises(StateError, match=r"is in use by process \d+; stop that"):
        state.lock().__enter__()
    with state.lock():
        pass


def test_a_child_that_was_given_the_lock_holds_it_on(state: StateDir) -> None:
    with state.lock() as handle:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], pass_fds=[handle], stdin=subprocess.PIPE
        )
    with child, pytest.raises(StateError, match="is in use"):
        state.lock().__enter__()
    with state.lock():
        pass


def test_what_a_state_was_made_with_cannot_change(state: StateDir) -> None:
    policy = Policy.model_validate(
        {"settle_delay": "2h", "windows": {"purchase": {"post_click": "7d"}}}
    )
    wanted = replace(init_facts(), policy=policy, key_groups=8, lanes=2, allow_unregistered=True)
    with pytest.raises(StateError) as raised:
        check_facts(state, FACTS, wanted)
    assert str(raised.value) == (
        f"{state.path} was made with other settings: policy.settle_delay 1h -> 2h, "
        "flow.key_groups 1 -> 8, --allow-unregistered no -> yes, "
        "policy.windows.purchase.post_click unset -> 7d; "
        "set them back, or begin anew with an empty --state and a new --db"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"format": 5, "version": "9.0"},
            r"has format 5 of tributary 9.0, and this is .* format 4; start the other",
        ),
        ({"hash_check": ["1", "2"]}, "hashed by another version of DuckDB"),
        ({"policy": {"unknown": 1}}, "state.json cannot be read"),
        ({"policy": Policy(max_candidates=7).model_dump(mode="json")}, "holds another policy than"),
        ({"lanes": ...}, "state.json cannot be read"),
    ],
)
def test_a_state_of_another_kind_is_refused(
    state: StateDir, change: dict[str, Any], told: str
) -> None:
    tree = json.loads((state.path / "state.json").read_bytes()) | change
    kept = {name: value for name, value in tree.items() if value is not ...}
    (state.path / "state.json").write_text(json.dumps(kept))
    with pytest.raises(StateError, match=told):
        state.read()


def test_a_directory_is_new_until_its_state_is_complete(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    assert state.is_new()
    with state.lock():
        state.create(FACTS)
        (state.path / "state.json").rename(state.path / "state.json.tmp")
        assert state.is_new()
        state.create(FACTS)
    assert state.read() == FACTS
    run_to(state, 5)
    (state.path / "state.json").unlink()
    with pytest.raises(StateError, match="is missing, but the state has been used; restore"):
        state.is_new()
    for file in state.recovery.files():
        file.write_bytes(b"of something else" * 1000)
    with pytest.raises(StateError, match="cannot be read as a recovery store"):
        state.is_new()


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(StateError, match=r"it holds photo.jpg; name an empty one"):
        StateDir(tmp_path).is_new()
    with pytest.raises(StateError, match="holds no state; make one with"):
        StateDir(tmp_path).read()
    with (
        pytest.raises(StateError, match="cannot be used as state directory: File exists"),
        StateDir(tmp_path / "photo.jpg").lock(),
    ):
        pass


def test_a_start_clears_away_what_no_committed_epoch_names(state: StateDir) -> None:
    committed, uncommitted = saved(state), saved(state, rows=20_000)
    run_to(state, 5, dedup={"0": committed}, write={"database": 3})
    run_to(state, 6, dedup={"0": uncommitted})
    run_to(state, 5)
    ready = preflight(state, FACTS, database_seq=4)
    assert (ready.resume_epoch, ready.seq) == (5, 3)
    assert (ready.uncommitted, ready.swept) == (3, 1), "with both lanes"
    (manifest,) = Resumable.read(state.recovery).manifests()
    assert manifest == committed.manifest
    assert {path.name for path in state.segments.folder.iterdir()} == manifest.files


def test_a_start_is_refused_before_anything_is_changed(state: StateDir) -> None:
    run_to(state, 5, dedup={"0": saved(state)}, write={"database": 3})
    saved(state)
    with pytest.raises(StateError) as raised:
        preflight(state, FACTS, database_seq=2)
    assert str(raised.value).startswith(
        f"the database ends at commit 2, but {state.path} goes on after commit 3: "
        "it was deleted, or is an older copy; restore"
    )
    assert len(list(state.segments.folder.iterdir())) == 2
    with pytest.raises(StateError, match=r"ends at commit 0, but"):
        preflight(state, FACTS, database_seq=None)


def test_an_empty_store_does_not_go_with_a_full_database(state: StateDir) -> None:
    assert preflight(state, FACTS, database_seq=1).seq == 0, "it died within its first epoch"
    with pytest.raises(StateError, match=r"ends at commit 2, but .* after commit 0: its recovery"):
        preflight(state, FACTS, database_seq=2)


def test_an_older_copy_is_refused_before_anything_is_changed(state: StateDir) -> None:
    """What the newer state has written since lies there, and nothing in the copy names it."""
    run_to(state, 5, dedup={"0": saved(state)}, write={"database": 3})
    saved(state)
    with pytest.raises(StateError, match=r"ends at commit 5, but .* after commit 3: its recovery"):
        preflight(state, FACTS, database_seq=5)
    assert len(list(state.segments.folder.iterdir())) == 2
    assert preflight(state, FACTS, database_seq=4).swept == 1


def test_every_fault_is_a_sentence(state: StateDir) -> None:
    def told(database_seq: int = 3) -> list[str]:
        return list(problems(state, FACTS, database_seq, thoroughly=True))

    good = saved(state)
    run_to(state, 5, dedup={"0": good}, write={"database": 3})
    assert told() == []

    (name,) = good.manifest.files
    (state.segments.folder / name).write_bytes(b"x" * 100_000)
    (database, damaged) = told(database_seq=0)
    assert "the database ends at commit 0" in database
    assert "is damaged: the checksum" in damaged

    run_to(state, 5, renamed={"0": 1})
    (unknown,) = told()
    assert "holds state of a step renamed" in unknown
    run_to(state, 5, dedup={"0": ("of", "another", "shape")})
    (strange,) = told()
    assert "a snapshot in the recovery store is damaged: Expected" in strange

    (file,) = state.recovery.folder.iterdir()
    file.unlink()
    (missing,) = told()
    assert "recovery is not the complete recovery store" in missing
    state.segments.folder.rename(state.path / "elsewhere")
    (missing,) = told()
    assert "segments is missing; restore" in missing


FILE = FilePosition(8_000, 125, 99, 1024, 7, 8_000, is_whole=True)
TOPIC = TopicPosition(topic_id="topic-id", offset=77)


def test_positions_are_read_as_they_were_saved(state: StateDir) -> None:
    saved = {
        "events.ndjson": PartitionState("events", FILE, 1, 2),
        "impressions-3": PartitionState("impressions", TOPIC, 3, 4),
    }
    run_to(state, 5, read=lanes(**saved))
    assert Resumable.read(state.recovery).partitions() == saved
    assert list(problems(state, FACTS, 0)) == []


def test_there_must_be_as_many_lanes_and_groups_as_there_were(state: StateDir) -> None:
    run_to(state, 5, dedup={"0": saved(state)}, write={"database": 3})
    (more_lanes,) = problems(state, replace(FACTS, lanes=3), 3)
    (more_groups,) = problems(state, replace(FACTS, key_groups=2), 3)
    assert "was made with 3, but its recovery store holds 2 lanes: state.json or" in more_lanes
    assert "was made with 2, but its recovery store holds 1 key groups of dedup" in more_groups
    execute(state, "delete from snaps where step_id = 'tributary.read'")
    (no_lanes,) = problems(state, FACTS, 3)
    assert "holds 0 lanes" in no_lanes


def test_a_state_goes_on_with_the_log_that_it_has_read(state: StateDir, tmp_path: Path) -> None:
    topics = {"topics": {"events": "events.v1", "impressions": "impressions.v1"}}
    other = {"topics": {"events": "events.v2", "impressions": "impressions.v1"}}
    folder = {"folder": str(tmp_path)}
    preflight(state, FACTS, 0, topics)
    preflight(state, FACTS, 0, topics)
    refused: list[tuple[Mapping[str, Any], str]] = [
        (other, "the topics events.v2, impr"),
        (folder, f"the folder {tmp_path}"),
    ]
    for log, named in refused:
        with pytest.raises(StateError) as raised:
            preflight(state, FACTS, 0, log)
        told = f"has read the topics events.v1, impressions.v1, and not {named}"
        assert told in str(raised.value)


@pytest.mark.parametrize("name", ["registry.json", "log.json"])
def test_what_lies_beside_the_store_must_not_be_lost(state: StateDir, name: str) -> None:
    assert list(problems(state, FACTS, 0)) == [], "it comes with the first start"
    run_to(state, 5)
    assert list(problems(state, FACTS, 0)) == []
    for content in ("[", "{}"):
        (state.path / name).write_text(content)
        (damaged,) = problems(state, FACTS, 0)
        assert f"{name} cannot be read: " in damaged
    (state.path / name).unlink()
    (gone,) = problems(state, FACTS, 0)
    assert f"{name} is missing, but the state has been used; restore" in gone


def test_snapshots_that_nobody_committed_are_not_taken_for_none(state: StateDir) -> None:
    run_to(state, 5, write={"database": 3})
    execute(state, "delete from exs")
    (fault,) = problems(state, FACTS, 3)
    assert "holds snapshots, but not how far they were committed; restore" in fault


def execute(state: StateDir, statement: str) -> None:
    (file,) = state.recovery.folder.iterdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def registry(**names: str) -> Registry:
    documents = [
        {"advertiser_id": "1", "event_source_id": source, "name": name}
        for source, name in names.items()
    ]
    return Registry.from_documents(documents, allow_unregistered=True)


def test_versions_of_sources_begin_and_end_when_a_start_sees_them(state: StateDir) -> None:
    def spans(now: int, **names: str) -> dict[str, list[tuple[str, int, int]]]:
        updated = update_registry(state, registry(**names), now)
        assert updated.allow_unregistered
        return {
            source: [(each.name, each.valid_from, each.valid_to) for each in versions]
            for (_, source), versions in updated.versions.items()
        }

    always = (BEGINNING_OF_TIME, END_OF_TIME)
    assert spans(10, web="Web", app="App") == {"web": [("Web", *always)], "app": [("App", *always)]}
    assert spans(20, web="Web", app="App") == {"web": [("Web", *always)], "app": [("App", *always)]}
    first, second = ("Web", BEGINNING_OF_TIME, 30), ("Site", 30, END_OF_TIME)
    gone = [("App", BEGINNING_OF_TIME, 30)]
    new = [("Shop", 30, END_OF_TIME)]
    assert spans(30, web="Site", shop="Shop") == {"web": [first, second], "app": gone, "shop": new}
    assert spans(25, web="Web", shop="Shop") == {
        "web": [("Web", *always)],
        "app": gone,
        "shop": new,
    }, "the clock was set back: no version ends before it begins"
    back = [*gone, ("App", 40, END_OF_TIME)]
    assert spans(40, web="Web", shop="Shop", app="App")["app"] == back
    assert (
        update_registry(state, registry(), 50).versions
        == update_registry(state, registry(), 60).versions
    )


def test_all_of_a_source_is_remembered(state: StateDir) -> None:
    document = {
        "advertiser_id": "1",
        "event_source_id": "web",
        "event_types": ["purchase", "page_view"],
        "allowed_domains": ["example.com"],
        "value_currencies": ["EUR"],
        "test_event_code": "TEST1",
    }
    first = update_registry(state, Registry.from_documents([document], allow_unregistered=False), 1)
    ended = update_registry(state, Registry.from_documents([], allow_unregistered=False), 9)
    (version,) = first.versions["1", "web"]
    assert ended.versions == {("1", "web"): (replace(version, valid_to=9),)}
    state.registry_file.write_text("{}")
    with pytest.raises(StateError, match=r"registry\.json cannot be read"):
        update_registry(state, first, 10)
