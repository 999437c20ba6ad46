"""Wallet challenges that are kept nowhere: who is given which, and how long each is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from servicelayer_api.auth.challenges import (
    CHALLENGE_SECONDS,
    SLOT_SECONDS,
    Challenges,
    oldest_slot,
    slot_of,
)

NOW = datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
CHALLENGES = Challenges(b"k" * 32)


def give(at: datetime = NOW, *, wallet: str = "w", place: str = "p", used: int = 0) -> str:
    return CHALLENGES.give(wallet, "N", place, at, {slot_of(at): used}).nonce


def is_open(nonce: str, at: datetime, used: dict[int, int] | None = None) -> bool:
    found = CHALLENGES.list_open("w", "N", "p", at, used or {})
    return nonce in {one.challenge.nonce for one in found}


def test_all_who_ask_in_one_slot_are_given_the_same_and_others_are_not() -> None:
    first = give()

    assert give(NOW + timedelta(seconds=7)) == first
    assert Challenges(b"k" * 32).give("w", "N", "p", NOW, {}).nonce == first
    for other in (
        give(NOW + timedelta(seconds=SLOT_SECONDS)),
        give(wallet="v"),
        give(place="q"),
        give(used=1),
        Challenges(b"l" * 32).give("w", "N", "p", NOW, {}).nonce,
    ):
        assert other != first
        assert len(bytes.fromhex(other)) == 32


def test_a_challenge_is_open_until_it_expires_at_every_replica() -> None:
    given = CHALLENGES.give("w", "N", "p", NOW, {})

    left = given.expires_at - NOW
    assert CHALLENGE_SECONDS - SLOT_SECONDS < left.total_seconds() <= CHALLENGE_SECONDS
    for at in (NOW - timedelta(seconds=30), NOW, given.expires_at - timedelta(microseconds=1)):
        assert is_open(given.nonce, at)
    assert not is_open(given.nonce, given.expires_at)


@pytest.mark.parametrize("used", [1, 2, 5])
def test_what_was_used_up_is_open_no_more_and_the_next_one_is(used: int) -> None:
    slot = slot_of(NOW)

    assert not is_open(give(used=used - 1), NOW, {slot: used})
    assert is_open(give(used=used), NOW, {slot: used})


def test_what_is_open_is_within_what_is_counted() -> None:
    for second in range(SLOT_SECONDS):
        at = NOW + timedelta(seconds=second)
        found = list(CHALLENGES.list_open("w", "N", "p", at, {}))
        assert min(one.slot for one in found) >= oldest_slot(at)
