"""Servers to compare with: one that only reads a body, and one with a body model of the framework.

Run as `python -m benchmarks.harness.plain_servers NAME PORT`.
"""

import sys
from datetime import datetime
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field


class Uid(BaseModel):
    """A universal id."""

    type: str
    value: str


class Match(BaseModel):
    """Identifiers."""

    uids: list[Uid] | None = None
    hashed_email: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    hashed_phone: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    click_id: str | None = None
    click_id_type: str | None = None
    client_ip: str | None = None
    client_user_agent: str | None = None


class Data(BaseModel):
    """What an event is worth."""

    value: float | None = None
    currency: str | None = None
    order_id: str | None = None
    num_items: int | None = None
    content_ids: list[str] | None = None


class Event(BaseModel):
    """An event."""

    event_id: Annotated[str, Field(max_length=256)]
    event_type: str
    event_time: datetime
    action_source: str | None = None
    event_source_url: str | None = None
    user_match: Match | None = None
    custom_data: Data | None = None


class Call(BaseModel):
    """The body of log-event."""

    event_source_id: str
    events: Annotated[list[Event], Field(min_length=1, max_length=10_000)]


def model_body() -> FastAPI:
    """Return a server that validates calls as the framework proposes, and stores nothing."""
    app = FastAPI()

    @app.post("/")
    async def log_event(call: Call) -> dict[str, int]:
        return {"events_received": len(call.events)}

    return app


def read_only() -> FastAPI:
    """Return a server that reads bodies and does nothing else: the limit."""
    app = FastAPI()

    @app.post("/")
    async def read(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return app


if __name__ == "__main__":
    _, name, port = sys.argv
    app = {"model_body": model_body, "read_only": read_only}[name]()
    uvicorn.run(app, port=int(port), access_log=False, log_config=None)
