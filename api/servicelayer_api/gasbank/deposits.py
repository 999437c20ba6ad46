"""Deposits, committed in groups: those that meet share a transaction, whatever their accounts.

Invariant: a deposit is acknowledged after its commit and not before, and each request has its own
outcome: what refuses one (a foreign account, a transaction on the chain that is known already)
leaves the others of its group alone. A gas account that somebody else holds holds up no other: its
deposits go into a group of its own, which waits for it. A request that already has a transaction of
its own (an idempotency key) is not grouped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog
from msgspec.structs import replace

from servicelayer_api.audit.models import Change
from servicelayer_api.db.groups import HELD, Held, SplitGroups
from servicelayer_api.errors import ServiceError, Unavailable
from servicelayer_api.gasbank import approvals, rules
from servicelayer_api.gasbank.errors import DepositDiffers, GasAccountNotFound
from servicelayer_api.gasbank.models import GasAccount, NewDeposit, Transaction
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import ledger, transactions
from servicelayer_api.ids import new_id, parse_id
from servicelayer_api.web.principal import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.accounts.models import Account
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database

type Deposited = tuple[GasAccount, Transaction]

_log = structlog.get_logger(__name__)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request to deposit, checked but for its accounts."""

    caller: Caller
    account_id: str
    gas_account_id: UUID
    amount: int
    key: str | None
    new: NewDeposit


type _Outcome = Deposited | ServiceError | Held


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
        self._groups: SplitGroups[_Asked, Deposited] = SplitGroups(
            database, self._attempt, name="gas-deposits", key=lambda asked: asked.gas_account_id
        )

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
        gas_account_id = parse_id(new.gas_account_id)
        if gas_account_id is None:
            async with self._database.connection() as connection:
                await self._accounts.reach(connection, caller, account_id)
            approvals.check_may_deposit(caller.require_principal())
            raise GasAccountNotFound("gas account not found")
        asked = _Asked(
            caller=caller,
            account_id=account_id,
            gas_account_id=gas_account_id,
            amount=amount,
            key=rules.deposit_key(new.tx_id),
            new=new,
        )
        return await self._groups.join(asked)

    async def _attempt(self, group: Sequence[_Asked], wait: bool) -> Sequence[_Outcome | Exception]:
        try:
            return await self._commit(group, wait=wait)
        except Exception as exc:
            if len(group) == 1 or isinstance(exc, Unavailable):
                raise
            # One of them is at fault; each is tried alone, so that the others do not suffer.
            _log.warning("deposits are committed one by one", error=type(exc).__name__)
        return [await self._alone(asked, wait=wait) for asked in group]

    async def _alone(self, asked: _Asked, *, wait: bool) -> _Outcome | Exception:
        try:
            return (await self._commit([asked], wait=wait))[0]
        except Exception as exc:  # noqa: BLE001 - it is the outcome of this request
            return exc

    async def _commit(self, group: Sequence[_Asked], *, wait: bool) -> list[_Outcome]:
        async with self._database.transaction() as connection:
            admitted = await self._admit(connection, group, wait=wait)
            owners = {
                at: account.id
                for at, account in enumerate(admitted)
                if not isinstance(account, (ServiceError, Held))
            }
            wanted = {(group[at].gas_account_id, owner) for at, owner in owners.items()}
            found = await account_store.lock_accounts(connection, sorted(wanted), wait=wait)
            places = {
                at: found[group[at].gas_account_id]
                for at, owner in owners.items()
                if group[at].gas_account_id in found
                and found[group[at].gas_account_id].account_id == owner
            }
            credited = await self._credit(connection, group, places)
        absent: _Outcome = GasAccountNotFound("gas account not found") if wait else HELD
        return [
            account if isinstance(account, (ServiceError, Held)) else credited.get(at, absent)
            for at, account in enumerate(admitted)
        ]

    async def _admit(
        self, connection: Connection, group: Sequence[_Asked], *, wait: bool
    ) -> list[Account | ServiceError | Held]:
        reached = await self._accounts.reach_many(
            connection, [(asked.caller, asked.account_id) for asked in group], wait=wait
        )
        return [
            account if isinstance(account, (ServiceError, Held)) else _permitted(asked, account)
            for asked, account in zip(group, reached, strict=True)
        ]

    async def _credit(
        self, connection: Connection, group: Sequence[_Asked], places: dict[int, GasAccount]
    ) -> dict[int, _Outcome]:
        """Credit the requests at these places of the group; give their outcomes by place."""
        now = self._clock.now()
        outcomes: dict[int, _Outcome] = {}
        made: dict[int, Transaction] = {}
        running = {account.id: account for account in places.values()}
        room = dict(running)
        full: dict[int, ServiceError] = {}
        for at, account in places.items():
            asked = group[at]
            try:
                rules.check_room(room[account.id], asked.amount)
            except ServiceError as exc:
                full[at] = exc
                continue
            grown = room[account.id].available + asked.amount
            room[account.id] = replace(room[account.id], available=grown)
            made[at] = _deposit(account, asked, now)
        added = await ledger.insert_deposits(
            connection, list(made.values()), [group[at].key for at in made]
        )
        changes: list[Change] = []
        for at, deposit in made.items():
            if deposit.id not in added:
                continue
            before = running[deposit.gas_account_id]
            account = replace(before, available=before.available + deposit.amount, updated_at=now)
            running[account.id] = account
            outcomes[at] = (account, deposit)
            changes.append(_change(group[at], account, deposit))
        repeated = [*(at for at, deposit in made.items() if deposit.id not in added), *full]
        outcomes |= await _repeat(
            connection, {at: (group[at], running[places[at].id]) for at in repeated}, full
        )
        await self._audit.record_many(connection, changes)
        return outcomes


