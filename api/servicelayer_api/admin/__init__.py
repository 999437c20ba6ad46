"""What platform admins configure while the program runs, and the quotas of tenants.

Promise: a PATCH changes what was sent and nothing else; every change is in the audit log with
digests of the item before and after; an API key of a provider is sealed when it comes in and shown
nowhere. Quotas on accounts and on requests are enforced, here and by the features that ask
`Quotas`. What is configured concerns all tenants, so admins who are bound to one see their own
quota only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.admin.errors import QuotaExceeded
from servicelayer_api.admin.middleware import RequestQuotaGate
from servicelayer_api.admin.quotas import QuotaName, Quotas
from servicelayer_api.admin.requests import RequestQuota
from servicelayer_api.admin.routes import ROUTES
from servicelayer_api.admin.service import Configuration, KeyVault
from servicelayer_api.admin.worker import sharing
from servicelayer_api.vault import SealedColumn
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.web.feature import Core

__all__ = [
    "SEALED_KEYS",
    "Configuration",
    "KeyVault",
    "QuotaExceeded",
    "QuotaName",
    "Quotas",
    "build",
    "build_quotas",
    "build_service",
]

SEALED_KEYS = SealedColumn(
    name="keys of providers",
    table="admin_providers",
    key="id",
    column="api_key_sealed",
    owner="NULL::uuid",
    context="'admin-provider|' || id || '|api-key'",
)
"""Where the configuration keeps what the vault sealed."""


def build_quotas(core: Core) -> Quotas:
    """Make what other features ask for quotas."""
    return Quotas(core.database, core.clock)


def build_service(core: Core, audit: AuditLog, vault: KeyVault, quotas: Quotas) -> Configuration:
    """Make the service through which other features reach the configuration."""
    return Configuration(core.database, core.clock, audit, vault, quotas.forget)


def build(core: Core, configuration: Configuration, quotas: Quotas) -> Feature:
    """Put the feature together; its middleware must stand inside the authentication."""
    requests = RequestQuota(core.database, core.clock, quotas)
    return Feature(
        name="admin",
        routes=ROUTES,
        dependencies={"configuration": configuration},
        middleware=[lambda app, _public: RequestQuotaGate(app, requests)],
        workers=[Worker("admin-requests", sharing(requests))],
        modules=[Module(name="admin", domain="admin", layer="infra", depends_on=("store",))],
    )
