"""The short way of an answer is the router's own way, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar, Response, get
from litestar.datastructures import Cookie
from litestar.params import FromPath  # noqa: TC002 - litestar reads annotations
from litestar.routes import HTTPRoute

from servicelayer_api.app import create_app
from servicelayer_api.ids import new_id_text, parse_id
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Thing(msgspec.Struct):
    id: UUID
    at: datetime
    name: str


_THING = _Thing(UUID(int=7), datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), "é")


@get("/struct")
async def _struct() -> _Thing:
    return _THING


@get("/list")
async def _list() -> list[_Thing]:
    return []


@get("/nothing")
async def _nothing() -> None:
    return


@get("/gone", status_code=204)
async def _gone() -> None:
    return


@get("/text")
async def _text() -> str:
    return "plain"


@get("/bytes", media_type="application/json")
async def _bytes() -> bytes:
    return b'{"a":1}'


def _own(kind: type[Response[Any]]) -> Any:
    @get("/own/{how:str}", name=kind.__name__)
    async def own(how: FromPath[str]) -> Response[Any]:
        made: Mapping[str, Mapping[str, Any]] = {
            "headers": {"headers": {"X-Next-Cursor": "abc", "Link": "<x>"}},
            "status": {"status_code": 202},
            "cookie": {"cookies": [Cookie("a", "b")]},
            "type": {"media_type": "text/html"},
        }
        return kind("<p>" if how == "type" else [_THING], **made[how])

    return own


async def _ask(kind: type[Response[Any]], path: str) -> httpx.Response:
    routes = [_struct, _list, _nothing, _gone, _text, _bytes, _own(kind)]
    app = Litestar(routes, response_class=kind, openapi_config=None)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/struct", "/list", "/nothing", "/gone", "/text", "/bytes"),
        *("/own/headers", "/own/status", "/own/cookie", "/own/type"),
    ],
)
async def test_an_answer_is_what_the_router_would_have_sent(path: str) -> None:
    theirs, ours = await _ask(Response, path), await _ask(Answer, path)

    assert ours.status_code == theirs.status_code < 300
    assert ours.content == theirs.content
    assert sorted(ours.headers.items()) == sorted(theirs.headers.items())


def test_no_route_pays_for_tasks_or_guards_of_the_router() -> None:
    app = create_app(Settings(secret_encryption_key=Secret("c0ffee" * 10 + "c0ff")))
    routes = [route for route in app.litestar.routes if isinstance(route, HTTPRoute)]
    pairs = [pair for route in routes for pair in route.route_handler_map.values()]
    handlers: list[Any] = [(handler, getattr(plan, "model", plan)) for handler, plan in pairs]

    assert len(handlers) > 20
    assert {len(batch) for _, model in handlers for batch in model.dependency_batches} == {1}
    assert not [str(handler) for handler, _ in handlers if handler.resolve_guards()]
    assert all(handler.resolve_before_request() for handler, _ in handlers)


def test_the_text_of_a_new_id_is_a_canonical_uuid_of_version_7() -> None:
    text = new_id_text()
    parsed = parse_id(text)

    assert parsed is not None
    assert parsed.version == 7
    assert str(parsed) == text
    assert new_id_text() != text


def test_ids_do_not_repeat_when_their_random_numbers_are_drawn_anew() -> None:
    assert len({new_id_text() for _ in range(2000)}) == 2000
