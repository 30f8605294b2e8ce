"""Salts of the key hashes, and the check that DuckDB still computes the same hashes."""

from dataclasses import dataclass
from typing import Final

from connectors.duckdb_query import query


@dataclass(frozen=True, slots=True)
class Salts:
    """Two texts that make the hashes of a deployment differ from those of any other."""

    high: str = "tributary/1"
    low: str = "2/yratubirt"

    def hash(self, text: str, *others: str) -> str:
        """Return SQL for both halves of a key, each a hash of the salted `text` and of `others`."""
        rest = "".join(f", {other}" for other in others)
        return (
            f"hash('{self.high}' || {text}{rest}) as key_high, "
            f"hash('{self.low}' || {text}{rest}) as key_low"
        )


def hash_check(salts: Salts) -> list[str]:
    """Hash a fixed key. Another version of DuckDB may hash differently and find no stored key."""
    hashed = query("select " + salts.hash("'\"tributary\"'"))
    return [str(column[0]) for column in hashed.columns]


DEFAULT_SALTS: Final = Salts()
