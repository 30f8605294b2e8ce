"""The tools of AdCP over MCP: `POST /mcp`, one call each, without sessions.

The library for MCP sees everything of a call but its arguments. Those are read as the REST routes
read a body, so that numbers keep their digits, and no limit or log of the library concerns them.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    PARSE_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from attribution.contract.document import Unreadable
from attribution.contract.split import join_fields, split_fields
from attribution.ingest.problems import AUTH_MISSING, UNAUTHORIZED, CallProblem, bad_json
from connectors.api.adcp import failed
from connectors.api.context import Api
from connectors.api.guard import BODY_BYTES_MAX, ProblemError, read_body
from connectors.api.rendering import CALLS
from connectors.api.tool_schemas import SCHEMAS
from connectors.api.tools import TOOLS, call_tool
from connectors.release import release

PATHS: Final = ("/mcp", "/mcp/")

CALL: Final = "tributary.call"
"""Where the scope of a request holds the key and the arguments of its call."""

CLIENT_HEADER: Final = "x-adcp-auth"
"""In which AdCP's own client sends its key unless told otherwise."""

KEY_HEADERS: Final = ("authorization", "x-scope3-api-key", CLIENT_HEADER)

NOTHING: Final = b"{}"

REFUSED: Final = -32_000
"""The code of JSON-RPC for what a server refuses by rules of its own."""


def mcp_routes(api: Api) -> tuple[list[Route], StreamableHTTPSessionManager]:
    """Return the routes, and the manager whose `run()` has to last while they are served."""
    manager = StreamableHTTPSessionManager(
        _server(api),
        json_response=True,
        stateless=True,
        # A page in a browser has no key, and the names of this host are not known here.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=BODY_BYTES_MAX,
    )
    endpoint = _Endpoint(api, manager)
    # Without POST alone, a client would wait for events on a stream that never has any.
    routes = [Route(path, endpoint, methods=["POST"], include_in_schema=False) for path in PATHS]
    return routes, manager


def _server(api: Api) -> Server[Any]:
    tools = [
        Tool(name=name, description=description, input_schema=schema)
        for name, (description, schema) in SCHEMAS.items()
    ]

    async def list_tools(
        context: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        del context, params
        return ListToolsResult(tools=tools)

    async def call(
        context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"the tools are {', '.join(TOOLS)}")
        assert isinstance(context.request, Request)
        key, arguments = context.request.scope[CALL]
        answer = await call_tool(api, key, params.name, arguments)
        text = TextContent(type="text", text=json.dumps(answer.content))
        return CallToolResult(
            content=[text], structured_content=answer.content, is_error=answer.is_error
        )

    return Server("tributary", version=release(), on_list_tools=list_tools, on_call_tool=call)


class _Endpoint:
    """Finds the key, reads the body, and hands on what is left without the arguments."""

    def __init__(self, api: Api, manager: StreamableHTTPSessionManager) -> None:
        self._api, self._manager = api, manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            key = self._api.key(_with_bearer(request.headers), scope)
            body, arguments = _taken_apart(await read_body(request))
        except ProblemError as error:
            response = _refused(error.problem, request.headers)
            CALLS.labels("mcp", response.status_code).inc()
            await response(scope, receive, send)
            return
        scope[CALL] = (key, arguments)
        scope["headers"] = [
            *((name, value) for name, value in scope["headers"] if name not in _OF_THE_BODY),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._manager.handle_request(scope, _given(body, receive), send)


_OF_THE_BODY: Final = frozenset({b"content-length", b"content-encoding", b"transfer-encoding"})


def _with_bearer(headers: Headers) -> Mapping[str, str]:
    secret = headers.get(CLIENT_HEADER)
    if not secret or headers.get("authorization"):
        return headers
    return {**headers, "authorization": f"Bearer {secret.removeprefix('Bearer ')}"}


def _taken_apart(body: bytes) -> tuple[bytes, bytes]:
    """Return a message without the arguments of its call, and those; raises ProblemError."""
    message = _fields(body)
    is_call = message.get("params", b"").startswith(b"{")
    params = _fields(message["params"]) if is_call else {}
    arguments = params.get("arguments", b"")
    if not arguments.startswith(b"{"):
        return body, NOTHING
    without = join_fields({**params, "arguments": NOTHING})
    return join_fields({**message, "params": without}), arguments


def _fields(document: bytes) -> dict[str, bytes]:
    fields = split_fields(document)
    if isinstance(fields, Unreadable):
        raise ProblemError(bad_json(fields.message))
    return fields


def _given(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def _refused(problem: CallProblem, headers: Headers) -> Response:
    """Return a refusal as an error of JSON-RPC that holds the one of AdCP."""
    is_missing = problem is UNAUTHORIZED and not any(map(headers.get, KEY_HEADERS))
    answer = failed(AUTH_MISSING if is_missing else problem)
    code = PARSE_ERROR if problem.code == "BAD_REQUEST" else REFUSED
    error = {"code": code, "message": problem.message, "data": answer}
    more = {"WWW-Authenticate": "Bearer"} if problem.status == UNAUTHORIZED.status else {}
    retry = problem.retry_after_seconds
    more |= {} if retry is None else {"Retry-After": str(retry)}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, problem.status, more)
