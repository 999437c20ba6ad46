"""The gas bank: prepaid gas of accounts, in a double-entry ledger.

Promise: an acknowledged deposit is in the ledger once; no balance goes below zero, whatever races
or crashes; a withdrawal ends once, as settled or with its gas given back; the database itself holds
this by constraints and is compared with itself from time to time. Deposits are as fast on one
account as on many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.gasbank.metrics import GasBankMetrics
from servicelayer_api.gasbank.resolver import Resolver
from servicelayer_api.gasbank.routes import ROUTES
from servicelayer_api.gasbank.service import GasBank
from servicelayer_api.gasbank.settlement import Settlement
from servicelayer_api.gasbank.worker import LedgerChecker, settler
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module, NotReady

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.gasbank.resolver import Egress
    from servicelayer_api.web.feature import Core

__all__ = ["GasBank", "build", "build_service"]


def build_service(core: Core, audit: AuditLog, accounts: Accounts, quotas: Quotas) -> GasBank:
    """Make the service through which other features charge gas."""
    return GasBank(
        core.database,
        core.clock,
        audit,
        accounts,
        quotas,
        validate=core.settings.gasbank_validate_addresses,
    )


def build(core: Core, gasbank: GasBank, audit: AuditLog, quotas: Quotas, egress: Egress) -> Feature:
    """Put the feature together."""
    settings = core.settings
    metrics = GasBankMetrics(core.metrics)
    url, patience = settings.gasbank_resolver_url, settings.gasbank_resolver_timeout
    resolver = Resolver(egress, url, settings.gasbank_resolver_key, patience) if url else None
    settlement = Settlement(
        core.database,
        core.clock,
        audit,
        metrics,
        quotas,
        interval=settings.gasbank_poll_interval,
        max_attempts=settings.gasbank_max_attempts,
        resolver=resolver,
        patience=patience,
    )
    checker = LedgerChecker(core.database, metrics, settings.gasbank_check_interval)

    return Feature(
        name="gasbank",
        routes=ROUTES,
        dependencies={"gasbank": gasbank},
        workers=[
            Worker("gasbank-settlement", settler(settlement, settings.gasbank_poll_interval)),
            Worker("gasbank-ledger-check", checker.run),
        ],
        modules=_modules(checker, settles=resolver is not None),
    )


def _modules(checker: LedgerChecker, *, settles: bool) -> list[Module]:
    async def probe() -> None:
        if checker.last is not None and not checker.last.balanced:
            raise NotReady("the ledger is not balanced; GET /admin/gasbank/invariants tells more")

    bank = Module(
        name="gasbank",
        domain="gasbank",
        capabilities=("deposits", "withdrawals", "approvals", "schedules"),
        depends_on=("store", "accounts"),
        surface="gasbank",
        probe=probe,
    )
    settlement = Module(
        name="gasbank-settlement", domain="gasbank", layer="runner", depends_on=("gasbank",)
    )
    return [bank, settlement] if settles else [bank]
