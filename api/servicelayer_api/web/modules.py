"""The registry of modules: the parts of the program, and whether each has started and is ready.

Invariant: readiness is asked by one background task every few seconds, never by a request, and a
verdict is replaced by the next one: no failure outlives its cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from servicelayer_api.clock import Clock

type ModuleStatus = Literal["registered", "starting", "started", "failed", "stopped", "stop-error"]
type ReadyStatus = Literal["ready", "not-ready", "unknown"]

STATUSES: tuple[ModuleStatus, ...] = (
    "registered", "starting", "started", "failed", "stopped", "stop-error",
)  # fmt: skip


class NotReady(Exception):
    """A module's probe says why it is not ready; the text is shown to operators, so no secrets."""


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the program.

    `probe` returns when the module is ready and raises `NotReady(reason)` when not; a module
    without one is ready as soon as it is started and what it depends on is ready. `surface` is what
    it offers to the others (`store`, `account`, `compute`, ...), `requires_apis` what it needs of
    them. `figures` are shown with the module in `/system/status`.
    """

    name: str
    domain: str
    layer: Literal["service", "runner", "infra"] = "service"
    capabilities: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    surface: str = ""
    requires_apis: tuple[str, ...] = ()
    quotas: Mapping[str, str] = {}
    critical: bool = False
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    probe: Callable[[], Awaitable[None]] | None = None
    figures: Callable[[], Mapping[str, int | float | str | bool]] | None = None


class ModuleState(msgspec.Struct, kw_only=True):
    """What is known of a module at the moment; changed by the registry only."""

    module: Module
    status: ModuleStatus = "registered"
    error: str = ""
    ready: ReadyStatus = "unknown"
    ready_error: str = ""
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    updated_at: datetime | None = None
    start_seconds: float = 0.0
    stop_seconds: float = 0.0


class ModuleRegistry:
    """The modules in the order in which they start; they stop in the reverse."""

    def __init__(self, clock: Clock, probe_timeout: float = 3.0) -> None:
        """Start empty."""
        self._clock = clock
        self._probe_timeout = probe_timeout
        self._states: dict[str, ModuleState] = {}

    def add(self, module: Module) -> None:
        """Register a module once.

        Raises:
            ValueError: The name is taken.
        """
        if module.name in self._states:
            raise ValueError(f"module {module.name!r} is registered twice")
        self._states[module.name] = ModuleState(module=module, updated_at=self._clock.now())

    def states(self) -> list[ModuleState]:
        """List the modules with what is known of them."""
        return list(self._states.values())

    async def start(self) -> None:
        """Start all modules in order.

        Raises:
            Exception: Whatever the first module that fails raised; those before it are stopped
            again.
        """
        for state in self._states.values():
            state.status = "starting"
            began = self._clock.monotonic()
            try:
                if state.module.start is not None:
                    await state.module.start()
            except Exception as exc:
                state.status, state.error = "failed", type(exc).__name__
                await self.stop()
                raise
            finally:
                state.start_seconds = self._clock.monotonic() - began
                state.updated_at = self._clock.now()
            state.status, state.started_at = "started", state.updated_at

    async def stop(self) -> None:
        """Stop what was started, in the reverse order; a failure is kept and the rest goes on."""
        for state in reversed(self._states.values()):
            if state.status != "started":
                continue
            began = self._clock.monotonic()
            state.status = "stopped"
            try:
                if state.module.stop is not None:
                    await state.module.stop()
            except Exception as exc:  # noqa: BLE001 - the others must be stopped whatever one does
                state.status, state.error = "stop-error", type(exc).__name__
            state.stop_seconds = self._clock.monotonic() - began
            state.stopped_at = state.updated_at = self._clock.now()

    async def probe(self) -> None:
        """Ask every module once whether it is ready, all at once, each within the time-out."""
        states = list(self._states.values())
        verdicts = await asyncio.gather(*(self._verdict(state) for state in states))
        own = {s.module.name: verdict for s, verdict in zip(states, verdicts, strict=True)}
        for state in states:
            ready, reason = own[state.module.name]
            waiting = [
                d for d in state.module.depends_on if own.get(d, ("unknown", ""))[0] != "ready"
            ]
            if ready == "ready" and waiting:
                ready, reason = "not-ready", f"waiting for dependencies: {', '.join(waiting)}"
            if (ready, reason) != (state.ready, state.ready_error):
                state.updated_at = self._clock.now()
            state.ready, state.ready_error = ready, reason

    async def _verdict(self, state: ModuleState) -> tuple[ReadyStatus, str]:
        if state.status != "started":
            return "not-ready", f"the module is {state.status}"
        if state.module.probe is None:
            return "ready", ""
        try:
            async with asyncio.timeout(self._probe_timeout):
                await state.module.probe()
        except NotReady as exc:
            return "not-ready", str(exc)
        except TimeoutError:
            return "not-ready", f"no answer within {self._probe_timeout:g} s"
        except Exception as exc:  # noqa: BLE001 - whatever a probe raises is a verdict, not a crash
            return "not-ready", f"the probe failed ({type(exc).__name__})"
        return "ready", ""

    def unready(self) -> list[ModuleState]:
        """List the critical modules without which the program cannot serve."""
        return [s for s in self._states.values() if s.module.critical and s.ready != "ready"]
