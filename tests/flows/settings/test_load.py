import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.durations import parse_duration
from attribution.policy import Policy, Windows
from flows.settings.load import Loaded, SettingsError, load_settings, render_config
from flows.settings.model import FLAG, KEYS, FlowSettings, Settings

EXAMPLE = """
[policy]
post_click = "14d"
max_candidates = 50
match_keys = ["click", "uid2"]
[policy.weights]
click = 0.6
[policy.windows.purchase]
post_click = { interval = 7, unit = "days" }
[flow]
lanes = 2
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where there is no settings file yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(*overrides: str, config: Path | None = None) -> Loaded:
    return load_settings(config=config, overrides=list(overrides))


def given_keys(loaded: Loaded) -> dict[str, str]:
    return {key: origin for key, origin in loaded.origins.items() if origin != "default"}


def problems(*overrides: str, config: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(*overrides, config=config)
    return str(caught.value).splitlines()


def test_without_sources_the_defaults_hold() -> None:
    loaded = load()
    assert loaded.settings == Settings(policy=Policy(), flow=FlowSettings())
    assert set(loaded.origins.values()) == {"default"}


def test_the_file_of_the_working_directory_is_read(folder: Path) -> None:
    (folder / "tributary.toml").write_text(EXAMPLE)
    loaded = load()
    assert loaded.settings == Settings(
        policy=Policy(
            post_click=parse_duration("14d"),
            max_candidates=50,
            match_keys=("click", "uid2"),
            weights={"click": 0.6},
            windows={"purchase": Windows(post_click=parse_duration("7d"))},
        ),
        flow=FlowSettings(lanes=2),
    )
    assert given_keys(loaded) == dict.fromkeys(
        [
            "policy.post_click",
            "policy.max_candidates",
            "policy.match_keys",
            "policy.weights.click",
            "policy.windows.purchase.post_click",
            "flow.lanes",
        ],
        "tributary.toml",
    )


def test_a_named_file_is_read_instead(folder: Path) -> None:
    (folder / "tributary.toml").write_text("[flow]\nlanes = 2")
    (folder / "other.toml").write_text("[flow]\nkey_groups = 8")
    loaded = load(config=Path("other.toml"))
    assert loaded.settings.flow == FlowSettings(key_groups=8)
    assert given_keys(loaded) == {"flow.key_groups": "other.toml"}


def test_flags_go_before_environment_before_file_before_defaults(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tributary.toml").write_text(
        '[policy]\npost_click = "1d"\npost_view = "1h"\nhalf_life = "1d"'
    )
    monkeypatch.setenv("TRIBUTARY_POLICY__POST_CLICK", "2d")
    monkeypatch.setenv("TRIBUTARY_POLICY__POST_VIEW", "2h")
    loaded = load("policy.post_click=3d")
    assert loaded.settings.policy == Policy(
        post_click=parse_duration("3d"),
        post_view=parse_duration("2h"),
        half_life=parse_duration("1d"),
    )
    assert given_keys(loaded) == {
        "policy.post_click": "--set",
        "policy.post_view": "environment",
        "policy.half_life": "tributary.toml",
    }


def test_of_one_flag_given_twice_the_last_counts() -> None:
    assert load("flow.lanes=2", "flow.lanes=3").settings.flow.lanes == 3


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("policy.match_keys=click, uid2", Policy(match_keys=("click", "uid2"))),
        ('policy.match_keys=["uid2"]', Policy(match_keys=("uid2",))),
        ("policy.weights.ip_ua=0", Policy(weights={"ip_ua": 0})),
        ("policy.windows.lead.post_view=0s", Policy(windows={"lead": Windows(post_view=0)})),
        (
            'policy.windows={"lead": {"post_view": "0s"}}',
            Policy(windows={"lead": Windows(post_view=0)}),
        ),
        ("policy.missing_currency=warn", Policy(missing_currency="warn")),
    ],
)
def test_a_flag_and_a_variable_read_alike(
    text: str, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_flag = load(text)
    key, _, value = text.partition("=")
    monkeypatch.setenv(f"TRIBUTARY_{key.upper().replace('.', '__')}", value)
    by_variable = load()
    assert by_flag.settings == by_variable.settings == Settings(policy=policy)
    assert set(given_keys(by_variable).values()) == {"environment"}


def test_the_sources_share_a_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tributary.toml").write_text('[policy.windows.lead]\npost_click = "1d"')
    monkeypatch.setenv("TRIBUTARY_POLICY__WINDOWS__LEAD__POST_VIEW", "2h")
    loaded = load("policy.windows.purchase.post_click=3d")
    assert loaded.settings.policy.windows == {
        "lead": Windows(post_click=parse_duration("1d"), post_view=parse_duration("2h")),
        "purchase": Windows(post_click=parse_duration("3d")),
    }


def test_every_unknown_key_is_named_with_its_source_and_the_nearest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tributary.toml").write_text(
        '[polcy]\n[policy.windows.purchse]\npost_click = "7d"\n[flow]\nwheels = 4'
    )
    monkeypatch.setenv("TRIBUTARY_POLICY__POST_CLIK", "7d")
    monkeypatch.setenv("TRIBUTARY_FLOW__LANES__MAX", "7")
    assert problems("post_view=1d", "flow.lanes=0") == [
        (
            "TRIBUTARY_FLOW__LANES__MAX (environment): there is no such setting;"
            " did you mean TRIBUTARY_FLOW__LANES?"
        ),
        "flow.wheels (tributary.toml): there is no such setting; did you mean flow.lanes?",
        "polcy (tributary.toml): there is no such setting; tributary config lists them all",
        (
            "TRIBUTARY_POLICY__POST_CLIK (environment): there is no such setting;"
            " did you mean TRIBUTARY_POLICY__POST_CLICK?"
        ),
        (
            "policy.windows.purchse.post_click (tributary.toml): there is no such setting;"
            " did you mean policy.windows.purchase.post_click?"
        ),
        "post_view (--set): there is no such setting; did you mean policy.post_view?",
    ]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("flow.lanes = 0", "flow.lanes ({}): should be greater than or equal to 1; got '0'"),
        (
            "flow.key_groups = 4097",
            "flow.key_groups ({}): should be less than or equal to 4096; got '4097'",
        ),
        (
            "policy.post_click = 30",
            "policy.post_click ({}): a duration reads like 30d, 24h, 90m, 5s or 250ms; got '30'",
        ),
        (
            "flow.lanes = true",
            (
                "flow.lanes ({}): should be a valid integer, unable to parse string as an integer;"
                " got 'True'"
            ),
        ),
        (
            "flow.epoch_interval = '0s'",
            "flow.epoch_interval ({}): should be greater than 0; got '0s'",
        ),
        (
            "policy.missing_currency = 'ask'",
            "policy.missing_currency ({}): should be 'reject' or 'warn'; got 'ask'",
        ),
        ("policy.match_keys = [1]", "policy.match_keys ({}): should be a valid string; got 1"),
        (
            "policy.weights.uid2 = 2",
            "policy.weights.uid2 ({}): should be less than or equal to 1; got '2'",
        ),
        ("policy = 3", "policy ({}): expected a table of settings, like policy.clock_skew"),
    ],
)
def test_a_bad_value_says_what_where_expected_and_got(
    folder: Path, toml: str, problem: str
) -> None:
    (folder / "some.toml").write_text(toml)
    assert problems(config=Path("some.toml")) == [problem.format("some.toml")]


def test_all_bad_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_POLICY__POST_CLICK", "soon")
    assert problems("policy.match_keys=click,click", "flow.lanes=") == [
        (
            "TRIBUTARY_POLICY__POST_CLICK (environment):"
            " a duration reads like 30d, 24h, 90m, 5s or 250ms; got 'soon'"
        ),
        (
            "policy.match_keys (--set): each of click, rampid, rampid_derived, uid2, euid, id5,"
            " pairid, maid, hashed_email, hashed_phone, ip_ua at most once; got click, click"
        ),
        (
            "flow.lanes (--set): should be a valid integer,"
            " unable to parse string as an integer; got ''"
        ),
    ]


def test_a_table_cannot_be_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_FLOW", "fast")
    assert problems() == [
        (
            "TRIBUTARY_FLOW (environment): expected a table of settings,"
            " like TRIBUTARY_FLOW__EPOCH_INTERVAL"
        )
    ]


def test_an_override_needs_a_key_and_a_value() -> None:
    assert problems("policy.post_click", "7d") == [
        "--set: expected KEY=VALUE; got 'policy.post_click'",
        "--set: expected KEY=VALUE; got '7d'",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "some.toml: cannot be read: No such file or directory"),
        (b"policy =", "some.toml: is not TOML: "),
        (b"\xff", "some.toml: is not TOML: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    folder: Path, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (folder / "some.toml").write_bytes(content)
    [line] = problems(config=Path("some.toml"))
    assert line.startswith(problem)


def test_what_holds_is_shown_as_a_flag_would_take_it(folder: Path) -> None:
    (folder / "tributary.toml").write_text(EXAMPLE)
    loaded = load("flow.idle_grace=90s")
    shown = render_config(loaded)
    assert shown[:3] == [
        ("policy.post_click", "14d", "tributary.toml"),
        ("policy.post_view", "1d", "default"),
        ("policy.probabilistic_window", "1d", "default"),
    ]
    assert ("policy.match_keys", "click,uid2", "tributary.toml") in shown
    assert ("flow.idle_grace", "90s", "--set") in shown
    (folder / "tributary.toml").unlink()
    assert load(*(f"{key}={value}" for key, value, _ in shown)).settings == loaded.settings


def test_every_setting_can_be_shown_and_no_other() -> None:
    windows = [f"{key}=1d" for key in KEYS if key.startswith("policy.windows.")]
    assert {key for key, _, _ in render_config(load(*windows))} == KEYS


@given(
    key=st.one_of(st.sampled_from(sorted(KEYS)), st.text(max_size=20)),
    value=st.text(max_size=20),
)
def test_any_text_is_a_setting_or_an_explained_error(key: str, value: str) -> None:
    try:
        loaded = load(f"{key}={value}")
    except SettingsError as error:
        assert FLAG in str(error)  # noqa: PT017  both endings are right; a crash is not
    else:
        assert set(given_keys(loaded)) == {key.strip()}


def test_what_is_slow_to_import_is_imported_only_for_a_source_that_needs_it() -> None:
    script = (
        "import sys; from flows.settings.load import load_settings;"
        "load_settings(config=None, overrides=sys.argv[1:]);"
        "print({'pydantic_settings', 'tomllib'} & sys.modules.keys() or '')"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script, *overrides], check=True, capture_output=True, text=True
        ).stdout.strip()
        for overrides in ([], ["flow.lanes=2"])
    ]
    assert printed == ["", "{'pydantic_settings'}"]
