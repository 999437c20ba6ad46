"""The gas bank's front: gas accounts and everything that is only looked at.

What moves gas has rooms of its own: `deposits`, `withdrawals`, `charges`, `settlement`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from servicelayer_api.gasbank import approvals, rules
from servicelayer_api.gasbank.charges import Charges
from servicelayer_api.gasbank.deposits import Deposits
from servicelayer_api.gasbank.errors import GasAccountNotFound, GasTransactionNotFound
from servicelayer_api.gasbank.models import Figures, GasAccount
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import ledger, settlements, transactions
from servicelayer_api.gasbank.withdrawals import Withdrawals
from servicelayer_api.ids import new_id, parse_id
from servicelayer_api.web.pagination import Slice, by_age

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.gasbank.models import (
        Approval,
        Attempt,
        Check,
        GasAccountChange,
        Transaction,
    )
    from servicelayer_api.web.pagination import PageRequest
    from servicelayer_api.web.principal import Caller

type Shown = tuple[Transaction, Sequence[Approval]]
type Sums = tuple[GasAccount | None, Figures, Transaction | None, Transaction | None, datetime]


class GasBank:
    """What routes and other features call.

    Attributes:
        deposits: Credits gas.
        withdrawals: Pays gas out.
        charges: Charges gas for what other features do.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        quotas: Quotas,
        *,
        validate: bool,
    ) -> None:
        """Keep the ledger in this database; see `Withdrawals` for the arguments."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._validate = validate
        self.deposits = Deposits(database, clock, audit, accounts)
        self.withdrawals = Withdrawals(database, clock, audit, accounts, quotas, validate=validate)
        self.charges = Charges(clock)

    def now(self) -> datetime:
        """The time that what is shown is shown at."""
        return self._clock.now()

    async def ensure_account(
        self, caller: Caller, account_id: str, change: GasAccountChange
    ) -> GasAccount:
        """Open the gas account of an account, or change the one it has.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            AccountSuspended: likewise.
            GasWalletTaken: the wallet is another's.
            InsufficientScope: an API key would take limits away and may approve nothing.
            Invalid: names each field at fault.
        """
        fields: dict[str, Any] = rules.check_change(change, validate=self._validate)
        async with self._database.transaction() as connection:
            owner = await self._accounts.reach(connection, caller, account_id, write=True)
            now = self._clock.now()
            blank = GasAccount(
                id=new_id(),
                account_id=owner.id,
                tenant=caller.require_tenant(),
                wallet_address="",
                created_at=now,
                updated_at=now,
            )
            account, before = replace(blank, **fields), None
            if not await account_store.insert_account(connection, account):
                before = await self._lock(connection, owner.id)
                account = replace(before, **fields, updated_at=now)
                approvals.check_may_loosen(caller.require_principal(), before, account)
                await account_store.update_settings(connection, account)
            await self._audit.record(
                connection,
                caller,
                action="gasbank.change" if before else "gasbank.open",
                status=200,
                account_id=owner.id,
                resource_id=account.id,
                before=before,
                after=account,
            )
        return account

    async def list_accounts(
        self, caller: Caller, account_id: str, gas_account_id: str | None
    ) -> list[GasAccount]:
        """List the gas accounts of an account, which are one or none.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            GasAccountNotFound: `gas_account_id` names another.
        """
        async with self._database.connection() as connection:
            owner = await self._accounts.reach(connection, caller, account_id)
            if gas_account_id:
                return [await self._find(connection, owner.id, gas_account_id)]
            found = await account_store.find_account(connection, owner.id)
        return [] if found is None else [found]

    async def summarise(self, caller: Caller, account_id: str) -> Sums:
        """Sum an account up: its gas account, the open withdrawals, the last of each kind.

        Raises:
            AccountNotFound: as `Accounts.reach`.
        """
        async with self._database.connection() as connection:
            owner = await self._accounts.reach(connection, caller, account_id)
            account = await account_store.find_account(connection, owner.id)
            now = self._clock.now()
            if account is None:
                return None, Figures(), None, None, now
            figures = await account_store.get_figures(connection, account.id)
            last = [
                await transactions.list_transactions(
                    connection, account.id, kind=kind, status=None, after=None, limit=1
                )
                for kind in ("deposit", "withdrawal")
            ]
        deposit, withdrawal = (found[0] if found else None for found in last)
        return account, figures, deposit, withdrawal, now

    async def list_transactions(
        self,
        caller: Caller,
        account_id: str,
        gas_account_id: str,
        page: PageRequest,
        *,
        kind: str | None = None,
        status: str | None = None,
    ) -> Slice[Shown]:
        """List transactions of a gas account, newest first.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            GasAccountNotFound: the account has no such gas account.
            Invalid: `kind` or `status` is none that exists.
        """
        kind = rules.check_filter("type", kind, rules.TYPES)
        status = rules.check_filter("status", status, rules.STATUSES)
        async with self._database.connection() as connection:
            owner = await self._accounts.reach(connection, caller, account_id)
            account = await self._find(connection, owner.id, gas_account_id)
            found = await transactions.list_transactions(
                connection,
                account.id,
                kind=kind,
                status=status,
                after=page.moment(),
                limit=page.rows,
            )
            shown = page.cut(found, by_age)
            return Slice(await self._shown(connection, shown.items), shown.after)

    async def get_withdrawal(self, caller: Caller, account_id: str, withdrawal_id: str) -> Shown:
        """Find a withdrawal and the decisions on it.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            GasTransactionNotFound: the account has no such withdrawal.
        """
        async with self._database.connection() as connection:
            found = await self._withdrawal(connection, caller, account_id, withdrawal_id)
            return (await self._shown(connection, [found]))[0]

    async def list_attempts(
        self, caller: Caller, account_id: str, withdrawal_id: str, page: PageRequest
    ) -> Slice[Attempt]:
        """List what the resolver said about a withdrawal, the last first.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            GasTransactionNotFound: the account has no such withdrawal.
        """
        async with self._database.connection() as connection:
            withdrawal = await self._withdrawal(connection, caller, account_id, withdrawal_id)
            found = await settlements.list_attempts(
                connection, withdrawal.id, before=page.number(), limit=page.rows
            )
        return page.cut(found, lambda one: (one.attempt,))

    async def list_approvals(
        self, caller: Caller, account_id: str, withdrawal_id: str
    ) -> Sequence[Approval]:
        """List the decisions on a withdrawal, the latest first; none on one that is not there.

        Raises:
            AccountNotFound: as `Accounts.reach`.
        """
        async with self._database.connection() as connection:
            try:
                found = await self._withdrawal(connection, caller, account_id, withdrawal_id)
            except GasTransactionNotFound:
                return []
            return (await self._shown(connection, [found]))[0][1]

    async def list_dead_letters(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[Transaction]:
        """List the withdrawals of an account that settlement gave up, newest first.

        Raises:
            AccountNotFound: as `Accounts.reach`.
        """
        async with self._database.connection() as connection:
            owner = await self._accounts.reach(connection, caller, account_id)
            account = await account_store.find_account(connection, owner.id)
            if account is None:
                return Slice([])
            found = await transactions.list_dead_letters(
                connection, account.id, after=page.moment(), limit=page.rows
            )
        return page.cut(found, lambda one: (one.dead_letter_at or one.updated_at, one.id))

    async def judge(self, caller: Caller) -> Check:
        """Compare the ledger with all balances and states, now.

        It is that of all tenants, or of the one that the admin is bound to or names.

        Raises:
            AdminOnly: another role.
        """
        only = caller.require_admin().only_tenant
        async with self._database.connection() as connection:
            return await ledger.judge(connection, only_tenant=only)

    async def _withdrawal(
        self, connection: Connection, caller: Caller, account_id: str, withdrawal_id: str
    ) -> Transaction:
        found = await self._accounts.reach_item(
            connection, caller, account_id, withdrawal_id, transactions.find_transaction
        )
        if found is None or found.type != "withdrawal":
            raise GasTransactionNotFound("withdrawal not found")
        return found

    @staticmethod
    async def _shown(connection: Connection, found: Sequence[Transaction]) -> list[Shown]:
        ids = [one.id for one in found if one.type == "withdrawal"]
        decisions = await transactions.list_approvals(connection, ids) if ids else {}
        return [(one, decisions.get(one.id, ())) for one in found]

    @staticmethod
    async def _find(connection: Connection, owner: UUID, gas_account_id: str) -> GasAccount:
        wanted = parse_id(gas_account_id)
        if wanted is not None:
            found = await account_store.find_account(connection, owner, wanted)
            if found is not None:
                return found
        raise GasAccountNotFound("gas account not found")

    @staticmethod
    async def _lock(connection: Connection, owner: UUID) -> GasAccount:
        found = await account_store.lock_account(connection, owner)
        if found is None:
            raise GasAccountNotFound("gas account not found")
        return found
