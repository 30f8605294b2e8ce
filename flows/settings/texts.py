"""Converts settings given as text, from the environment or `--set`, into nested values.

Separate from `load.py` because pydantic-settings is slow to import. The values are not validated
here.
"""

import json
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource


class _Source(EnvSettingsSource):
    """Also accepts lists written with commas: `click,uid2` for `["click", "uid2"]`."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401, ARG002  the signature is the base's
        try:
            return json.loads(value)
        except ValueError:
            return [part.strip() for part in value.split(",")]


def read_assignments(model: type[BaseModel], texts: dict[str, str]) -> dict[str, Any]:
    """Return texts by dotted key as the nested values that `model` is validated from.

    The text of a table or a list may be JSON: `policy.windows={"lead": {"post_click": "7d"}}`.
    """
    # The source only uses the fields of a settings class, and any model has those.
    source = _Source(
        cast("type[BaseSettings]", model), case_sensitive=True, env_nested_delimiter="."
    )
    source.env_vars = texts
    return source()
