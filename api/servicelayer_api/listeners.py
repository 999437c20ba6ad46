"""Listening sockets and the HTTP servers on them, all in our own event loop.

Two listeners: one for everybody, and one for probes and metrics alone (`PROBE_ADDR`), which has a
queue, connections and bounds of its own and so answers whatever the other one goes through. The
signals are ours: a server stops when it is told to, and not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import TYPE_CHECKING, Any, override

import structlog
import uvicorn

from servicelayer_api.connections import Guard, Limits, guarded_by

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from servicelayer_api.settings import Address, Settings

_BACKLOG = 1024
# Files that the process has open beside connections of clients: database, egress, log, libraries.
_FILES_APART = 256
_PROBE_CONNECTIONS = 64

_log = structlog.get_logger(__name__)


class PortTaken(Exception):
    """The address to listen on cannot be used; the message is one line for a person."""


class _Server(uvicorn.Server):
    """uvicorn's server without its own handling of signals."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Listener:
    """One socket and the server on it."""

    def __init__(
        self, app: Any, sock: socket.socket, guard: Guard, *, lifespan: bool, grace: float
    ) -> None:
        """Prepare to serve.

        Args:
            app: The ASGI application.
            sock: Bound already.
            guard: Of its connections.
            lifespan: Whether the application is started and stopped with the server.
            grace: Seconds for what is in flight when it stops.
        """
        self._sock = sock
        self._guard = guard
        self._server = _Server(
            uvicorn.Config(
                app,
                http=guarded_by(guard),
                ws="none",
                lifespan="on" if lifespan else "off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=max(1, round(guard.limits.idle_seconds)),
                timeout_graceful_shutdown=max(1, round(grace)),
            )
        )

    async def serve(self) -> None:
        """Serve until told to stop."""
        watching = asyncio.create_task(self._guard.run(), name="connections")
        try:
            await self._server.serve(sockets=[self._sock])
        except SystemExit:
            # How uvicorn says that the application did not start; it has logged why.
            _log.error("the application did not start")
        finally:
            watching.cancel()
            self._sock.close()

    def stop(self) -> None:
        """Take no more connections, end what is in flight."""
        self._server.should_exit = True


def make_guard(
    settings: Settings, counts: Callable[[str], bool], now: Callable[[], float]
) -> Guard:
    """Make the guard of the listener for everybody.

    Args:
        settings: The bounds.
        counts: Whether the connections of an address are counted.
        now: Monotonic seconds.
    """
    return Guard(
        Limits(
            total=min(settings.max_connections, _raise_open_files(settings.max_connections)),
            per_address=settings.max_connections_per_address,
            head_seconds=settings.header_timeout,
            body_seconds=settings.body_timeout,
            idle_seconds=settings.idle_timeout,
        ),
        counts,
        now,
    )


def make_probe_guard(settings: Settings, now: Callable[[], float]) -> Guard:
    """Make the guard of the listener for probes, whose clients are few."""
    return Guard(
        Limits(
            total=_PROBE_CONNECTIONS,
            per_address=_PROBE_CONNECTIONS,
            head_seconds=settings.header_timeout,
            body_seconds=settings.header_timeout,
            idle_seconds=settings.idle_timeout,
        ),
        lambda _: False,
        now,
    )


def _raise_open_files(wanted: int) -> int:
    """Let the process have as many files open as it needs; give how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - _FILES_APART)
    if soft != resource.RLIM_INFINITY and soft < wanted + _FILES_APART:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + _FILES_APART, hard))
    return max(1, wanted)


def bind(address: Address, variable: str, *, shared: bool) -> socket.socket:
    """Bind an address; an empty host is every interface, of IPv6 and IPv4 where there are both.

    Args:
        address: What to listen on.
        variable: That named it, for the refusal.
        shared: Whether several processes listen on it.

    Raises:
        PortTaken: It cannot be listened on.
    """
    try:
        if address.host:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            return _bound((address.host, address.port), family, shared=shared)
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return _bound(("::", address.port), socket.AF_INET6, shared=shared, both=True)
        return _bound(("0.0.0.0", address.port), socket.AF_INET, shared=shared)  # noqa: S104 - asked for
    except OSError as exc:
        raise PortTaken(
            f"{variable}: {address} cannot be listened on ({exc.strerror}); "
            "stop what uses it or choose another port"
        ) from None


def _bound(
    where: tuple[str, int], family: socket.AddressFamily, *, shared: bool, both: bool = False
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        sock.bind(where)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def require_free(address: Address, variable: str) -> None:
    """Find out whether an address can be listened on, before several processes try to.

    Raises:
        PortTaken: It cannot.
    """
    bind(address, variable, shared=False).close()
