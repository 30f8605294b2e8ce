"""`tributary` with small limits, so that what is rare happens every few seconds.

Without arguments it is one of the processes of a run, with the same limits.
"""

import sys
from typing import Any, Final

from connectors.database import compaction, live_sink
from connectors.state import segments
from flows.cli.app import app
from flows.run import member, members

SMALL: Final[list[tuple[Any, str, object]]] = [
    (segments, "INLINE_BYTES", 2_000),
    (segments, "MAP_BYTES", 10_000),
    (live_sink, "WAL_BYTES_MAX", 100_000),
    (compaction, "UPKEEP_COMMITS", 4),
    (members, "MEMBER", "tests.chaos.small"),
]

if __name__ == "__main__":
    for module, name, value in SMALL:
        setattr(module, name, value)
    if sys.argv[1:]:
        app()
    else:
        sys.exit(member.main())
