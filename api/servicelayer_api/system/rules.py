"""The status document, made from the modules' states. Pure: the clock is an argument."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec.structs import replace

from servicelayer_api.system.models import (
    Api,
    Descriptor,
    Migrations,
    ModulesMeta,
    ModuleView,
    Status,
    Timing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from servicelayer_api.web.modules import Module, ModuleState

_NANOS = 1_000_000_000
_KINDS = (
    *("data", "event", "compute", "ledger", "indexer"),
    *("rpc", "data-source", "contracts", "gasbank", "crypto"),
)
_BUS = ("event", "data", "compute")
_BUS_WINDOW = 300
_WAITS = "waiting for dependencies"
_HIDDEN = "not ready; the operators of this service are told why"
_LIFECYCLE = Api(
    name="lifecycle", surface="lifecycle", summary="Started and stopped by the program"
)
_READINESS = Api(name="readiness", surface="readiness", summary="Probed in the background")


def hide(state: ModuleState) -> ModuleState:
    """Take what names the inside out of a module's state; on which modules it waits may stay."""
    waits = state.ready_error.startswith(_WAITS)
    return replace(
        state,
        error=_HIDDEN if state.error else "",
        ready_error=state.ready_error if waits or not state.ready_error else _HIDDEN,
    )


def view(state: ModuleState) -> ModuleView:
    """Show one module with its state."""
    module = state.module
    return ModuleView(
        name=module.name,
        domain=module.domain,
        category=module.surface,
        layer=module.layer,
        interfaces=(module.surface,) if module.surface else (),
        apis=_apis(module),
        status=state.status,
        error=state.error,
        ready_status=state.ready,
        ready_error=state.ready_error,
        depends_on=module.depends_on,
        started_at=state.started_at,
        stopped_at=state.stopped_at,
        updated_at=state.updated_at,
        start_nanos=int(state.start_seconds * _NANOS),
        stop_nanos=int(state.stop_seconds * _NANOS),
        capabilities=module.capabilities,
        requires_apis=module.requires_apis,
        quotas=dict(module.quotas),
        pool=dict(module.figures()) if module.figures else {},
    )


def _apis(module: Module) -> tuple[Api, ...]:
    own = Api(name=module.surface, surface=module.surface, summary=", ".join(module.capabilities))
    return (_LIFECYCLE, _READINESS, *((own,) if module.surface else ()))


def descriptors(states: Iterable[ModuleState]) -> list[Descriptor]:
    """Describe the modules, by layer and name."""
    found = [
        Descriptor(
            name=s.module.name,
            domain=s.module.domain,
            layer=s.module.layer,
            capabilities=s.module.capabilities,
            requires_apis=s.module.requires_apis,
            depends_on=s.module.depends_on,
        )
        for s in states
    ]
    return sorted(found, key=lambda d: (d.layer, d.name))


def meta(states: Sequence[ModuleState]) -> ModulesMeta:
    """Count the modules by state."""
    return ModulesMeta(
        total=len(states),
        started=sum(s.status == "started" for s in states),
        failed=sum(s.status == "failed" for s in states),
        stop_error=sum(s.status == "stop-error" for s in states),
        not_ready=sum(s.ready != "ready" for s in states),
    )


def slow(states: Iterable[ModuleState], threshold_ms: int) -> list[str]:
    """Name the modules whose start or stop took as long as the threshold."""
    return sorted(
        s.module.name
        for s in states
        if max(s.start_seconds, s.stop_seconds) * 1000 >= threshold_ms > 0
    )


def status(
    states: Sequence[ModuleState],
    *,
    version: dict[str, str],
    listen_addr: str,
    slow_ms: int,
    migrations: Migrations,
    now: datetime,
) -> Status:
    """Make the status document.

    Args:
        states: Of all modules.
        version: Of the build.
        listen_addr: Where the server listens.
        slow_ms: From which duration a module counts as slow.
        migrations: Versions of the schema.
        now: The time uptimes are counted to.
    """
    views = [view(state) for state in states]
    figures = meta(states)
    slow_names = slow(states, slow_ms)
    surfaces = _group((api.surface, v.name) for v in views for api in v.apis)
    waiting = {v.name: v.ready_error for v in views if v.ready_error.startswith(_WAITS)}
    fanout = {kind: {"ok": 0, "error": 0} for kind in _BUS}
    return Status(
        status="ok" if figures.not_ready == 0 else "degraded",
        version=version,
        services=descriptors(s for s in states if s.module.layer != "infra"),
        listen_addr=listen_addr,
        modules=views,
        modules_summary={k: [v.name for v in views if v.category == k] for k in _KINDS},
        modules_meta=figures,
        modules_timings={s.module.name: _timing(s) for s in states},
        modules_uptime={
            s.module.name: round((now - s.started_at).total_seconds(), 3)
            for s in states
            if s.started_at is not None and s.status == "started"
        },
        modules_layers=_group((v.layer, v.name) for v in views),
        modules_capabilities={v.name: list(v.capabilities) for v in views if v.capabilities},
        modules_quotas={v.name: v.quotas for v in views if v.quotas},
        modules_requires_apis={v.name: list(v.requires_apis) for v in views if v.requires_apis},
        modules_api_summary=surfaces,
        modules_api_meta={
            surface: {"total": len(names), "slow": len(set(names) & set(slow_names))}
            for surface, names in surfaces.items()
        },
        modules_waiting_deps=sorted(waiting),
        modules_waiting_reasons=waiting,
        modules_slow_threshold_ms=slow_ms,
        modules_slow=slow_names,
        bus_fanout=fanout,
        bus_fanout_recent=fanout,
        bus_fanout_recent_window_seconds=_BUS_WINDOW,
        migrations=migrations,
        jam={"enabled": False},
        neo={"enabled": False},
    )


def _timing(state: ModuleState) -> Timing:
    return Timing(
        start_ms=round(state.start_seconds * 1000, 3), stop_ms=round(state.stop_seconds * 1000, 3)
    )


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in pairs:
        found[key].append(name)
    return {key: sorted(found[key]) for key in sorted(found)}
