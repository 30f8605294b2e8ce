"""Names of campaigns as labels of a chart: short, and no two alike."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from flows.report.asking import Row
from flows.report.cells import printable

NO_CAMPAIGN: Final = "no campaign"

LABEL_LETTERS_MAX: Final = 22
"""A label leaves room for the bars, also on a telephone."""


def labels_of(rows: Sequence[Row]) -> list[str]:
    """Return a label for each row: its campaign, with the advertiser where two are alike."""
    campaigns = [short(row["campaign_id"] or NO_CAMPAIGN) for row in rows]
    seen = Counter(campaigns)
    labels = [
        campaign if seen[campaign] == 1 else short(f"{campaign} {printable(row['advertiser_id'])}")
        for campaign, row in zip(campaigns, rows, strict=True)
    ]
    return _told_apart(labels)


def short(text: str, most: int = LABEL_LETTERS_MAX) -> str:
    """Return the beginning and the end of a name, which often tell it apart."""
    text = printable(text)
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def _told_apart(labels: Sequence[str]) -> list[str]:
    """Return the labels with a number behind each that is there already."""
    seen: Counter[str] = Counter()
    apart = []
    for label in labels:
        seen[label] += 1
        apart.append(f"{label} ({seen[label]})" if seen[label] > 1 else label)
    return apart
