"""What a gas account is without a ledger: what exists, and three sums."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass
class Withdrawal:
    """What the model knows of a withdrawal."""

    amount: int
    status: str = "pending"
    errors: int = 0


@dataclass
class Fee:
    """What the model knows of a fee."""

    amount: int
    status: str
    charged: int = 0
    refunded: int = 0


@dataclass
class Model:
    """Plain sums, and what they are of."""

    available: int = 0
    pending: int = 0
    reserved: int = 0
    deposits: dict[str, int] = field(default_factory=dict[str, int])
    withdrawals: dict[UUID, Withdrawal] = field(default_factory=dict["UUID", Withdrawal])
    fees: dict[str, Fee] = field(default_factory=dict[str, Fee])
    names: list[str] = field(default_factory=list[str])
    recent: deque[UUID] = field(default_factory=lambda: deque["UUID"](maxlen=40))
    recent_fees: deque[str] = field(default_factory=lambda: deque[str](maxlen=6))
    unended: set[UUID] = field(default_factory=set["UUID"])

    def deposit(self, name: str, amount: int) -> None:
        self.deposits[name] = amount
        self.names.append(name)
        self.available += amount

    def withdraw(self, withdrawal: UUID, amount: int) -> None:
        self.withdrawals[withdrawal] = Withdrawal(amount)
        self.recent.append(withdrawal)
        self.unended.add(withdrawal)
        self.available -= amount
        self.pending += amount

    def end(self, withdrawal: UUID, status: str) -> None:
        found = self.withdrawals[withdrawal]
        found.status = status
        self.unended.discard(withdrawal)
        self.pending -= found.amount
        if status != "completed":
            self.available += found.amount

    def reserve(self, name: str, amount: int) -> None:
        self.fees[name] = Fee(amount, "reserved")
        self.recent_fees.append(name)
        self.available -= amount
        self.reserved += amount

    def charge(self, name: str, amount: int) -> None:
        if name not in self.fees:
            self.recent_fees.append(name)
        known = self.fees.setdefault(name, Fee(amount, "new"))
        if known.status == "reserved":
            self.reserved -= known.amount
            self.available += known.amount
        self.available -= amount
        known.status, known.charged = "completed", amount

    def release(self, name: str) -> None:
        known = self.fees[name]
        if known.status == "reserved":
            self.reserved -= known.amount
            self.available += known.amount
        known.status = "cancelled"

    def refund(self, name: str, amount: int) -> None:
        if not self.fees[name].refunded:
            self.available += amount
        self.fees[name].refunded = amount

    def expected_of_fee(self, verb: str, known: Fee | None, amount: int) -> str:
        differs, state = "gas-charge-differs", "gas-charge-state"
        status = known.status if known else ""
        charged, refunded = (known.charged, known.refunded) if known else (0, 0)
        reserved = known.amount if known else 0
        rules = {
            "release": ((status in {"", "completed"}, state),),
            "refund": (
                (status != "completed" or charged < amount, state),
                (refunded not in {0, amount}, differs),
            ),
            "reserve": (
                (not status and self.available < amount, "insufficient-gas"),
                (bool(status) and reserved != amount, differs),
                (status in {"completed", "cancelled"}, state),
            ),
            "charge": (
                (not status and self.available < amount, "insufficient-gas"),
                (status == "cancelled", state),
                (status == "completed" and charged != amount, differs),
                (status == "reserved" and reserved < amount, differs),
            ),
        }
        return next((code for holds, code in rules[verb] if holds), "ok")
