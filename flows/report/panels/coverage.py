"""What a page covers: which events and days, how far the job has read, and under which rules."""

import hashlib
from typing import Final

from attribution.policy import Policy
from connectors.wording import counted
from flows.report.asking import Asker, Row
from flows.report.blocks import Block, Facts, Figure, Figures, Found
from flows.report.cells import NOTHING, Cell, count, duration, instant, money, percent, words
from flows.report.selection import Selection

CURRENCIES_SHOWN: Final = 3
"""Currencies whose value is among the figures at the top."""

DIGEST_LETTERS: Final = 12

SECOND: Final = 1_000_000
"""Microseconds."""


def coverage(ask: Asker) -> Found:
    """Return what the numbers of the page are about."""
    events = ask.one("Events by outcome", _events(ask.selection))
    known = ask.one("Conversions so far", _conversions(ask.selection))
    values = ask.ask(
        "Value by currency", _values(ask.selection), order="conversions desc, currency"
    )
    commit = ask.one("Last commit", _COMMIT)
    run = ask.one("Policy", _RUN)
    blocks: list[Block] = [
        Figures(_figures(events, known)),
        *([Figures(_value_figures(values.rows, values.more))] if values.rows else []),
        Facts(_facts(ask.selection, events, known, commit, run)),
    ]
    return Found(
        answer=_answer(events, known),
        meaning=(
            "A conversion is an event, such as a purchase, that was accepted and counted once. It"
            " is attributed when at least one ad touchpoint led to it. Numbers of the same "
            "conversion may still change until it is final."
        ),
        blocks=blocks,
    )


def _events(selection: Selection) -> str:
    return f"""
        select coalesce(sum(received), 0)::bigint as received,
          coalesce(sum(rejected), 0)::bigint as rejected,
          coalesce(sum(attributed), 0)::bigint as attributed,
          coalesce(sum(attributed + unattributed), 0)::bigint as attributable,
          coalesce(sum(in_flight), 0)::bigint as in_flight,
          min(hour) as first_hour, max(hour) as last_hour,
          count(distinct advertiser_id) as advertisers,
          count(distinct (advertiser_id, event_source_id)) as sources
        from conservation {selection.where("hour")}"""


def _conversions(selection: Selection) -> str:
    return f"""
        select count(*) as conversions, count(*) filter (not is_final) as provisional
        from conversions {selection.where("event_time")}"""


def _values(selection: Selection) -> str:
    where = selection.money("event_time", "outcome = 'attributed'", "value is not null")
    return f"""
        select currency, sum(value) as value, count(*) as conversions
        from conversions {where} group by currency"""


_COMMIT: Final = """
select max(seq) as seq, max(committed_at) as committed_at,
  first(watermark order by seq desc) as watermark, first(settled order by seq desc) as settled
from commits"""

_RUN: Final = """
select first(version order by started_at desc) as version,
  first(policy order by started_at desc) as policy
from runs"""


def _answer(events: Row, known: Row) -> str:
    if not events["received"] and not known["conversions"]:
        return "No event has been received yet, or none within this selection."
    of = counted(events["received"], "event")
    return f"{counted(known['conversions'], 'conversion')} out of {of} that came in."


def _figures(events: Row, known: Row) -> list[Figure]:
    received, attributable = events["received"], events["attributable"]
    rate = events["attributed"] / attributable if attributable else None
    refused = events["rejected"] / received if received else None
    note = "all are final"
    if known["provisional"]:
        note = f"{known['provisional']:,} are not final yet"
    return [
        Figure("Conversions", count(known["conversions"]).text, note),
        Figure(
            "Attributed to ads",
            percent(rate).text,
            f"{events['attributed']:,} of {attributable:,} that could be",
        ),
        Figure("Events refused", count(events["rejected"]).text, f"{percent(refused).text} of all"),
    ]


def _value_figures(rows: list[Row], more: int) -> list[Figure]:
    figures = [
        Figure(
            "Attributed value",
            money(row["value"], row["currency"]).text,
            f"of {counted(row['conversions'], 'conversion')}",
        )
        for row in rows[:CURRENCIES_SHOWN]
    ]
    hidden = len(rows) - len(figures) + more
    if hidden:
        figures.append(Figure("Further currencies", str(hidden), "never added up"))
    return figures


def _facts(
    selection: Selection, events: Row, known: Row, commit: Row, run: Row
) -> list[tuple[str, Cell]]:
    in_flight = counted(events["in_flight"], "event")
    facts = {
        "Events arrived": _span(events),
        "Conversions of": _days(selection),
        "Advertisers, event sources": f"{events['advertisers']:,}, {events['sources']:,}",
        "Final": _finality(known, commit),
        "In progress": f"{in_flight} without an outcome yet",
        **(_of_commit(commit) if commit["seq"] is not None else {}),
        **(_of_policy(run) if run["policy"] is not None else {}),
    }
    return [(term, words(text)) for term, text in facts.items()]


def _span(events: Row) -> str:
    if events["first_hour"] is None:
        return NOTHING
    return (
        f"{instant(events['first_hour']).text} to {instant(events['last_hour']).text}, by the hour"
    )


def _days(selection: Selection) -> str:
    since, until = selection.since, selection.until
    if since is None and until is None:
        return "all days"
    return f"{since or 'the first day'} to before {until or 'the end'} (days of UTC)"


def _finality(known: Row, commit: Row) -> str:
    if not known["provisional"]:
        return "all conversions"
    until = "" if commit["settled"] is None else f", all before {instant(commit['settled']).text}"
    return f"{known['conversions'] - known['provisional']:,} of {known['conversions']:,}{until}"


def _of_commit(commit: Row) -> dict[str, str]:
    watermark = commit["watermark"]
    return {
        "Read up to": "the end of the log" if watermark is None else instant(watermark).text,
        "Last change": f"{instant(commit['committed_at']).text}, commit {commit['seq']:,}",
    }


def _of_policy(run: Row) -> dict[str, str]:
    policy = Policy.model_validate_json(run["policy"])
    return {
        "A click counts for": duration(policy.post_click / SECOND).text,
        "A view counts for": duration(policy.post_view / SECOND).text,
        "Policy": f"{digest(policy)}, of tributary {run['version']}",
    }


def digest(policy: Policy) -> str:
    """Return a short name for the rules: the same rules have the same name."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()[:DIGEST_LETTERS]
