"""What campaigns cost, and what a conversion cost: only where impressions or clicks had prices."""

from connectors.wording import counted
from flows.report.asking import Answer, Asker
from flows.report.blocks import Found, Table
from flows.report.cells import amount, count, name, ratio
from flows.report.labels import BASE
from flows.report.selection import DAY, Selection


def costs(ask: Asker) -> Found:
    """Return cost, cost per conversion and return by campaign and currency."""
    spent = ask.ask(
        "Costs by campaign",
        _costs(ask.selection),
        order="spend desc, advertiser_id, campaign_id",
        per="currency",
    )
    by_currency = spent.by("currency")
    return Found(
        answer=_answer(by_currency),
        meaning=(
            "Costs are the prices that came with impressions and clicks, by when these happened. "
            "Conversions and value are by last touch, by when the conversion happened. Without "
            "prices there is no cost, rather than a cost of zero."
        ),
        blocks=[_table(answer, currency) for currency, answer in by_currency.items()],
    )


def _costs(selection: Selection) -> str:
    return f"""
        with spent as (
          select advertiser_id, campaign_id, currency, sum(spend) as spend
          from touchpoint_stats {selection.money("hour")} group by all having sum(spend) > 0),
        delivered as (
          select advertiser_id, campaign_id,
            coalesce(sum(records) filter (type = 'impression'), 0)::bigint as impressions,
            coalesce(sum(records) filter (type = 'click'), 0)::bigint as clicks
          from touchpoint_stats {selection.where("hour")} group by all),
        converted as (
          select advertiser_id, campaign_id, sum({BASE}) as conversions
          from credit_sums {selection.where(DAY)} group by all),
        earned as (
          select advertiser_id, campaign_id, currency, sum({BASE}_value) as value
          from credit_sums {selection.money(DAY)} group by all)
        select advertiser_id, campaign_id, currency, spend, impressions, clicks,
          coalesce(conversions, 0) as conversions, coalesce(value, 0) as value,
          spend / nullif(conversions, 0) as cost_per_conversion,
          coalesce(value, 0) / spend as return_on_spend
        from spent join delivered using (advertiser_id, campaign_id)
        left join converted using (advertiser_id, campaign_id)
        left join earned using (advertiser_id, campaign_id, currency)"""


def _answer(by_currency: dict[str, Answer]) -> str:
    if not by_currency:
        return "No impression or click had a price, so there are no costs to show."
    campaigns = sum(answer.in_all for answer in by_currency.values())
    currencies = ", ".join(list(by_currency)[:5])
    return f"Prices are known of {counted(campaigns, 'campaign')}, in {currencies}."


def _table(answer: Answer, currency: str) -> Table:
    headers = ["Campaign", "Advertiser", "Cost", "Impressions", "Clicks", "Conversions"]
    headers += ["Value", "Cost per conversion", "Return on spend"]
    most = answer.rows[0]["spend"]
    cells = [
        [
            name(row["campaign_id"]),
            name(row["advertiser_id"]),
            amount(row["spend"], currency).with_bar(float(row["spend"] / most)),
            count(row["impressions"]),
            count(row["clicks"]),
            count(row["conversions"]),
            amount(row["value"], currency),
            amount(row["cost_per_conversion"], currency),
            ratio(row["return_on_spend"]),
        ]
        for row in answer.rows
    ]
    return Table(f"Costs and return in {currency}", headers, cells, answer.more)
