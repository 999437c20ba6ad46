"""Checks passwords against bcrypt hashes, outside the event loop and never more than a few at once.

Invariants: a check of a name that does not exist takes the work of one that does, so that the time
    tells nothing. Addresses take turns, and one address has a few places in the queue only, so that
    nobody waits behind the guesses of another; who has no place is refused before any work is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import bcrypt

from servicelayer_api.auth.errors import TooManyLogins
from servicelayer_api.auth.rules import BCRYPT_LENGTH
from servicelayer_api.web.addresses import site_of
from servicelayer_api.web.users import fold_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from servicelayer_api.web.users import User

_AT_ONCE: Final = 2
_PLACES: Final = 256
_PLACES_OF_ADDRESS: Final = 8
_COST_WITHOUT_USERS: Final = 4


class Turns:
    """A queue in which addresses take turns, whatever each of them puts in."""

    def __init__(
        self,
        at_once: int = _AT_ONCE,
        places: int = _PLACES,
        of_address: int = _PLACES_OF_ADDRESS,
    ) -> None:
        """Let so many through at the same time.

        Args:
            at_once: How many.
            places: How many may wait or be at work altogether.
            of_address: How many of one address.
        """
        self._free = at_once
        self._places = places
        self._of_address = of_address
        self._taken: dict[str, int] = {}
        # In the order in which it is the addresses' turn.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextmanager
    def place(self, address: str) -> Generator[str]:
        """Hold a place in the queue; gives the name under which its address waits.

        Raises:
            TooManyLogins: The address, or all of them together, have as many as they may.
        """
        site = site_of(address)
        taken = self._taken.get(site, 0)
        if taken >= self._of_address or sum(self._taken.values()) >= self._places:
            raise TooManyLogins("too many logins at the same time", retry_after=1)
        self._taken[site] = taken + 1
        try:
            yield site
        finally:
            left = self._taken[site] - 1
            if left:
                self._taken[site] = left
            else:
                del self._taken[site]

    @asynccontextmanager
    async def turn(self, site: str) -> AsyncGenerator[None]:
        """Wait for a turn, and have it."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(site)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, site: str) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(site, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a turn to the next address that waits; it goes to the end of the line."""
        while self._waiting:
            site = next(iter(self._waiting))
            line = self._waiting.pop(site)
            next_one = line.popleft()
            if line:
                self._waiting[site] = line
            if not next_one.done():
                next_one.set_result(None)
                return
        self._free += 1


class Passwords:
    """The users of the configuration and their hashes."""

    def __init__(self, users: Mapping[str, User]) -> None:
        """Prepare a hash of nobody's password, as costly as the costliest of a user."""
        self._users = users
        cost = max((user.cost for user in users.values()), default=_COST_WITHOUT_USERS)
        # The salt decides the cost; the hash behind it is made up and fits no known password.
        self._nobody = bcrypt.gensalt(cost) + b"." * 31
        self.turns = Turns()

    def __bool__(self) -> bool:
        return bool(self._users)

    def known_name(self, name: str) -> str:
        """The name of a user in the configuration's spelling; empty when there is none."""
        user = self._users.get(fold_name(name))
        return user.name if user else ""

    async def check(self, name: str, password: str, site: str = "") -> User | None:
        """Check a password.

        Args:
            name: in any case.
            password: as sent.
            site: from where, as `turns.place` gave it.

        Returns:
            The user, `None` when name or password is wrong.
        """
        user = self._users.get(fold_name(name))
        hashed = user.password_hash.encode() if user else self._nobody
        given = password.encode("utf-8", "surrogatepass")[:BCRYPT_LENGTH]
        async with self.turns.turn(site):
            fits = await asyncio.to_thread(bcrypt.checkpw, given, hashed)
        return user if fits else None
