"""The status document's parts, under the names that the guide's commands and the dashboard read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """A surface that a module offers to the others."""

    name: str
    surface: str
    summary: str
    stability: Literal["alpha", "beta", "stable"] = "stable"


class ModuleView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A module and its state."""

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
    """How many modules are in which state."""

    total: int
    started: int
    failed: int
    stop_error: int
    not_ready: int


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a module took, in milliseconds."""

    start_ms: float
    stop_ms: float


class Migrations(msgspec.Struct, frozen=True, kw_only=True):
    """The version the schema is at and the one this code needs."""

    current: int | None
    latest: int


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What a module is for, without its state."""

    name: str
    domain: str
    layer: str
    capabilities: tuple[str, ...]
    requires_apis: tuple[str, ...] = msgspec.field(default=(), name="RequiresAPIs")
    depends_on: tuple[str, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the program at this moment."""

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
