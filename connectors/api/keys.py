"""API keys: who may call, for which advertisers, and with which rights; and the server's secrets.

Only a hash of a key is stored, so a copy of the file opens nothing. The file is SQLite, shared by
all processes of an instance and by the commands that manage keys.
"""

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Final

from connectors.errors import OperatorError

PREFIX: Final = "scope3_"
STAGING_PREFIX: Final = "scope3_test_"
SECRET_BYTES: Final = 32
RIGHTS: Final = ("write", "read", "admin")

_SCHEMA: Final = """
create table if not exists keys (
  id text primary key, hash blob not null, name text not null, advertisers text not null,
  sources text not null, rights text not null, created_at integer not null,
  revoked_at integer) strict;
create table if not exists pepper (value blob not null) strict;
create table if not exists secrets (purpose text primary key, value blob not null) strict;
"""


class KeyStoreError(OperatorError):
    """The file of API keys cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; times are in us.

    No `advertisers`, or no `sources`, stands for all of them.
    """

    id: str
    name: str
    advertisers: frozenset[str]
    sources: frozenset[str]
    rights: frozenset[str]
    created_at: int
    revoked_at: int | None = None

    def is_valid(self, now: int) -> bool:
        """Return whether the key may be used at an instant (us)."""
        return self.revoked_at is None or now < self.revoked_at

    def may(self, right: str, advertiser_id: str | None = None) -> bool:
        """Return whether the key has a right, for an advertiser if one is named."""
        is_in_scope = not self.advertisers or advertiser_id in {None, *self.advertisers}
        return right in self.rights and is_in_scope

    def sources_of(self, event_source_id: str | None) -> tuple[str, ...] | None:
        """Return the event sources that a call may be told of if it names one, or none.

        None stands for all.
        """
        if event_source_id is None:
            return tuple(sorted(self.sources)) or None
        return (event_source_id,) if not self.sources or event_source_id in self.sources else ()


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The file of the keys: those of staging, which begin otherwise, or the others."""

    path: Path
    is_staging: bool = False

    def create(
        self,
        name: str,
        *,
        advertisers: Sequence[str] = (),
        sources: Sequence[str] = (),
        rights: Sequence[str] = RIGHTS,
    ) -> tuple[ApiKey, str]:
        """Make a key; its secret is returned once and stored nowhere."""
        prefix = STAGING_PREFIX if self.is_staging else PREFIX
        secret = prefix + secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(
            secrets.token_hex(4),
            name,
            frozenset(advertisers),
            frozenset(sources),
            frozenset(rights),
            time_ns() // 1_000,
        )
        row = (
            key.id,
            name,
            json.dumps(sorted(key.advertisers)),
            json.dumps(sorted(key.sources)),
            json.dumps(sorted(key.rights)),
            key.created_at,
        )
        with self._opened() as connection:
            connection.execute(
                "insert into keys (id, hash, name, advertisers, sources, rights, created_at) "
                "values (?1, ?7, ?2, ?3, ?4, ?5, ?6)",
                (*row, _hash(_pepper(connection), secret)),
            )
        return key, secret

    def find(self, secret: str) -> ApiKey | None:
        """Return the key with this secret, unless there is none or it is revoked."""
        if secret.startswith(STAGING_PREFIX) is not self.is_staging:
            return None
        with self._opened() as connection:
            wanted = _hash(_pepper(connection), secret)
            for found, *row in connection.execute(f"select hash, {_COLUMNS} from keys"):
                if hmac.compare_digest(found, wanted):
                    key = _key(row)
                    return key if key.is_valid(time_ns() // 1_000) else None
        return None

    def all(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        with self._opened() as connection:
            rows = connection.execute(f"select {_COLUMNS} from keys order by created_at, id")
            return [_key(row) for row in rows]

    def revoke(self, key_id: str, *, after_seconds: int = 0) -> bool:
        """Revoke a key, now or later; return whether there was one that was valid."""
        now = time_ns() // 1_000
        with self._opened() as connection:
            done = connection.execute(
                "update keys set revoked_at = ?1 where id = ?2 "
                "and (revoked_at is null or revoked_at > ?3)",
                (now + after_seconds * 1_000_000, key_id, now),
            )
            return done.rowcount == 1

    def rotate(self, key_id: str, *, overlap_seconds: int) -> tuple[ApiKey, str] | None:
        """Make a key like another, which is valid for a while yet; None if that one is not."""
        if not self.revoke(key_id, after_seconds=overlap_seconds):
            return None
        (old,) = (key for key in self.all() if key.id == key_id)
        return self.create(
            old.name,
            advertisers=sorted(old.advertisers),
            sources=sorted(old.sources),
            rights=sorted(old.rights),
        )

    def secret(self, purpose: str) -> bytes:
        """Return the server's secret for a purpose, made when it is first asked for."""
        with self._opened() as connection:
            connection.execute(
                "insert or ignore into secrets values (?, ?)",
                (purpose, secrets.token_bytes(SECRET_BYTES)),
            )
            query = "select value from secrets where purpose = ?"
            return bytes(connection.execute(query, (purpose,)).fetchone()[0])

    def forget_secret(self, purpose: str) -> None:
        """Forget the server's secret for a purpose; the next one is another."""
        with self._opened() as connection:
            connection.execute("delete from secrets where purpose = ?", (purpose,))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            # Before SQLite makes it readable for everybody.
            self.path.touch(mode=0o600)
            with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
                connection.execute("pragma journal_mode = wal")
                connection.executescript(_SCHEMA)
                yield connection
        except (sqlite3.Error, OSError) as error:
            msg = f"{self.path} cannot be used for API keys: {error}; mend or remove it"
            raise KeyStoreError(msg) from error


_COLUMNS: Final = "id, name, advertisers, sources, rights, created_at, revoked_at"


def _key(row: Sequence[object]) -> ApiKey:
    key_id, name, advertisers, sources, rights, created_at, revoked_at = row
    return ApiKey(
        str(key_id),
        str(name),
        frozenset(json.loads(str(advertisers))),
        frozenset(json.loads(str(sources))),
        frozenset(json.loads(str(rights))),
        int(str(created_at)),
        None if revoked_at is None else int(str(revoked_at)),
    )


def _pepper(connection: sqlite3.Connection) -> bytes:
    """Return the server's part of every hash, made with the first key."""
    found = connection.execute("select value from pepper").fetchone()
    if found is None:
        connection.execute("insert into pepper values (?)", (secrets.token_bytes(SECRET_BYTES),))
        found = connection.execute("select value from pepper").fetchone()
    return bytes(found[0])


def _hash(pepper: bytes, secret: str) -> bytes:
    return hashlib.sha256(pepper + secret.encode()).digest()
