"""Charging gas for what other modules do: reserve, charge, release, refund.

Each works in the caller's transaction, so that the fee and what it is for exist together, and has
a `reference` that is unique for the account: doing the same again with the same reference changes
nothing, doing something else with it is refused. What was reserved is either charged, wholly or in
part, or released; a refund is at most what was charged, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank.amounts import MAX_FRACTIONS
from servicelayer_api.gasbank.errors import (
    ChargeDiffers,
    ChargeState,
    GasAccountNotFound,
    InsufficientGas,
)
from servicelayer_api.gasbank.models import Move, Transaction
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import ledger, transactions
from servicelayer_api.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection
    from servicelayer_api.gasbank.models import GasAccount, TransactionType

_LONGEST_REFERENCE = 200


class Charges:
    """What other features call; amounts are fractions of GAS."""

    def __init__(self, clock: Clock) -> None:
        """Date charges by this clock."""
        self._clock = clock

    async def reserve(
        self, connection: Connection, account_id: UUID, amount: int, reference: str
    ) -> None:
        """Set gas aside for a charge.

        Args:
            connection: with the transaction open.
            account_id: whose gas.
            amount: fractions, above 0.
            reference: names what it is for, such as `oracle-request|<id>`.

        Raises:
            GasAccountNotFound: the account has none.
            InsufficientGas: less is available.
            ChargeDiffers: the reference was used for another amount.
            ChargeState: the reservation of this reference was charged or released.
        """
        account, known = await self._hold(connection, account_id, amount, reference)
        if known is None:
            fee = self._new(account, "fee", "reserved", amount, reference)
            await self._begin(connection, account, fee, Move.RESERVE)
        elif known.amount != amount:
            raise ChargeDiffers("the reference was used for another amount")
        elif known.status != "reserved":
            raise ChargeState("the reservation was charged or released")

    async def charge(
        self, connection: Connection, account_id: UUID, amount: int, reference: str
    ) -> None:
        """Charge gas: what was reserved under the reference (the rest of it is released), or else.

        Args:
            connection: as in `reserve`.
            account_id: as in `reserve`.
            amount: fractions, above 0; at most what was reserved, if something was.
            reference: as in `reserve`.

        Raises:
            GasAccountNotFound: the account has none.
            InsufficientGas: less is available.
            ChargeDiffers: another amount was charged, or less was reserved.
            ChargeState: the reservation was released.
        """
        account, known = await self._hold(connection, account_id, amount, reference)
        if known is None:
            fee = self._new(account, "fee", "completed", amount, reference)
            await self._begin(connection, account, fee, Move.CHARGE)
        elif known.status == "cancelled":
            raise ChargeState("the reservation was released")
        elif known.status == "completed":
            if known.net_amount != amount:
                raise ChargeDiffers("another amount was charged under the reference")
        else:
            await self._capture(connection, known, amount)

    async def release(self, connection: Connection, account_id: UUID, reference: str) -> None:
        """Give back what was reserved and is not needed.

        Raises:
            GasAccountNotFound: the account has none.
            ChargeState: nothing was reserved, or it was charged.
        """
        _, known = await self._hold(connection, account_id, 1, reference)
        if known is None or known.status == "completed":
            raise ChargeState("nothing is reserved under the reference")
        if known.status == "reserved":
            now = self._clock.now()
            changed = replace(known, status="cancelled", net_amount=0, updated_at=now)
            await transactions.update_transaction(connection, changed)
            await ledger.insert_entry(connection, changed, Move.VOID, known.amount, now)

    async def refund(
        self, connection: Connection, account_id: UUID, amount: int, reference: str
    ) -> None:
        """Give back what was charged, or a part of it; once a reference.

        Raises:
            GasAccountNotFound: the account has none.
            ChargeDiffers: another amount was given back.
            ChargeState: nothing, or less, was charged.
        """
        account, charged = await self._hold(connection, account_id, amount, reference)
        if charged is None or charged.status != "completed" or charged.net_amount < amount:
            raise ChargeState("less was charged under the reference")
        known = await transactions.find_by_reference(connection, account.id, "refund", reference)
        if known is None:
            refund = self._new(account, "refund", "completed", amount, reference)
            await transactions.insert_transaction(connection, refund)
            await ledger.insert_entry(connection, refund, Move.REFUND, amount, refund.created_at)
        elif known.amount != amount:
            raise ChargeDiffers("another amount was given back under the reference")

    async def _hold(
        self, connection: Connection, account_id: UUID, amount: int, reference: str
    ) -> tuple[GasAccount, Transaction | None]:
        if not 0 < amount <= MAX_FRACTIONS or not 0 < len(reference) <= _LONGEST_REFERENCE:
            raise Invalid("a charge needs an amount above 0 and a reference")
        account = await account_store.lock_account(connection, account_id)
        if account is None:
            raise GasAccountNotFound("the account has no gas account")
        known = await transactions.find_by_reference(connection, account.id, "fee", reference)
        return account, known

    async def _begin(
        self, connection: Connection, account: GasAccount, fee: Transaction, move: Move
    ) -> None:
        if account.available < fee.amount:
            raise InsufficientGas(
                "insufficient funds", requested=fee.amount, available=account.available
            )
        await transactions.insert_transaction(connection, fee)
        await ledger.insert_entry(connection, fee, move, fee.amount, fee.created_at)

    async def _capture(self, connection: Connection, fee: Transaction, amount: int) -> None:
        if amount > fee.amount:
            raise ChargeDiffers("less was reserved under the reference")
        now = self._clock.now()
        changed = replace(
            fee, status="completed", net_amount=amount, updated_at=now, completed_at=now
        )
        await transactions.update_transaction(connection, changed)
        await ledger.insert_entry(connection, changed, Move.CAPTURE, amount, now)
        if fee.amount > amount:
            await ledger.insert_entry(connection, changed, Move.VOID, fee.amount - amount, now)

    def _new(
        self,
        account: GasAccount,
        kind: TransactionType,
        status: str,
        amount: int,
        reference: str,
    ) -> Transaction:
        now = self._clock.now()
        return Transaction(
            id=new_id(),
            gas_account_id=account.id,
            account_id=account.account_id or account.id,
            tenant=account.tenant,
            type=kind,
            status=status,
            amount=amount,
            net_amount=amount,
            reference=reference,
            completed_at=now if status == "completed" else None,
            created_at=now,
            updated_at=now,
        )
