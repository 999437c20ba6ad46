"""Cursors and pages: what opens a list again, and what never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request, Response, get
from litestar.di import NamedDependency  # noqa: TC002 - litestar reads annotations
from litestar.params import FromQuery  # noqa: TC002 - the same
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import FixedClock
from servicelayer_api.db import Database
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.application import Application
from servicelayer_api.web.cursors import Cursors, InvalidCursor, ListScope
from servicelayer_api.web.feature import Core, Feature
from servicelayer_api.web.gate import note_caller
from servicelayer_api.web.keys import derive_keys
from servicelayer_api.web.modules import ModuleRegistry
from servicelayer_api.web.pagination import PageRequest, Pages, Slice, by_age
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CURSORS = Cursors(b"k" * 32)
LIST = ListScope("secrets", "tenant-a", "account-1", {"status": "open", "owner": None})
ROWS = [f"row-{number:02}" for number in range(7)]


@given(position=st.lists(st.text(max_size=60), max_size=4))
def test_a_cursor_gives_its_position_back(position: list[str]) -> None:
    text = CURSORS.write(LIST, tuple(position), NOW)

    assert CURSORS.read(text, LIST, NOW + timedelta(hours=23)) == tuple(position)


@pytest.mark.parametrize(
    "other",
    [
        ListScope("wallets", "tenant-a", "account-1", {"status": "open"}),
        ListScope("secrets", "tenant-b", "account-1", {"status": "open"}),
        ListScope("secrets", "tenant-a", "account-2", {"status": "open"}),
        ListScope("secrets", "tenant-a", "account-1", {"status": "closed"}),
        ListScope("secrets", "tenant-a", "account-1", {}),
        ListScope("secrets", "tenant-a", "account-1", {"status": "open", "owner": ""}),
    ],
)
def test_a_cursor_opens_no_other_list(other: ListScope) -> None:
    text = CURSORS.write(LIST, ("1",), NOW)

    with pytest.raises(InvalidCursor):
        CURSORS.read(text, other, NOW)


def test_a_cursor_expires_after_a_day() -> None:
    text = CURSORS.write(LIST, ("1",), NOW)

    with pytest.raises(InvalidCursor):
        CURSORS.read(text, LIST, NOW + timedelta(hours=24))


def test_a_cursor_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(Cursors(b"o" * 32).write(LIST, ("1",), NOW), LIST, NOW)


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    text = CURSORS.write(LIST, ("1",), NOW)
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(InvalidCursor):
            CURSORS.read(changed, LIST, NOW)


@given(text=st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(text, LIST, NOW)


class Row(msgspec.Struct, frozen=True):
    id: UUID
    created_at: datetime


@given(count=st.integers(0, 12), limit=st.integers(1, 5))
def test_pages_cut_from_one_row_more_hold_every_row_once(count: int, limit: int) -> None:
    # Two rows a microsecond: the id must tell them apart.
    rows = [Row(UUID(int=n), NOW + timedelta(microseconds=n // 2)) for n in range(count)]
    page = PageRequest(limit)
    seen: list[list[Row]] = []
    while True:
        moment = page.moment()
        behind = [row for row in rows if moment is None or by_age(row) > moment]
        found = page.cut(behind[: page.rows], by_age)
        seen.append(found.items)
        if found.after is None:
            break
        page = PageRequest(limit, found.after)

    assert [row for items in seen for row in items] == rows
    assert all(len(items) == limit for items in seen[:-1])
    assert seen[-1] or not rows


def test_a_list_by_number_goes_on_behind_the_last_number_shown() -> None:
    found = PageRequest(2).cut([9, 7, 4], lambda number: (number,))

    assert (found.items, found.show(str).items) == ([9, 7], ["9", "7"])
    assert PageRequest(2, found.show(str).after).number() == 7


def test_no_two_purposes_share_a_key() -> None:
    settings = Settings(secret_encryption_key=Secret("c0ffee" * 10 + "c0ff"))

    assert derive_keys(settings, "cursors/1") == derive_keys(settings, "cursors/1")
    assert derive_keys(settings, "cursors/1") != derive_keys(settings, "replies/1")


@get("/rows")
async def _rows(
    request: Request[Any, Any, Any],
    pages: NamedDependency[Pages],
    kind: FromQuery[str | None] = None,
) -> Response[list[str]]:
    page = pages.read(request, "rows", 3, kind=kind)
    behind = [row for row in ROWS if page.after is None or row > page.after[0]]
    items = behind[: page.limit]
    more = (items[-1],) if len(behind) > page.limit else None
    return pages.answer(request, "rows", Slice(items, more), kind=kind)


def _let_in(app: Any, _public: object) -> Any:
    async def gate(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        credential = Credential(user="u", role=Role.TOKEN, kind=CredentialKind.STATIC)
        tenant = headers.get(b"x-tenant-id", b"tenant-a").decode()
        note_caller(scope).principal = Principal(credential=credential, tenant=tenant)
        await app(scope, receive, send)

    return gate


@pytest.fixture
def client() -> httpx.AsyncClient:
    clock = FixedClock(NOW)
    core = Core(
        settings=Settings(),
        clock=clock,
        database=Database("postgres://u:p@127.0.0.1:1/d"),
        metrics=CollectorRegistry(),
        modules=ModuleRegistry(clock),
    )
    application = Application(core, [Feature(name="r", routes=(_rows,), middleware=(_let_in,))])
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application),  # pyright: ignore[reportArgumentType]
        base_url="http://test",
    )


async def test_following_the_links_gives_every_row_once(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    where: str | None = "/rows?limit=2&kind=x%3Ey"
    while where is not None:
        answer = await client.get(where)
        seen += answer.json()
        where = answer.links["next"]["url"] if "next" in answer.links else None

    assert seen == ROWS


async def test_the_last_page_names_no_next_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/rows?limit=7")

    assert answer.json() == ROWS
    assert "x-next-cursor" not in answer.headers
    assert "link" not in answer.headers


async def test_a_foreign_cursor_is_the_callers_fault(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/rows")).headers["x-next-cursor"]
    for query, tenant in ((f"cursor={cursor}&kind=x", "tenant-a"), (f"cursor={cursor}", "b")):
        answer = await client.get(f"/rows?{query}", headers={"x-tenant-id": tenant})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")
