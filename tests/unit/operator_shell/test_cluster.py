"""The calls to the API server: to whom the credential is shown, and what an answer may cost."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.aio import client as kubernetes_client

from servicelayer_operator.api_status import ApiProbe
from servicelayer_operator.cluster import Cluster
from servicelayer_operator.errors import ClusterError, UnavailableError
from servicelayer_operator.observed import PodFact
from servicelayer_operator.watching import WatchActivity
from servicelayer_operator.work_queue import Key
from support.local_http import LocalHttp, send, send_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from http.server import BaseHTTPRequestHandler

TOKEN = "Bearer of-the-service-account"


@asynccontextmanager
async def connected(server: LocalHttp, renew: Any = None) -> AsyncGenerator[Cluster]:
    """A connection that is logged in by a token."""
    configuration: Any = kubernetes_client.Configuration(host=host_of(server))
    configuration.api_key["BearerToken"] = TOKEN
    configuration.refresh_api_key_hook = renew
    cluster = Cluster(configuration)
    try:
        yield cluster
    finally:
        await cluster.close()


def host_of(server: LocalHttp) -> str:
    return f"http://127.0.0.1:{server.port}"


def noting(
    asked: list[str | None], answer: Callable[[BaseHTTPRequestHandler], None]
) -> Callable[[BaseHTTPRequestHandler], None]:
    def note(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.headers["Authorization"])
        answer(request)

    return note


def redirect_to(server: LocalHttp) -> Callable[[BaseHTTPRequestHandler], None]:
    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"{host_of(server)}/readyz")
        request.send_header("Content-Length", "0")
        request.end_headers()

    return redirect


def empty(request: BaseHTTPRequestHandler) -> None:
    send_json(request, 200, {})


async def test_an_answer_that_leads_elsewhere_is_not_followed() -> None:
    """An operand is asked through the API server's proxy, which passes its redirects on."""
    shown: list[str | None] = []
    with LocalHttp(noting(shown, empty)) as stranger, LocalHttp(redirect_to(stranger)) as server:
        async with connected(server) as cluster:
            with pytest.raises(ClusterError, match="302"):
                await cluster.call("GET", "/api/v1/proxy/readyz", attempts=1)
    assert shown == []


async def test_a_watch_shows_its_credential_to_the_api_server_alone() -> None:
    shown: list[str | None] = []
    asked: list[str | None] = []
    with (
        LocalHttp(noting(shown, empty)) as stranger,
        LocalHttp(noting(asked, redirect_to(stranger))) as server,
    ):
        async with (
            connected(server) as cluster,
            cluster.watch_session(WatchActivity(lambda: 0.0)) as session,
            session.get(f"{host_of(server)}/api/v1/pods") as response,
        ):
            await response.read()
    assert asked == [TOKEN]
    assert shown == [None]


async def test_the_credential_is_asked_for_at_each_call() -> None:
    shown: list[str | None] = []
    tokens = iter(("Bearer first", "Bearer second"))

    async def renew(configuration: Any) -> None:
        configuration.api_key["BearerToken"] = next(tokens)

    with LocalHttp(noting(shown, empty)) as server:
        async with connected(server, renew) as cluster:
            for _ in range(2):
                await cluster.call("GET", "/version")
    assert shown == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("size", [1024, 1025])
async def test_an_answer_of_others_is_read_to_its_limit(size: int) -> None:
    content = b'"' + b"x" * (size - 2) + b'"'
    with LocalHttp(lambda request: send(request, 200, content)) as server:
        async with connected(server) as cluster:
            call = cluster.call("GET", "/proxy", attempts=1, largest=1024)
            if size > 1024:
                with pytest.raises(UnavailableError, match="larger than 1024 bytes"):
                    await call
            else:
                assert await call == content[1:-1].decode()


async def test_a_readiness_through_the_proxy_is_bounded_and_no_redirect_is_one() -> None:
    """Any program may stand behind the proxy: it is not ready because it answers at length."""
    pod = PodFact(name="shop-1", component="api", phase="Running")
    for answer in (lambda request: send(request, 200, b"{}" + b" " * 300_000), redirect_to):
        with LocalHttp(empty) as stranger:
            played = redirect_to(stranger) if answer is redirect_to else answer
            with LocalHttp(played) as server:
                async with connected(server) as cluster:
                    probe = ApiProbe(cluster, "", lambda: 0.0)
                    fact = await probe.ask(Key("trade", "shop"), pod, None, max_age=0)
                    await probe.close()
        assert fact.error
        assert fact.store_ready is None
