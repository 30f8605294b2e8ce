"""Events that were sent more than once: by one source, and by several that report the same."""

from connectors.wording import counted
from flows.report.asking import Answer, Asker
from flows.report.blocks import Block, Note, Panel, Table
from flows.report.cells import count, money, name, words
from flows.report.labels import in_words
from flows.report.selection import Selection


def copies(ask: Asker) -> Panel:
    """Return copies within a source, and conversions that several sources report."""
    within = ask.ask(
        "Copies within a source",
        _within(ask.selection),
        order="copies desc, advertiser_id, event_source_id, currency",
    )
    across = ask.ask(
        "The same event from two sources",
        _across(ask.selection),
        order="events_in_both desc, advertiser_id, source, other_source, currency",
    )
    return Panel(
        id="copies",
        title="Events that came more than once",
        answer=_answer(within, across),
        meaning=(
            "A copy from the same source counts once; without that, its value would have been "
            "counted again. Two sources, such as a pixel and a shop's server, are not compared: "
            "what both report under one event id counts for each of them, so do not add the two "
            "up."
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
        with reported as (from conversions {selection.where("event_time")})
        select one.advertiser_id, one.event_source_id as source,
          other.event_source_id as other_source, one.event_type, one.currency,
          count(*) as events_in_both, sum(one.value) as value,
          sum(count(*)) over ()::bigint as events_in_all
        from reported as one
        join reported as other using (advertiser_id, event_type, event_id)
        where one.event_source_id < other.event_source_id
          and one.custom_event_name is not distinct from other.custom_event_name
        group by all"""


def _answer(within: Answer, across: Answer) -> str:
    if not within.rows and not across.rows:
        return "No event came more than once."
    repeated = within.rows[0]["copies_in_all"] if within.rows else 0
    both = across.rows[0]["events_in_all"] if across.rows else 0
    parts = [f"{counted(repeated, 'copy', 'copies')} recognised and left out"] if repeated else []
    parts += [f"{counted(both, 'event')} reported by two sources and counted twice"] if both else []
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
        return [Note("No two sources report the same event id.")]
    cells = [
        [
            name(row["source"]),
            name(row["other_source"]),
            name(row["advertiser_id"]),
            words(in_words(row["event_type"])),
            count(row["events_in_both"]),
            money(row["value"], row["currency"]),
        ]
        for row in answer.rows
    ]
    headers = ["Source", "Other source", "Advertiser", "Type", "In both", "Counted twice"]
    return [Table("The same event from two sources, by currency", headers, cells, answer.more)]
