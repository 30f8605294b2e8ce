"""`python -m tests.fuzz --seed S --lines N`: mutated lines, and one line of JSON about them.

Exits with 1 when anything was found; what, is described on stderr.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import Findings, fuzz


def main() -> int:
    """Run the campaign that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same lines")
    parser.add_argument("--lines", type=int, default=20_000, help="lines of both streams together")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tributary-fuzz-") as folder:
        findings = fuzz(Path(folder), asked.seed, asked.lines, _progress)
    for shown in findings.shown:
        sys.stderr.write(f"{shown}\n")
    sys.stdout.write(f"{findings.as_json()}\n")
    return 0 if findings.is_clean else 1


def _progress(findings: Findings) -> None:
    sys.stderr.write(f"{findings.lines:,} lines\r")


if __name__ == "__main__":
    sys.exit(main())
