"""The tools of AdCP: calls of the same core as the REST routes, answered as AdCP does.

Nothing here knows the protocol that carries a call.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from attribution.contract.document import JsonObject, Unreadable, dump_json, read_document
from attribution.contract.envelope import SUPPORTED_MAJOR
from attribution.contract.split import join_fields, split_fields
from attribution.ingest.problems import (
    ACCOUNT_NOT_FOUND,
    CREDENTIAL_IN_ARGS,
    NOT_FOUND,
    NOT_PERMITTED,
    READ_ONLY_SCOPE,
    bad_json,
    invalid,
    version_unsupported,
)
from attribution.ingest.sync import described
from attribution.registry import SourceVersion
from connectors.api.adcp import completed, failed
from connectors.api.capabilities import VERSIONS, capabilities
from connectors.api.context import Api
from connectors.api.guard import ProblemError
from connectors.api.keys import ApiKey
from connectors.api.once import Done
from connectors.api.reads.activity import Activities, look_if_possible
from connectors.api.reads.deliveries import deliveries
from connectors.api.reads.delivery_request import request_of
from connectors.api.reads.health import health
from connectors.api.rendering import CALLS, failure

CONTEXT_BYTES_MAX: Final = 65_536
"""Of a caller's context, which is given back."""

ADVERTISER_CHARACTERS_MAX: Final = 256

CREDENTIALS: Final = frozenset(
    {"authorization", "api_key", "apikey", "access_token", "auth_token", "x_scope3_api_key"}
)
"""Arguments that look like a credential."""

SNIPPET: Final = (
    "curl -X POST $HOST/api/buyer/advertisers/$ADVERTISER/log-event "
    '-H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -d @events.json'
)


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The answer to a call of a tool, and whether it was refused."""

    content: dict[str, Any]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call as they were sent, and all but the events read."""

    text: bytes
    read: JsonObject

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Read a JSON object; raises ProblemError."""
        fields = split_fields(text)
        if isinstance(fields, Unreadable):
            raise ProblemError(bad_json(fields.message))
        fields.pop("events", None)
        document = read_document(join_fields(fields))
        if isinstance(document, Unreadable):
            raise ProblemError(bad_json(document.message))
        return cls(text, document)


async def call_tool(api: Api, key: ApiKey, name: str, text: bytes) -> ToolAnswer:
    """Call one of `TOOLS` with a key and the text of its arguments; refusals are answers too."""
    context = None
    try:
        arguments = Arguments.of(text)
        context = _context(arguments.read)
        _check(arguments.read)
        done = await TOOLS[name](api, key, arguments)
    except ProblemError as error:
        problem = error.problem
    except Exception as error:  # noqa: BLE001  the library would log what was sent
        problem = failure(error)
    else:
        CALLS.labels(f"mcp/{name}", 200).inc()
        return ToolAnswer(
            completed(
                done.content, context, is_replayed=done.is_replayed, is_staging=api.is_staging
            )
        )
    CALLS.labels(f"mcp/{name}", problem.status).inc()
    return ToolAnswer(failed(problem, context), is_error=True)


async def _log_event(api: Api, key: ApiKey, arguments: Arguments) -> Done:
    _require_key(arguments.read)
    advertiser_id = _advertiser(key, "write", arguments.read)
    found = await api.calls.take(
        advertiser_id, arguments.text, validate_only=False, agent=key.id, only=key.sources
    )
    return Done(found.rest(), found.receipt or "", is_replayed=found.is_replayed)


async def _sync_event_sources(api: Api, key: ApiKey, arguments: Arguments) -> Done:
    given = arguments.read
    if "event_sources" not in given:
        advertiser_id = _advertiser(key, "read", given)
        found = api.sources.visible(advertiser_id, key.sources)
        seen = await look_if_possible(api.results, advertiser_id) if found else None
        results = [
            {"action": "unchanged", **described(each), **_health(each, seen)} for each in found
        ]
        return Done({"event_sources": [_result(each) for each in results]}, "")
    _require_key(given)
    done = await api.syncs.take(_advertiser(key, "admin", given), given, agent=key.id)
    results = [_result(each) for each in done.content["event_sources"]]
    return Done({"event_sources": results}, "", is_replayed=done.is_replayed)


async def _get_media_buy_delivery(api: Api, key: ApiKey, arguments: Arguments) -> Done:
    given = arguments.read
    request = request_of(_advertiser(key, "read", given), given)
    return Done(await deliveries(api.asked, key, request), "")


async def _get_adcp_capabilities(api: Api, key: ApiKey, arguments: Arguments) -> Done:
    del key, arguments
    return Done(capabilities(api.calls.policy, has_delivery=api.results is not None), "")


TOOLS: Final[dict[str, Callable[[Api, ApiKey, Arguments], Awaitable[Done]]]] = {
    "log_event": _log_event,
    "sync_event_sources": _sync_event_sources,
    "get_media_buy_delivery": _get_media_buy_delivery,
    "get_adcp_capabilities": _get_adcp_capabilities,
}


def _health(source: SourceVersion, seen: Activities | None) -> dict[str, Any]:
    return {"health": health(seen.of(source.event_source_id))} if seen else {}


def _result(source: dict[str, Any]) -> dict[str, Any]:
    """Add what AdCP wants to know of a source: who manages it, and how events are sent to it."""
    setup, errors = source.get("setup"), source.get("errors")
    more: dict[str, Any] = {"setup": {**setup, "snippet": SNIPPET}} if setup else {}
    more |= {"errors": [{**each, "recovery": "correctable"} for each in errors]} if errors else {}
    return {**source, "managed_by": "buyer", **more}


def _context(arguments: JsonObject) -> Any:  # noqa: ANN401  JSON
    """Return the caller's context as plain JSON; raises ProblemError if it has no such form."""
    given = arguments.get("context")
    if given is None:
        return None
    plain = json.loads(dump_json(given)) if isinstance(given, dict) else None
    if not isinstance(plain, dict) or not _is_writable(plain):
        message = f"an object of at most {CONTEXT_BYTES_MAX} bytes is expected, in valid Unicode"
        raise ProblemError(invalid(message, "context"))
    return plain


