"""Accounts and the Neo wallets that belong to them.

Promise: an account is seen only in its own tenant; a foreign id is answered like an unknown one.
    Deleting an account
deletes all that hangs on it. Wallets are script hashes inside and may be given as addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.accounts.routes import ROUTES
from servicelayer_api.accounts.service import Accounts
from servicelayer_api.web.feature import Feature
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.web.feature import Core

__all__ = ["Accounts", "build", "build_service"]


def build_service(core: Core, audit: AuditLog, quotas: Quotas) -> Accounts:
    """Make the service through which other features reach accounts."""
    return Accounts(core.database, core.clock, audit, quotas)


def build(accounts: Accounts) -> Feature:
    """Put the feature together."""
    return Feature(
        name="accounts",
        routes=ROUTES,
        dependencies={"accounts": accounts},
        modules=[Module(name="accounts", domain="account", depends_on=("store",))],
    )
