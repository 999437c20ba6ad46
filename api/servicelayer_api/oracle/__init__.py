"""The oracle: asks HTTP sources on behalf of accounts and keeps their answers.

Promise: a request is answered once, or fails with a reason; none is lost when a process dies, none
is answered after its time to live. Credentials of sources are sealed and never shown, and a source
is reached by its own account only, through the egress guard. Requests that were given up can be put
back under their id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.oracle.dead_letters import DeadLetters
from servicelayer_api.oracle.dispatcher import Dispatcher, Limits
from servicelayer_api.oracle.routes import ROUTES
from servicelayer_api.oracle.runners import RunnerTokens
from servicelayer_api.oracle.service import Oracle
from servicelayer_api.oracle.store import SEALED
from servicelayer_api.oracle.worker import Watch, forgetting
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.egress import Egress
    from servicelayer_api.settings import Settings
    from servicelayer_api.vault import Vault
    from servicelayer_api.web.feature import Core

__all__ = ["SEALED", "Oracle", "build", "build_service"]


def build_service(
    core: Core, audit: AuditLog, accounts: Accounts, vault: Vault, egress: Egress
) -> Oracle:
    """Make the service that other features may ask."""
    settings = core.settings
    return Oracle(
        core.database,
        core.clock,
        audit,
        accounts,
        vault,
        egress,
        runners=RunnerTokens(settings.oracle_runner_tokens.reveal()),
        runner_lease=settings.oracle_runner_lease,
        ttl=settings.oracle_ttl_seconds,
    )


def build(
    core: Core, oracle: Oracle, audit: AuditLog, accounts: Accounts, egress: Egress
) -> Feature:
    """Put the feature together; the dispatcher works unless the settings leave it to runners."""
    settings = core.settings
    limits = _limits(settings)
    watch = Watch(
        core.database, audit, core.metrics, ttl=limits.ttl, dead_letters=limits.dead_letters
    )
    workers = [Worker("oracle-watch", watch.run)]
    if days := settings.oracle_retention_days:
        retention = forgetting(core.database, audit, core.metrics, days)
        workers.append(Worker("oracle-retention", retention.run))
    if settings.oracle_dispatch:
        dispatcher = Dispatcher(core.database, oracle, audit, egress, core.metrics, limits)
        workers.append(Worker("oracle-dispatcher", dispatcher.run))
    dead_letters = DeadLetters(core.database, core.clock, audit, accounts, oracle.new_work)
    return Feature(
        name="oracle",
        routes=ROUTES,
        dependencies={"oracle": oracle, "oracle_dead_letters": dead_letters},
        workers=workers,
        modules=[Module(name="oracle", domain="oracle", depends_on=("store", "vault"))],
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        concurrency=settings.oracle_concurrency,
        timeout=settings.oracle_timeout,
        max_bytes=settings.oracle_max_response_bytes,
        max_redirects=settings.oracle_max_redirects,
        attempts=settings.oracle_max_attempts,
        backoff=settings.oracle_backoff,
        ttl=settings.oracle_ttl_seconds,
        dead_letters=settings.oracle_dlq_enabled,
    )
