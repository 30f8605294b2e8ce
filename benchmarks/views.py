"""The standing questions on a large result: how long each view takes.

Makes a result in a temporary folder (10 M conversions by default; `--conversions` changes it),
asks each question and prints seconds: of all advertisers together, of the largest (22 % of the
conversions) and of a median one (4 %). The last line is JSON. Beside the time that passed is the
CPU time divided by the cores, which other work on the machine changes little. `--keep FILE` makes
the result there, or uses the one that is there.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Final, TypedDict

from benchmarks.harness.large_result import LARGEST, MEDIAN, write_large_result
from connectors.sql.reader import Reader, open_reader

CONVERSIONS: Final = 10_000_000
COUNT: Final = "select count(*) from conversions"
RUNS: Final = 2
CORES: Final = len(os.sched_getaffinity(0))


class Seconds(TypedDict):
    """Of one question: what passed, and the CPU time by the number of cores."""

    passed: float
    cpu: float


SCOPES: Final = {
    "all": "advertiser_id is not null",
    "largest": f"advertiser_id = '{LARGEST}'",
    "median": f"advertiser_id = '{MEDIAN}'",
}

QUESTIONS: Final = {
    "outcomes": "select outcome, count(*) from conversions where {scope} group by all",
    "campaign_performance": """select campaign_id, conversions, value, roas
        from campaign_performance where {scope} and model = 'linear' and currency = 'USD'""",
    "model_comparison": "select * from model_comparison where {scope}",
    "daily_performance of a month": """select campaign_id, day, sum(conversions), sum(value)
        from daily_performance where {scope} and model = 'linear' and currency = 'USD'
        and day between '2026-02-01' and '2026-02-28' group by all""",
    "daily_performance": """select day, sum(impressions), sum(clicks), sum(conversions), sum(value)
        from daily_performance where {scope} and model = 'linear' and currency = 'USD'
        group by all""",
    "time_to_convert": "select * from time_to_convert where {scope}",
    "frequency": "select * from frequency where {scope}",
    "assisted_conversions": "select * from assisted_conversions where {scope}",
    "channel_overlap": "select * from channel_overlap where {scope}",
    "source_overlap": "select * from source_overlap where {scope}",
    "source_quality": "select * from source_quality where {scope}",
    "match_rates": "select * from match_rates where {scope}",
    "identifier_rates": "select * from identifier_rates where {scope}",
    "unmatched_reasons": "select * from unmatched_reasons where {scope}",
    "attributed_conversions of a day": """select creative_id, sum(share), sum(attributed_value)
        from attributed_conversions where {scope} and model = 'linear' and event_type = 'purchase'
        and event_time >= '2026-02-01' and event_time < '2026-02-02' group by all""",
    "journeys": """select campaigns, count(*) from journeys where {scope}
        group by all order by all desc limit 20""",
    "one conversion": """select * from credits where {scope} and conversion_id
        = (select conversion_id from conversions where event_id = 'event-77777')""",
}
"""A typical query of each view; `scope` limits it to one advertiser."""


def main() -> None:
    """Make the result, ask, and print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversions", type=int, default=CONVERSIONS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="", help="part of the name of the questions to ask")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="views-") as folder:
        path = chosen.keep or Path(folder) / "result.duckdb"
        if not path.exists():
            began = time.monotonic()
            write_large_result(path, chosen.conversions)
            print(f"made {path.stat().st_size / 1e9:.1f} GB in {time.monotonic() - began:.0f} s")
        reader = open_reader(path)
        [(conversions,)] = zip(*reader.query(COUNT).to_pydict().values(), strict=True)
        figures = ask_all(reader, chosen.only)
        reader.close()
    print(json.dumps({"conversions": conversions, "cores": CORES, "seconds": figures}))


def ask_all(reader: Reader, only: str = "") -> dict[str, dict[str, Seconds]]:
    """Ask every question of every scope, and print and return the seconds."""
    figures: dict[str, dict[str, Seconds]] = {}
    print(f"{'seconds (CPU by cores)':32}" + "".join(f"{scope:>16}" for scope in SCOPES))
    for name, question in QUESTIONS.items():
        if only in name:
            found = {
                scope: seconds_of(reader, question.format(scope=limit))
                for scope, limit in SCOPES.items()
            }
            cells = (f"{each['passed']:8.2f} ({each['cpu']:5.2f})" for each in found.values())
            print(f"{name:32}" + "".join(cells), flush=True)
            figures[name] = found
    return figures


def seconds_of(reader: Reader, question: str) -> Seconds:
    """Return the least of the seconds that a question took."""
    runs = [_asked(reader, question) for _ in range(RUNS)]
    passed, cpu = (min(each) for each in zip(*runs, strict=True))
    return {"passed": round(passed, 3), "cpu": round(cpu / CORES, 3)}


def _asked(reader: Reader, question: str) -> tuple[float, float]:
    began, used = time.monotonic(), time.process_time()
    reader.query(question)
    return time.monotonic() - began, time.process_time() - used


if __name__ == "__main__":
    main()
