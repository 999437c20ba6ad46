"""What kopf is told, read off kopf's own registry and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import kopf
import pytest

from servicelayer_operator import handlers
from servicelayer_operator.kinds import MANAGED_SELECTOR, SERVICE_LAYER, WATCHED
from servicelayer_operator.settings import Settings

if TYPE_CHECKING:
    from servicelayer_operator.runtime import Runtime


class Intake:
    def __init__(self) -> None:
        self.seen: list[tuple[str | None, Any]] = []

    def resource_event(self, type_: str | None, obj: Any) -> None:
        self.seen.append((type_, obj))

    def child_event(self, type_: str | None, obj: Any) -> None:
        raise RuntimeError(f"not understood: {type_} {obj}")


class Parts:
    def __init__(self) -> None:
        self.settings = Settings()
        self.intake = Intake()


@pytest.fixture
def parts() -> Parts:
    return Parts()


def test_only_spies_are_registered_and_nothing_that_writes(parts: Parts) -> None:
    registry = handlers.register(cast("Runtime", parts))
    spies = registry._watching.get_all_handlers()
    assert len(spies) == len(WATCHED) + 1
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()
    assert not registry._webhooks.get_all_handlers()


def test_each_kind_is_watched_by_its_exact_group_version_and_plural(parts: Parts) -> None:
    registry = handlers.register(cast("Runtime", parts))
    watched = {
        (handler.selector.group, handler.selector.version, handler.selector.any_name)
        for handler in registry._watching.get_all_handlers()
        if handler.selector is not None
    }
    assert watched == {(k.group, k.version, k.plural) for k in (SERVICE_LAYER, *WATCHED)}


async def test_the_api_server_filters_children_and_kopf_stores_and_posts_nothing(
    parts: Parts,
) -> None:
    settings = handlers.first_settings()
    await handlers._configure(settings=settings, parts=cast("Runtime", parts))
    selectors = settings.watching.label_selectors
    assert {str(value) for value in selectors.values()} == {MANAGED_SELECTOR}
    assert len(selectors) == len(WATCHED)
    assert not settings.posting.enabled
    assert settings.peering.standalone
    body = kopf.Body({"metadata": {}, "data": {"password": "canary"}})
    assert not settings.persistence.diffbase_storage.build(body=body)
    assert settings.persistence.diffbase_storage.fetch(body=body) is None
    server, client = settings.watching.server_timeout, settings.watching.client_timeout
    assert server is not None
    assert client is not None
    assert client > server


def test_kopf_does_not_scan_the_cluster_for_which_it_would_need_rights() -> None:
    assert handlers.first_settings().scanning.disabled


async def test_a_spy_passes_the_event_on_and_never_fails(parts: Parts) -> None:
    registry = handlers.register(cast("Runtime", parts))
    for handler in registry._watching.get_all_handlers():
        spy = cast("Any", handler.fn)
        await spy(event={"type": "ADDED", "object": {"kind": "X"}})
        await spy(event={})
    assert parts.intake.seen == [("ADDED", {"kind": "X"})]
