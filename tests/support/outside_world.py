"""A small outside world for the egress guard: addresses that lead to servers of the test's own.

`World` stands where the sockets are: a connection to an address of its map goes to a local port and
still shows the address that was asked for, as the real network would. Everything else is noted and
refused, so that a test sees each attempt.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast, override

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    type Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

__all__ = ["Names", "World", "answering", "serving"]


class Names:
    """A DNS server: gives each name its answers in turn, the last again and again."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self.turns: dict[str, list[Sequence[str]]] = {"*": [list(answers.get("every", ()))]}

    def says(self, name: str, *turns: Sequence[str]) -> None:
        """Set the answers of a name, the first for the first question."""
        self.turns[name] = list(turns)

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        turns = self.turns.get(host.removesuffix("."), self.turns["*"])
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found


class World(httpcore.AsyncNetworkBackend):
    """Where addresses lead."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, int]] = []
        self.ports: dict[str, int] = {}
        self.claims: dict[str, str] = {}
        self._sockets = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.attempts.append((host, port))
        if host not in self.ports:
            raise httpcore.ConnectError
        stream = await self._sockets.connect_tcp("127.0.0.1", self.ports[host])
        return _Shown(stream, self.claims.get(host, host), port)


class _Shown(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, host: str, port: int) -> None:
        self._stream = stream
        self._peer = (host, port)

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
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._peer if info == "server_addr" else self._stream.get_extra_info(info)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve raw bytes on a local port; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    # A client that keeps its connection does not answer a server's farewell.
    farewell = {} if tls is None else {"ssl_shutdown_timeout": 0.2}
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, **farewell)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await server.wait_closed()


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Handler:
    """Make a handler that gives the raw answers in turn, the last again, one a connection."""
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        body = await reader.readexactly(length)
        if seen is not None:
            seen.append(head + body)
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return handle
