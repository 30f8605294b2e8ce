"""What each campaign earned under every model side by side, apart for each currency."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from attribution.vocabulary import MODELS
from connectors.wording import counted
from flows.report.asking import Answer, Asker, Row
from flows.report.blocks import Chart, Facts, Found, Note, Series, Table
from flows.report.cells import Cell, amount, change, count, name, words
from flows.report.labels import BASE, MODEL_RULES
from flows.report.labels import MODELS as NAMES
from flows.report.names import labels_of
from flows.report.selection import DAY, Selection

OTHERS: Final = [model for model in MODELS if model != BASE]

CURRENCIES_MAX: Final = 12
"""Currencies with a table of their own."""

_BY_VALUE: Final = f"{BASE} desc, advertiser_id, campaign_id"


def campaigns(ask: Asker) -> Found:
    """Return value and conversions of campaigns under each model."""
    earned = ask.ask(
        "Value by campaign and model", _value(ask.selection), order=_BY_VALUE, per="currency"
    )
    credited = ask.ask(
        "Conversions by campaign and model", _conversions(ask.selection), order=_BY_VALUE
    )
    by_currency = earned.by("currency")
    blocks = [_chart(answer, currency) for currency, answer in by_currency.items()]
    hidden = len(blocks) - CURRENCIES_MAX
    return Found(
        answer=_answer(by_currency, credited),
        meaning=(
            "A model is a rule for sharing a conversion among the ads that led to it. Last touch "
            "decides the winner here; the other columns show what the same conversions give a "
            "campaign under another rule, and by how much that differs. Each model shares out "
            "every conversion once: compare columns, never add them up."
        ),
        blocks=[
            *blocks[:CURRENCIES_MAX],
            *(
                [Note(f"And {counted(hidden, 'more currency', 'more currencies')}.")]
                if hidden > 0
                else []
            ),
            *([_credited(credited)] if credited.rows else []),
            Facts([(NAMES[model], words(MODEL_RULES[model])) for model in MODELS]),
        ],
    )


def _value(selection: Selection) -> str:
    sums = ", ".join(f"sum({model}_value) as {model}" for model in MODELS)
    return f"""
        select advertiser_id, campaign_id, currency, {sums}
        from credit_sums {selection.money(DAY)}
        group by advertiser_id, campaign_id, currency"""


def _conversions(selection: Selection) -> str:
    sums = ", ".join(f"sum({model}) as {model}" for model in MODELS)
    return f"""
        select advertiser_id, campaign_id, {sums}
        from credit_sums {selection.where(DAY)}
        group by advertiser_id, campaign_id"""


def _answer(by_currency: dict[str, Answer], credited: Answer) -> str:
    if not credited.rows:
        return "No campaign has earned a conversion yet."
    if not by_currency:
        return "The attributed conversions have no value; only their number can be compared."
    first = {currency: answer.rows[0] for currency, answer in by_currency.items()}
    leaders = [
        f"{name(row['campaign_id']).text} ({amount(row[BASE], currency).text} {currency})"
        for currency, row in list(first.items())[:3]
    ]
    more = ", and more" if len(first) > len(leaders) else ""
    return f"Most value by last touch: {', '.join(leaders)}{more}."


def _chart(answer: Answer, currency: str) -> Chart:
    rows = answer.rows
    caption = f"Value in {currency} by campaign and model"
    return Chart(
        "dots",
        f"Value in {currency}: last touch as a bar, the other models as marks",
        f"{counted(len(rows), 'campaign')}; the table beneath has the same numbers.",
        labels_of(rows),
        [Series(NAMES[model], [float(row[model]) for row in rows]) for model in (BASE, *OTHERS)],
        _table(answer, caption, lambda value: amount(value, currency)),
        currency,
        has_open_table=True,
    )


def _credited(answer: Answer) -> Table:
    return _table(answer, "Conversions by campaign and model, with and without a value", count)


def _table(answer: Answer, caption: str, written: Callable[[Decimal], Cell]) -> Table:
    most = max((row[BASE] for row in answer.rows), default=Decimal(0)) or Decimal(1)
    headers = ["Campaign", "Advertiser", *(NAMES[model] for model in (BASE, *OTHERS))]
    return Table(caption, headers, [_cells(row, written, most) for row in answer.rows], answer.more)


def _cells(row: Row, written: Callable[[Decimal], Cell], most: Decimal) -> list[Cell]:
    base = row[BASE]
    cells = [name(row["campaign_id"]), name(row["advertiser_id"])]
    cells.append(written(base).with_bar(float(base / most)))
    others = (written(row[model]).noted(change(row[model], base)) for model in OTHERS)
    return [*cells, *others]
