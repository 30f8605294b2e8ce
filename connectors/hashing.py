"""Salts of the key hashes, and the check that DuckDB still computes the same hashes."""

from dataclasses import dataclass
from typing import Final

from connectors.duckdb_query import query


@dataclass(frozen=True, slots=True)
class Salts:
    """Two texts of a deployment that make its hashes its own."""

    high: str = "tributary/1"
    low: str = "2/yratubirt"

    def hash(self, text: str, *others: str) -> str:
        """Write SQL for both halves of a key: `text` is hashed with salt, the others beside it."""
        rest = "".join(f", {other}" for other in others)
        return (
            f"hash('{self.high}' || {text}{rest}) as key_high, "
            f"hash('{self.low}' || {text}{rest}) as key_low"
        )


def hash_check(salts: Salts) -> list[str]:
    """Hash a fixed text: another version of DuckDB may hash otherwise, and find no key again."""
    hashed = query("select " + salts.hash("'tributary'"))
    return [str(column[0]) for column in hashed.columns]


DEFAULT_SALTS: Final = Salts()
