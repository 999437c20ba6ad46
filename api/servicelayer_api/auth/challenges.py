"""Wallet challenges that nobody keeps: each is made anew from a key, the wallet, place and time.

Invariant: asking for a challenge changes nothing, so nobody can use up what belongs to another. In
one slot of time all who ask for a wallet are given the same one; a login uses it up, and the next
of the slot has a higher generation. Whoever has no signature of the wallet cannot tell them apart
from random numbers, and cannot make the generation grow.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.auth.models import Challenge, OpenChallenge
from servicelayer_api.auth.rules import challenge_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHALLENGE_SECONDS: Final = 300
SLOT_SECONDS: Final = 15
# The clocks of replicas may differ by so many slots.
_SKEW: Final = 4


class Challenges:
    """Makes challenges with a key that all replicas share."""

    def __init__(self, key: bytes) -> None:
        """Hold the key; 32 bytes that are used for nothing else."""
        self._key = key

    def give(
        self, wallet: str, address: str, place: str, now: datetime, used: Mapping[int, int]
    ) -> Challenge:
        """The challenge of this moment.

        Args:
            wallet: what tells it from others: the script hash, or a text that is none.
            address: as the message names it.
            place: where one logs in, as the message names it.
            now: the present.
            used: by slot, how many of the wallet's challenges logins have used up.
        """
        slot = slot_of(now)
        return self._make(wallet, address, place, slot, used.get(slot, 0))

    def list_open(
        self, wallet: str, address: str, place: str, now: datetime, used: Mapping[int, int]
    ) -> Iterator[OpenChallenge]:
        """The challenges that may be signed at this moment, the latest first; as for `give`."""
        latest = slot_of(now) + _SKEW
        for slot in range(latest, oldest_slot(now) - 1, -1):
            generation = used.get(slot, 0)
            made = self._make(wallet, address, place, slot, generation)
            if made.expires_at > now:
                yield OpenChallenge(slot, generation, made)

    def _make(self, wallet: str, address: str, place: str, slot: int, generation: int) -> Challenge:
        what = msgspec.msgpack.encode((wallet, place, slot, generation))
        nonce = hmac.digest(self._key, what, "sha256").hex()
        expires = expiry_of(slot)
        message = challenge_message(host=place, address=address, nonce=nonce, expires=expires)
        return Challenge(nonce=nonce, expires_at=expires, message=message)


def slot_of(moment: datetime) -> int:
    """The number of the slot that a moment is in."""
    return int(moment.timestamp()) // SLOT_SECONDS


def oldest_slot(now: datetime) -> int:
    """The first slot whose challenges may still be open."""
    return slot_of(now - timedelta(seconds=CHALLENGE_SECONDS))


def expiry_of(slot: int) -> datetime:
    """When the challenges of a slot end."""
    return datetime.fromtimestamp(slot * SLOT_SECONDS + CHALLENGE_SECONDS, UTC)
