"""What holds, and who said so: `--set`, the environment, a settings file, defaults, in that order.

The only module that reads the environment or a settings file. It knows the names of the settings
and where values come from, not what they do: below `flows/` a `Policy` and plain numbers arrive.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from attribution.durations import parse_duration
from attribution.policy import Duration, Policy, Windows
from attribution.vocabulary import EVENT_TYPES, KINDS
from flows import kafka_settings
from flows.kafka_settings import OPTIONS, KafkaSettings, is_secret

SETTINGS_FILE: Final = Path("tributary.toml")
"""Read from the working directory when no other file is named."""

PREFIX: Final = "TRIBUTARY_"
NO_SETTINGS: Final = frozenset(
    f"{PREFIX}{name}" for name in ("PATH", "DB", "DATA", "STATE", "FAILPOINT")
)
"""What `flows.batch`, `flows.live` and tests say in the environment, beside the settings."""

DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
FLAG: Final = "--set"

KEY_GROUPS_MAX: Final = 4096
"""More groups than any cluster has workers; each costs a frame whenever the watermark moves."""

LANES_MAX: Final = 256
"""A lane is a partition of the engine, paid for in every epoch; files share lanes at no cost."""

PositiveDuration = Annotated[Duration, Field(gt=0)]


class FlowSettings(BaseModel):
    """How the job runs; unlike the policy, nothing here shows in a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Each lane and each group costs some milliseconds of fixed time whenever the watermark moves,
    # however few rows there are; `run` makes a new state with as many as it has workers.
    key_groups: Annotated[int, Field(ge=1, le=KEY_GROUPS_MAX)] = 1
    lanes: Annotated[int, Field(ge=1, le=LANES_MAX)] = 1
    watermark_interval: PositiveDuration = parse_duration("100ms")
    epoch_interval: PositiveDuration = parse_duration("150ms")
    idle_grace: Duration = parse_duration("250ms")


class Settings(BaseModel):
    """All settings: the policy that is stored with every run, and how and where the job runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Policy()
    flow: FlowSettings = FlowSettings()
    kafka: KafkaSettings = KafkaSettings()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for every key that has a value the source it came from.

    `origins` maps `policy.post_click` to `default`, `environment`, `--set` or the name of the file.
    """

    settings: Settings
    origins: Mapping[str, str]


class SettingsError(ValueError):
    """Settings that cannot hold; the message has one line per problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


KEYS: Final = frozenset(
    {f"policy.{name}" for name in Policy.model_fields if name not in {"weights", "windows"}}
    | {f"policy.weights.{kind}" for kind in KINDS}
    | {f"policy.windows.{event}.{name}" for event in EVENT_TYPES for name in Windows.model_fields}
    | {f"flow.{name}" for name in FlowSettings.model_fields}
    | {
        f"kafka.{name}"
        for name in KafkaSettings.model_fields.keys() - kafka_settings.TABLES - {"options"}
    }
    | {
        f"kafka.{table}.{name}"
        for table, model in kafka_settings.TABLES.items()
        for name in model.model_fields
    }
)
"""Every setting there is, in full: `policy.windows.purchase.post_click`. Options of librdkafka come
on top, as `kafka.options.<name>`."""

TABLES: Final = frozenset(
    key.rsplit(".", depth)[0] for key in KEYS for depth in range(1, key.count(".") + 1)
) | {OPTIONS.removesuffix(".")}
"""What holds settings and is none itself: `policy.windows.purchase`, `policy.windows`, `policy`."""


def load_settings(*, config: Path | None, overrides: list[str]) -> Loaded:
    """Lay the sources over each other.

    `config` is a TOML file that must exist; without it `tributary.toml` is read where there is one.
    `overrides` are texts like `policy.post_click=7d`; of one key the last counts.
    Raises SettingsError, which names every unknown key and every bad value with its source.
    """
    file = config or SETTINGS_FILE
    layers = (
        (str(file), _read_file(file) if config or file.exists() else {}),
        (ENVIRONMENT, _read_texts(_environment())),
        (FLAG, _read_texts(_assignments(overrides))),
    )
    values = {key: value for _, layer in layers for key, value in layer.items()}
    origins = {key: origin for origin, layer in layers for key in layer}
    if unknown := {key for key in values.keys() - KEYS if not key.startswith(OPTIONS)}:
        raise SettingsError(_explain_unknown(key, origins[key]) for key in sorted(unknown))
    if open_ones := [key for key in values if is_secret(key) and origins[key] != ENVIRONMENT]:
        raise SettingsError(_explain_secret(key, origins[key]) for key in sorted(open_ones))
    settings = _validate(values, origins)
    return Loaded(settings, {key: origins.get(key, DEFAULT) for key in _dump(settings)})


def render_config(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Give (key, value, origin) of every setting, the value as `--set` would take it."""
    return [
        (key, ",".join(value) if isinstance(value, list) else str(value), loaded.origins[key])
        for key, value in _dump(loaded.settings).items()
    ]


