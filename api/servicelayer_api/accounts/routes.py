"""`/accounts` and `/accounts/{id}/workspace-wallets`."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from servicelayer_api.accounts.models import Account, AccountChange, NewAccount, NewWallet, Wallet
from servicelayer_api.accounts.service import Accounts
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

# The wire contract gave these lists whole, so the first page is as large as a page may be.
_PAGE: Final = MAX_LIMIT
_ACCOUNTS: Final = "accounts"
_WALLETS: Final = "workspace-wallets"


@post(
    "/accounts",
    operation_id="createAccount",
    summary="Open an account in the tenant of the request",
    tags=["accounts"],
    opt={"scope": "accounts:write"},
)
async def create_account(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], data: JSONBody[NewAccount]
) -> Response[Account]:
    """Open an account."""
    made = await accounts.open_account(caller_of(request.scope), data)
    return created(request, made, made.id)


@get(
    "/accounts",
    operation_id="listAccounts",
    summary="List the accounts of the tenant, oldest first",
    tags=["accounts"],
    opt={"scope": "accounts:read"},
)
async def list_accounts(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    pages: NamedDependency[Pages],
) -> Response[list[Account]]:
    """List accounts."""
    page = pages.read(request, _ACCOUNTS, _PAGE)
    found = await accounts.list_accounts(caller_of(request.scope), page)
    return pages.answer(request, _ACCOUNTS, found)


@get(
    "/accounts/{account_id:str}",
    operation_id="getAccount",
    summary="Show an account",
    tags=["accounts"],
    opt={"scope": "accounts:read"},
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
    opt={"scope": "accounts:write"},
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
    opt={"scope": "accounts:write"},
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
    opt={"scope": "wallets:write"},
)
async def create_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    data: JSONBody[NewWallet],
) -> Response[Wallet]:
    """Register a wallet."""
    made = await accounts.wallets.add(caller_of(request.scope), account_id, data)
    return created(request, made, made.id)


@get(
    "/accounts/{account_id:str}/workspace-wallets",
    operation_id="listWorkspaceWallets",
    summary="List the wallets of an account, newest first",
    tags=["workspace-wallets"],
    opt={"scope": "wallets:read"},
)
async def list_wallets(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
) -> Response[list[Wallet]]:
    """List wallets."""
    page = pages.read(request, _WALLETS, _PAGE)
    found = await accounts.wallets.list_wallets(caller_of(request.scope), account_id, page)
    return pages.answer(request, _WALLETS, found)


@get(
    "/accounts/{account_id:str}/workspace-wallets/{wallet_id:str}",
    operation_id="getWorkspaceWallet",
    summary="Show a wallet",
    tags=["workspace-wallets"],
    opt={"scope": "wallets:read"},
)
async def get_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    wallet_id: FromPath[str],
) -> Wallet:
    """Show a wallet."""
    return await accounts.wallets.get_wallet(caller_of(request.scope), account_id, wallet_id)


@delete(
    "/accounts/{account_id:str}/workspace-wallets/{wallet_id:str}",
    operation_id="deleteWorkspaceWallet",
    summary="Remove a wallet; its holder can no longer log in with it",
    tags=["workspace-wallets"],
    opt={"scope": "wallets:write"},
)
async def delete_wallet(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    account_id: FromPath[str],
    wallet_id: FromPath[str],
) -> None:
    """Remove a wallet."""
    await accounts.wallets.remove_wallet(caller_of(request.scope), account_id, wallet_id)


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
