"""`serve`: the HTTP server around the application, from the first socket to a clean end.

Stopping drops no request: on SIGTERM readiness goes down at once and every answer closes its
connection, while requests are still taken, so that a load balancer can notice; then the server ends
what is in flight and exits, all within the grace period. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import structlog
from granian.constants import Interfaces
from granian.server.embed import Server

from servicelayer_api.app import create_app
from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.db.migrator import DatabaseUnreachable, MigrationError, Migrator
from servicelayer_api.errors import ServiceError
from servicelayer_api.settings import SettingsError
from servicelayer_api.workers import is_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from servicelayer_api.settings import Address, Settings
    from servicelayer_api.web.application import Application

_BACKLOG = 1024
_EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - what an empty host means, as in `:8080`
_POLL = 0.05
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0

_log = structlog.get_logger(__name__)


class PortTaken(Exception):
    """The address to listen on cannot be used; the message is one line for a person."""


class StartRefused(Exception):
    """The settings do not fit what is in the database; the message is one line for a person."""

    reason = "ConfigInvalid"
    exit_code = 2


class ApiServer:
    """One process that serves."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None] | None = None) -> None:
        """Prepare to serve.

        Args:
            settings: What to serve and how.
            on_ready: Called once, when the first request could be served.
        """
        self._settings = settings
        self._on_ready = on_ready
        self._app: Application = create_app(settings)
        self._signalled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._exit_code = 0
        self._error: MigrationError | StartRefused | None = None

    @property
    def error(self) -> MigrationError | StartRefused | None:
        """What stopped the start, if something did."""
        return self._error

    async def run(self) -> int:
        """Serve until a signal comes.

        Returns:
            The exit code: 0, or that of what stopped the start.

        Raises:
            PortTaken: The address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        server = self._make_server()
        serving = asyncio.create_task(server.serve(), name="http")
        migrating = asyncio.create_task(self._prepare(), name="migrate")
        announcing = asyncio.create_task(self._announce(), name="announce")
        signalled = asyncio.create_task(self._signalled.wait(), name="signal")
        await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
        for task in (migrating, announcing):
            task.cancel()
        if signalled.done():
            await self._drain()
        else:
            self._exit_code = self._exit_code or 1
            _log.error("the HTTP server ended by itself")
        signalled.cancel()
        server.stop()
        try:
            async with asyncio.timeout(self._settings.shutdown_grace_seconds):
                await serving
        except TimeoutError:
            _log.warning("the grace period is over; what is left is cut off")
        await asyncio.gather(migrating, announcing, signalled, return_exceptions=True)
        return self._exit_code

    def _make_server(self) -> Server:
        address = self._settings.listen_addr
        if not is_worker():
            require_free(address)
        return Server(
            self._app,
            address=address.host or _EVERY_INTERFACE,
            port=address.port,
            interface=Interfaces.ASGI,
            websockets=False,
            backlog=_BACKLOG,
            log_enabled=False,
        )

    async def _announce(self) -> None:
        if self._on_ready is None:
            return
        # Readiness changes by many causes and is asked for a few moments only: polling is simplest.
        while self._app.lifecycle.refusal() is not None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_POLL)
        self._on_ready()

    def _on_signal(self) -> None:
        if self._signalled.is_set():
            self._hurry.set()
        self._signalled.set()

    async def _drain(self) -> None:
        settings = self._settings
        _log.info(
            "stopping", inflight=self._app.edge.inflight, delay=settings.shutdown_delay_seconds
        )
        self._app.drain()
        deadline = asyncio.get_running_loop().time() + settings.shutdown_grace_seconds * 0.8
        await self._pause(min(settings.shutdown_delay_seconds, settings.shutdown_grace_seconds / 2))
        while self._app.edge.inflight and not self._hurry.is_set():
            if asyncio.get_running_loop().time() > deadline:
                _log.warning("requests still in flight", inflight=self._app.edge.inflight)
                return
            await asyncio.sleep(_POLL)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _prepare(self) -> None:
        """Migrate, then let the features check what they were given."""
        await self._migrate()
        if self._error is not None:
            return
        try:
            await self._app.check_start()
        except SettingsError as exc:
            self._refuse(StartRefused(str(exc)))
        except ServiceError:
            # Not now: the modules' probes look again, and say why they are not ready.
            return

    def _refuse(self, error: MigrationError | StartRefused) -> None:
        self._error, self._exit_code = error, error.exit_code
        self._signalled.set()

    async def _migrate(self) -> None:
        """Migrate beside serving, so that probes answer; wait for a database that is away."""
        if not self._settings.migrate:
            return
        migrator = Migrator(
            self._settings.database_url.reveal(),
            load_migrations(),
            lambda line: _log.info("migration", progress=line),
            lock_timeout=self._settings.migrate_lock_timeout,
        )
        pause = _FIRST_PAUSE
        while True:
            try:
                await migrator.run()
            except DatabaseUnreachable as exc:
                _log.warning(
                    "migrations wait for the database", reason=str(exc), retry_seconds=pause
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except MigrationError as exc:
                _log.error("migration failed", reason=exc.reason, detail=str(exc))
                self._refuse(exc)
                return
            else:
                return


def require_free(address: Address) -> None:
    """Find out by ourselves whether an address is free: the server's own refusal is a trace.

    Raises:
        PortTaken: It is not.
    """
    host = address.host or _EVERY_INTERFACE
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.port))
        except OSError as exc:
            raise PortTaken(
                f"LISTEN_ADDR: {address} cannot be listened on ({exc.strerror}); "
                "stop what uses it or choose another port"
            ) from None
