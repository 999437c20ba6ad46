"""Checks passwords against bcrypt hashes, outside the event loop and never more than a few at once.

Invariant: a check of a name that does not exist takes the work of one that does, so that the time
    tells nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import bcrypt

from servicelayer_api.auth.errors import TooManyLogins
from servicelayer_api.auth.rules import BCRYPT_LENGTH
from servicelayer_api.web.users import fold_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_api.web.users import User

_AT_ONCE: Final = 2
_WAITING: Final = 64
_COST_WITHOUT_USERS: Final = 4


class Passwords:
    """The users of the configuration and their hashes."""

    def __init__(self, users: Mapping[str, User]) -> None:
        """Prepare a hash of nobody's password, as costly as the costliest of a user."""
        self._users = users
        cost = max((user.cost for user in users.values()), default=_COST_WITHOUT_USERS)
        # The salt decides the cost; the hash behind it is made up and fits no known password.
        self._nobody = bcrypt.gensalt(cost) + b"." * 31
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def __bool__(self) -> bool:
        return bool(self._users)

    def known_name(self, name: str) -> str:
        """The name of a user in the configuration's spelling; empty when there is none."""
        user = self._users.get(fold_name(name))
        return user.name if user else ""

    async def check(self, name: str, password: str) -> User | None:
        """Check a password.

        Args:
            name: in any case.
            password: as sent.

        Returns:
            The user, `None` when name or password is wrong.

        Raises:
            TooManyLogins: too many checks are waiting for their turn.
        """
        user = self._users.get(fold_name(name))
        hashed = user.password_hash.encode() if user else self._nobody
        given = password.encode("utf-8", "surrogatepass")[:BCRYPT_LENGTH]
        if self._waiting >= _WAITING:
            raise TooManyLogins("too many logins at the same time", retry_after=1)
        self._waiting += 1
        try:
            async with self._turns:
                fits = await asyncio.to_thread(bcrypt.checkpw, given, hashed)
        finally:
            self._waiting -= 1
        return user if fits else None
