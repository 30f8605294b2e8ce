"""Loads settings from, in order of precedence: `--set`, the environment, a file, defaults.

Only this module reads settings from the environment or a file. Code outside `flows/` receives a
`Policy` and plain numbers.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from connectors.errors import OperatorError
from connectors.regular_files import read_regular
from flows.settings.kafka import OPTIONS, is_secret
from flows.settings.model import DEFAULT, ENVIRONMENT, FLAG, KEYS, PREFIX, TABLES, Settings
from flows.settings.problems import explain_bad, explain_secret, explain_unknown

SETTINGS_FILE: Final = Path("tributary.toml")
"""Read from the working directory if no other file is named."""

NO_SETTINGS: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "PATH",
        "DB",
        "DATA",
        "STATE",
        "METRICS_PORT",
        "FAILPOINT",
        "API_KEY",
        "SUPERVISOR",
    )
)
"""Environment variables that are no settings, used by `flows.batch`, `flows.live` and tests."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the source of every key that has a value.

    `origins` maps `policy.post_click` to `default`, `environment`, `--set` or the name of the file.
    """

    settings: Settings
    origins: Mapping[str, str]


class SettingsError(OperatorError):
    """The settings are invalid; the message has one line per problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


def load_settings(*, config: Path | None, overrides: list[str]) -> Loaded:
    """Merge the sources of settings and validate the result.

    `config` is a TOML file that must exist; without it `tributary.toml` is read if it exists.
    `overrides` are texts like `policy.post_click=7d`; if a key is repeated, the last one counts.
    Raises SettingsError, which names every unknown key and every bad value with its source.
    """
    file = config or SETTINGS_FILE
    layers = (
        (str(file), _read_file(file, must_exist=config is not None)),
        (ENVIRONMENT, _read_texts(_environment())),
        (FLAG, _read_texts(_assignments(overrides))),
    )
    values = {key: value for _, layer in layers for key, value in layer.items()}
    origins = {key: origin for origin, layer in layers for key in layer}
    if unknown := {key for key in values.keys() - KEYS if not key.startswith(OPTIONS)}:
        raise SettingsError(explain_unknown(key, origins[key]) for key in sorted(unknown))
    if open_ones := [key for key in values if is_secret(key) and origins[key] != ENVIRONMENT]:
        raise SettingsError(explain_secret(key, origins[key]) for key in sorted(open_ones))
    settings = _validate(values, origins)
    return Loaded(settings, {key: origins.get(key, DEFAULT) for key in _dump(settings)})


def path_from(variable: str, option: str) -> Path:
    """Return the path in an environment variable; raises SettingsError if it is not set.

    `option` is what the commands call it.
    """
    if not (text := os.environ.get(variable)):
        raise SettingsError([f"{variable} is not set; it names what {option} is elsewhere"])
    return Path(text)


def render_config(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Return (key, value, origin) of every setting, with the value as `--set` accepts it."""
    return [
        (key, ",".join(value) if isinstance(value, list) else str(value), loaded.origins[key])
        for key, value in _dump(loaded.settings).items()
    ]


def _dump(settings: Settings) -> dict[str, Any]:
    return dict(_flatten(settings.model_dump(mode="json", exclude_none=True)))


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of nested tables; AdCP's {interval, unit} is a value."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in KEYS and (value or key in TABLES):
            yield from _flatten(value, f"{key}.")
        else:
            yield key, value


def _read_file(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        content = read_regular(file)
    except FileNotFoundError as error:
        if not must_exist:
            return {}
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from error
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from error

    import tomllib  # noqa: PLC0415  10 ms that a command without a file does not pay

    try:
        tree = tomllib.loads(content.decode())
    except ValueError as error:
        raise SettingsError([f"{file}: is not TOML: {error}"]) from error
    # Numbers are converted to text, as in the other sources: otherwise a bare 30 would be accepted
    # as a duration in microseconds, and `true` as 1.
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
    """Return texts as values; unknown keys are kept, so that validation reports them."""
    known = {key: text for key, text in texts.items() if key in KEYS | TABLES}
    unknown = {key: text for key, text in texts.items() if key not in known}
    if not known:
        return unknown
    # pydantic-settings takes 70 ms to import, so import it only if there is such a source.
    from flows.settings.texts import read_assignments  # noqa: PLC0415

    return unknown | dict(_flatten(read_assignments(Settings, known)))


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
        raise SettingsError(explain_bad(each, origins) for each in error.errors()) from error


def _path(key: str) -> list[str]:
    if key.startswith(OPTIONS):
        return [*OPTIONS.removesuffix(".").split("."), key.removeprefix(OPTIONS)]
    return key.split(".")
