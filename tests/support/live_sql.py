"""A result as a job has it open, answering questions in SQL in this process."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import duckdb

from connectors.database.file import prepare
from connectors.database.held_file import HeldFile
from connectors.sql.announcement import Announcement
from connectors.sql.live import LiveSql, answering
from connectors.sql.queries import Limits


@dataclass(slots=True)
class Live:
    """A result that this process holds open for writing, and answers questions to."""

    database: Path
    connection: duckdb.DuckDBPyConnection
    file: HeldFile
    job: Announcement
    closing: ExitStack

    def commit(self) -> int:
        """Add a commit, as the job does; return its number."""
        self.connection.execute(
            "insert into commits select max(seq) + 1, now(), null, 0, null from commits"
        )
        [(seq,)] = self.connection.execute("select max(seq) from commits").fetchall()
        self.file.note(int(seq))
        return int(seq)

    def ask(self, question: "dict[str, Any] | bytes | str", **headers: str) -> HTTPResponse:
        """Return the answer to a body, or to a path with parameters."""
        connection = HTTPConnection("127.0.0.1", self.job.port, timeout=30)
        self.closing.callback(connection.close)
        headers = {"Authorization": f"Bearer {self.job.token}", **headers}
        if isinstance(question, str):
            connection.request("GET", question, headers=headers)
        else:
            body = question if isinstance(question, bytes) else json.dumps(question)
            connection.request("POST", "/sql", body, headers)
        return self.closing.enter_context(connection.getresponse())

    def rows(self, sql: str, **question: Any) -> Any:  # noqa: ANN401  JSON
        """Return the rows of an answer in JSON."""
        answer = self.ask({"sql": sql, **question})
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)["rows"]

    def refusal(self, sql: str, **question: Any) -> tuple[int, str, str]:  # noqa: ANN401  JSON
        """Return status, code and message of a refusal."""
        answer = self.ask({"sql": sql, **question})
        told = json.loads(answer.read())["error"]
        return answer.status, told["code"], told["message"]


@contextmanager
def answered(database: Path, limits: Limits | None = None) -> Iterator[Live]:
    """Open a result for writing, and answer questions to it while the block runs."""
    with held(database) as (connection, file), ExitStack() as closing:
        live = LiveSql(database=database, limits=limits or Limits())
        job = closing.enter_context(answering(live, connection, file))
        yield Live(database, connection, file, job.announced, closing)


@contextmanager
def held(database: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, HeldFile]]:
    """Open a result for writing as a job does."""
    with ExitStack() as closing:
        file = HeldFile(database)
        closing.callback(file.close)
        connection = closing.enter_context(duckdb.connect(database))
        closing.callback(file.end)
        prepare(connection)
        file.open()
        file.note(0)
        yield connection, file
