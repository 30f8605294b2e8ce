"""Several documents are kept when the last of them is, and not before."""

from concurrent.futures import Future

import pytest

from connectors.spool.store import Receipt
from connectors.spool.together import all_kept


def receipt(offset: int) -> Receipt:
    return Receipt("impressions", "file", offset, 0)


def test_all_receipts_come_with_the_last_and_in_order() -> None:
    futures: list[Future[Receipt]] = [Future() for _ in range(3)]
    kept = all_kept(futures)
    for at in (2, 0):
        futures[at].set_result(receipt(at))
        assert not kept.done()
    futures[1].set_result(receipt(1))
    assert [each.offset for each in kept.result(0)] == [0, 1, 2]


def test_one_failure_fails_all_once_none_is_open() -> None:
    futures: list[Future[Receipt]] = [Future() for _ in range(2)]
    kept = all_kept(futures)
    futures[0].set_exception(OSError("disk"))
    assert not kept.done()
    futures[1].set_result(receipt(1))
    with pytest.raises(OSError, match="disk"):
        kept.result(0)


def test_nothing_is_kept_at_once() -> None:
    assert all_kept([]).result(0) == []


def test_whoever_waits_may_give_up() -> None:
    future: Future[Receipt] = Future()
    kept = all_kept([future])
    assert not kept.cancel()
    future.set_result(receipt(0))
    assert kept.result(0) == [receipt(0)]
