"""The bearer check, the tenant of a request, and the account that its path names."""

from __future__ import annotations

import os
import secrets
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from load.peer.database import Account, Session

_TOKENS = [token.encode() for token in os.environ["PEER_TOKENS"].split(",")]
_bearer = HTTPBearer(auto_error=False)


async def _tenant(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    x_tenant_id: Annotated[str | None, Header()] = None,
) -> str:
    shown = credentials.credentials.encode() if credentials else b""
    if not any(secrets.compare_digest(shown, token) for token in _TOKENS):
        raise HTTPException(401, "unauthorised")
    if not x_tenant_id:
        raise HTTPException(403, "tenant required")
    return x_tenant_id


Tenant = Annotated[str, Depends(_tenant)]


async def _own_account(account_id: UUID, tenant: Tenant, session: Session) -> Account:
    account = await session.get(Account, account_id)
    if account is None or account.tenant != tenant:
        raise HTTPException(404, "account not found")
    return account


OwnAccount = Annotated[Account, Depends(_own_account)]
