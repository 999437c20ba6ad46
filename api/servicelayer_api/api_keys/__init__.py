"""API keys that act for one account and nothing else.

Promise: the text of a key is shown once, in the answer that made it; only its hash is kept. A key
cannot reach another account, open or delete accounts, make further keys or register wallets; it may
be limited to scopes, and ends with who made it. A rotation leaves the old key valid for as long as
the caller wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.api_keys.routes import ROUTES
from servicelayer_api.api_keys.service import ApiKeys
from servicelayer_api.api_keys.worker import usage_writer
from servicelayer_api.web.feature import Feature, Worker

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.web.feature import Core

__all__ = ["ApiKeys", "build", "build_service"]


def build_service(core: Core, audit: AuditLog, accounts: Accounts) -> ApiKeys:
    """Make the service that the authenticator asks too."""
    return ApiKeys(core.database, core.clock, audit, accounts)


def build(api_keys: ApiKeys) -> Feature:
    """Put the feature together."""
    return Feature(
        name="api_keys",
        routes=ROUTES,
        dependencies={"api_keys": api_keys},
        workers=[Worker("api-key-usage", usage_writer(api_keys))],
    )
