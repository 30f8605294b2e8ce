"""The long form, `make chaos`: the last line is one JSON object."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.chaos.campaign import SHAPES, Campaign, Plan

DIFFERENCES_SHOWN: Final = 20


def main() -> int:
    """Run a campaign in a new folder, which stays when something differs.

    Over Kafka that is Apache Kafka where it is there, with all that can happen to a broker, else
    Tansu without.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--over", choices=("files", "kafka"), default="files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--shape", choices=SHAPES, default="mixed")
    parser.add_argument("--records-per-second", type=int, default=100)
    told = parser.parse_args()
    plan = Plan(told.seed, told.kills, SHAPES[told.shape], told.records_per_second)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{told.seed}-"))
    with (_over_kafka if told.over == "kafka" else _over_files)(folder, plan) as campaign:
        outcome = campaign.run()
    if outcome.differences:
        shown = outcome.differences[:DIFFERENCES_SHOWN]
        _tell("\n".join([*shown, f"everything is left in {folder}"]))
    else:
        shutil.rmtree(folder)
    counted = asdict(outcome) | {"differences": len(outcome.differences)}
    _tell(json.dumps(counted | counted.pop("counts")))
    return bool(outcome.differences)


@contextmanager
def _over_files(folder: Path, plan: Plan) -> Iterator[Campaign]:
    yield Campaign(folder, plan, _tell)


@contextmanager
def _over_kafka(folder: Path, plan: Plan) -> Iterator[Campaign]:
    from tests.chaos.long_form import campaign_over_kafka  # noqa: PLC0415  not for files

    with campaign_over_kafka(folder, plan, _tell) as campaign:
        yield campaign


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command prints


if __name__ == "__main__":
    sys.exit(main())
