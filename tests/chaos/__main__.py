"""The long form, `make chaos`: the last line is one JSON object."""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.chaos.campaign import SHAPES, Campaign, Plan

DIFFERENCES_SHOWN: Final = 20


def main() -> int:
    """Run a campaign in a new folder, which stays when something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--shape", choices=SHAPES, default="mixed")
    parser.add_argument("--records-per-second", type=int, default=100)
    told = parser.parse_args()
    plan = Plan(told.seed, told.kills, SHAPES[told.shape], told.records_per_second)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{told.seed}-"))
    outcome = Campaign(folder, plan, _tell).run()
    if outcome.differences:
        shown = outcome.differences[:DIFFERENCES_SHOWN]
        _tell("\n".join([*shown, f"everything is left in {folder}"]))
    else:
        shutil.rmtree(folder)
    _tell(json.dumps(asdict(outcome) | {"differences": len(outcome.differences)}))
    return bool(outcome.differences)


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command prints


if __name__ == "__main__":
    sys.exit(main())
