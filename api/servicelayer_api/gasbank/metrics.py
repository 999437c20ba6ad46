"""Metrics of the gas bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from servicelayer_api.gasbank.amounts import FRACTIONS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from servicelayer_api.gasbank.models import Check
    from servicelayer_api.gasbank.resolver import Outcome

_OUTCOMES: tuple[Outcome, ...] = ("succeeded", "failed", "retry", "error")


class GasBankMetrics:
    """One for a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the instruments."""
        attempts = Counter(
            "gasbank_settlement_attempts",
            "Answers of the settlement resolver, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self._attempts = {outcome: attempts.labels(outcome) for outcome in _OUTCOMES}
        self._seconds = Histogram(
            "gasbank_settlement_seconds",
            "Seconds the settlement resolver took to answer.",
            registry=registry,
        )
        self._depth = Gauge(
            "gasbank_settlement_queue", "Withdrawals that wait for settlement.", registry=registry
        )
        self._oldest = Gauge(
            "gasbank_settlement_oldest_seconds",
            "How long the oldest withdrawal has waited for settlement.",
            registry=registry,
        )
        self._dead = Gauge(
            "gasbank_dead_letters", "Withdrawals that settlement gave up.", registry=registry
        )
        self._balanced = Gauge(
            "gasbank_ledger_balanced",
            "1 when the last check found debits equal to credits and every balance the fold of "
            "its entries, 0 when not, NaN before the first check.",
            registry=registry,
        )
        self._balanced.set(float("nan"))
        self._drift = Gauge(
            "gasbank_ledger_drift",
            "GAS by which cached balances differ from the ledger, at the last check.",
            registry=registry,
        )
        self._entries = Gauge(
            "gasbank_ledger_entries", "Ledger entries at the last check.", registry=registry
        )

    def answered(self, outcome: Outcome, seconds: float) -> None:
        """Count an answer of the resolver."""
        self._attempts[outcome].inc()
        self._seconds.observe(seconds)

    def queue(self, depth: int, oldest: float, dead: int) -> None:
        """Show the queue."""
        self._depth.set(depth)
        self._oldest.set(oldest)
        self._dead.set(dead)

    def checked(self, check: Check) -> None:
        """Show a verdict on the ledger."""
        self._balanced.set(1 if check.balanced else 0)
        self._drift.set(check.drift / FRACTIONS)
        self._entries.set(check.entries)
