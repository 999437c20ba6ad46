"""The name of the database's host is looked up before the driver connects.

The event loop's lookup goes on when the driver gives up waiting for it, and its failure then comes
up as an exception that nobody retrieved. Invariants: one lookup a host runs at a time and its
result is always taken; whoever waits is told that it is the name that is not found, and not that
the database is silent.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from servicelayer_api.db.address import hosts_of

if TYPE_CHECKING:
    type Connection = asyncpg.Connection[asyncpg.Record]

_VALID_SECONDS: Final = 5.0
_LONGEST_WAIT: Final = 2.0


class Names:
    """Looks up the hosts of one database."""

    def __init__(self, dsn: str, *, wait: float = _LONGEST_WAIT) -> None:
        """Look up the hosts of an address.

        Args:
            dsn: The address.
            wait: Seconds that a connection waits for a lookup; less than a module's probe may take,
                so that the probe tells the cause.
        """
        self._dsn = dsn
        self._wait = wait
        self._lookups: dict[str, asyncio.Task[OSError | None]] = {}
        self._found: dict[str, float] = {}

    async def connect(self, *_: object, **options: Any) -> Connection:
        """Connect, as `asyncpg.connect`, once one of the hosts has an address.

        Raises:
            OSError: None has one.
        """
        await self.find()
        return await asyncpg.connect(self._dsn, **options)

    async def find(self) -> None:
        """Make sure that one of the hosts has an address.

        Raises:
            OSError: None has one.
        """
        hosts = hosts_of(self._dsn)
        failures = await asyncio.gather(*(self._look_up(host) for host in hosts))
        failed = [failure for failure in failures if failure is not None]
        if failed and len(failed) == len(hosts):
            raise failed[0]

    async def close(self) -> None:
        """Give up what is being looked up."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def _look_up(self, host: str) -> OSError | None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._found.get(host, float("-inf")) < _VALID_SECONDS:
            return None
        lookup = self._lookups.get(host)
        if lookup is None or lookup.done():
            lookup = self._lookups[host] = loop.create_task(self._ask(host), name="name-lookup")
        done, _ = await asyncio.wait((lookup,), timeout=self._wait)
        if not done:
            return socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._wait:g} s")
        return lookup.result()

    async def _ask(self, host: str) -> OSError | None:
        loop = asyncio.get_running_loop()
        try:
            await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as exc:
            return exc
        self._found[host] = loop.time()
        return None
