"""The life of the running program: modules probed, workers supervised, draining at the end.

Invariant: whether the program can serve is decided here from what background probes have found; a
request never waits for a probe. A worker that crashes is logged and started again with growing
pauses.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from servicelayer_api.web.feature import Worker
    from servicelayer_api.web.modules import ModuleRegistry

_PROBE_INTERVAL = 2.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_STOP_TIMEOUT = 10.0

_log = structlog.get_logger(__name__)


class Lifecycle:
    """Starts and stops what runs beside the requests."""

    def __init__(self, modules: ModuleRegistry, *, probe_interval: float = _PROBE_INTERVAL) -> None:
        """Watch over a registry of modules."""
        self._modules = modules
        self._interval = probe_interval
        self._workers: list[Worker] = []
        self._stop = asyncio.Event()
        self.draining = False

    def add_workers(self, workers: Sequence[Worker]) -> None:
        """Add background loops; before `running` only."""
        self._workers += workers

    def refusal(self) -> str | None:
        """Say why nothing can be served now, in words for the public; `None` when it can."""
        if self.draining:
            return "the server is stopping"
        unready = self._modules.unready()
        if unready:
            return f"not ready: {', '.join(state.module.name for state in unready)}"
        return None

    def reasons(self) -> dict[str, str]:
        """Say of each critical module that is not ready why: for those on the inside only."""
        return {state.module.name: state.ready_error for state in self._modules.unready()}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Hold the modules started and the workers running."""
        await self._modules.start()
        await self._modules.probe()
        tasks = [asyncio.create_task(self._probe_forever(), name="probe")]
        tasks += [asyncio.create_task(self._supervise(w), name=w.name) for w in self._workers]
        try:
            yield
        finally:
            self.draining = True
            self._stop.set()
            _, late = await asyncio.wait(tasks, timeout=_STOP_TIMEOUT)
            for task in late:
                _log.warning("worker did not stop in time", worker=task.get_name())
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await self._modules.stop()

    async def _probe_forever(self) -> None:
        # A module that is never ready says why from the first moment on.
        before = {state.module.name: "ready" for state in self._modules.states()}
        while True:
            self._tell_changes(before)
            if await stopped_within(self._stop, self._interval):
                return
            await self._modules.probe()

    def _tell_changes(self, before: dict[str, str]) -> None:
        for state in self._modules.states():
            name = state.module.name
            if before[name] == state.ready:
                continue
            before[name] = state.ready
            tell = _log.info if state.ready == "ready" else _log.warning
            tell("module readiness", module=name, ready=state.ready, reason=state.ready_error)

    async def _supervise(self, worker: Worker) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                await worker.run(self._stop)
            except Exception:  # noqa: BLE001 - whatever a worker raises, it is started again
                _log.exception("worker crashed", worker=worker.name, retry_seconds=pause)
                await stopped_within(self._stop, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                # A worker that returns has nothing left to do.
                return
