"""Events that were sent more than once: by one source, and by several that report the same."""

from connectors.wording import counted
from flows.report.asking import Answer, Asker
from flows.report.blocks import Block, Found, Note, Table
from flows.report.cells import count, money, name, words
from flows.report.labels import in_words
from flows.report.selection import Selection


def copies(ask: Asker) -> Found:
    """Return copies within a source, and conversions that several sources report."""
    within = ask.ask(
        "Copies within a source",
        _within(ask.selection),
        order="copies desc, advertiser_id, event_source_id, currency",
    )
    across = ask.ask(
        "The same from two sources",
        _across(ask.selection),
        order="repeats desc, advertiser_id, event_source_id, other_source_id, event_type, currency",
    )
    return Found(
        answer=_answer(within, across),
        meaning=(
            "A copy from the same source counts once; without that, its value would have been "
            "counted again. What two sources report both, such as a pixel and a shop's server, "
            "counts for each of them: do not add the two up."
        ),
        blocks=[*_within_table(within), *_across_table(across)],
    )


def _within(selection: Selection) -> str:
    return f"""
        with repeated as (
          select conversion_id, count(*) as copies, count(*) filter (is_changed) as changed
          from duplicates {selection.where("received_at")} group by conversion_id)
        select advertiser_id, event_source_id, currency, sum(copies)::bigint as copies,
          sum(changed)::bigint as changed, sum(value * copies) as value,
          sum(sum(copies)) over ()::bigint as copies_in_all
        from repeated join conversions using (conversion_id)
        group by advertiser_id, event_source_id, currency"""


def _across(selection: Selection) -> str:
    return f"""
        select advertiser_id, event_source_id, other_source_id, event_type, currency,
          repeats, by_event_id, by_order_id, value, sum(repeats) over ()::bigint as repeats_in_all
        from source_overlap {selection.on_all_days()}"""


def _answer(within: Answer, across: Answer) -> str:
    if not within.rows and not across.rows:
        return "No event came more than once."
    repeated = within.rows[0]["copies_in_all"] if within.rows else 0
    both = across.rows[0]["repeats_in_all"] if across.rows else 0
    parts = [f"{counted(repeated, 'copy', 'copies')} recognised and left out"] if repeated else []
    parts += (
        [f"{counted(both, 'conversion')} reported by two sources and counted twice"] if both else []
    )
    return f"{'; '.join(parts)}."


def _within_table(answer: Answer) -> list[Block]:
    if not answer.rows:
        return []
    cells = [
        [
            name(row["event_source_id"]),
            name(row["advertiser_id"]),
            count(row["copies"]),
            count(row["changed"]),
            money(row["value"], row["currency"]),
        ]
        for row in answer.rows
    ]
    headers = [
        "Source",
        "Advertiser",
        "Copies left out",
        "With other content",
        "Would have doubled",
    ]
    return [Table("Copies within one source, by currency", headers, cells, answer.more)]


def _across_table(answer: Answer) -> list[Block]:
    if not answer.rows:
        return [Note("No two sources of an advertiser report the same event or order.")]
    cells = [
        [
            name(row["event_source_id"]),
            name(row["other_source_id"]),
            name(row["advertiser_id"]),
            words(in_words(row["event_type"])),
            count(row["by_event_id"]),
            count(row["by_order_id"]),
            money(row["value"], row["currency"]),
        ]
        for row in answer.rows
    ]
    headers = ["Source", "Other source", "Advertiser", "Type", "By event id", "By order id"]
    headers += ["Counted twice"]
    caption = "What two sources report both, on all days, by currency"
    return [Table(caption, headers, cells, answer.more)]
