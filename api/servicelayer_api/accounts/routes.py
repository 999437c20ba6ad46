"""`/accounts` and `/accounts/{id}/workspace-wallets`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.accounts.models import Account, AccountChange, NewAccount, NewWallet, Wallet
from servicelayer_api.accounts.service import Accounts
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, parse_limit

_Limit = Annotated[str | None, QueryParameter(description="Items at most; all when left out")]


def _limit(text: str | None) -> int | None:
    return None if text is None else parse_limit(text, MAX_LIMIT)


@post(
    "/accounts",
    operation_id="createAccount",
    summary="Open an account in the tenant of the request",
    tags=["accounts"],
)
async def create_account(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], data: JSONBody[NewAccount]
) -> Account:
    """Open an account."""
    return await accounts.open_account(caller_of(request.scope), data)


@get(
    "/accounts",
    operation_id="listAccounts",
    summary="List the accounts of the tenant, oldest first",
    tags=["accounts"],
)
async def list_accounts(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], limit: _Limit = None
) -> list[Account]:
    """List accounts."""
    return await accounts.list_accounts(caller_of(request.scope), _limit(limit))


@get(
    "/accounts/{account_id:str}",
    operation_id="getAccount",
    summary="Show an account",
    tags=["accounts"],
)
async def get_account(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], account_id: FromPath[str]
) -> Account:
    """Show an account."""
    return await accounts.get_account(caller_of(request.scope), account_id)


@patch(
    "/accounts/{account_id:str}",
    operation_id="changeAccount",
    summary="Change an account",
    tags=["accounts"],
)
async def change_account(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    data: JSONBody[AccountChange],
) -> Account:
    """Change an account."""
    return await accounts.change_account(caller_of(request.scope), account_id, data)


@delete(
    "/accounts/{account_id:str}",
    operation_id="deleteAccount",
    summary="Delete an account and all that hangs on it",
    tags=["accounts"],
)
async def delete_account(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], account_id: FromPath[str]
) -> None:
    """Delete an account."""
    await accounts.close_account(caller_of(request.scope), account_id)


@post(
    "/accounts/{account_id:str}/workspace-wallets",
    operation_id="createWorkspaceWallet",
    summary="Register a wallet, by its script hash or its address",
    tags=["workspace-wallets"],
)
async def create_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    data: JSONBody[NewWallet],
) -> Wallet:
    """Register a wallet."""
    return await accounts.add_wallet(caller_of(request.scope), account_id, data)


@get(
    "/accounts/{account_id:str}/workspace-wallets",
    operation_id="listWorkspaceWallets",
    summary="List the wallets of an account, newest first",
    tags=["workspace-wallets"],
)
async def list_wallets(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    limit: _Limit = None,
) -> list[Wallet]:
    """List wallets."""
    return await accounts.list_wallets(caller_of(request.scope), account_id, _limit(limit))


@get(
    "/accounts/{account_id:str}/workspace-wallets/{wallet_id:str}",
    operation_id="getWorkspaceWallet",
    summary="Show a wallet",
    tags=["workspace-wallets"],
)
async def get_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    wallet_id: FromPath[str],
) -> Wallet:
    """Show a wallet."""
    return await accounts.get_wallet(caller_of(request.scope), account_id, wallet_id)


@delete(
    "/accounts/{account_id:str}/workspace-wallets/{wallet_id:str}",
    operation_id="deleteWorkspaceWallet",
    summary="Remove a wallet; its holder can no longer log in with it",
    tags=["workspace-wallets"],
)
async def delete_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    wallet_id: FromPath[str],
) -> None:
    """Remove a wallet."""
    await accounts.remove_wallet(caller_of(request.scope), account_id, wallet_id)


ROUTES = [
    create_account,
    list_accounts,
    get_account,
    change_account,
    delete_account,
    create_wallet,
    list_wallets,
    get_wallet,
    delete_wallet,
]
