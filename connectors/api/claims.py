"""Claims of idempotency keys: durable before a call is kept, so that no copy of it is kept again.

A claim holds the hash of its request and the answer that the call will get; both are synced before
the call is stored. Once it is stored, the claim is settled, and copies of the request get the
answer again. A claim whose process has ended before that is abandoned: whether the call was stored
has to be looked up. Nothing but that frees it, least of all a timer.
"""

import sqlite3
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any, Final

from connectors.api.grouped import GroupedChanges
from connectors.api.living import Living
from connectors.errors import OperatorError

REPLAY_SECONDS: Final = 86_400
"""How long copies of a request are answered as the request was; AdCP recommends a day."""

ANSWERED_SECONDS: Final = REPLAY_SECONDS + 60
"""How long they are in fact: a sender's clock may be behind."""

KEPT_SECONDS: Final = 7 * 86_400
"""How long a key is known to have expired; after that it is as good as new."""

CLAIMS_MAX: Final = 1_000_000
"""Keys that are remembered; beyond it, calls with new keys are refused for now."""

CLEAN_SECONDS: Final = 10.0
CLEAN_ROWS_MAX: Final = 10_000
"""How often old claims are removed, and how many of them at once."""

_SCHEMA: Final = """
create table if not exists claims (
  agent text not null, account text not null, idempotency_key text not null,
  hash blob not null, token text not null, owner text not null, claimed_at real not null,
  answer blob, receipt text not null, settled_at real,
  primary key (agent, account, idempotency_key)) strict;
create index if not exists claims_settled on claims (settled_at);
create index if not exists claims_answers on claims (settled_at) where answer is not null;
"""
_THIS: Final = "agent = ? and account = ? and idempotency_key = ?"
_FIND: Final = (
    f"select hash, token, owner, claimed_at, answer, receipt, settled_at from claims where {_THIS}"
)


class ClaimsError(OperatorError):
    """The file of claims cannot be used; the message says why and what to do."""


class ClaimState(StrEnum):
    """What a key is found to be."""

    NEW = "new"
    SETTLED = "settled"
    CONFLICT = "conflict"
    IN_FLIGHT = "in_flight"
    ABANDONED = "abandoned"
    EXPIRED = "expired"
    LIMITED = "limited"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with an idempotency key: who sent it for which account, and its hash."""

    agent: str
    account: str
    idempotency_key: str
    hash: bytes

    @property
    def scope(self) -> tuple[str, str, str]:
        """Within which the key is unique."""
        return self.agent, self.account, self.idempotency_key


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as it was found. `token` names the call in what is stored; a settled one has `answer`.

    `claimed_at` is in seconds.
    """

    state: ClaimState
    token: str = ""
    answer: bytes = b""
    receipt: str = ""
    claimed_at: float = 0.0


_LIMITED: Final = Claim(ClaimState.LIMITED)


def _counted(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from claims").fetchone()[0])


class Claims:
    """The claims in the file of the API keys; futures raise sqlite3.Error where it is broken."""

    def __init__(self, path: Path, clock: Callable[[], float] = time) -> None:
        """Open the file; raises ClaimsError."""
        self._clock = clock
        try:
            self._changes = GroupedChanges(path, _SCHEMA)
            self._living = Living(path.parent)
            self._count: int = self._changes.do(_counted).result()
        except (sqlite3.Error, OSError) as error:
            msg = f"{path} cannot be used for idempotency keys: {error}; mend or remove it"
            raise ClaimsError(msg) from error
        self._cleaned_at = 0.0

    def claim(
        self, request: KeyedRequest, answer: bytes, *, may_be_new: bool = True
    ) -> "Future[Claim]":
        """Claim a key for a call that will be answered so; return what the key was.

        One that is new is not claimed unless it may be.
        """
        packed = zlib.compress(answer, 1)

        def claim(connection: sqlite3.Connection) -> Claim:
            self._clean(connection)
            found = connection.execute(_FIND, request.scope).fetchone()
            if found is not None:
                return self._found(request, found)
            return self._new(connection, request, packed) if may_be_new else _LIMITED

        return self._changes.do(claim)

    def settle(self, request: KeyedRequest, token: str, receipt: str) -> "Future[None]":
        """Note that the call of a claim is stored."""
        values = (self._clock(), receipt, *request.scope, token)
        statement = f"update claims set settled_at = ?, receipt = ? where {_THIS} and token = ?"

        def settled(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        return self._changes.do(settled)

    def release(self, request: KeyedRequest, token: str) -> "Future[None]":
        """Release a claim: its call is not stored."""
        values = (*request.scope, token)
        statement = f"delete from claims where {_THIS} and token = ? and settled_at is null"

        def released(connection: sqlite3.Connection) -> None:
            self._count -= connection.execute(statement, values).rowcount

        return self._changes.do(released)

    def close(self) -> None:
        """Write what waits, and end."""
        self._changes.close()
        self._living.close()

    def _new(self, connection: sqlite3.Connection, request: KeyedRequest, answer: bytes) -> Claim:
        if self._count >= CLAIMS_MAX:
            return Claim(ClaimState.FULL)
        token, now = token_hex(16), self._clock()
        connection.execute(
            "insert into claims values (?, ?, ?, ?, ?, ?, ?, ?, '', null)",
            (*request.scope, request.hash, token, self._living.name, now, answer),
        )
        self._count += 1
        return Claim(ClaimState.NEW, token, claimed_at=now)

    def _found(self, request: KeyedRequest, row: tuple[Any, ...]) -> Claim:
        known, token, owner, claimed_at, answer, receipt, settled_at = row
        is_over = settled_at is not None and self._clock() >= settled_at + ANSWERED_SECONDS
        if is_over or answer is None:
            return Claim(ClaimState.EXPIRED)
        if known != request.hash:
            return Claim(ClaimState.CONFLICT)
        if settled_at is None and self._living.lives(owner):
            return Claim(ClaimState.IN_FLIGHT)
        state = ClaimState.ABANDONED if settled_at is None else ClaimState.SETTLED
        return Claim(state, token, zlib.decompress(answer), receipt, claimed_at)

    def _clean(self, connection: sqlite3.Connection) -> None:
        """Drop answers that are not given again, and forget keys that expired long ago."""
        now = self._clock()
        if now - self._cleaned_at < CLEAN_SECONDS:
            return
        self._cleaned_at = now
        connection.execute(
            "update claims set answer = null where rowid in (select rowid from claims "
            "where answer is not null and settled_at < ? limit ?)",
            (now - ANSWERED_SECONDS, CLEAN_ROWS_MAX),
        )
        removed = connection.execute(
            "delete from claims where rowid in "
            "(select rowid from claims where settled_at < ? limit ?)",
            (now - KEPT_SECONDS, CLEAN_ROWS_MAX),
        )
        self._count -= removed.rowcount
