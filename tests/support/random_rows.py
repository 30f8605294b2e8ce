"""Makes up rows of a result, for views that must add up whatever the tables hold.

The rows need not follow from a log. Some conversions are final, some provisional in several
revisions, and some have both kinds of rows.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb

from attribution.vocabulary import MODELS
from connectors.database import schema
from connectors.database.credit_sums import sum_up
from tests.support.decoded import Row, insert

D = Decimal
AD: Final = ("campaign_id", "media_buy_id", "package_id", "creative_id")
EDGES: Final = (0, 60, 600, 3600, 21600, 86400, 259200, 604800, 1209600, 2592000)
"""Where the buckets of view time_to_convert begin, in seconds."""

PENNILESS: Final = "D"
"""An advertiser without prices and conversions."""

_START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


class RandomRows:
    """`tables` are the rows of a result; `conversions` and `credits` are those that count."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  no secret
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self.conversions: list[Row] = []
        self.credits: list[Row] = []
        for number in range(150):
            self.add_conversion(f"c{number}")
        self.deltas = [self.delta() for _ in range(120)]
        self.tables["touchpoint_deltas"] = self.deltas
        self.random.shuffle(self.tables["credits_final"])

    @contextmanager
    def written(self, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """Write a result file; its sessions are far from UTC."""
        with duckdb.connect(path) as connection:
            connection.execute("set timezone = 'Pacific/Auckland'")
            schema.create(connection)
            for table, rows in self.tables.items():
                insert(connection, table, rows)
            sum_up(connection, until=2)  # some are later
            yield connection

    def add_conversion(self, conversion_id: str) -> None:
        """Add a conversion, final or as it was known in one to three revisions, or both."""
        is_final = self.random.random() < 0.7
        last = self.random.randint(1, 3)
        seqs = range(1, last + 1) if not is_final or self.random.random() < 0.4 else range(0)
        for seq in seqs:
            row, path = self.conversion(conversion_id, seq)
            self.tables["conversions_provisional"].append(row)
            self.tables["credits_provisional"] += path
        if is_final:
            row, path = self.conversion(conversion_id, last + 1)
            self.tables["conversions_final"].append(row)
            self.tables["credits_final"] += path
        self.conversions.append(row)
        self.credits += path

    def conversion(self, conversion_id: str, seq: int) -> tuple[Row, list[Row]]:
        """Make up a conversion and its credits."""
        length = self.random.choice((0, 1, 1, 2, 3, 5))
        value = self.random.choice((None, D("0.01"), D("19.99"), D(100)))
        at = _START + timedelta(minutes=self.random.randint(0, 3 * 1440))
        row: Row = {
            "conversion_id": conversion_id,
            "advertiser_id": self.random.choice("AB"),
            "event_source_id": self.random.choice(("app", "pixel", "server")),
            "event_type": self.random.choice(("purchase", "custom")),
            "custom_event_name": self.random.choice((None, "x")),
            "event_id": f"e{self.random.randint(1, 40)}",
            "order_id": self.random.choice((None, f"o{self.random.randint(1, 20)}")),
            "event_time": at,
            "received_at": at + timedelta(seconds=self.random.randint(0, 3)),
            "value": value,
            "currency": "EUR" if value is None else self.random.choice(("EUR", "USD")),
            "outcome": "attributed" if length else "unattributed",
            "path_length": length,
            "touch_type": self.random.choice(("click", "view")) if length else None,
            "seconds_to_convert": self.seconds() if length else None,
            "seq": seq,
        }
        winner = self.random.randrange(length) if length else None
        path = [self.credit(row, place, place == winner) for place in range(length)]
        return row, self.random.sample(path, length)

    def seconds(self) -> float:
        """Make up a time to convert; often on the edge of a bucket, or next to it."""
        return max(0.0, self.random.choice(EDGES) + self.random.choice((-0.001, 0.0, 0.5, 900.0)))

    def credit(self, conversion: Row, place: int, is_winner: bool) -> Row:  # noqa: FBT001  of a row
        """Make up what a touchpoint earns; only last_touch must say who wins."""
        shares = {model: D(self.random.randrange(10**9)).scaleb(-9) for model in MODELS}
        shares["last_touch"] = D(int(is_winner))
        value = conversion["value"]
        worth = {
            f"{model}_value": value and round(value * share, 6) for model, share in shares.items()
        }
        same = ("conversion_id", "advertiser_id", "event_time", "path_length", "seq")
        return (
            {name: conversion[name] for name in same}
            | {"position": place + 1, "currency": None if value is None else conversion["currency"]}
            | self.ad()
            | shares
            | worth
        )

    def ad(self) -> Row:
        """Make up an ad; it may lack each of its ids."""
        return {name: self.random.choice((None, "x", "y")) for name in AD}

    def delta(self) -> Row:
        """Make up what was delivered of an ad in an hour."""
        advertiser = self.random.choice("ABCD")
        spend = D(0) if advertiser == PENNILESS else self.random.choice((D(0), D("0.5"), D(3)))
        return {
            "advertiser_id": advertiser,
            "type": self.random.choice(("impression", "click")),
            "hour": _START.replace(minute=0) + timedelta(hours=self.random.randint(0, 72)),
            "records": self.random.randint(1, 9),
            "duplicates": 0,
            "spend": spend,
            "currency": self.random.choice(("EUR", "USD")) if spend else None,
            **self.ad(),
        }


def answers(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Return the rows that a query finds."""
    return connection.execute(sql).to_arrow_table().to_pylist()
