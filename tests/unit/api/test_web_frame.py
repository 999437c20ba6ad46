"""The edge, problems, public paths, proxies: one request at a time, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from litestar import get
from litestar.params import FromPath, FromQuery  # noqa: TC002 - litestar reads annotations
from prometheus_client import CollectorRegistry, generate_latest

from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.errors import (
    Conflict,
    Forbidden,
    Invalid,
    RateLimited,
    Unauthenticated,
    error_types,
)
from servicelayer_api.settings import Settings
from servicelayer_api.web.application import Application
from servicelayer_api.web.feature import Core, Feature
from servicelayer_api.web.metrics import HttpMetrics
from servicelayer_api.web.modules import Module, ModuleRegistry
from servicelayer_api.web.proxies import TrustedProxies
from servicelayer_api.web.public import PublicPaths

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


class _FolderMissing(Conflict):
    """The folder is not there."""

    code = "folder-missing"
    title = "Folder missing"


@get("/fails/{how:str}")
async def _fails(how: FromPath[str]) -> None:
    raise {
        "conflict": _FolderMissing("the folder is not there"),
        "fields": Invalid(fields=[("owner", "is required")]),
        "limit": RateLimited(retry_after=7),
        "crash": RuntimeError("asyncpg said: password is hunter2"),
    }[how]


@get("/number/{value:int}")
async def _number(value: FromPath[int], limit: FromQuery[int] = 25) -> dict[str, int]:
    return {"value": value, "limit": limit}


def _guarded(app: ASGIApp, public: PublicPaths) -> ASGIApp:
    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["path"] not in public and b"authorization" not in headers:
            raise Unauthenticated
        await app(scope, receive, send)

    return guard


def _application(
    settings: Settings | None = None, metrics: CollectorRegistry | None = None
) -> Application:
    clock = SystemClock()
    core = Core(
        settings=settings or Settings(),
        clock=clock,
        database=Database("postgres://u:p@127.0.0.1:1/d"),
        metrics=metrics or CollectorRegistry(),
        modules=ModuleRegistry(clock),
    )
    return Application(
        core, [Feature(name="probe", routes=(_fails, _number), middleware=(_guarded,))]
    )


def _client(application: Application, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application, client=("10.0.0.9", 4000))  # pyright: ignore[reportArgumentType]
    return httpx.AsyncClient(
        transport=transport,
        base_url="http://test",
        headers={"authorization": "Bearer x", **headers},
    )


@pytest.fixture
def client() -> httpx.AsyncClient:
    return _client(_application())


async def test_a_refusal_is_a_problem_with_the_member_error(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fails/conflict", headers={"x-request-id": "r-1"})

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/folder-missing",
        "title": "Folder missing",
        "status": 409,
        "detail": "the folder is not there",
        "instance": "/fails/conflict",
        "code": "folder-missing",
        "request_id": "r-1",
        "error": "the folder is not there",
    }


async def test_the_type_of_a_problem_leads_to_a_page(client: httpx.AsyncClient) -> None:
    where = (await client.get("/fails/conflict")).json()["type"]

    as_json = await client.get(where)
    as_page = await client.get(where, headers={"accept": "text/html"})

    assert as_json.json()["description"] == "The folder is not there."
    assert "<h1>Folder missing</h1>" in as_page.text


async def test_a_crash_says_nothing_of_the_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fails/crash")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "hunter2" not in answer.text
    assert "asyncpg" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fails/fields", 400, "invalid-request"),
        ("/fails/limit", 429, "rate-limited"),
        ("/nowhere", 404, "not-found"),
        ("/number/7?limit=x", 400, "invalid-request"),
        ("/problems/none", 404, "not-found"),
    ],
)
async def test_every_refusal_has_its_code(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_fields_at_fault_are_listed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/number/7?limit=x")

    assert [fault["field"] for fault in answer.json()["fields"]] == ["limit"]


async def test_a_wrong_method_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/livez")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_retry_after_comes_with_the_refusal(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fails/limit")).headers["retry-after"] == "7"


@pytest.mark.parametrize("path", ["/number/1", "/nowhere", "/livez/extra", "/docsx", "/problemsx"])
async def test_a_path_that_is_not_public_wants_a_credential(path: str) -> None:
    async with _client(_application()) as client:
        del client.headers["authorization"]
        answer = await client.get(path)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/docs.js", "/docs/docs.css"])
@pytest.mark.parametrize(("setting", "status"), [("private", 401), ("public", 200)])
async def test_the_description_is_shown_to_whom_the_setting_says(
    path: str, setting: Literal["private", "public"], status: int
) -> None:
    async with _client(_application(Settings(api_docs=setting))) as client:
        shown = await client.get(path)
        del client.headers["authorization"]

        assert (await client.get(path)).status_code == status
    assert shown.status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/problems/conflict", "/livez/"])
async def test_public_paths_want_no_credential(path: str) -> None:
    async with _client(_application()) as client:
        del client.headers["authorization"]

        assert (await client.get(path)).status_code == 200


async def test_a_preflight_is_answered_without_a_credential() -> None:
    async with _client(_application()) as client:
        del client.headers["authorization"]
        answer = await client.options("/number/1", headers={"origin": "http://somewhere"})

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-Tenant-ID" in answer.headers["access-control-allow-headers"]
    assert "X-Next-Cursor" in answer.headers["access-control-expose-headers"]


async def test_only_listed_origins_are_allowed_when_some_are_listed() -> None:
    application = _application(Settings(cors_allowed_origins=("https://good.example",)))
    async with _client(application) as client:
        good = await client.get("/livez", headers={"origin": "https://good.example"})
        evil = await client.get("/livez", headers={"origin": "https://evil.example"})

    assert good.headers["access-control-allow-origin"] == "https://good.example"
    assert "access-control-allow-origin" not in evil.headers
    assert "Origin" in evil.headers["vary"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "\u00e9"])
async def test_an_unusable_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/livez", headers=[("x-request-id", given.encode("latin-1"))])  # pyright: ignore[reportArgumentType]

    assert len(answer.headers["x-request-id"]) == 36


async def test_hsts_is_sent_only_when_a_trusted_proxy_spoke_tls() -> None:
    told = {"x-forwarded-proto": "https"}
    trusted = _application(Settings(trusted_proxies=("10.0.0.0/8",)))
    async with _client(trusted, **told) as client:
        behind = await client.get("/livez")
    async with _client(_application(), **told) as client:
        direct = await client.get("/livez")

    assert "strict-transport-security" in behind.headers
    assert "strict-transport-security" not in direct.headers


async def test_doubled_slashes_lead_to_the_clean_path(client: httpx.AsyncClient) -> None:
    answer = await client.get("http://test//evil.example//x?a=%3Cb%3E")

    assert answer.status_code == 307
    assert answer.headers["location"] == "/evil.example/x?a=%3Cb%3E"


async def test_the_metrics_know_routes_and_not_paths() -> None:
    registry = CollectorRegistry()
    async with _client(_application(metrics=registry)) as client:
        for value in range(3):
            await client.get(f"/number/{value}")
        await client.get("/some/where")
        await client.request("BREW", "/coffee")

    text = generate_latest(registry).decode()
    assert 'http_requests_total{method="GET",path="/number/{value}",status="200"} 3.0' in text
    assert 'http_requests_total{method="GET",path="unmatched",status="404"} 1.0' in text
    assert "BREW" not in text
    assert "/some/where" not in text
    assert "http_inflight_requests 0.0" in text


def test_durations_fall_into_cumulative_buckets() -> None:
    registry = CollectorRegistry()
    counted = HttpMetrics(registry)
    for seconds in (0.001, 0.002, 0.3, 60.0):
        counted.observe("GET", "/x", 200, seconds)

    text = generate_latest(registry).decode()
    labels = 'method="GET",path="/x"'
    for least, count in (("0.001", 1), ("0.0025", 2), ("0.25", 2), ("0.5", 3), ("+Inf", 4)):
        line = f'http_request_duration_seconds_bucket{{le="{least}",{labels}}} {count}.0'
        assert line in text
    assert f"http_request_duration_seconds_count{{{labels}}} 4.0" in text
    assert f"http_request_duration_seconds_sum{{{labels}}} 60.303" in text


async def test_draining_answers_close_their_connection() -> None:
    application = _application()
    application.drain()
    async with _client(application) as client:
        answer = await client.get("/livez")
        ready = await client.get("/readyz")

    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert (ready.status_code, ready.json()["status"]) == (503, 503)


def test_every_kind_of_problem_is_explained_once() -> None:
    kinds = list(error_types())

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert [kind.code for kind in kinds if not (kind.__doc__ or "").strip()] == []
    assert all(400 <= kind.status < 600 for kind in kinds)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("8.8.8.8", {"x-forwarded-for": "1.1.1.1"}, "8.8.8.8"),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1"}, "1.1.1.1"),
        ("10.0.0.1", {"x-forwarded-for": "6.6.6.6, 1.1.1.1, 10.0.0.2"}, "1.1.1.1"),
        ("10.0.0.1", {"x-forwarded-for": "nonsense"}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1, nonsense"}, "10.0.0.1"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("::ffff:10.0.0.1", {"x-forwarded-for": "1.1.1.1"}, "1.1.1.1"),
    ],
)
def test_the_caller_is_the_last_address_that_no_trusted_proxy_has(
    peer: str, headers: dict[str, str], expected: str
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert TrustedProxies(["10.0.0.0/8"]).caller(peer, raw)[0] == expected


def test_a_public_template_is_public_below_its_fixed_part() -> None:
    paths = PublicPaths(["/livez", "/problems/{code}"])

    assert [p in paths for p in ("/livez", "/livez/", "/problems/x", "/problems", "/livezz")] == [
        *(True, True, True),
        *(False, False),
    ]


def test_a_feature_may_not_take_a_modules_name_twice() -> None:
    registry = ModuleRegistry(SystemClock())
    registry.add(_module("one"))

    with pytest.raises(ValueError, match="twice"):
        registry.add(_module("one"))


def _module(name: str) -> Module:
    return Module(name=name, domain="test")


def test_forbidden_says_its_title_when_nothing_else_is_said() -> None:
    assert (str(Forbidden()), Forbidden().detail) == ("Forbidden", "Forbidden")
