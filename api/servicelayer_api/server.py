"""`serve`: the HTTP server around the application, from the first socket to a clean end.

Stopping drops no request: on SIGTERM readiness goes down at once and every answer closes its
connection, while requests are still taken, so that a load balancer can notice; then the server ends
what is in flight and exits, all within the grace period. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import structlog

from servicelayer_api.app import create_app
from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.db.migrator import DatabaseUnreachable, MigrationError, Migrator
from servicelayer_api.errors import ServiceError
from servicelayer_api.listeners import Listener, bind, make_guard, make_probe_guard
from servicelayer_api.settings import SettingsError
from servicelayer_api.web.probes import Probes
from servicelayer_api.workers import is_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from servicelayer_api.settings import Settings
    from servicelayer_api.web.application import Application

_POLL = 0.05
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
# Of the grace period, for connections that are still open when no request is in flight any more.
_GRACE_FOR_CONNECTIONS = 0.2

_log = structlog.get_logger(__name__)


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
            PortTaken: An address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        listeners = self._listen()
        # The probes' listener comes first and goes last.
        serving = [asyncio.create_task(one.serve(), name="http") for one in listeners]
        migrating = asyncio.create_task(self._prepare(), name="migrate")
        announcing = asyncio.create_task(self._announce(), name="announce")
        signalled = asyncio.create_task(self._signalled.wait(), name="signal")
        await asyncio.wait({*serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
        for task in (migrating, announcing):
            task.cancel()
        if signalled.done():
            await self._drain()
        else:
            self._exit_code = self._exit_code or 1
            _log.error("the HTTP server ended by itself")
        signalled.cancel()
        for listener, task in reversed(list(zip(listeners, serving, strict=True))):
            listener.stop()
            await self._end(task)
        await asyncio.gather(migrating, announcing, signalled, return_exceptions=True)
        return self._exit_code

    async def _end(self, serving: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(self._settings.shutdown_grace_seconds):
                await serving
        except TimeoutError:
            _log.warning("the grace period is over; what is left is cut off")

    def _listen(self) -> list[Listener]:
        settings, shared = self._settings, is_worker()
        proxies = self._app.edge.proxies
        grace = settings.shutdown_grace_seconds * _GRACE_FOR_CONNECTIONS
        listeners: list[Listener] = []
        if settings.probe_addr:
            probes = Probes(self._app.lifecycle, self._app.exposition)
            sock = bind(settings.probe_addr, "PROBE_ADDR", shared=shared)
            guard = make_probe_guard(settings, time.monotonic)
            listeners.append(Listener(probes, sock, guard, lifespan=False, grace=1))
        guard = make_guard(settings, lambda address: not proxies.trusts(address), time.monotonic)
        self._app.instruments.connections = guard
        sock = bind(settings.listen_addr, "LISTEN_ADDR", shared=shared)
        listeners.append(Listener(self._app, sock, guard, lifespan=True, grace=grace))
        return listeners

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
