"""The figures of price feeds. Labels come from closed sets; no feed has one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

_STATES: Final = ("fresh", "stale", "frozen", "no_quorum", "empty")
_FETCHES: Final = ("fetched", "unchanged", "failed", "refused", "lost", "skipped")


class FeedMetrics:
    """Counts rounds and fetches; holds the figures that the watch reads from the database.

    Attributes:
        deleted: Counts observations that were past their time.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the instruments."""
        self._rounds = Counter(
            "pricefeed_observations",
            "Prices taken, by what they made of their round.",
            ("outcome",),
            registry=registry,
        )
        self._fetches = Counter(
            "pricefeed_fetches", "Fetches that were due, by outcome.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self._feeds = Gauge(
            "pricefeed_feeds", "Active price feeds, by state.", ("state",), registry=registry
        )
        self._oldest = Gauge(
            "pricefeed_oldest_price_seconds",
            "Greatest age of a published price of an active feed, by the feed's state.",
            ("state",),
            registry=registry,
        )
        self.deleted = Counter(
            "pricefeed_deleted_observations",
            "Observations deleted because they were older than PRICEFEED_RETENTION_DAYS.",
            registry=registry,
        )
        for outcome in ("published", "waiting", "no_quorum"):
            self._rounds.labels(outcome)
        for outcome in _FETCHES:
            self._fetches.labels(outcome)
        self.show({})

    def observed(self, outcome: str) -> None:
        """Count a price that was taken: published, waiting or no_quorum."""
        self._rounds.labels(outcome).inc()

    def fetched(self, outcome: str) -> None:
        """Count a fetch."""
        self._fetches.labels(outcome).inc()

    def show(self, figures: Mapping[str, tuple[int, float]]) -> None:
        """Set the figures by state: feeds, and the greatest age in seconds."""
        for state in _STATES:
            count, oldest = figures.get(state, (0, 0.0))
            self._feeds.labels(state).set(count)
            self._oldest.labels(state).set(oldest)
