"""The status document's parts, under the names that the guide's commands and the dashboard read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """A surface that a module offers to the others.

    Attributes:
        name: Of the surface.
        surface: What kind it is.
        summary: What it is for.
        stability: How far it may be relied on.
    """

    name: str
    surface: str
    summary: str
    stability: Literal["alpha", "beta", "stable"] = "stable"


class ModuleView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A module and its state.

    Attributes:
        name: Of the module.
        domain: What it is about.
        category: Group of the module; empty for none.
        layer: Where it stands, such as `infra` or `service`.
        interfaces: What it offers, by name.
        apis: Surfaces that it offers.
        status: Whether it runs.
        error: Why it does not.
        ready_status: Whether it can serve.
        ready_error: Why it cannot.
        depends_on: Modules that it needs.
        started_at: UTC.
        stopped_at: UTC.
        updated_at: When its state was last looked at.
        start_nanos: Nanoseconds that its start took.
        stop_nanos: Nanoseconds that its stop took.
        capabilities: What it can do, by name.
        requires_apis: Surfaces that it needs.
        quotas: Limits that it keeps, by name.
        pool: Figures of its pool of connections.
    """

    name: str
    domain: str
    category: str = ""
    layer: str
    interfaces: tuple[str, ...] = ()
    apis: tuple[Api, ...] = ()
    status: str
    error: str = ""
    ready_status: str
    ready_error: str = ""
    depends_on: tuple[str, ...] = ()
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    updated_at: datetime | None = None
    start_nanos: int = 0
    stop_nanos: int = 0
    capabilities: tuple[str, ...] = ()
    requires_apis: tuple[str, ...] = ()
    quotas: dict[str, str] = {}
    pool: dict[str, int | float | str | bool] = {}


class ModulesMeta(msgspec.Struct, frozen=True, kw_only=True):
    """How many modules are in which state.

    Attributes:
        total: All modules.
        started: Those that run.
        failed: Those whose start failed.
        stop_error: Those whose stop failed.
        not_ready: Those that cannot serve.
    """

    total: int
    started: int
    failed: int
    stop_error: int
    not_ready: int


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a module took, in milliseconds.

    Attributes:
        start_ms: Milliseconds that the start took.
        stop_ms: Milliseconds that the stop took.
    """

    start_ms: float
    stop_ms: float


class Migrations(msgspec.Struct, frozen=True, kw_only=True):
    """The version the schema is at and the one this code needs.

    Attributes:
        current: Version of the schema; null when it is not known.
        latest: Version that this program needs.
    """

    current: int | None
    latest: int


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What a module is for, without its state.

    Attributes:
        name: Of the module.
        domain: What it is about.
        layer: Where it stands, such as `infra` or `service`.
        depends_on: Modules that it needs.
        capabilities: What it can do, by name.
        requires_apis: Surfaces that it needs.
    """

    name: str
    domain: str
    layer: str
    capabilities: tuple[str, ...]
    requires_apis: tuple[str, ...] = msgspec.field(default=(), name="RequiresAPIs")
    depends_on: tuple[str, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the program at this moment.

    Attributes:
        status: `ok` when all modules are ready.
        version: Version and build of the program.
        services: What each module is for.
        listen_addr: Where the program listens.
        modules: Each module and its state.
        modules_summary: Modules by what they do with data, events and computing.
        modules_meta: How many modules are in which state.
        modules_timings: How long each module took to start and stop.
        modules_uptime: Seconds for which each module has run.
        modules_layers: Modules by layer.
        modules_capabilities: What each module can do.
        modules_quotas: Limits that each module keeps.
        modules_requires_apis: Surfaces that each module needs.
        modules_api_summary: Modules by the surface that they offer.
        modules_api_meta: How many modules offer a surface, by its stability.
        modules_waiting_deps: Modules that wait for another.
        modules_waiting_reasons: What each of them waits for.
        modules_slow_threshold_ms: Milliseconds from which a start counts as slow.
        modules_slow: Modules whose start was slow.
        bus_fanout: Deliveries of the bus since the start.
        bus_fanout_recent: The same in the last window.
        bus_fanout_recent_window_seconds: Length of that window.
        migrations: Version of the schema.
        jam: Whether the module `jam` is on.
        neo: Whether a Neo node is connected.
    """

    status: Literal["ok", "degraded"]
    version: dict[str, str]
    services: list[Descriptor]
    listen_addr: str
    modules: list[ModuleView]
    modules_summary: dict[str, list[str]]
    modules_meta: ModulesMeta
    modules_timings: dict[str, Timing]
    modules_uptime: dict[str, float]
    modules_layers: dict[str, list[str]]
    modules_capabilities: dict[str, list[str]]
    modules_quotas: dict[str, dict[str, str]]
    modules_requires_apis: dict[str, list[str]]
    modules_api_summary: dict[str, list[str]]
    modules_api_meta: dict[str, dict[str, int]]
    modules_waiting_deps: list[str]
    modules_waiting_reasons: dict[str, str]
    modules_slow_threshold_ms: int
    modules_slow: list[str]
    bus_fanout: dict[str, dict[str, int]]
    bus_fanout_recent: dict[str, dict[str, int]]
    bus_fanout_recent_window_seconds: int
    migrations: Migrations
    jam: dict[str, bool]
    neo: dict[str, bool | str]
