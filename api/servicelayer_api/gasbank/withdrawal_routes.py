"""`/accounts/{id}/gasbank/...` about one withdrawal: state, decisions, attempts, dead letters."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.gasbank import answers
from servicelayer_api.gasbank.answers import (
    ApprovalBody,
    AttemptBody,
    DeadLetterBody,
    Decided,
    TransactionBody,
)
from servicelayer_api.gasbank.models import NewDecision, WithdrawalChange
from servicelayer_api.gasbank.service import GasBank
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import Cursor, Pages

BASE: Final = "/accounts/{account_id:str}/gasbank"
READ: Final = {"scope": "gasbank:read"}
WITHDRAW: Final = {"scope": "gasbank:withdraw"}
_APPROVE: Final = {"scope": "gasbank:approve"}
TAGS: Final = ["gasbank"]

Limit = Annotated[str | None, QueryParameter(description="1 to 500, 25 when left out")]


@get(
    f"{BASE}/withdrawals/{{withdrawal_id:str}}",
    operation_id="getGasWithdrawal",
    summary="Show a withdrawal",
    tags=TAGS,
    opt=READ,
)
async def get_withdrawal(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
) -> TransactionBody:
    """Show a withdrawal."""
    return answers.transaction_body(
        *await gasbank.get_withdrawal(caller_of(request.scope), account_id, withdrawal_id)
    )


@patch(
    f"{BASE}/withdrawals/{{withdrawal_id:str}}",
    operation_id="changeGasWithdrawal",
    summary="Cancel a withdrawal that settlement has not begun",
    tags=TAGS,
    opt=WITHDRAW,
)
async def change_withdrawal(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
    data: JSONBody[WithdrawalChange],
) -> TransactionBody:
    """Cancel a withdrawal."""
    caller = caller_of(request.scope)
    return answers.transaction_body(
        *await gasbank.withdrawals.cancel(caller, account_id, withdrawal_id, data)
    )


@get(
    f"{BASE}/withdrawals/{{withdrawal_id:str}}/attempts",
    operation_id="listGasSettlementAttempts",
    summary="List what the resolver said about a withdrawal, the last first",
    tags=TAGS,
    opt=READ,
)
async def list_attempts(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response[list[AttemptBody]]:
    """List settlement attempts."""
    del limit, cursor
    page = pages.read(request, "gas-attempts", withdrawal=withdrawal_id)
    caller = caller_of(request.scope)
    found = await gasbank.list_attempts(caller, account_id, withdrawal_id, page)
    shown = found.show(answers.attempt_body)
    return pages.answer(request, "gas-attempts", shown, withdrawal=withdrawal_id)


@get(
    f"{BASE}/approvals/{{withdrawal_id:str}}",
    operation_id="listGasApprovals",
    summary="List the decisions on a withdrawal, the latest first",
    tags=TAGS,
    opt=READ,
)
async def list_approvals(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
) -> list[ApprovalBody]:
    """List decisions."""
    caller = caller_of(request.scope)
    found = await gasbank.list_approvals(caller, account_id, withdrawal_id)
    return [answers.approval_body(approval) for approval in found]


@post(
    f"{BASE}/approvals/{{withdrawal_id:str}}",
    operation_id="decideGasWithdrawal",
    summary="Approve or reject a withdrawal",
    description="Written down is the credential: the user, the wallet, the API key; `approver` is "
    "read for a platform token only, which names the person it speaks for. Counted are people: a "
    "key as who made it, a wallet as who registered it. An API key cannot approve what a key of "
    "the same maker asked for. `transaction.Approvals` lists the decisions that stood before.",
    tags=TAGS,
    opt=_APPROVE,
    status_code=200,
)
async def decide_withdrawal(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
    data: JSONBody[NewDecision],
) -> Decided:
    """Approve or reject."""
    caller = caller_of(request.scope)
    decision, withdrawal, before = await gasbank.withdrawals.decide(
        caller, account_id, withdrawal_id, data
    )
    return Decided(
        approval=answers.approval_body(decision),
        transaction=answers.transaction_body(withdrawal, before),
    )


@get(
    f"{BASE}/deadletters",
    operation_id="listGasDeadLetters",
    summary="List the withdrawals that settlement gave up, newest first",
    tags=TAGS,
    opt=READ,
)
async def list_dead_letters(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response[list[DeadLetterBody]]:
    """List dead letters."""
    del limit, cursor
    page = pages.read(request, "gas-dead-letters")
    found = await gasbank.list_dead_letters(caller_of(request.scope), account_id, page)
    shown = found.show(answers.dead_letter_body)
    return pages.answer(request, "gas-dead-letters", shown)


@post(
    f"{BASE}/deadletters/{{withdrawal_id:str}}/retry",
    operation_id="retryGasDeadLetter",
    summary="Hand a dead letter to settlement again",
    tags=TAGS,
    opt=WITHDRAW,
    status_code=200,
)
async def retry_dead_letter(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
) -> TransactionBody:
    """Retry a dead letter."""
    caller = caller_of(request.scope)
    return answers.transaction_body(
        *await gasbank.withdrawals.retry(caller, account_id, withdrawal_id)
    )


@delete(
    f"{BASE}/deadletters/{{withdrawal_id:str}}",
    operation_id="deleteGasDeadLetter",
    summary="Give a dead letter up: the withdrawal is cancelled and its gas available again",
    description="Only when the chain did not pay; an API key that is limited to scopes needs "
    "`gasbank:approve`, because the gas can be withdrawn a second time.",
    tags=TAGS,
    opt=_APPROVE,
)
async def delete_dead_letter(
    request: Request[Any, Any, Any],
    gasbank: NamedDependency[GasBank],
    account_id: FromPath[str],
    withdrawal_id: FromPath[str],
) -> None:
    """Give a dead letter up."""
    await gasbank.withdrawals.discard(caller_of(request.scope), account_id, withdrawal_id)


WITHDRAWAL_ROUTES = [
    get_withdrawal,
    change_withdrawal,
    list_attempts,
    list_approvals,
    decide_withdrawal,
    list_dead_letters,
    retry_dead_letter,
    delete_dead_letter,
]
