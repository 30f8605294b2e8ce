"""Several documents that are kept together: one future for all of them."""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

from connectors.spool.store import Receipt


def all_kept(futures: "Sequence[Future[Receipt]]") -> "Future[list[Receipt]]":
    """Return a future of all receipts, in order; it fails as the first that failed.

    Its result is there when the last of them is: whoever waits is woken once, not once for each.
    """
    done: Future[list[Receipt]] = Future()
    done.set_running_or_notify_cancel()  # whoever waits may give up; the documents are kept
    open_futures, counting = len(futures), Lock()

    def count(_: "Future[Receipt]") -> None:
        nonlocal open_futures
        with counting:
            open_futures -= 1
            is_last = open_futures == 0
        if is_last:
            _finish(done, futures)

    for future in futures:
        future.add_done_callback(count)
    if not futures:
        done.set_result([])
    return done


def _finish(done: "Future[list[Receipt]]", futures: "Sequence[Future[Receipt]]") -> None:
    failed = next((error for each in futures if (error := each.exception())), None)
    if failed is not None:
        done.set_exception(failed)
    else:
        done.set_result([each.result() for each in futures])