def _is_writable(plain: dict[str, Any]) -> bool:
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return len(text) <= CONTEXT_BYTES_MAX


def _check(arguments: JsonObject) -> None:
    """Raise ProblemError for a credential or a version that is not ours."""
    if any(name.lower().replace("-", "_") in CREDENTIALS for name in arguments):
        raise ProblemError(CREDENTIAL_IN_ARGS)
    version, major = arguments.get("adcp_version"), arguments.get("adcp_major_version")
    if isinstance(version, str) and version.partition(".")[0] != str(SUPPORTED_MAJOR):
        raise ProblemError(version_unsupported("adcp_version", VERSIONS))
    if isinstance(major, int) and major != SUPPORTED_MAJOR:
        raise ProblemError(version_unsupported("adcp_major_version", VERSIONS))


def _require_key(arguments: JsonObject) -> None:
    if arguments.get("idempotency_key") is None:
        raise ProblemError(invalid("an idempotency_key is expected", "idempotency_key"))


def _advertiser(key: ApiKey, right: str, arguments: JsonObject) -> str:
    """Return the advertiser of a call, for which the key has a right; raises ProblemError."""
    if not key.may(right):
        raise ProblemError(READ_ONLY_SCOPE if key.rights == {"read"} else NOT_PERMITTED)
    advertiser_id = _named(key, arguments.get("account"))
    if not key.may(right, advertiser_id):
        raise ProblemError(NOT_FOUND)
    return advertiser_id


def _named(key: ApiKey, account: object) -> str:
    only = next(iter(key.advertisers)) if len(key.advertisers) == 1 else None
    if account is None and only is None:
        message = "account.account_id is expected: the API key is not for one advertiser only"
        raise ProblemError(invalid(message, "account"))
    if account is None:
        return str(only)
    if isinstance(account, dict) and isinstance(account.get("account_id"), str):
        if 1 <= len(account["account_id"]) <= ADVERTISER_CHARACTERS_MAX:
            return str(account["account_id"])
    elif isinstance(account, dict) and {"brand", "operator"} <= account.keys():
        if only is None:
            raise ProblemError(ACCOUNT_NOT_FOUND)
        return only
    raise ProblemError(invalid("account_id, or brand and operator, is expected", "account"))
