"""The composition root: every feature of the product is named here, by hand, in build order.

`create_app` only wires; nothing is opened before the server sends `lifespan.startup`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from servicelayer_api import (
    accounts,
    admin,
    api_keys,
    audit,
    auth,
    datafeeds,
    egress,
    gasbank,
    oracle,
    pricefeed,
    random,
    secrets,
    system,
    vault,
)
from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.web import requests
from servicelayer_api.web.application import Application
from servicelayer_api.web.feature import Core, Feature
from servicelayer_api.web.modules import ModuleRegistry
from servicelayer_api.web.store_module import Store

if TYPE_CHECKING:
    from servicelayer_api.clock import Clock
    from servicelayer_api.settings import Settings
    from servicelayer_api.vault import SealedColumn

# Every column that holds what the vault sealed, so that a rotation of data keys leaves none out.
SEALED_COLUMNS: Final[tuple[SealedColumn, ...]] = (
    secrets.SEALED,
    admin.SEALED_KEYS,
    oracle.SEALED,
)


def build_core(
    settings: Settings,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    metrics: CollectorRegistry | None = None,
) -> Core:
    """Make what all features share; nothing is opened."""
    time = clock or SystemClock()
    return Core(
        settings=settings,
        clock=time,
        database=database or Database.from_settings(settings),
        metrics=metrics or CollectorRegistry(),
        modules=ModuleRegistry(time),
    )


def build_features(core: Core, store: Store) -> list[Feature]:
    """Build each feature with what it needs; a later one may be given an earlier one's service.

    Middleware runs in the order of this list, the first outermost.
    """
    limits, inside = requests.build(core)
    outside = egress.build(core)
    safe = vault.build_service(core, SEALED_COLUMNS)
    audit_log = audit.build_service(core)
    quotas = admin.build_quotas(core)
    configuration = admin.build_service(core, audit_log, safe, quotas)
    account_book = accounts.build_service(core, audit_log, quotas)
    account_book.when_closed(safe.forget)
    randomness = random.build_service(core, audit_log, account_book)
    key_ring = api_keys.build_service(core, audit_log, account_book)
    gas_bank = gasbank.build_service(core, audit_log, account_book, quotas)
    return [
        limits,
        egress.build_feature(outside),
        audit.build(core, audit_log),
        auth.build(core, audit_log, account_book, key_ring),
        admin.build(core, configuration, quotas),
        inside,
        accounts.build(account_book),
        api_keys.build(key_ring),
        secrets.build(secrets.build_service(core, audit_log, account_book, safe)),
        vault.build(core, safe, audit_log),
        random.build(randomness),
        pricefeed.build(core, audit_log, account_book, outside),
        oracle.build(
            core,
            oracle.build_service(core, audit_log, account_book, safe, outside),
            audit_log,
            account_book,
            outside,
        ),
        gasbank.build(core, gas_bank, audit_log, quotas, outside),
        datafeeds.build(core, audit_log, account_book),
        system.build(core, store),
    ]


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    metrics: CollectorRegistry | None = None,
) -> Application:
    """Compose the ASGI application.

    Args:
        settings: What the program was told.
        clock: Another source of time, for tests.
        database: Another database, for tests.
        metrics: Another registry of metrics, for tests.
    """
    core = build_core(settings, clock=clock, database=database, metrics=metrics)
    store = Store(core.database, latest=load_migrations()[-1].version)
    core.modules.add(store.module())
    return Application(core, build_features(core, store))
