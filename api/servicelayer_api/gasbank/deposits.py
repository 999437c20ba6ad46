"""Deposits, committed in groups: those that meet on one gas account share a transaction.

Invariant: a deposit is acknowledged after its commit and not before, and each request has its own
answer: what refuses one (a foreign account, a transaction on the chain that is known already)
leaves the others of its group alone. While a group is being committed the next one gathers, and
while the server is busy for a moment longer (`db/company.py`). A request that already has a
transaction of its own (an idempotency key) is not grouped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from servicelayer_api.audit.models import Change
from servicelayer_api.db.company import gather_company
from servicelayer_api.errors import ServiceError, Unavailable
from servicelayer_api.gasbank import approvals, rules
from servicelayer_api.gasbank.errors import DepositDiffers, GasAccountNotFound
from servicelayer_api.gasbank.models import Transaction
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import ledger, transactions
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.accounts.models import Account
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.gasbank.models import GasAccount, NewDeposit
    from servicelayer_api.web.principal import Caller, Principal

type Deposited = tuple[GasAccount, Transaction]

_LARGEST_GROUP: Final = 256
_SERVER_ERROR: Final = 500

_log = structlog.get_logger(__name__)


class _Request:
    """A deposit that waits for its group, and what becomes of it."""

    __slots__ = ("account_id", "amount", "answer", "caller", "key", "new", "outcome")

    def __init__(self, caller: Caller, account_id: str, new: NewDeposit, amount: int) -> None:
        self.caller = caller
        self.account_id = account_id
        self.new = new
        self.amount = amount
        self.key = rules.deposit_key(new.tx_id)
        self.outcome: Deposited | ServiceError | None = None
        self.answer: asyncio.Future[Deposited] | None = None

    def result(self) -> Deposited:
        if self.outcome is None:
            raise Unavailable("the deposit was not carried out")
        if isinstance(self.outcome, ServiceError):
            raise self.outcome
        return self.outcome

    def tell(self) -> None:
        if self.answer is None or self.answer.done():
            return
        try:
            self.answer.set_result(self.result())
        except ServiceError as exc:
            self.answer.set_exception(exc)

    def fail(self, exc: BaseException) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc)


class Deposits:
    """What the route calls."""

    def __init__(
        self, database: Database, clock: Clock, audit: AuditLog, accounts: Accounts
    ) -> None:
        """Credit gas in this database."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._waiting: dict[UUID, deque[_Request]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def deposit(self, caller: Caller, account_id: str, new: NewDeposit) -> Deposited:
        """Credit gas that came in on the chain.

        Returns:
            The gas account and the deposit; for a deposit that was made before, that one.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            AccountSuspended: likewise.
            DepositUnproven: by others than the platform.
            GasAccountNotFound: the account has no such gas account.
            DepositDiffers: the same transaction on the chain was deposited with other values.
            GasBalanceTooLarge: the ledger cannot hold so much.
            Invalid: names each field at fault.
        """
        amount = rules.check_deposit(new)
        request = _Request(caller, account_id, new, amount)
        gas_account_id = parse_id(new.gas_account_id)
        if gas_account_id is None:
            async with self._database.connection() as connection:
                await self._accounts.reach(connection, caller, account_id)
            approvals.check_may_deposit(caller.require_principal())
            raise GasAccountNotFound("gas account not found")
        if self._database.in_ambient:
            await self._commit(gas_account_id, [request])
            return request.result()
        request.answer = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(gas_account_id)
        if waiting is None:
            self._waiting[gas_account_id] = deque([request])
            # A context of its own: the group belongs to no request.
            task = asyncio.create_task(self._drain(gas_account_id), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            waiting.append(request)
        return await request.answer

    async def _drain(self, gas_account_id: UUID) -> None:
        waiting = self._waiting[gas_account_id]
        group: list[_Request] = []
        try:
            while waiting:
                await gather_company(waiting, _LARGEST_GROUP)
                group = [waiting.popleft() for _ in range(min(_LARGEST_GROUP, len(waiting)))]
                await self._commit_group(gas_account_id, group)
        finally:
            del self._waiting[gas_account_id]
            # Nothing is left here unless the program is being stopped.
            for request in (*group, *waiting):
                request.fail(Unavailable("the program is stopping"))

    async def _commit_group(self, gas_account_id: UUID, group: Sequence[_Request]) -> None:
        try:
            await self._commit(gas_account_id, group)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is the answer to these requests
            if len(group) == 1 or isinstance(exc, Unavailable):
                for request in group:
                    request.fail(exc)
                return
            # One of them is at fault; each is tried alone, so that the others do not suffer.
            _log.warning("deposits are committed one by one", error=type(exc).__name__)
            for request in group:
                request.outcome = None
                await self._commit_group(gas_account_id, [request])
            return
        for request in group:
            request.tell()

    async def _commit(self, gas_account_id: UUID, group: Sequence[_Request]) -> None:
        async with self._database.transaction() as connection:
            admitted = await self._admit(connection, group)
            for owner, requests in admitted.items():
                account = await account_store.lock_account(connection, owner, gas_account_id)
                if account is None:
                    for request in requests:
                        request.outcome = GasAccountNotFound("gas account not found")
                else:
                    await self._credit(connection, account, requests)

    async def _admit(
        self, connection: Connection, group: Sequence[_Request]
    ) -> dict[UUID, list[_Request]]:
        """Let through whose account may be changed by them, by account; each kind is asked once."""
        verdicts: dict[tuple[str, Principal | None], Account | ServiceError] = {}
        admitted: dict[UUID, list[_Request]] = {}
        for request in group:
            kind = (request.account_id, request.caller.principal)
            verdict = verdicts.get(kind)
            if verdict is None:
                verdict = verdicts[kind] = await self._reach(connection, request)
            if isinstance(verdict, ServiceError):
                request.outcome = verdict
            else:
                admitted.setdefault(verdict.id, []).append(request)
        return admitted

    async def _reach(self, connection: Connection, request: _Request) -> Account | ServiceError:
        try:
            account = await self._accounts.reach(
                connection, request.caller, request.account_id, write=True
            )
            approvals.check_may_deposit(request.caller.require_principal())
        except ServiceError as exc:
            if exc.status >= _SERVER_ERROR:
                raise
            return exc
        return account

    async def _credit(
        self, connection: Connection, account: GasAccount, requests: Sequence[_Request]
    ) -> None:
        now = self._clock.now()
        made: dict[UUID, tuple[_Request, Transaction]] = {}
        room = account
        for request in requests:
            try:
                rules.check_room(room, request.amount)
            except ServiceError as exc:
                request.outcome = exc
                continue
            room = replace(room, available=room.available + request.amount)
            deposit = _deposit(account, request, now)
            made[deposit.id] = (request, deposit)
        if not made:
            return
        added = await ledger.insert_deposits(
            connection,
            [deposit for _, deposit in made.values()],
            [request.key for request, _ in made.values()],
        )
        running, changes = account, list[Change]()
        for request, deposit in (made[place] for place in made if place in added):
            running = replace(running, available=running.available + deposit.amount, updated_at=now)
            request.outcome = (running, deposit)
            changes.append(
                Change(
                    caller=request.caller,
                    action="gasbank.deposit",
                    status=200,
                    account_id=account.account_id,
                    resource_id=deposit.id,
                    after=deposit,
                )
            )
        await self._repeat(
            connection, running, [request for i, (request, _) in made.items() if i not in added]
        )
        await self._audit.record_many(connection, changes)

    @staticmethod
    async def _repeat(
        connection: Connection, account: GasAccount, requests: Sequence[_Request]
    ) -> None:
        """Answer requests whose deposit was there already."""
        if not requests:
            return
        keys = [request.key for request in requests if request.key is not None]
        found = await transactions.find_deposits(connection, account.tenant, keys)
        for request in requests:
            known = found.get(request.key or "")
            if known is not None and _is_same(known, account, request):
                request.outcome = (account, known)
            else:
                request.outcome = DepositDiffers(
                    "this tx_id was deposited before with another gas account, amount or address"
                )


def _deposit(account: GasAccount, request: _Request, now: datetime) -> Transaction:
    return Transaction(
        id=new_id(),
        gas_account_id=account.id,
        account_id=account.account_id or account.id,
        tenant=account.tenant,
        type="deposit",
        status="completed",
        amount=request.amount,
        net_amount=request.amount,
        blockchain_tx_id=request.new.tx_id,
        from_address=request.new.from_address,
        to_address=request.new.to_address,
        created_at=now,
        updated_at=now,
    )


def _is_same(known: Transaction, account: GasAccount, request: _Request) -> bool:
    return (known.gas_account_id, known.amount, known.from_address, known.to_address) == (
        account.id,
        request.amount,
        request.new.from_address,
        request.new.to_address,
    )
