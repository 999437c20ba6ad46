"""Random operations on a gas account, against a plain model of what must come of them.

After each operation the answer and the balances must be what the model says. Operations are
disturbed (`disturbed_database.py`); then what happened is looked up, must be either all or nothing,
and the model follows it.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import TYPE_CHECKING, Any

from servicelayer_api import accounts, admin, audit, gasbank
from servicelayer_api.accounts.models import NewAccount
from servicelayer_api.app import build_core
from servicelayer_api.errors import ServiceError, Unavailable
from servicelayer_api.gasbank.amounts import write_amount
from servicelayer_api.gasbank.metrics import GasBankMetrics
from servicelayer_api.gasbank.models import (
    GasAccountChange,
    NewDeposit,
    NewWithdrawal,
    WithdrawalChange,
)
from servicelayer_api.gasbank.resolver import Verdict
from servicelayer_api.gasbank.settlement import Settlement
from servicelayer_api.gasbank.store import ledger
from servicelayer_api.settings_loader import load
from servicelayer_api.web.principal import Caller, Credential, CredentialKind, Principal, Role
from support.disturbed_database import DisturbedDatabase
from support.plain_ledger import Model, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    import asyncpg

    from servicelayer_api.gasbank.resolver import Outcome
    from support.disturbed_database import Disturbance

_SETTINGS = {"CONFIG_FILE": os.devnull, "GASBANK_VALIDATE_ADDRESSES": "false"}
MIN_BALANCE = 1000
MAX_ERRORS = 3
_LARGEST = 10**6
_MOST_OPEN = 24
_LOOK_EVERY = 2000
_SHORTEST_LIMIT = 1.5


class Oracle:
    """A resolver that answers what was drawn and remembers it."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.said: dict[UUID, Outcome] = {}

    async def ask(self, transaction_id: UUID) -> Verdict:
        """Say something."""
        outcomes: tuple[Outcome, ...] = ("succeeded", "failed", "retry", "error", "error")
        outcome = self._draw.choice(outcomes)
        self.said[transaction_id] = outcome
        return Verdict(outcome=outcome, message=outcome, wait=0.001)


