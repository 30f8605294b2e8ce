"""One of the processes of a run: `python -m flows.run.member`, started by `flows.run.members`.

It reads what to run from standard input, which stays open as long as its supervisor lives: at its
end the member exits at once.
"""

# ruff: noqa: PLC0415  signals first: to import the rest takes a second

import os
import pickle
import sys
import threading

from flows.process.stopping import AT_ONCE, Stopping, asked_by_signals, restore_terminal


def main() -> int:
    """Run a member and return its exit code."""
    stopping = Stopping()
    with asked_by_signals(stopping):
        from flows.monitoring.logs import set_up_logs
        from flows.run.run import run_here

        set_up_logs()
        job, prepared, seat = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own supervisor
        threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
        return run_here(job, prepared, stopping, seat)


def _end_with_the_supervisor() -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: the exit would wait for the buffer's lock
        pass
    restore_terminal()
    os._exit(AT_ONCE)


if __name__ == "__main__":
    sys.exit(main())
