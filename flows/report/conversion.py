"""The page of a conversion: what became of an event, and why, as `tributary explain` says it.

Near misses need the log, so they are left to the command.
"""

import shlex
from collections.abc import Iterator
from typing import Final

from attribution.vocabulary import MODELS
from connectors.sql.reader import Reader
from flows.analysis.explain.credits import matched_on, outcome, rank_rules, touch
from flows.analysis.explain.others import of_duplicate, of_rejection, of_test
from flows.analysis.explain.rows import Row, place, title
from flows.report.asking import Asker
from flows.report.blocks import Block, Facts, Found, Note, Panel, Table
from flows.report.cells import (
    Cell,
    amount,
    duration,
    money,
    name,
    percent,
    precise,
    printable,
    words,
)
from flows.report.labels import KINDS
from flows.report.labels import MODELS as NAMES
from flows.report.selection import Selection, literal

EVENTS_MAX: Final = 20
"""Events with one id that are shown; an id may repeat in every source and type."""

TOUCHPOINTS_MAX: Final = 100

_NEAR_MISSES: Final = (
    "Records that nearly matched are not in the result but in the log. This command reads it, and "
    "says which they are and why each was left out:"
)


def conversion_panels(reader: Reader, event: str) -> Iterator[Panel]:
    """Yield a panel for each event with an event id or a conversion id; raises QueryError."""
    ask = Asker(reader, Selection())
    for number, conversion in enumerate(_rows(ask, "The conversion", _conversions(event))):
        own = Asker(reader, Selection(), list(ask.asked))
        yield Panel(
            f"conversion-{number}",
            printable(title(conversion)),
            _conversion(own, conversion),
            own.asked,
        )
    yield from _others(Asker(reader, Selection()), event)


def _rows(ask: Asker, what: str, sql: str, order: str = "received_at") -> list[Row]:
    return [Row(row) for row in ask.ask(what, sql, order=order, most=EVENTS_MAX).rows]


def _conversions(event: str) -> str:
    wanted = literal(event)
    return f"select * from conversions where event_id = {wanted} or conversion_id = {wanted}"


def _conversion(ask: Asker, conversion: Row) -> Found:
    found = ask.ask(
        "Candidates, the best first",
        f"select * from credits where conversion_id = {literal(conversion.conversion_id)}",
        order="type = 'click' desc, is_probabilistic, time desc, impression_id",
        most=TOUCHPOINTS_MAX,
    )
    credits_ = [Row(row) for row in found.rows]
    answer = printable(outcome(conversion, credits_))
    blocks: list[Block] = [Facts(_facts(conversion))]
    if credits_:
        blocks += [_candidates(conversion, credits_, found.more), _path(conversion, credits_)]
    return Found(
        f"{answer[0].upper()}{answer[1:]}.",
        "Provisional: late touchpoints may still change it." if not conversion.is_final else "",
        [*blocks, Note(_NEAR_MISSES, _command(conversion.event_id))],
    )


def _command(event: str) -> str:
    return f"tributary explain {shlex.quote(printable(event))} --db FILE"


def _facts(conversion: Row) -> list[tuple[str, Cell]]:
    carried = ", ".join(KINDS.get(kind, kind) for kind in conversion.carries)
    return [
        ("Happened", precise(conversion.event_time)),
        ("Received", precise(conversion.received_at)),
        ("Worth", money(conversion.value, conversion.currency)),
        ("Carried", words(carried or "no identifier")),
        ("Match quality", words(f"{conversion.match_quality:.2f}")),
        ("Read from", name(place(conversion))),
        ("Conversion id", name(conversion.conversion_id)),
    ]


def _candidates(conversion: Row, credits_: list[Row], more: int) -> Table:
    headers = ["Rank", "Impression", "Touch", "Matched on", "Time", "Before", "Campaign"]
    cells = [
        [
            words(str(rank)),
            name(credit.impression_id),
            words(touch(credit)),
            words(matched_on(credit)),
            precise(credit.time),
            duration((conversion.event_time - credit.time).total_seconds()),
            name(credit.campaign_id),
            words(rule),
        ]
        for rank, (credit, rule) in enumerate(
            zip(credits_, rank_rules(credits_), strict=True), start=1
        )
    ]
    return Table("Candidates, the best first", [*headers, "Ranked by"], cells, more)


def _path(conversion: Row, credits_: list[Row]) -> Table:
    path = sorted(credits_, key=lambda credit: int(credit.position))
    unit = "" if conversion.value is None else f", and what they earn in {conversion.currency}"
    cells = [
        [
            words(str(credit.position)),
            name(credit.campaign_id),
            name(credit.impression_id),
            *(_earned(credit, model) for model in MODELS),
        ]
        for credit in path
    ]
    headers = ["Position", "Campaign", "Impression", *(NAMES[model] for model in MODELS)]
    return Table(f"The path, the earliest first: shares{unit}", headers, cells)


def _earned(credit: Row, model: str) -> Cell:
    share, value = credit.cells[model], credit.cells[f"{model}_value"]
    cell = percent(float(share))
    return cell if value is None else cell.noted(amount(value, credit.currency).text)


def _others(ask: Asker, event: str) -> Iterator[Panel]:
    """Yield what became of events with that id that are no conversions."""
    wanted = f"event_id = {literal(event)}"
    copies = f"""
        select duplicates.*, first.received_at as first_received_at
        from duplicates join conversions as first using (conversion_id)
        where duplicates.{wanted}"""
    kinds = {
        "copy": (of_duplicate, copies),
        "refusal": (of_rejection, f"select * from rejected_events where {wanted}"),
        "test": (of_test, f"select * from test_events where {wanted}"),
    }
    for kind, (told, sql) in kinds.items():
        own = Asker(ask.reader, ask.selection)
        for number, row in enumerate(_rows(own, f"Each {kind}", sql)):
            answer = printable(told(row))
            facts = Facts([("Received", precise(row.received_at))])
            found = Found(f"{answer[0].upper()}{answer[1:]}.", "", [facts])
            yield Panel(f"{kind}-{number}", printable(title(row)), found, own.asked)