class LedgerDriver:
    """Runs operations drawn from a seed on one gas account."""

    def __init__(self, dsn: str, seed: int, *, disturbed: float = 0.04) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - operations
        self._seed = seed
        self._disturbed = disturbed
        self._database = DisturbedDatabase(dsn)
        core = build_core(load(_SETTINGS), database=self._database)
        audit_log = audit.build_service(core)
        quotas = admin.build_quotas(core)
        self._accounts = accounts.build_service(core, audit_log, quotas)
        self._bank = gasbank.build_service(core, audit_log, self._accounts, quotas)
        self._oracle = Oracle(random.Random(seed + 1))  # noqa: S311 - answers
        self._settlement = Settlement(
            self._database,
            core.clock,
            audit_log,
            GasBankMetrics(core.metrics),
            quotas,
            interval=0.001,
            max_attempts=MAX_ERRORS,
            resolver=self._oracle,
            patience=0.0,
        )
        self.model = Model()
        self.done = 0
        self.disturbances = 0
        self.kinds: dict[str, int] = {}
        self._account = ""
        self._owner: Any = None
        self._gas = ""

    async def run(self, operations: int) -> None:
        """Carry out so many operations.

        Raises:
            AssertionError: The program did what the model does not.
        """
        await self._database.open()
        try:
            await self._begin()
            looked = 0
            while self.done < operations:
                await self._step()
                if self.done - looked >= max(_LOOK_EVERY, self.done // 5):
                    looked = self.done
                    await self._look_at_all()
            await self._look_at_all()
        except AssertionError as exc:
            raise AssertionError(f"seed {self._seed}, operation {self.done}: {exc}") from exc
        finally:
            await self._database.end()

    async def _begin(self) -> None:
        account = await self._accounts.open_account(self._caller(), NewAccount(owner="model"))
        self._account, self._owner = str(account.id), account.id
        opened = await self._bank.ensure_account(
            self._caller(), self._account, GasAccountChange(min_balance=write_amount(MIN_BALANCE))
        )
        self._gas = str(opened.id)

    async def _step(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self._deposit),
            (12, self._burst),
            (18, self._withdraw),
            (10, self._cancel),
            (12, self._settle),
            (6, self._dead_letter),
            (12, self._fee),
        ]
        weights = [weight for weight, _ in steps]
        step = self._draw.choices([step for _, step in steps], weights)[0]
        name = step.__name__
        self.kinds[name] = self.kinds.get(name, 0) + 1
        if self._draw.random() < self._disturbed:
            self.disturbances += 1
            kinds: tuple[Disturbance, ...] = ("lost", "unheard", "cut")
            self._database.next = self._draw.choice(kinds)
            self._database.delay = self._draw.random() * 0.004
        await step()
        await self._database.calm()
        self.done += 1
        await self._compare_balances()

    async def _deposit(self) -> None:
        known = self.model.names if self._draw.random() < 0.2 else []
        name = self._draw.choice(known) if known else f"d{self._seed}-{self.done}"
        amount = self.model.deposits.get(name, self._amount(_LARGEST))
        if known and self._draw.random() < 0.5:
            amount += 1
        wanted = self.model.deposits.get(name)
        expected = "ok" if wanted in {None, amount} else "deposit-differs"
        outcome, _ = await self._attempt(self._send_deposit(name, amount))
        if outcome == "disturbed":
            if wanted is None and await self._deposited([name]):
                self.model.deposit(name, amount)
            return
        assert outcome == expected, f"deposit: {outcome}, expected {expected}"
        if wanted is None:
            self.model.deposit(name, amount)

    async def _burst(self) -> None:
        names = [f"b{self._seed}-{self.done}-{n}" for n in range(self._draw.randint(2, 24))]
        sent = {name: self._amount(_LARGEST) for name in names}
        repeated = self._draw.sample(names, len(names) // 3)
        answers = await asyncio.gather(
            *(self._attempt(self._send_deposit(name, sent[name])) for name in (*names, *repeated))
        )
        self.done += len(answers) - 1
        there = await self._deposited(names)
        for name, (outcome, _) in zip((*names, *repeated), answers, strict=True):
            assert outcome in {"ok", "disturbed"}, f"burst: {outcome}"
            assert outcome == "disturbed" or name in there, "an acknowledged deposit is lost"
        for name in there:
            self.model.deposit(name, sent[name])

    async def _withdraw(self) -> None:
        if len(self._open()) >= _MOST_OPEN:
            await self._settle()
            return
        amount = self._amount(max(10, self.model.available * 5 // 4))
        left = self.model.available - amount
        expected = "ok" if left >= MIN_BALANCE else "below-minimum-balance"
        expected = expected if left >= 0 else "insufficient-gas"
        label = f"w{self._seed}-{self.done}"
        sent = NewWithdrawal(
            gas_account_id=self._gas, amount=write_amount(amount), to_address=label
        )
        outcome, value = await self._attempt(
            self._bank.withdrawals.withdraw(self._caller(), self._account, sent)
        )
        if outcome == "disturbed":
            made = await self._ask("SELECT id FROM gas_transactions WHERE to_address = $1", label)
            if made:
                assert expected == "ok", "a withdrawal was made that the model refuses"
                self.model.withdraw(made[0]["id"], amount)
            return
        assert outcome == expected, f"withdraw: {outcome}, expected {expected}"
        if outcome == "ok":
            self.model.withdraw(value[1].id, amount)

    async def _cancel(self) -> None:
        withdrawal = self._any_withdrawal()
        if withdrawal is None:
            return
        known = self.model.withdrawals[withdrawal]
        expected = "ok" if known.status == "pending" else "withdrawal-state"
        outcome, _ = await self._attempt(
            self._bank.withdrawals.cancel(
                self._caller(), self._account, str(withdrawal), WithdrawalChange(action="cancel")
            )
        )
        await self._follow(withdrawal, outcome, expected, "cancelled")

    async def _dead_letter(self) -> None:
        letters = self._in_state("dead_letter")
        withdrawal = self._draw.choice(letters) if letters else self._any_withdrawal()
        if withdrawal is None:
            return
        expected = "ok" if letters else "withdrawal-state"
        bank, caller = self._bank.withdrawals, self._caller()
        if self._draw.random() < 0.5:
            outcome, _ = await self._attempt(bank.retry(caller, self._account, str(withdrawal)))
            await self._follow(withdrawal, outcome, expected, "pending")
        else:
            outcome, _ = await self._attempt(bank.discard(caller, self._account, str(withdrawal)))
            await self._follow(withdrawal, outcome, expected, "cancelled")

    async def _follow(self, withdrawal: UUID, outcome: str, expected: str, status: str) -> None:
        known = self.model.withdrawals[withdrawal]
        if outcome == "disturbed":
            found = await self._status(withdrawal)
            assert found in {known.status, status}, f"{known.status} became {found}"
            if found == known.status or expected != "ok":
                return
        else:
            assert outcome == expected, f"{status}: {outcome}, expected {expected}"
            if outcome != "ok":
                return
        if status == "pending":
            known.status, known.errors = status, 0
        else:
            self.model.end(withdrawal, status)

    async def _settle(self) -> None:
        self._oracle.said.clear()
        calm = self._database.next is None
        began = time.monotonic()
        await self._attempt(self._settlement.run_once())
        # On a starved machine a time limit may run out, and the answer is not written.
        calm = calm and time.monotonic() - began < _SHORTEST_LIMIT
        await self._database.calm()
        rows = await self._ask(
            "SELECT id, status, errors FROM gas_transactions WHERE id = ANY($1::uuid[])",
            self._open(),
        )
        for row in rows:
            known = self.model.withdrawals[row["id"]]
            said = self._oracle.said.get(row["id"])
            before = {(known.status, known.errors), ("dispatched", known.errors)}
            after = _after(known, said)
            found = (row["status"], row["errors"])
            allowed = {after} if calm and said else before | {after}
            assert found in allowed, f"settle: {known} {said} became {found}"
            if found[0] in {"completed", "failed"}:
                self.model.end(row["id"], found[0])
            known.status, known.errors = found

    async def _fee(self) -> None:
        name = self._draw.choice([*self.model.recent_fees, f"f{self._seed}-{self.done}"])
        known = self.model.fees.get(name)
        amount = self._amount(known.amount if known else max(10, self.model.available * 5 // 4))
        verb = self._draw.choice(("reserve", "charge", "release", "refund"))
        expected = self.model.expected_of_fee(verb, known, amount)

        async def act() -> None:
            async with self._database.transaction() as connection:
                charges = self._bank.charges
                if verb == "release":
                    await charges.release(connection, self._owner, name)
                else:
                    await getattr(charges, verb)(connection, self._owner, amount, name)

        outcome, _ = await self._attempt(act())
        if outcome == "disturbed":
            # Doing it again tells: a reference makes each of these happen once.
            outcome, _ = await self._attempt(act())
        assert outcome == expected, f"{verb} {known} {amount}: {outcome}, expected {expected}"
        if outcome == "ok":
            if verb == "release":
                self.model.release(name)
            elif not (verb == "reserve" and known) and not (
                verb == "charge" and known and known.status == "completed"
            ):
                getattr(self.model, verb)(name, amount)

    async def _send_deposit(self, name: str, amount: int) -> Any:
        sent = NewDeposit(gas_account_id=self._gas, amount=write_amount(amount), tx_id=name)
        return await self._bank.deposits.deposit(self._caller(), self._account, sent)

    async def _attempt(self, action: Awaitable[Any]) -> tuple[str, Any]:
        try:
            return "ok", await action
        except Unavailable:
            await self._database.calm()
            return "disturbed", None
        except ServiceError as exc:
            return exc.code, None

    async def _deposited(self, names: list[str]) -> set[str]:
        await self._database.calm()
        rows = await self._ask(
            "SELECT blockchain_tx_id AS name FROM gas_transactions "
            "WHERE tenant = 'model' AND deposit_key = ANY($1::text[])",
            names,
        )
        return {row["name"] for row in rows}

    async def _status(self, withdrawal: UUID) -> str:
        rows = await self._ask("SELECT status FROM gas_transactions WHERE id = $1", withdrawal)
        return str(rows[0]["status"])

    async def _compare_balances(self) -> None:
        rows = await self._ask(
            "SELECT available, pending, reserved FROM gas_accounts WHERE account_id = $1",
            self._owner,
        )
        model = self.model
        assert tuple(rows[0]) == (model.available, model.pending, model.reserved), (
            f"balances {tuple(rows[0])}, expected "
            f"{(model.available, model.pending, model.reserved)}"
        )

    async def _look_at_all(self) -> None:
        async with self._database.connection() as connection:
            check = await ledger.judge(connection, seconds=600)
        assert check.balanced, f"the ledger is not balanced: {check}"
        rows = await self._ask(
            "SELECT id, type, status, amount, blockchain_tx_id AS name FROM gas_transactions "
            "WHERE account_id = $1 AND type IN ('deposit', 'withdrawal')",
            self._owner,
        )
        deposits = {row["name"]: row["amount"] for row in rows if row["type"] == "deposit"}
        assert deposits == self.model.deposits, "the deposits differ"
        withdrawals = {
            row["id"]: (row["amount"], row["status"]) for row in rows if row["type"] != "deposit"
        }
        expected = {i: (w.amount, w.status) for i, w in self.model.withdrawals.items()}
        assert withdrawals == expected, "the withdrawals differ"

    async def _ask(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        for _ in range(20):
            try:
                async with self._database.connection() as connection:
                    return await connection.fetch(statement, *arguments)
            except Unavailable:
                # A connection that was cut while it lay in the pool.
                continue
        raise AssertionError("the database does not come back")

    def _amount(self, most: int) -> int:
        return self._draw.randint(1, max(1, most))

    def _open(self) -> list[UUID]:
        return self._in_state("pending", "dispatched")

    def _in_state(self, *states: str) -> list[UUID]:
        known = self.model.withdrawals
        return sorted(i for i in self.model.unended if known[i].status in states)

    def _any_withdrawal(self) -> UUID | None:
        return self._draw.choice(self.model.recent) if self.model.recent else None

    @staticmethod
    def _caller() -> Caller:
        credential = Credential(user="token", role=Role.TOKEN, kind=CredentialKind.STATIC)
        return Caller(
            method="POST",
            path="/model",
            request_id="model",
            remote_addr="",
            user_agent="",
            principal=Principal(credential=credential, tenant="model"),
        )


def _after(known: Withdrawal, said: Outcome | None) -> tuple[str, int]:
    if said is None:
        return known.status, known.errors
    if said in {"succeeded", "failed"}:
        return ("completed" if said == "succeeded" else "failed"), 0
    if said == "retry":
        return "dispatched", 0
    errors = known.errors + 1
    return ("dead_letter" if errors >= MAX_ERRORS else "dispatched"), errors
