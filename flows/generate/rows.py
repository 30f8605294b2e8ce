"""The columns of planned records, and the numeric codes in them.

Times are milliseconds since the epoch.
"""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[Any]
"""A structured array of TOUCH or EVENT."""

_RECORD: Final = [(name, np.int64) for name in ("time", "arrival", "slot", "user", "device")] + [
    ("advertiser", np.int64),
    ("copy", np.int64),  # 0 the original, 1 an exact copy, 2 a copy that differs
    ("fault", np.int64),  # 0 none, else 1 + the position in the list of faults
]
TOUCH: Final = np.dtype([*_RECORD, ("number", np.int64), ("click", np.bool_), ("bot", np.bool_)])
"""One record of the impression stream; a click has the `number` of its impression."""
EVENT: Final = np.dtype(
    [
        *_RECORD,
        *((name, np.int64) for name in ("visit", "depth", "source", "cause")),
        ("click", np.bool_),
        ("test", np.bool_),
    ]
)
"""One event; `cause` is the number of the impression behind the visit, or -1."""

SOURCES: Final = ("website_pixel", "app_sdk", "crm_feed", "landing_beta")
"""The event sources of every advertiser; the last is not in the registry."""
WEBSITE, APP, CRM, UNREGISTERED = range(4)

EXACT, CHANGED = 1, 2
