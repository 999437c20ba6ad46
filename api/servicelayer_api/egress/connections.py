"""Connections that are kept open for the next request to the same origin.

Each serves one request at a time and is looked up by scheme, host and port, so that one that was
verified for a name is never used for another. Taking one costs the same however many there are,
which the HTTP library's own pool does not hold.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from servicelayer_api.egress.network import GuardedNetwork
    from servicelayer_api.egress.rules import Target

    type Origin = tuple[str, str, int]

_MOST: Final = 512
_IDLE_PER_ORIGIN: Final = 64
_IDLE: Final = 256
# Below the five seconds after which common servers close, so that no request meets a closing one.
_IDLE_SECONDS: Final = 2.0


class Connections:
    """The connections of a process to the outside."""

    def __init__(self, network: GuardedNetwork, tls: ssl.SSLContext) -> None:
        """Connect through `network` only."""
        self._network = network
        self._tls = tls
        self._room = asyncio.Semaphore(_MOST)
        self._idle: defaultdict[Origin, list[tuple[httpcore.AsyncHTTPConnection, float]]] = (
            defaultdict(list)
        )
        self._swept = 0.0

    @asynccontextmanager
    async def exchange(
        self, target: Target, request: httpcore.Request
    ) -> AsyncGenerator[httpcore.Response]:
        """Send a request and lend its answer, whose body is read as far as the caller wants.

        Raises:
            httpcore.NetworkError: It cannot be connected to, or broke.
            httpcore.ProtocolError: It does not speak HTTP.
            EgressRefused: An address is not allowed.
        """
        async with self._room:
            connection = await self._take(target)
            try:
                response = await connection.handle_async_request(request)
                try:
                    yield response
                finally:
                    await response.aclose()
            except BaseException:
                await connection.aclose()
                raise
            await self._give_back(target.origin, connection)

    async def close(self) -> None:
        """Close what is idle."""
        kept, self._idle = self._idle, defaultdict(list)
        for connections in kept.values():
            for connection, _ in connections:
                await connection.aclose()

    async def _take(self, target: Target) -> httpcore.AsyncHTTPConnection:
        now = asyncio.get_running_loop().time()
        idle = self._idle.get(target.origin, [])
        while idle:
            connection, since = idle.pop()
            if now - since < _IDLE_SECONDS and not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(
                scheme=target.scheme.encode(), host=target.host.encode(), port=target.port
            ),
            ssl_context=self._tls,
            http2=False,
            network_backend=self._network,
        )

    async def _give_back(self, origin: Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        now = asyncio.get_running_loop().time()
        if not connection.is_idle() or len(self._idle[origin]) >= _IDLE_PER_ORIGIN:
            await connection.aclose()
        else:
            self._idle[origin].append((connection, now))
        if now - self._swept > _IDLE_SECONDS or sum(map(len, self._idle.values())) > _IDLE:
            self._swept = now
            await self._sweep(now)

    async def _sweep(self, now: float) -> None:
        """Close what nobody has used for a while; hosts that are asked once leave nothing."""
        for origin in list(self._idle):
            kept = self._idle.pop(origin)
            for connection, since in kept:
                if now - since < _IDLE_SECONDS:
                    self._idle[origin].append((connection, since))
                else:
                    await connection.aclose()
