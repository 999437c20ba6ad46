"""The only way out: resolve once, check every address, connect to the one that was checked.

Invariant: `GuardedNetwork` opens every outbound connection of the product, and it opens none before
all addresses of the host have passed. The name is never looked up a second time between the check
and the connection, and the peer's address is compared after connecting.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, cast, override

import httpcore

from servicelayer_api.egress.errors import EgressFailed, EgressRefused
from servicelayer_api.egress.rules import parse_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from servicelayer_api.egress.addresses import Address
    from servicelayer_api.egress.rules import Openings

    type Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
    """Gives the addresses of a host name as texts; raises `OSError` as `getaddrinfo` does."""

_MOST_ADDRESSES: Final = 64
_TRIED_ADDRESSES: Final = 4
_CONNECT_SECONDS: Final = 4.0
# A tenant's slow name server holds a thread for its whole time-out; the event loop's own pool is
# too small to stay usable meanwhile.
_THREADS: Final = 32
_UNKNOWN_NAME: Final = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_FAIL})


class SystemResolver:
    """Asks the system's resolver, on threads of its own."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="egress-resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Look a name up.

        Raises:
            OSError: There is no such name, or no answer.
        """
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _look_up, host, port
        )
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Let the threads end; a look-up that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class TlsFailed(httpcore.ConnectError):
    """The TLS handshake failed: certificate, name, version."""


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects for the HTTP client, by the host that a URL names."""

    def __init__(
        self,
        openings: Openings,
        resolver: Resolver,
        sockets: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """Let through what `openings` say; other `sockets` are for tests."""
        self._openings = openings
        self._resolver = resolver
        self._sockets = sockets or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host.

        Raises:
            EgressRefused: One of its addresses may not be called; nothing was connected to.
            EgressFailed: It cannot be looked up just now.
            httpcore.ConnectError: No address answers.
        """
        del timeout, local_address, socket_options
        addresses = await self._checked(host, port)
        fault: Exception = httpcore.ConnectError()
        for address in addresses[:_TRIED_ADDRESSES]:
            try:
                stream = await self._sockets.connect_tcp(
                    str(address), port, timeout=_CONNECT_SECONDS
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                fault = exc
                continue
            if not _is_peer(stream.get_extra_info("server_addr"), address):
                await stream.aclose()
                raise EgressRefused("the connection went elsewhere than was checked")
            return _Plain(stream)
        raise fault

    @override
    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL leads to a local socket."""
        raise EgressRefused("local sockets are not called")

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
        """Look a host up once and check every answer."""
        literal = parse_address(host)
        addresses = [literal] if literal is not None else await self._look_up(host, port)
        if not addresses or len(addresses) > _MOST_ADDRESSES:
            raise _refusal(host)
        for address in addresses:
            if not self._openings.lets_through(host, port, address):
                raise _refusal(host) if port in self._openings.ports else _port_refusal(port)
        return addresses

    async def _look_up(self, host: str, port: int) -> list[Address]:
        # The dot at the end keeps the search domains of this machine out of the look-up. A name
        # that was opened may be a short one, or stand in the hosts file.
        asked = host if self._openings.names_host(host) else f"{host}."
        try:
            found = await self._resolver(asked, port)
        except socket.gaierror as exc:
            # One text for names that do not exist and for names that are private, lest the answer
            # tell which names exist inside.
            raise _refusal(host) if exc.errno in _UNKNOWN_NAME else EgressFailed("connect") from exc
        except (OSError, UnicodeError) as exc:
            raise EgressFailed("connect") from exc
        addresses = [parse_address(text) for text in dict.fromkeys(found)]
        if None in addresses:
            raise _refusal(host)
        return [address for address in addresses if address is not None]


class _Plain(httpcore.AsyncNetworkStream):
    """A connection whose TLS errors can be told from others."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()

    @override
    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectError as exc:
            raise TlsFailed from exc

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _look_up(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _is_peer(connected: object, address: Address) -> bool:
    if not isinstance(connected, tuple):
        return False
    return parse_address(str(cast("tuple[object, ...]", connected)[0])) == address


def _refusal(host: str) -> EgressRefused:
    return EgressRefused(
        f"the host {host} has no public address that may be called; whoever runs this server "
        "opens it with EGRESS_ALLOW"
    )


def _port_refusal(port: int) -> EgressRefused:
    return EgressRefused(
        f"port {port} is not called on this host; whoever runs this server opens it with "
        "EGRESS_PORTS (public addresses) or EGRESS_ALLOW (this host, every port)"
    )