def _dump(settings: Settings) -> dict[str, Any]:
    return dict(_flatten(settings.model_dump(mode="json", exclude_none=True)))


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give (dotted key, value) of nested tables; AdCP's {interval, unit} is a value."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in KEYS and (value or key in TABLES):
            yield from _flatten(value, f"{key}.")
        else:
            yield key, value


def _read_file(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  10 ms that a command without a file does not pay

    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsError([f"{file}: is not TOML: {error}"]) from error
    # A number goes on as its text, as in the other sources: a bare 30 would pass for microseconds
    # where a duration belongs, and `true` for 1.
    return {
        key: value if isinstance(value, str | list | dict) else _as_text(key, value)
        for key, value in _flatten(tree)
    }


def _as_text(key: str, value: object) -> str:
    """Spell an option of librdkafka as the library does: true, not True."""
    return str(value).lower() if key.startswith(OPTIONS) else str(value)


def _environment() -> dict[str, str]:
    """Read `TRIBUTARY_POLICY__POST_CLICK=7d` as `policy.post_click`, `7d`."""
    return {
        name.removeprefix(PREFIX).lower().replace("__", "."): text
        for name, text in os.environ.items()
        if name.startswith(PREFIX) and name not in NO_SETTINGS
    }


def _assignments(overrides: list[str]) -> dict[str, str]:
    """Read `policy.post_click=7d` as `policy.post_click`, `7d`."""
    if bad := [text for text in overrides if "=" not in text]:
        raise SettingsError(f"{FLAG}: expected KEY=VALUE; got {text!r}" for text in bad)
    pairs = (text.partition("=") for text in overrides)
    return {key.strip(): text.strip() for key, _, text in pairs}


def _read_texts(texts: dict[str, str]) -> dict[str, Any]:
    """Give texts as values; a key that does not exist stays in, to be complained about."""
    known = {key: text for key, text in texts.items() if key in KEYS | TABLES}
    unknown = {key: text for key, text in texts.items() if key not in known}
    if not known:
        return unknown
    # pydantic-settings takes 70 ms to import: only a command that has such a source pays for it.
    from flows.assignments import read_assignments  # noqa: PLC0415

    return unknown | dict(_flatten(read_assignments(Settings, known)))


def _explain_unknown(key: str, origin: str) -> str:
    """Name the key as its source spells it, and the setting that was probably meant."""
    if key in TABLES:
        inside = min(
            (known for known in KEYS if known.startswith(f"{key}.")),
            default=f"{OPTIONS}security.protocol",
        )
        return f"{_place(key, origin)}: expected a table of settings, like {_spell(inside, origin)}"
    near = get_close_matches(key, sorted(KEYS), n=1)
    hint = f"did you mean {_spell(near[0], origin)}?" if near else "tributary config lists them all"
    return f"{_place(key, origin)}: there is no such setting; {hint}"


def _explain_secret(key: str, origin: str) -> str:
    place = _spell(key, ENVIRONMENT)
    return f"{_place(key, origin)}: a secret, which others could read there; set {place} instead"


def _validate(values: dict[str, Any], origins: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *tables, name = _path(key)
        table = tree
        for each in tables:
            table = table.setdefault(each, {})
        table[name] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(_explain_bad(each, origins) for each in error.errors()) from error


def _path(key: str) -> list[str]:
    if key.startswith(OPTIONS):
        return [*OPTIONS.removesuffix(".").split("."), key.removeprefix(OPTIONS)]
    return key.split(".")


def _explain_bad(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """Say what, where, expected and got; the policy's own messages end in `got` already."""
    path = ".".join(str(part) for part in error["loc"])
    key = next((key for key in origins if path == key or path.startswith(f"{key}.")), path)
    place = _place(key, origins.get(key, DEFAULT))
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    return f"{place}: {error['msg'].removeprefix('Input ')}; got {error['input']!r}"


def _place(key: str, origin: str) -> str:
    return f"{_spell(key, origin)} ({origin})"


def _spell(key: str, origin: str) -> str:
    return f"{PREFIX}{key.upper().replace('.', '__')}" if origin == ENVIRONMENT else key
