from __future__ import annotations

import asyncio
from typing import Any

import pytest

from servicelayer_operator.facts import FactStore
from servicelayer_operator.intake import Intake
from servicelayer_operator.work_queue import Key, WorkQueue
from support.fake_clock import FakeClock

SHOP = Key("trade", "shop")


def resource(version: int, generation: int = 1, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "shop",
            "namespace": "trade",
            "resourceVersion": str(version),
            "generation": generation,
            **metadata,
        }
    }


def config_map(version: int, instance: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "shop-config",
            "namespace": "trade",
            "uid": "u",
            "resourceVersion": str(version),
            "labels": {
                "app.kubernetes.io/managed-by": "servicelayer-operator",
                "app.kubernetes.io/instance": instance,
            },
        },
    }


class Bench:
    def __init__(self) -> None:
        self.queue = WorkQueue(clock=FakeClock())
        self.facts = FactStore()
        self.intake = Intake(self.queue, self.facts)

    async def drained(self) -> bool:
        """Whether a key was queued; it is taken and done."""
        try:
            async with asyncio.timeout(0.01):
                self.queue.done(await self.queue.take())
        except TimeoutError:
            return False
        return True


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_new_resource_is_queued_once(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    bench.intake.resource_event(None, resource(5))
    assert await bench.drained()
    assert not await bench.drained()
    assert bench.intake.resources() == {SHOP}


async def test_an_edit_is_queued_and_resets_the_backoff(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.queue.retry(SHOP)
    bench.intake.resource_event("MODIFIED", resource(6, generation=2))
    assert bench.queue.failures(SHOP) == 0
    assert await bench.drained()


async def test_the_operators_own_status_write_does_not_wake_it(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.intake.wrote(SHOP, "6")
    bench.intake.resource_event("MODIFIED", resource(6))
    assert not await bench.drained()


async def test_a_status_written_by_somebody_else_does(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.intake.resource_event("MODIFIED", resource(6))
    assert await bench.drained()


async def test_an_annotation_is_a_users_wish(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.intake.wrote(SHOP, "6")
    bench.intake.resource_event("MODIFIED", resource(6, annotations={"retry": "now"}))
    assert await bench.drained()


async def test_a_deleted_resource_gets_one_last_round(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.intake.resource_event("DELETED", resource(6))
    assert await bench.drained()
    assert bench.intake.resources() == set()


async def test_a_childs_event_wakes_its_resource_only(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.intake.child_event("MODIFIED", config_map(7))
    assert await bench.drained()
    elsewhere = config_map(8, instance="unknown")
    elsewhere["metadata"]["name"] = "theirs"
    bench.intake.child_event("MODIFIED", elsewhere)
    assert not await bench.drained()


@pytest.mark.parametrize("instance", ["another", ""])
async def test_a_child_whose_label_is_changed_or_taken_off_wakes_its_resource(
    bench: Bench, instance: str
) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    bench.intake.child_event("ADDED", config_map(7))
    await bench.drained()
    bench.intake.child_event("MODIFIED", config_map(8, instance=instance))
    assert await bench.drained()
    assert not bench.facts.observed(SHOP, None).children


async def test_the_answer_to_an_own_write_makes_its_event_old_news(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    await bench.drained()
    bench.facts.record(config_map(7))
    bench.intake.child_event("ADDED", config_map(7))
    assert not await bench.drained()


async def test_a_deleted_child_wakes_its_resource(bench: Bench) -> None:
    bench.intake.resource_event("ADDED", resource(5))
    bench.intake.child_event(None, config_map(7))
    await bench.drained()
    bench.intake.child_event("DELETED", config_map(8))
    assert await bench.drained()
