from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from servicelayer_api.clock import FixedClock
from servicelayer_api.settings import Settings
from servicelayer_api.system import rules
from servicelayer_api.system.models import Migrations, Status
from servicelayer_api.web.feature import Worker
from servicelayer_api.web.lifecycle import Lifecycle
from servicelayer_api.web.modules import Module, ModuleRegistry, NotReady

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
# What the recorded answer of the reference server holds at its top.
_RECORDED = {
    *("bus_fanout", "bus_fanout_recent", "bus_fanout_recent_window_seconds", "jam"),
    *("listen_addr", "modules", "modules_api_meta", "modules_api_summary"),
    *("modules_capabilities", "modules_layers", "modules_meta", "modules_quotas"),
    *("modules_requires_apis", "modules_slow_threshold_ms", "modules_summary"),
    *("modules_timings", "modules_uptime", "neo", "services", "status", "version"),
}


class _Switch:
    """A probe that can be turned."""

    def __init__(self) -> None:
        self.reason: str | None = None

    async def __call__(self) -> None:
        if self.reason is not None:
            raise NotReady(self.reason)


def _registry(*modules: Module) -> ModuleRegistry:
    registry = ModuleRegistry(FixedClock(_NOW), probe_timeout=0.05)
    for module in modules:
        registry.add(module)
    return registry


def _state(registry: ModuleRegistry) -> dict[str, tuple[str, str]]:
    return {s.module.name: (s.status, s.ready) for s in registry.states()}


async def test_a_module_is_ready_again_as_soon_as_its_probe_says_so() -> None:
    probe = _Switch()
    registry = _registry(Module(name="store", domain="store", critical=True, probe=probe))
    await registry.start()

    seen: list[bool] = []
    for reason in (None, "gone", None):
        probe.reason = reason
        await registry.probe()
        seen.append(registry.unready() == [])

    assert seen == [True, False, True]


async def test_a_module_waits_for_what_it_depends_on_and_says_so() -> None:
    probe = _Switch()
    probe.reason = "gone"
    registry = _registry(
        Module(name="store", domain="store", probe=probe),
        Module(name="accounts", domain="account", depends_on=("store",)),
    )
    await registry.start()
    await registry.probe()

    accounts = registry.states()[1]
    assert (accounts.ready, accounts.ready_error) == (
        "not-ready",
        "waiting for dependencies: store",
    )


async def test_a_probe_that_hangs_or_crashes_is_a_verdict() -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    async def crash() -> None:
        raise RuntimeError("password=hunter2")

    registry = _registry(
        Module(name="hangs", domain="t", probe=hang),
        Module(name="crashes", domain="t", probe=crash),
    )
    await registry.start()
    await registry.probe()

    assert [s.ready_error for s in registry.states()] == [
        "no answer within 0.05 s",
        "the probe failed (RuntimeError)",
    ]


async def test_modules_stop_in_the_reverse_order_whatever_one_of_them_does() -> None:
    order: list[str] = []

    def stops(name: str, *, fails: bool = False) -> Callable[[], Awaitable[None]]:
        async def stop() -> None:
            order.append(name)
            if fails:
                raise OSError("no")

        return stop

    registry = _registry(
        Module(name="a", domain="t", stop=stops("a")),
        Module(name="b", domain="t", stop=stops("b", fails=True)),
        Module(name="c", domain="t", stop=stops("c")),
    )
    await registry.start()
    await registry.stop()

    assert order == ["c", "b", "a"]
    assert {n: s for n, (s, _) in _state(registry).items()} == {
        "a": "stopped",
        "b": "stop-error",
        "c": "stopped",
    }


async def test_a_module_that_cannot_start_stops_those_before_it() -> None:
    stopped: list[str] = []

    async def stop() -> None:
        stopped.append("a")

    async def fail() -> None:
        raise OSError("no")

    registry = _registry(
        Module(name="a", domain="t", stop=stop), Module(name="b", domain="t", start=fail)
    )
    with pytest.raises(OSError, match="no"):
        await registry.start()

    assert stopped == ["a"]
    assert _state(registry)["b"][0] == "failed"


async def test_a_worker_that_crashes_runs_again_and_stops_with_the_program() -> None:
    runs: list[int] = []
    again = asyncio.Event()

    async def work(stop: asyncio.Event) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("first time")
        again.set()
        await stop.wait()

    lifecycle = Lifecycle(_registry(), probe_interval=0.01)
    lifecycle.add_workers([Worker("work", work)])
    async with lifecycle.running():
        async with asyncio.timeout(10):
            await again.wait()
        assert lifecycle.refusal() is None

    assert len(runs) == 2
    assert lifecycle.refusal() == "the server is stopping"


async def test_readiness_follows_the_background_probe() -> None:
    probe = _Switch()
    registry = _registry(Module(name="store", domain="store", critical=True, probe=probe))
    lifecycle = Lifecycle(registry, probe_interval=0.01)
    async with lifecycle.running():
        assert lifecycle.refusal() is None
        probe.reason = "gone"
        async with asyncio.timeout(10):
            while lifecycle.refusal() is None:  # noqa: ASYNC110 - readiness has no event
                await asyncio.sleep(0.01)

        assert lifecycle.refusal() == "not ready: store"


async def _status(slow_ms: int = 1000) -> Status:
    registry = _registry(
        Module(name="store", domain="store", layer="infra", surface="store"),
        Module(
            name="oracle",
            domain="oracle",
            surface="event",
            quotas={"rpc": "x"},
            requires_apis=("store",),
        ),
    )
    await registry.start()
    await registry.probe()
    registry.states()[1].start_seconds = 1.5
    return rules.status(
        registry.states(),
        version={"version": "1"},
        listen_addr=str(Settings().listen_addr),
        slow_ms=slow_ms,
        migrations=Migrations(current=3, latest=3),
        now=_NOW + timedelta(seconds=5),
    )


async def test_the_status_has_every_key_of_the_recorded_one() -> None:
    assert sorted(_RECORDED - set((await _status()).__struct_fields__)) == []


async def test_the_status_counts_and_groups_the_modules() -> None:
    status = await _status()

    assert status.status == "ok"
    assert (status.modules_meta.total, status.modules_meta.not_ready) == (2, 0)
    assert status.modules_layers == {"infra": ["store"], "service": ["oracle"]}
    assert status.modules_summary["event"] == ["oracle"]
    assert status.modules_uptime == {"store": 5.0, "oracle": 5.0}
    assert status.modules_slow == ["oracle"]
    assert status.modules_api_meta["event"] == {"total": 1, "slow": 1}
    assert [d.name for d in status.services] == ["oracle"]


async def test_nothing_is_slow_below_the_threshold() -> None:
    assert (await _status(slow_ms=1501)).modules_slow == []
