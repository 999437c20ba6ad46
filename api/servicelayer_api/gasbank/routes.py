"""`/accounts/{id}/gasbank...` and `/admin/gasbank/invariants`; one withdrawal has its own file."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank import answers
from servicelayer_api.gasbank.answers import (
    GasAccountBody,
    Invariants,
    Moved,
    Summary,
    TransactionBody,
)
from servicelayer_api.gasbank.models import (
    GasAccountChange,
    NewDeposit,
    NewWithdrawal,
)
from servicelayer_api.gasbank.service import GasBank
from servicelayer_api.gasbank.withdrawal_routes import (
    BASE,
    READ,
    TAGS,
    WITHDRAW,
    WITHDRAWAL_ROUTES,
    Limit,
)
from servicelayer_api.web.answers import Answer
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import Cursor, Pages

_DEFAULT_LIMIT: Final = 25

_GasAccountId = Annotated[str | None, QueryParameter(description="The gas account; required")]
_Status = Annotated[str | None, QueryParameter(description="Only of this status")]


@get(
    BASE,
    operation_id="listGasAccounts",
    summary="Show the gas account of an account",
    description="A list of one or none; with `gas_account_id` that one as an object.",
    tags=TAGS,
    opt=READ,
)
async def list_gas_accounts(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    gas_account_id: Annotated[str | None, QueryParameter(description="Only this one")] = None,
) -> list[GasAccountBody] | GasAccountBody:
    """Show gas accounts."""
    found = await gasbank.list_accounts(caller_of(request.scope), account_id, gas_account_id)
    shown = [answers.account_body(account, gasbank.now()) for account in found]
    return shown[0] if gas_account_id else shown


@post(
    BASE,
    operation_id="ensureGasAccount",
    summary="Open the gas account of an account, or change it",
    description="An API key that is limited to scopes needs `gasbank:approve` as well to lower "
    "`required_approvals` or `min_balance`, or to change a `daily_limit` that is set.",
    tags=TAGS,
    opt={"scope": "gasbank:limits"},
    status_code=200,
)
async def ensure_gas_account(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    data: JSONBody[GasAccountChange],
) -> GasAccountBody:
    """Open or change a gas account."""
    account = await gasbank.ensure_account(caller_of(request.scope), account_id, data)
    return answers.account_body(account, gasbank.now())


@get(
    f"{BASE}/summary",
    operation_id="getGasSummary",
    summary="Sum up the gas of an account",
    tags=TAGS,
    opt=READ,
)
async def get_summary(
    request: Request[Any, Any, Any], gasbank: NamedDependency[GasBank], account_id: FromPath[str]
) -> Summary:
    """Sum up."""
    return answers.summary(*await gasbank.summarise(caller_of(request.scope), account_id))


@post(
    f"{BASE}/deposit",
    operation_id="depositGas",
    summary="Credit gas that came in on the chain",
    description="A `tx_id` is credited once: one of the chain (64 hex digits) in all tenants, any "
    "other id in its own; sent again it gets the first answer's transaction. For the platform: a "
    "platform token, or a user who is not bound to a tenant.",
    tags=TAGS,
    opt={"scope": "gasbank:deposit"},
    status_code=200,
)
async def deposit_gas(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    data: JSONBody[NewDeposit],
) -> Response[Moved]:
    """Deposit."""
    caller = caller_of(request.scope)
    account, made = await gasbank.deposits.deposit(caller, account_id, data)
    moved = Moved(
        account=answers.account_body(account, gasbank.now()),
        transaction=answers.transaction_body(made),
    )
    # Encoded here: the framework's way is twice as long, and this is the busiest route.
    encoded = Answer(answers.encode(moved), media_type="application/json")
    return cast("Response[Moved]", encoded)


@post(
    f"{BASE}/withdraw",
    operation_id="withdrawGas",
    summary="Withdraw gas, now, later or repeatedly",
    tags=TAGS,
    opt=WITHDRAW,
    status_code=200,
)
async def withdraw_gas(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    data: JSONBody[NewWithdrawal],
) -> Moved:
    """Withdraw."""
    caller = caller_of(request.scope)
    account, made = await gasbank.withdrawals.withdraw(caller, account_id, data)
    return Moved(
        account=answers.account_body(account, gasbank.now()),
        transaction=answers.transaction_body(made),
    )


@get(
    f"{BASE}/transactions",
    operation_id="listGasTransactions",
    summary="List the transactions of a gas account, newest first",
    tags=TAGS,
    opt=READ,
)
async def list_transactions(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    gas_account_id: _GasAccountId = None,
    kind: Annotated[
        str | None, QueryParameter(name="type", description="Only of this type")
    ] = None,
    status: _Status = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response[list[TransactionBody]]:
    """List transactions."""
    del limit, cursor
    return await _page(
        request, gasbank, pages, account_id, "gas-transactions", gas_account_id, kind, status
    )


@get(
    f"{BASE}/deposits",
    operation_id="listGasDeposits",
    summary="List the deposits to a gas account, newest first",
    tags=TAGS,
    opt=READ,
)
async def list_deposits(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    gas_account_id: _GasAccountId = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response[list[TransactionBody]]:
    """List deposits."""
    del limit, cursor
    return await _page(
        request, gasbank, pages, account_id, "gas-deposits", gas_account_id, "deposit", None
    )


@get(
    f"{BASE}/withdrawals",
    operation_id="listGasWithdrawals",
    summary="List the withdrawals from a gas account, newest first",
    tags=TAGS,
    opt=READ,
)
async def list_withdrawals(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    gas_account_id: _GasAccountId = None,
    status: _Status = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response[list[TransactionBody]]:
    """List withdrawals."""
    del limit, cursor
    return await _page(
        request, gasbank, pages, account_id, "gas-withdrawals", gas_account_id, "withdrawal", status
    )


@get(
    "/admin/gasbank/invariants",
    operation_id="checkGasLedger",
    summary="Compare the whole ledger with all balances and states, now",
    description="Reads every ledger entry. Needs the role `admin`.",
    tags=TAGS,
)
async def check_ledger(
    request: Request[Any, Any, Any], gasbank: NamedDependency[GasBank]
) -> Invariants:
    """Check the ledger."""
    return answers.invariants(await gasbank.judge(caller_of(request.scope)))


async def _page(
    request: Request[Any, Any, Any],
    gasbank: GasBank,
    pages: Pages,
    account_id: str,
    name: str,
    gas_account_id: str | None,
    kind: str | None,
    status: str | None,
) -> Response[list[TransactionBody]]:
    if not gas_account_id:
        raise Invalid(fields=[("gas_account_id", "is required")])
    filters = {"gas_account_id": gas_account_id, "type": kind, "status": status}
    page = pages.read(request, name, _DEFAULT_LIMIT, **filters)
    found = await gasbank.list_transactions(
        caller_of(request.scope), account_id, gas_account_id, page, kind=kind, status=status
    )
    shown = found.show(lambda one: answers.transaction_body(*one))
    return pages.answer(request, name, shown, **filters)


ROUTES = [
    list_gas_accounts,
    ensure_gas_account,
    get_summary,
    deposit_gas,
    withdraw_gas,
    list_transactions,
    list_deposits,
    list_withdrawals,
    check_ledger,
    *WITHDRAWAL_ROUTES,
]
