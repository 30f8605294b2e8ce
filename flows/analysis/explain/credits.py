"""Describes a conversion: its value, its candidates, and the credit of each touchpoint."""

from itertools import pairwise
from typing import Final

from attribution.vocabulary import MODELS, Outcome, Reason
from connectors.wording import counted
from flows.analysis.explain.rows import Row, place, title
from flows.text import instant, text_table


def summary_and_credits(conversion: Row, credits_: list[Row]) -> list[str]:
    """Return the paragraphs of a conversion; `credits_` are in the order of their rank."""
    if not credits_:
        return [_summary(conversion, credits_)]
    return [
        _summary(conversion, credits_),
        _candidates(conversion, credits_),
        _shares(conversion, credits_),
    ]


def _summary(conversion: Row, credits_: list[Row]) -> str:
    worth = "no value" if conversion.value is None else f"{conversion.value} {conversion.currency}"
    carried = ", ".join(conversion.carries) or "no identifier"
    lines = [
        title(conversion),
        f"  happened   {instant(conversion.event_time)}",
        f"  received   {instant(conversion.received_at)}, {place(conversion)}",
        f"  worth      {worth}",
        f"  carried    {carried} (match quality {conversion.match_quality:.2f})",
        f"  outcome    {outcome(conversion, credits_)}",
    ]
    if not conversion.is_final:
        lines.append("  so far     provisional: late touchpoints may still change it")
    return "\n".join(lines)


def outcome(conversion: Row, credits_: list[Row]) -> str:
    """Return what became of a conversion, and why."""
    if conversion.outcome == Outcome.ATTRIBUTED:
        winner = credits_[0]
        touchpoints = counted(len(credits_), "touchpoint")
        return (
            f"attributed to {touchpoints}; the winner is the {touch(winner)} "
            f"{winner.impression_id} on {winner.matched_on}, "
            f"{conversion.event_time - winner.time} before the event"
        )
    if conversion.outcome == Outcome.OBSERVED:
        return f"observed: a {conversion.event_type} is kept and earns nothing"
    reason = _REASONS[Reason(conversion.reason)]
    delay = conversion.received_at - conversion.event_time
    return f"unattributed, {conversion.reason}: {reason.format(delay=delay)}"


_REASONS: Final = {
    Reason.NO_IDENTIFIER: "it carried nothing that can match",
    Reason.TOO_OLD: "it arrived {delay} after it happened, more than max_event_delay",
    Reason.NO_TOUCHPOINT: "no record that shares an identifier is eligible",
}


def touch(credit: Row) -> str:
    """Return whether a touchpoint is a click or a view."""
    return "click" if credit.type == "click" else "view"


def matched_on(credit: Row) -> str:
    """Return the kind of identifier that joined a touchpoint to its conversion."""
    return f"{credit.matched_on}{' (probabilistic)' if credit.is_probabilistic else ''}"


def _candidates(conversion: Row, credits_: list[Row]) -> str:
    rows = [
        [
            str(rank),
            credit.impression_id,
            touch(credit),
            matched_on(credit),
            instant(credit.time),
            str(conversion.event_time - credit.time),
            credit.campaign_id,
            rule,
        ]
        for rank, (credit, rule) in enumerate(
            zip(credits_, rank_rules(credits_), strict=True), start=1
        )
    ]
    headers = [*("rank", "impression", "touch", "matched on"), "time", "before", "campaign", "rule"]
    limit = "\nmax_candidates left some out." if conversion.is_limited else ""
    return "Candidates, best first\n" + text_table(headers, rows) + limit


def rank_rules(credits_: list[Row]) -> list[str]:
    """Return for each candidate, the best first, the rule that decided its rank."""
    return ["the winner", *(_rank_rule(above, below) for above, below in pairwise(credits_))]


def _rank_rule(above: Row, below: Row) -> str:
    """Return why a candidate ranks below the one above it: the first criterion that differs."""
    if above.type != below.type:
        return "a view ranks below a click"
    if above.is_probabilistic != below.is_probabilistic:
        return "probabilistic ranks below certain"
    if above.time != below.time:
        return f"{above.time - below.time} earlier than the one above"
    return "same time as the one above, larger impression id"


def _shares(conversion: Row, credits_: list[Row]) -> str:
    path = sorted(credits_, key=lambda credit: credit.position)
    rows = [
        [str(credit.position), credit.impression_id, *(_earned(credit, model) for model in MODELS)]
        for credit in path
    ]
    unit = "" if conversion.value is None else f" and what they earn in {conversion.currency}"
    return f"Path, earliest first: shares{unit}\n" + text_table(
        ["position", "impression", *MODELS], rows
    )


def _earned(credit: Row, model: str) -> str:
    share, value = credit.cells[model], credit.cells[f"{model}_value"]
    return f"{share:f}" if value is None else f"{share:f} = {value}"
