"""The short way through the router gives what the router's own way gives, whatever is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.di import NamedDependency  # noqa: TC002 - litestar reads annotations
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.routes import HTTPRoute

from servicelayer_api.errors import Invalid, ServiceError, TooLarge
from servicelayer_api.web.answers import Answer
from servicelayer_api.web.application import _provide
from servicelayer_api.web.body import StrictBody
from servicelayer_api.web.incoming import Incoming
from servicelayer_api.web.intake import Budget, Intake, Overloaded
from servicelayer_api.web.plain_routes import PlainRoute, shorten
from servicelayer_api.web.problems import handle
from servicelayer_api.web.scopes import require_scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST = 100


class _New(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int = 1


class _Shown(msgspec.Struct, frozen=True):
    name: str
    size: int
    place: str
    title: str


@get("/things/{place:str}")
async def _find(
    request: Request[Any, Any, Any],
    title: NamedDependency[str],
    place: FromPath[str],
    size: Annotated[int, QueryParameter(le=9)] = 7,
) -> _Shown:
    return _Shown(request.method, size, place, title)


@get("/answers/{how:str}")
async def _answer(how: FromPath[str]) -> Response[list[_Shown]]:
    made: Mapping[str, Mapping[str, Any]] = {
        "plain": {},
        "headers": {"headers": {"ETag": '"1"'}},
        "status": {"status_code": 202},
    }
    return Answer([_Shown("a", 1, how, "t")], **made[how])


@get("/theirs")
async def _theirs() -> Response[bytes]:
    return Response(b"<p>", media_type="text/html", headers={"x-own": "1"})


@get("/mapping")
async def _mapping() -> dict[str, int]:
    return {"a": 1}


@get("/refused")
async def _refused() -> list[int]:
    raise ServiceError("no such luck")


@post("/things")
async def _make(data: JSONBody[_New], title: NamedDependency[str]) -> _Shown:
    return _Shown(data.name, data.size, "", title)


@post("/gone", status_code=204)
async def _go(data: JSONBody[_New]) -> None:
    assert data.name


def _app(*, short: bool) -> Litestar:
    app = Litestar(
        [_find, _answer, _theirs, _mapping, _refused, _make, _go],
        dependencies={"title": _provide("constant")},
        before_request=require_scope,
        dto=StrictBody.for_application(),
        return_dto=None,
        request_class=Incoming,
        response_class=Answer,
        exception_handlers={ServiceError: handle},
        openapi_config=None,
    )
    for route in app.routes if short else ():
        assert isinstance(route, HTTPRoute)
        shorten(route)
        assert isinstance(route, PlainRoute)
    return app


async def _ask(app: Litestar, method: str, path: str, body: bytes | None) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    headers = {} if body is None else {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/things/here", None, 200),
        ("GET", "/things/%C3%A9%20x", None, 200),
        ("GET", "/things/here?size=3", None, 200),
        ("GET", "/things/here?size=33", None, 400),
        ("GET", "/things/here?size=x", None, 400),
        ("GET", "/things/here?other=1", None, 200),
        ("GET", "/answers/plain", None, 200),
        ("GET", "/answers/headers", None, 200),
        ("GET", "/answers/status", None, 202),
        ("GET", "/theirs", None, 200),
        ("GET", "/mapping", None, 200),
        ("GET", "/refused", None, 500),
        ("POST", "/things", b'{"name":"a"}', 201),
        ("POST", "/things", b'{"name":"a","size":5}', 201),
        ("POST", "/things", b'{"name":"a","x":5}', 400),
        ("POST", "/things", b'{"name":"a","name":"b"}', 400),
        ("POST", "/things", b"", 400),
        ("POST", "/things", None, 400),
        ("POST", "/gone", b'{"name":"a"}', 204),
        ("PUT", "/things", b"{}", 405),
    ],
)
async def test_both_ways_give_the_same_answer(
    method: str, path: str, body: bytes | None, status: int
) -> None:
    theirs = await _ask(_app(short=False), method, path, body)
    ours = await _ask(_app(short=True), method, path, body)

    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert sorted(ours.headers.items()) == sorted(theirs.headers.items())
    assert ours.status_code == status


def _incoming(
    parts: Sequence[bytes | None], length: str | None, budget: Budget | None = None
) -> tuple[Incoming, list[bytes]]:
    """A request whose body comes in parts, `None` for a client that goes; and what is unread."""
    app = _app(short=False)
    left = [part or b"gone" for part in parts]
    events = [
        {"type": "http.disconnect"}
        if part is None
        else {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]

    async def receive() -> Any:
        left.pop(0)
        return events.pop(0)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/things",
        "headers": [] if length is None else [(b"content-length", length.encode())],
        "litestar_app": app,
        "route_handler": app.route_handler_method_map["/things"]["POST"],
        "state": {},
    }
    announced = int(length) if length is not None and length.isdigit() else None
    return Incoming(scope, Intake(receive, budget or Budget(_LARGEST), _LARGEST, announced)), left


@pytest.mark.parametrize(
    ("parts", "length", "unread"),
    [
        ([b"abc", b""], "3", 1),
        ([b"ab", b"c", b""], "3", 1),
        ([b"ab", b"c", b""], None, 0),
        ([b"abc"], None, 0),
        ([b""], "0", 1),
    ],
)
async def test_a_body_is_read_until_its_announced_length_or_its_end(
    parts: list[bytes | None], length: str | None, unread: int
) -> None:
    request, left = _incoming(parts, length)

    body = await request.body()

    assert body == b"".join(part or b"" for part in parts)
    assert await request.body() is body
    assert len(left) == unread


@pytest.mark.parametrize(
    ("parts", "length", "error"),
    [
        ([b"a"], "101", TooLarge),
        ([b"a" * 60, b"a" * 60], None, TooLarge),
        ([b"a"], "-1", Invalid),
        ([b"a"], "x", Invalid),
        ([b"a", None], "2", Invalid),
    ],
)
async def test_a_body_that_is_too_large_or_does_not_come_is_refused(
    parts: list[bytes | None], length: str | None, error: type[Exception]
) -> None:
    request, _ = _incoming(parts, length)

    with pytest.raises(error):
        await request.body()


async def test_bodies_of_all_requests_together_are_bounded() -> None:
    budget = Budget(100)
    first, _ = _incoming([b"a" * 60], None, budget)
    second, _ = _incoming([b"a" * 60], None, budget)
    intake = first.receive

    await first.body()
    with pytest.raises(Overloaded) as refused:
        await second.body()
    assert refused.value.headers["Retry-After"]
    assert isinstance(intake, Intake)
    intake.close()

    third, _ = _incoming([b"a" * 60], None, budget)
    assert len(await third.body()) == 60
