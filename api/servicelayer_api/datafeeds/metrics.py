"""The figures of data feeds. Labels come from closed sets; no feed has one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import CollectorRegistry

_STATES: Final = ("fresh", "stale", "no_quorum", "empty")


class FeedMetrics:
    """Counts updates and what became of them; holds the figures that the watch reads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the instruments."""
        self._updates = Counter(
            "datafeeds_updates",
            "Updates of signers: refused, pending, or those that had their round accepted.",
            ("outcome",),
            registry=registry,
        )
        self._sources = Counter(
            "datafeeds_round_sources",
            "Prices in accepted rounds, by whether they were used or why not.",
            ("verdict",),
            registry=registry,
        )
        self._feeds = Gauge(
            "datafeeds_feeds", "Data feeds, by state.", ("state",), registry=registry
        )
        self._oldest = Gauge(
            "datafeeds_oldest_price_seconds",
            "Greatest age of an accepted price, by the feed's state.",
            ("state",),
            registry=registry,
        )
        for outcome in ("refused", "pending", "accepted"):
            self._updates.labels(outcome)
        for verdict in ("used", "outlier", "stale"):
            self._sources.labels(verdict)
        self.show({})

    def updated(self, outcome: str) -> None:
        """Count an update: refused, pending or accepted."""
        self._updates.labels(outcome).inc()

    def judged(self, reasons: Iterable[str]) -> None:
        """Count the prices of an accepted round by why they were not used; empty when they were."""
        for reason in reasons:
            self._sources.labels(reason or "used").inc()

    def show(self, figures: Mapping[str, tuple[int, float]]) -> None:
        """Set the figures by state: feeds, and the greatest age in seconds."""
        for state in _STATES:
            count, oldest = figures.get(state, (0, 0.0))
            self._feeds.labels(state).set(count)
            self._oldest.labels(state).set(oldest)
