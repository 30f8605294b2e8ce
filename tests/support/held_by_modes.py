"""Runs a program that the modes of files hold for, even if it is root's.

`python -m tests.support.held_by_modes PROGRAM WORD...`: root may write whatever the modes say, by a
capability that is dropped here; anybody else has none to drop.
"""

import ctypes
import os
import sys
from typing import Final

PR_CAPBSET_DROP: Final = 24
CAP_DAC_OVERRIDE: Final = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  our own words
