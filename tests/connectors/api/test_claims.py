"""Claims of idempotency keys: what a key is found to be, over time and over processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.api import claims as module
from connectors.api.claims import (
    ANSWERED_SECONDS,
    CLEAN_SECONDS,
    KEPT_SECONDS,
    Claims,
    ClaimsError,
    ClaimState,
    KeyedRequest,
)
from connectors.api.once import KEYS_BURST, KEYS_PER_SECOND, key_buckets

REQUEST = KeyedRequest("agent", "adv", "k" * 16, b"one")
OTHER = KeyedRequest("agent", "adv", "k" * 16, b"other")
ANSWER = b'{"events_received":1}'


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claims(tmp_path: Path, clock: Clock) -> Iterator[Claims]:
    opened = Claims(tmp_path / "api.sqlite", clock)
    yield opened
    opened.close()


def state(claims: Claims, request: KeyedRequest = REQUEST) -> ClaimState:
    return claims.claim(request, ANSWER).result(10).state


def settled(claims: Claims, request: KeyedRequest = REQUEST) -> None:
    claim = claims.claim(request, ANSWER).result(10)
    assert claim.state is ClaimState.NEW
    claims.settle(request, claim.token, "events/a@0").result(10)


def test_a_key_is_new_then_in_flight_then_settled(claims: Claims) -> None:
    first = claims.claim(REQUEST, ANSWER).result(10)
    assert (first.state, len(first.token)) == (ClaimState.NEW, 32)
    assert state(claims) is ClaimState.IN_FLIGHT
    assert state(claims, OTHER) is ClaimState.CONFLICT
    claims.settle(REQUEST, first.token, "events/a@0")
    copy = claims.claim(REQUEST, b"not this").result(10)
    assert (copy.state, copy.answer, copy.receipt) == (ClaimState.SETTLED, ANSWER, "events/a@0")
    assert state(claims, OTHER) is ClaimState.CONFLICT


def test_a_key_counts_for_one_agent_and_one_account(claims: Claims) -> None:
    settled(claims)
    for agent, account in (("agent", "adw"), ("other", "adv")):
        assert state(claims, KeyedRequest(agent, account, "k" * 16, b"x")) is ClaimState.NEW


def test_a_released_key_is_new_but_a_settled_one_is_not_released(claims: Claims) -> None:
    first = claims.claim(REQUEST, ANSWER).result(10)
    claims.release(REQUEST, "another token")
    assert state(claims, OTHER) is ClaimState.CONFLICT
    claims.release(REQUEST, first.token)
    settled(claims, OTHER)
    claims.release(OTHER, first.token)
    assert state(claims, OTHER) is ClaimState.SETTLED


def test_a_claim_is_in_flight_while_its_process_lives_and_then_abandoned(
    tmp_path: Path, claims: Claims
) -> None:
    other = Claims(tmp_path / "api.sqlite")
    token = other.claim(REQUEST, ANSWER).result(10).token
    assert state(claims) is ClaimState.IN_FLIGHT
    other.close()
    found = claims.claim(REQUEST, b"").result(10)
    assert (found.state, found.token, found.answer) == (ClaimState.ABANDONED, token, ANSWER)
    assert state(claims, OTHER) is ClaimState.CONFLICT


def test_a_key_expires_and_is_forgotten_in_the_end(claims: Claims, clock: Clock) -> None:
    settled(claims)
    clock.now += ANSWERED_SECONDS - 1
    assert state(claims) is ClaimState.SETTLED
    clock.now += 1
    assert state(claims) is ClaimState.EXPIRED
    assert state(claims, OTHER) is ClaimState.EXPIRED
    clock.now += KEPT_SECONDS - ANSWERED_SECONDS + 1
    assert state(claims, OTHER) is ClaimState.NEW


def test_no_time_frees_a_claim_whose_outcome_is_unknown(
    tmp_path: Path, claims: Claims, clock: Clock
) -> None:
    other = Claims(tmp_path / "api.sqlite", clock)
    other.claim(REQUEST, ANSWER).result(10)
    other.close()
    clock.now += 2 * KEPT_SECONDS
    assert state(claims) is ClaimState.ABANDONED


def test_a_dropped_answer_stays_expired_if_the_clock_is_set_back(
    claims: Claims, clock: Clock
) -> None:
    settled(claims)
    clock.now += ANSWERED_SECONDS + CLEAN_SECONDS
    assert state(claims) is ClaimState.EXPIRED
    clock.now -= ANSWERED_SECONDS
    assert state(claims) is ClaimState.EXPIRED


def test_keys_are_bounded_and_the_oldest_make_room(
    tmp_path: Path, claims: Claims, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLAIMS_MAX", 2)
    keys = [KeyedRequest("agent", "adv", f"{name}" * 16, b"") for name in "abcd"]
    settled(claims, keys[0])
    settled(claims, keys[1])
    assert state(claims, keys[2]) is ClaimState.FULL
    assert state(claims, keys[0]) is ClaimState.SETTLED
    clock.now += KEPT_SECONDS + 1
    assert state(claims, keys[2]) is ClaimState.NEW
    assert state(claims, keys[3]) is ClaimState.NEW
    reopened = Claims(tmp_path / "api.sqlite", clock)
    assert state(reopened, keys[1]) is ClaimState.FULL
    reopened.close()


def test_a_new_key_needs_leave_and_a_known_one_does_not(claims: Claims) -> None:
    def asked() -> ClaimState:
        return claims.claim(REQUEST, ANSWER, may_be_new=False).result(10).state

    assert asked() is ClaimState.LIMITED
    settled(claims)
    assert asked() is ClaimState.SETTLED


def test_of_many_at_once_one_gets_a_key(tmp_path: Path) -> None:
    both = [Claims(tmp_path / "api.sqlite") for _ in range(2)]
    with ThreadPoolExecutor(8) as senders:
        for number in range(20):
            request = KeyedRequest("agent", "adv", f"key {number}", b"one")
            states = list(senders.map(lambda each, r=request: state(each, r), both * 4))
            assert sorted(states) == [ClaimState.IN_FLIGHT] * 7 + [ClaimState.NEW]
    for each in both:
        each.close()


def test_a_file_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "api.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(ClaimsError, match="cannot be used for idempotency keys"):
        Claims(tmp_path / "api.sqlite")


def test_new_keys_of_an_agent_are_limited_for_each_account() -> None:
    clock = Clock()
    rate, agent = key_buckets(clock), REQUEST.scope[:2]
    for _ in range(KEYS_BURST):
        assert rate.left(agent) >= 1
        rate.spend(agent)
    assert rate.left(agent) < 1
    assert rate.left(("agent", "other")) == KEYS_BURST
    clock.now += 1
    assert rate.left(agent) == KEYS_PER_SECOND
    clock.now += 3_600
    assert rate.left(agent) == KEYS_BURST
