"""Settings given as text, one key each: what the environment and `--set` have in common.

Apart from `load.py` because pydantic-settings is slow to import. Knows how a text becomes
a value; not which keys exist, what a value may be, or where the text came from.
"""

import json
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource


class _Source(EnvSettingsSource):
    """Lists may be written with commas: `click,uid2` for `["click", "uid2"]`."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401, ARG002  the signature is the base's
        try:
            return json.loads(value)
        except ValueError:
            return [part.strip() for part in value.split(",")]


def read_assignments(model: type[BaseModel], texts: dict[str, str]) -> dict[str, Any]:
    """Return texts by dotted key as the nested values that `model` is validated from.

    The text of a table or a list may be JSON: `policy.windows={"lead": {"post_click": "7d"}}`.
    """
    # Of a settings class the source only looks at the fields, which any model has.
    source = _Source(
        cast("type[BaseSettings]", model), case_sensitive=True, env_nested_delimiter="."
    )
    source.env_vars = texts
    return source()
