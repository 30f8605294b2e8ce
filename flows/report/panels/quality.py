"""What was refused, not matched, repaired or late, and what to do about it."""

from attribution.vocabulary import Code, Reason, Warn
from connectors.wording import counted
from flows.report.advice import OF_CODES, OF_REASONS, OF_WARNINGS
from flows.report.asking import EVERY, Answer, Asker
from flows.report.blocks import Block, Found, Note, Table
from flows.report.cells import count, percent, words
from flows.report.labels import CODES, REASONS, in_words
from flows.report.selection import Selection


def quality(ask: Asker) -> Found:
    """Return what is wrong with the data, the most frequent first, each with advice."""
    unmatched = ask.ask(
        "Not attributed, by reason",
        _unmatched(ask.selection),
        order="conversions desc, reason",
        most=EVERY,
    )
    refused = ask.ask(
        "Refused, by reason",
        _refused(ask.selection),
        order="records desc, stream, code",
        most=EVERY,
    )
    warned = ask.ask(
        "Repaired or unusual", _warned(ask.selection), order="conversions desc, warning"
    )
    late = ask.one("Late records", _LATE)
    blocks = [*_unmatched_table(unmatched), *_refused_table(refused), *_warned_table(warned)]
    return Found(
        answer=_answer(unmatched, refused),
        meaning=(
            "Refused records count nowhere else. Repaired events do count, but often find no "
            "match any more. A conversion that was not attributed is not lost: it may simply owe "
            "nothing to ads."
        ),
        blocks=[*blocks, *_late_note(late["records"])],
    )


def _unmatched(selection: Selection) -> str:
    return f"""
        select reason, count(*) as conversions
        from conversions {selection.where("event_time", "outcome = 'unattributed'")}
        group by reason"""


def _refused(selection: Selection) -> str:
    return f"""
        select stream, code, count(*) as records, sum(events)::bigint as events,
          sum(count(*)) over ()::bigint as records_in_all
        from rejections {selection.where("received_at")} group by stream, code"""


def _warned(selection: Selection) -> str:
    return f"""
        select warning, count(*) as conversions
        from conversions, unnest(warnings) as listed(warning)
        {selection.where("event_time")} group by warning"""


_LATE = """
select coalesce(sum(last_offset - first_offset + 1), 0)::bigint as records
from late_records"""


def _answer(unmatched: Answer, refused: Answer) -> str:
    if not unmatched.rows and not refused.rows:
        return "Nothing was refused, and no conversion was left without an ad."
    parts = []
    if refused.rows:
        records = refused.rows[0]["records_in_all"]
        top = CODES[Code(refused.rows[0]["code"])]
        parts.append(f"{counted(records, 'record')} refused, most often: {top}")
    if unmatched.rows:
        top = REASONS[Reason(unmatched.rows[0]["reason"])]
        parts.append(f"most often not attributed because {top}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _unmatched_table(answer: Answer) -> list[Block]:
    whole = sum(row["conversions"] for row in answer.rows)
    cells = [
        [
            words(REASONS[reason]),
            count(row["conversions"]),
            percent(row["conversions"] / whole).with_bar(row["conversions"] / whole),
            words(OF_REASONS[reason]),
        ]
        for row in answer.rows
        for reason in [Reason(row["reason"])]
    ]
    headers = ["Not attributed because", "Conversions", "Of these", "What to do"]
    return [Table("Conversions that were not attributed", headers, cells)] if cells else []


def _refused_table(answer: Answer) -> list[Block]:
    cells = [
        [
            words(CODES[code]),
            words(row["stream"]),
            count(row["records"]),
            count(row["events"]),
            words(OF_CODES[code]),
        ]
        for row in answer.rows
        for code in [Code(row["code"])]
    ]
    headers = ["Refused because", "Stream", "Records", "Events in them", "What to do"]
    return [Table("Refused records", headers, cells, answer.more)] if cells else []


def _warned_table(answer: Answer) -> list[Block]:
    cells = [
        [
            words(in_words(warning)),
            count(row["conversions"]),
            words(OF_WARNINGS[warning]),
        ]
        for row in answer.rows
        for warning in [Warn(row["warning"])]
    ]
    headers = ["Repaired or unusual", "Conversions", "What to do"]
    return [Table("Conversions with a warning", headers, cells, answer.more)] if cells else []


def _late_note(records: int) -> list[Block]:
    if not records:
        return []
    text = (
        f"{counted(records, 'record')} of the whole log came late, after the job had gone on; they "
        "count as received when they were read. Few are harmless; many mean a slow sender."
    )
    return [Note(text)]
