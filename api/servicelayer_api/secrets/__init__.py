"""Secrets of accounts: kept sealed, given out to those whom their access bits name.

Promise: a value is in the database sealed with its account, secret, name, version, access bits and
expiry, and nowhere else; every change makes a new version, and the last fifty are kept. People of
the tenant manage secrets; an account key and the product's own modules read one only if its `acl`
says so. A value is shown by `GET` of one secret and by nothing else, and not before the audit log
says to whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.secrets.models import Reader
from servicelayer_api.secrets.readings import Readings
from servicelayer_api.secrets.routes import ROUTES
from servicelayer_api.secrets.service import Secrets
from servicelayer_api.secrets.store import SEALED
from servicelayer_api.web.feature import Feature
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.vault import Vault
    from servicelayer_api.web.feature import Core

__all__ = ["SEALED", "Reader", "Secrets", "build", "build_service"]


def build_service(core: Core, audit: AuditLog, accounts: Accounts, vault: Vault) -> Secrets:
    """Make the service; other features get values from its `reveal`."""
    return Secrets(
        core.database,
        core.clock,
        audit,
        accounts,
        vault,
        Readings(audit, on=core.settings.secrets_audit_reads),
        most=core.settings.secrets_max_per_account,
    )


def build(secrets: Secrets) -> Feature:
    """Put the feature together."""
    return Feature(
        name="secrets",
        routes=ROUTES,
        dependencies={"secrets": secrets},
        modules=[
            Module(
                name="secrets",
                domain="secrets",
                capabilities=("secrets",),
                depends_on=("store", "vault"),
                requires_apis=("store", "account"),
            )
        ],
    )
