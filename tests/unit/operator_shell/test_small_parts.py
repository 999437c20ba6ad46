from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from servicelayer_operator import observability
from servicelayer_operator.condition_counts import ConditionCounts
from servicelayer_operator.kinds import CHILDREN, SERVICE_LAYER, find_kind
from servicelayer_operator.limiter import TokenBucket
from servicelayer_operator.settings import Settings
from servicelayer_operator.watching import WatchActivity
from servicelayer_operator.work_queue import Key
from support.fake_clock import FakeClock

if TYPE_CHECKING:
    import pytest


def test_paths_are_those_of_the_api_server() -> None:
    assert find_kind("v1", "Secret").path("ns", "x") == "/api/v1/namespaces/ns/secrets/x"
    assert find_kind("apps/v1", "Deployment").path(None) == "/apis/apps/v1/deployments"
    assert SERVICE_LAYER.path("ns") == (
        "/apis/servicelayer.r3e.network/v1alpha1/namespaces/ns/servicelayers"
    )
    assert find_kind("apps/v1", "Deployment").group == "apps"
    assert not find_kind("v1", "Secret").group
    assert len({kind.plural for kind in CHILDREN}) == len(CHILDREN)


async def test_the_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    clock, waits = FakeClock(), []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    bucket = TokenBucket(rate=10, burst=2, clock=clock, sleep=sleep)
    for _ in range(4):
        await bucket.take()
    assert waits == [0.1, 0.2]
    await clock.advance(10)
    await bucket.take()
    assert waits == [0.1, 0.2]


async def test_a_watch_is_as_old_as_its_last_byte() -> None:
    clock = FakeClock()
    activity = WatchActivity(clock)
    activity.opened("/api/v1/namespaces/a/pods")
    activity.opened("/api/v1/namespaces/b/pods")
    await clock.advance(5)
    activity.heard("/api/v1/namespaces/a/pods")
    assert activity.ages() == {"pods": 5.0}
    # Opening again is no sign of life: a proxy may accept and deliver nothing.
    activity.opened("/api/v1/namespaces/b/pods")
    assert activity.ages() == {"pods": 5.0}


def test_a_resource_has_one_sample_for_each_of_its_conditions() -> None:
    registry = CollectorRegistry()
    labels = ("namespace", "name", "type", "status")
    counts = ConditionCounts(Gauge("c", "c", labels, registry=registry))

    def samples() -> list[tuple[str, ...]]:
        (metric,) = registry.collect()
        return sorted(tuple(item.labels[name] for name in labels) for item in metric.samples)

    a, b = Key("ns", "a"), Key("ns", "b")
    counts.set(a, {"Ready": "False", "Stalled": "True"})
    counts.set(b, {"Ready": "False"})
    counts.set(a, {"Ready": "True"})
    assert samples() == [("ns", "a", "Ready", "True"), ("ns", "b", "Ready", "False")]
    counts.forget(b)
    counts.forget(b)
    assert samples() == [("ns", "a", "Ready", "True")]


def test_libraries_cannot_print_bodies_even_at_debug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    try:
        observability.configure_logging(Settings(log_level="debug"))
        for name in ("kopf.objects", "kopf._cogs.clients.patching", "kubernetes", "aiohttp.client"):
            assert not logging.getLogger(name).isEnabledFor(logging.DEBUG), name
        assert logging.getLogger("servicelayer_operator.x").isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(level)
