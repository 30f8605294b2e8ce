"""Error messages for invalid settings: where, what was expected and what was got.

They spell a setting as its source does. The checks themselves are elsewhere.
"""

from collections.abc import Mapping
from difflib import get_close_matches

from pydantic_core import ErrorDetails

from flows.settings.kafka import MASK, OPTIONS, is_secret
from flows.settings.model import DEFAULT, ENVIRONMENT, KEYS, PREFIX, TABLES


def explain_unknown(key: str, origin: str) -> str:
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


def explain_secret(key: str, origin: str) -> str:
    """Return a message for a secret found where others can read it: where it belongs."""
    place = _spell(key, ENVIRONMENT)
    return f"{_place(key, origin)}: a secret, which others could read there; set {place} instead"


def explain_bad(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """Return a message with place, expected and got; the policy's messages already have `got`."""
    path = ".".join(str(part) for part in error["loc"])
    key = next((key for key in origins if path == key or path.startswith(f"{key}.")), path)
    place = _place(key, origins.get(key, DEFAULT))
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    got = MASK if is_secret(path) else repr(error["input"])
    return f"{place}: {error['msg'].removeprefix('Input ')}; got {got}"


def _place(key: str, origin: str) -> str:
    return f"{_spell(key, origin)} ({origin})"


def _spell(key: str, origin: str) -> str:
    return f"{PREFIX}{key.upper().replace('.', '__')}" if origin == ENVIRONMENT else key
