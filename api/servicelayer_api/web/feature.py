"""How a feature plugs into the program: it is given a `Core` and hands back a `Feature`.

A feature package exports `build(core, ...) -> Feature`; `app.py` calls each by name, so that the
whole product can be read from there. Routes get their service by the name of a parameter
(`dependencies`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from litestar.types import ASGIApp, ControllerRouterHandler
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import Clock
from servicelayer_api.db import Database
from servicelayer_api.settings import Settings
from servicelayer_api.web.modules import Module, ModuleRegistry
from servicelayer_api.web.public import PublicPaths

type Middleware = Callable[[ASGIApp, PublicPaths], ASGIApp]
"""Wraps the application; the paths that need no credential are known by then."""


class Worker(msgspec.Struct, frozen=True):
    """A background loop: `run(stop)` returns soon after `stop` is set; a crash restarts it."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait between two rounds of a loop; tell whether the loop was told to stop meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """What the program gives to every feature."""

    settings: Settings
    clock: Clock
    database: Database
    metrics: CollectorRegistry
    modules: ModuleRegistry


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """What a feature hands to the program.

    A start check runs once the schema is there; a `SettingsError` of one stops the start.
    """

    name: str
    routes: Sequence[ControllerRouterHandler] = ()
    dependencies: Mapping[str, Any] = {}
    middleware: Sequence[Middleware] = ()
    workers: Sequence[Worker] = ()
    modules: Sequence[Module] = ()
    start_checks: Sequence[Callable[[], Awaitable[None]]] = ()
