"""`/auth`: log in by password or wallet, and ask who one is."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from servicelayer_api.auth.models import (
    Challenge,
    ChallengeRequest,
    LoginRequest,
    Session,
    WalletLoginRequest,
    WhoAmI,
)
from servicelayer_api.auth.service import Logins
from servicelayer_api.web.gate import caller_of


@post(
    "/auth/login",
    operation_id="login",
    summary="Log in with a password",
    tags=["auth"],
    status_code=200,
    opt={"public": True},
)
async def log_in(
    request: Request[Any, Any, Any], logins: NamedDependency[Logins], data: JSONBody[LoginRequest]
) -> Session:
    """Log in with a password."""
    return await logins.log_in(caller_of(request.scope), data.username, data.password)


@post(
    "/auth/wallet/challenge",
    operation_id="walletChallenge",
    summary="Ask for a text that a Neo wallet signs to log in",
    tags=["auth"],
    status_code=200,
    opt={"public": True},
)
async def challenge_wallet(
    request: Request[Any, Any, Any],
    logins: NamedDependency[Logins],
    data: JSONBody[ChallengeRequest],
) -> Challenge:
    """Ask for a challenge."""
    return await logins.challenge(request.headers.get("host", ""), data.wallet)


@post(
    "/auth/wallet/login",
    operation_id="walletLogin",
    summary="Log in with the signature of a Neo wallet",
    tags=["auth"],
    status_code=200,
    opt={"public": True},
)
async def log_in_with_wallet(
    request: Request[Any, Any, Any],
    logins: NamedDependency[Logins],
    data: JSONBody[WalletLoginRequest],
) -> Session:
    """Log in with a signed challenge."""
    tenant = request.headers.get("x-tenant-id", "").strip()
    host = request.headers.get("host", "")
    return await logins.log_in_with_wallet(caller_of(request.scope), host, data, tenant)


@get(
    "/auth/whoami",
    operation_id="whoami",
    summary="Show who the credential of this request belongs to",
    tags=["auth"],
    sync_to_thread=False,
)
def who_am_i(request: Request[Any, Any, Any]) -> WhoAmI:
    """Show who asks."""
    principal = caller_of(request.scope).require_principal()
    return WhoAmI(user=principal.user, role=principal.role, tenant=principal.tenant or "")


ROUTES = [log_in, challenge_wallet, log_in_with_wallet, who_am_i]
