"""Logging in, and the gate in front of every route.

Promise: users prove themselves by password (bcrypt), wallets by a signature of a challenge that is
    valid once; both get a
token that carries its tenant. Failed logins are limited for each name and address on all replicas
together.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from servicelayer_api.auth.passwords import Passwords
from servicelayer_api.auth.routes import ROUTES
from servicelayer_api.auth.service import Logins
from servicelayer_api.auth.worker import sweeper
from servicelayer_api.crypto.tokens import TokenSigner
from servicelayer_api.web.auth import Authenticator
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.gate import AuthenticationGate
from servicelayer_api.web.modules import Module
from servicelayer_api.web.users import parse_users, people_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.api_keys import ApiKeys
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.web.feature import Core
    from servicelayer_api.web.public import PublicPaths

__all__ = ["Logins", "build"]


def build(core: Core, audit: AuditLog, accounts: Accounts, api_keys: ApiKeys) -> Feature:
    """Put the feature together.

    Raises:
        SettingsError: `AUTH_USERS` holds an entry that cannot be used.
    """
    settings = core.settings
    users = parse_users(settings.auth_users.reveal())
    secret = settings.auth_jwt_secret
    signer = TokenSigner(secret.reveal()) if secret else None
    logins = Logins(
        database=core.database,
        clock=core.clock,
        settings=settings,
        signer=signer,
        passwords=Passwords(users),
        people=people_of(users),
        accounts=accounts,
        audit=audit,
    )
    authenticator = Authenticator(
        clock=core.clock,
        tokens=filter(None, map(str.strip, settings.api_tokens.reveal().split(","))),
        users=users,
        signer=signer,
        account_keys=api_keys,
        wallets=accounts.wallets,
        default_tenant=settings.default_tenant,
    )
    return Feature(
        name="auth",
        routes=ROUTES,
        dependencies={"logins": logins},
        middleware=[partial(_gate, authenticator)],
        workers=[Worker("auth-sweeper", sweeper(logins))],
        modules=[Module(name="auth", domain="auth", layer="infra", depends_on=("store",))],
    )


def _gate(authenticator: Authenticator, app: ASGIApp, public: PublicPaths) -> AuthenticationGate:
    return AuthenticationGate(app, authenticator, public)
