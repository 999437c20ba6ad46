from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from servicelayer_operator.errors import AlreadyExistsError, ForbiddenError, NotFoundError
from servicelayer_operator.happenings import Happening
from servicelayer_operator.recorder import BUDGET, WARNING_BUDGET, WINDOW_SECONDS, Recorder
from servicelayer_operator.resource import Metadata
from support.fake_clock import FakeClock

if TYPE_CHECKING:
    from servicelayer_operator.cluster import Cluster

SHOP = Metadata(name="shop", namespace="trade", uid="u-1")
SHUT = Happening("Warning", "DatabaseUnreachable", "Check", "the database does not answer")


class Events:
    """The API server's side: events by name."""

    def __init__(self) -> None:
        self.live: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.forbidden = False

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append("create")
        if self.forbidden:
            raise ForbiddenError("no")
        name = body["metadata"]["name"]
        if name in self.live:
            raise AlreadyExistsError("there")
        self.live[name] = body
        return body

    async def merge_patch(
        self, kind: Any, namespace: str, name: str, patch: dict[str, Any]
    ) -> dict[str, Any]:
        self.calls.append("patch")
        assert (kind.plural, namespace) == ("events", "trade")
        if name not in self.live:
            raise NotFoundError("gone")
        self.live[name] |= patch
        return self.live[name]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> Events:
    return Events()


def recorder(events: Events, clock: FakeClock) -> Recorder:
    return Recorder(cast("Cluster", events), "operator-0", now=clock.now, clock=clock)


async def test_a_happening_is_one_event_about_the_resource(
    events: Events, clock: FakeClock
) -> None:
    await recorder(events, clock).record(SHOP, SHUT)
    (event,) = events.live.values()
    assert event["regarding"]["uid"] == "u-1"
    assert (event["type"], event["reason"]) == ("Warning", "DatabaseUnreachable")
    assert event["metadata"]["name"].startswith("shop.")


async def test_a_repetition_raises_the_count_of_the_same_object(
    events: Events, clock: FakeClock
) -> None:
    told = recorder(events, clock)
    for _ in range(5):
        await told.record(SHOP, SHUT)
    (event,) = events.live.values()
    assert event["series"]["count"] == 5
    assert events.calls.count("create") == 1


async def test_a_restarted_operator_finds_the_same_event(events: Events, clock: FakeClock) -> None:
    await recorder(events, clock).record(SHOP, SHUT)
    await recorder(events, clock).record(SHOP, SHUT)
    assert len(events.live) == 1


async def test_an_expired_event_is_written_anew(events: Events, clock: FakeClock) -> None:
    told = recorder(events, clock)
    await told.record(SHOP, SHUT)
    events.live.clear()
    await told.record(SHOP, SHUT)
    assert len(events.live) == 1


async def test_a_broken_resource_cannot_flood_the_cluster(events: Events, clock: FakeClock) -> None:
    told = recorder(events, clock)
    for number in range(90):
        await told.record(SHOP, Happening("Warning", f"Broken{number % 18}", "Check", f"{number}"))
        await told.record(SHOP, Happening("Normal", f"Fine{number % 18}", "Check", f"{number}"))
    assert len(events.live) == WARNING_BUDGET
    await clock.advance(WINDOW_SECONDS + 1)
    await told.record(SHOP, SHUT)
    assert len(events.live) == WARNING_BUDGET + 1


async def test_no_reason_and_no_progress_uses_up_what_a_warning_needs(
    events: Events, clock: FakeClock
) -> None:
    told = recorder(events, clock)
    for number in range(3 * BUDGET):
        await told.record(SHOP, Happening("Warning", "FieldConflict", "Apply", f"{number}"))
        await told.record(SHOP, Happening("Normal", f"Step{number}", "Apply", f"{number}"))
    assert len(events.live) == BUDGET
    await told.record(SHOP, SHUT)
    assert "DatabaseUnreachable" in {event["reason"] for event in events.live.values()}


async def test_another_resource_has_a_budget_of_its_own(events: Events, clock: FakeClock) -> None:
    told = recorder(events, clock)
    for number in range(BUDGET):
        await told.record(SHOP, Happening("Warning", f"Broken{number}", "Check", f"{number}"))
    await told.record(Metadata(name="other", namespace="trade", uid="u-2"), SHUT)
    assert len(events.live) == BUDGET + 1


async def test_a_refused_event_does_not_fail_the_round(events: Events, clock: FakeClock) -> None:
    events.forbidden = True
    await recorder(events, clock).record(SHOP, SHUT)
    assert not events.live


async def test_a_long_note_is_cut(events: Events, clock: FakeClock) -> None:
    await recorder(events, clock).record(SHOP, Happening("Normal", "Long", "Tell", "x" * 5000))
    (event,) = events.live.values()
    assert len(event["note"]) <= 1024
