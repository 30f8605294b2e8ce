"""A sync of event sources judged as values: what becomes of each source, and what has to be kept.

A request of the wrong shape is refused as a whole. A source of the right shape that asks for what
is not there, such as an unknown event type, fails alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from attribution.contract.event_source import EventSource, Issue, judge_event_source
from attribution.ingest.problems import CallProblem, invalid
from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, SourceVersion, version_of

SOURCES_MAX: Final = 1_000
"""Sources in one sync."""

OURS: Final = frozenset({"received_at", "deleted", "claim"})
"""Keys of a change that are not the sender's to write."""

FAILING: Final = {"event_types": "UNSUPPORTED_FEATURE", "allowed_domains": "VALIDATION_ERROR"}
"""Fields whose entries can be wrong for their source alone, and AdCP's codes for that."""

_ENTRY: Final = re.compile(r"(\w+)\[(\d+)\]")

_SERVER_ONLY: Final = {
    "snippet_type": "server_only",
    "instructions": "Send events from your server to log-event with this event_source_id.",
}


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a sync comes to: what became of each source, and the documents that change them.

    A result has `event_source_id` and `action`; a failed one `errors` (code, message, field), any
    other what is told of a source, and a deleted one nothing else.
    """

    results: list[dict[str, Any]]
    documents: list[dict[str, Any]]


def plan_sync(
    advertiser_id: str, body: Mapping[str, Any], known: Sequence[SourceVersion]
) -> SyncPlan | CallProblem:
    """Judge a sync of an advertiser whose sources are `known`.

    A call without `event_sources` asks which there are, and changes nothing.
    """
    if (problem := _problem_of(advertiser_id, body)) is not None:
        return problem
    given = body.get("event_sources")
    if given is None:
        return SyncPlan([{"action": "unchanged", **described(each)} for each in known], [])
    plan, by_id = SyncPlan([], []), {each.event_source_id: each for each in known}
    named: set[str] = set()
    for index, entry in enumerate(given):
        document = _document(advertiser_id, entry)
        source = judge_event_source(document)
        issues = [] if isinstance(source, EventSource) else list(source)
        if not all(_fails_alone(entry, each) for each in issues):
            return _misshapen(index, issues)
        name = str(entry["event_source_id"])
        if name in named:
            return _twice(index)
        named.add(name)
        if isinstance(source, EventSource):
            _add(plan, document, version_of(source), by_id.get(name))
        else:
            plan.results.append(_failed(index, name, issues))
    if body.get("delete_missing"):
        for missing in sorted(by_id.keys() - named):
            plan.results.append({"event_source_id": missing, "action": "deleted"})
            plan.documents.append(_deletion(advertiser_id, missing))
    return plan


def described(source: SourceVersion) -> dict[str, Any]:
    """Return what callers are told of a source; what they did not set is left out."""
    told: dict[str, Any] = {"event_source_id": source.event_source_id, "name": source.name}
    told |= {"event_types": sorted(source.event_types)} if source.event_types else {}
    currencies = source.value_currencies
    told |= {"value_currencies": sorted(currencies)} if currencies else {}
    return told | {"setup": _SERVER_ONLY}


_COUNT: Final = f"an array of 1 to {SOURCES_MAX} event sources is expected"


def _problem_of(advertiser_id: str, body: Mapping[str, Any]) -> CallProblem | None:
    given = body.get("event_sources", [None])
    if not isinstance(given, list) or not 1 <= len(given) <= SOURCES_MAX:
        return invalid(_COUNT, "event_sources")
    if not isinstance(body.get("delete_missing", False), bool):
        return invalid("true or false is expected", "delete_missing")
    return _wrong_account(advertiser_id, body.get("account"))


def _wrong_account(advertiser_id: str, account: object) -> CallProblem | None:
    if account is None:
        return None
    if not isinstance(account, dict) or not {"account_id", "brand"} & account.keys():
        return invalid(
            "an object with account_id, or with brand and operator, is expected", "account"
        )
    if account.get("account_id", advertiser_id) != advertiser_id:
        return invalid("the advertiser of the call is expected", "account.account_id")
    return None


def _document(advertiser_id: str, entry: object) -> Any:  # noqa: ANN401  whatever was sent
    if not isinstance(entry, dict):
        return entry
    kept = {key: value for key, value in entry.items() if key not in OURS}
    return {**kept, "advertiser_id": advertiser_id}


def _fails_alone(entry: dict[str, Any], issue: Issue) -> bool:
    """Return whether an issue is a text that means nothing here, not a value of another type."""
    match = _ENTRY.fullmatch(issue.field or "")
    return (
        match is not None
        and match[1] in FAILING
        and isinstance(entry[match[1]][int(match[2])], str)
    )


def _add(
    plan: SyncPlan, document: dict[str, Any], wanted: SourceVersion, known: SourceVersion | None
) -> None:
    action = "created"
    if known is not None:
        now = replace(known, valid_from=BEGINNING_OF_TIME, valid_to=END_OF_TIME)
        action = "unchanged" if now == wanted else "updated"
    plan.results.append({"action": action, **described(wanted)})
    if action != "unchanged":
        plan.documents.append(document)


def _failed(index: int, event_source_id: str, issues: Sequence[Issue]) -> dict[str, Any]:
    errors = [
        {
            "code": FAILING[str(each.field).partition("[")[0]],
            "message": each.message,
            "field": f"event_sources[{index}].{each.field}",
        }
        for each in issues
    ]
    return {"event_source_id": event_source_id, "action": "failed", "errors": errors}


def _misshapen(index: int, issues: Sequence[Issue]) -> CallProblem:
    told = [
        {"path": f"/event_sources/{index}/{each.field or ''}", "message": each.message}
        for each in issues
    ]
    field = issues[0].field
    where = f"event_sources[{index}]" + (f".{field}" if field else "")
    return invalid(issues[0].message, where, issues=told)


def _twice(index: int) -> CallProblem:
    where = f"event_sources[{index}].event_source_id"
    reason = "DUPLICATE_EVENT_SOURCE_ID"
    return invalid("each event_source_id is expected once", where, reason=reason)


def _deletion(advertiser_id: str, event_source_id: str) -> dict[str, Any]:
    return {"advertiser_id": advertiser_id, "event_source_id": event_source_id, "deleted": True}