async def _repeat(
    connection: Connection,
    repeated: dict[int, tuple[_Asked, GasAccount]],
    full: dict[int, ServiceError],
) -> dict[int, _Outcome]:
    """Answer requests whose deposit was there already, and refuse those for which there is no room.

    In that order: a deposit that was made is answered again, however full the account is by now.
    """
    outcomes: dict[int, _Outcome] = {}
    for tenant in {account.tenant for _, account in repeated.values()}:
        mine = {at: pair for at, pair in repeated.items() if pair[1].tenant == tenant}
        keys = [asked.key for asked, _ in mine.values() if asked.key is not None]
        found = await transactions.find_deposits(connection, tenant, keys)
        for at, (asked, account) in mine.items():
            known = found.get(asked.key or "")
            if known is not None and _is_same(known, account, asked):
                outcomes[at] = (account, known)
            elif known is None and at in full:
                outcomes[at] = full[at]
            else:
                outcomes[at] = DepositDiffers(
                    "this tx_id was deposited before with another gas account, amount or address"
                )
    return outcomes


def _permitted(asked: _Asked, account: Account) -> Account | ServiceError:
    try:
        approvals.check_may_deposit(asked.caller.require_principal())
    except ServiceError as exc:
        return exc
    return account


def _change(asked: _Asked, account: GasAccount, deposit: Transaction) -> Change:
    return Change(
        caller=asked.caller,
        action="gasbank.deposit",
        status=200,
        account_id=account.account_id,
        resource_id=deposit.id,
        after=deposit,
    )


def _deposit(account: GasAccount, asked: _Asked, now: datetime) -> Transaction:
    return Transaction(
        id=new_id(),
        gas_account_id=account.id,
        account_id=account.account_id or account.id,
        tenant=account.tenant,
        type="deposit",
        status="completed",
        amount=asked.amount,
        net_amount=asked.amount,
        blockchain_tx_id=asked.new.tx_id,
        from_address=asked.new.from_address,
        to_address=asked.new.to_address,
        created_at=now,
        updated_at=now,
    )


def _is_same(known: Transaction, account: GasAccount, asked: _Asked) -> bool:
    return (known.gas_account_id, known.amount, known.from_address, known.to_address) == (
        account.id,
        asked.amount,
        asked.new.from_address,
        asked.new.to_address,
    )
