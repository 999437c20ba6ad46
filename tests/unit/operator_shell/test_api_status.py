from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from servicelayer_operator import api_status
from servicelayer_operator.api_status import parse_status
from servicelayer_operator.observed import PodFact, UnreadyFact
from servicelayer_operator.serving import pod_to_ask, pod_to_log_in
from servicelayer_operator.work_queue import Key
from support.local_http import LocalHttp, own_loopback, send_json
from support.situations import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def content(**body: Any) -> bytes:
    return json.dumps(body).encode()


def test_the_answer_of_the_contract_is_read() -> None:
    fact = parse_status(
        content(
            status="ok",
            version={"version": "1.2.3", "commit": "c", "built_at": ""},
            modules=[
                {"name": "store", "status": "started", "ready_status": "ready", "layer": "x"},
                {"name": "neo", "status": "failed", "ready_status": "not-ready"},
            ],
            modules_meta={"total": 2},
            migrations={"current": 3, "latest": 4},
        )
    )
    assert fact.reachable
    assert fact.store_ready is True
    assert (fact.schema_current, fact.schema_latest, fact.version) == (3, 4, "1.2.3")
    assert [(m.name, m.status, m.ready) for m in fact.modules] == [
        ("store", "started", True),
        ("neo", "failed", False),
    ]


def test_what_is_missing_stays_unknown() -> None:
    fact = parse_status(content(status="ok"))
    assert fact.reachable
    assert fact.store_ready is None
    assert fact.schema_current is None


def test_what_would_not_fit_the_status_is_cut() -> None:
    modules = [{"name": f"module-{i % 200}", "status": "s" * 99} for i in range(400)]
    fact = parse_status(content(modules=[{"name": ""}, *modules], version={"version": "1" * 999}))
    names = [module.name for module in fact.modules]
    assert (len(names), len(set(names)), "" in names) == (128, 128, False)
    assert len(fact.version) <= 128
    assert max(len(module.status) for module in fact.modules) <= 64


def test_what_would_move_a_cursor_does_not_reach_the_status() -> None:
    modules = [
        {"name": "a\x1b]0;x\x07\u202e\n", "status": "s\x00\x1b[2J", "ready_status": "ready"},
        {"name": "\u200b\n", "status": "nameless"},
        {"name": "store\u202e", "status": "started", "ready_status": "ready"},
    ]
    version = {"version": "1\x1b[31mOWNED\u202e\u200b\n2"}
    fact = parse_status(content(modules=modules, version=version))
    assert fact.version == "1 [31mOWNED 2"
    assert [(m.name, m.status) for m in fact.modules] == [("a ]0;x", "s [2J"), ("store", "started")]
    assert fact.store_ready is True


class Operand(BaseHTTPRequestHandler):
    """Answers /system/status in the way that its path's first part names."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Accept-Encoding"))  # type: ignore[attr-defined]
        getattr(self, self.path.split("/")[1])()

    def large(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(64):
                self.wfile.write(b" " * 65536)

    def packed(self) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(gzip.compress(b" " * 1_000_000))

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.over.wait(0.05):  # type: ignore[attr-defined]
                self.wfile.write(b" ")
                self.wfile.flush()

    def good(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content(modules=[{"name": "store", "ready_status": "ready"}]))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def operand() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Operand)
    server.asked, server.over = [], threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("good", ""),
        ("large", "/system/status is larger than 262144 bytes"),
        ("packed", "/system/status answered compressed"),
        ("drip", "/system/status: TimeoutError"),
    ],
)
async def test_an_answer_is_bounded_in_size_and_time_and_never_unpacked(
    operand: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, way: str, error: str
) -> None:
    monkeypatch.setattr(api_status, "ANSWER_SECONDS", 0.5 if way == "drip" else 5.0)
    url = f"http://127.0.0.1:{operand.server_port}/{way}"
    probe = api_status.ApiProbe(cast("Any", None), url, time.monotonic)
    fact = await probe.ask(Key("trade", "shop"), POD, "token", max_age=0)
    await probe.close()
    assert (fact.error, fact.store_ready) == (error, True if way == "good" else None)
    assert operand.asked == ["identity"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[" * 100_000,
        b'{"more":' * 100_000,
        b"[]",
        b"null",
        b"<html>",
        content(modules="many"),
        content(version=7),
    ],
)
def test_an_answer_of_another_shape_is_a_fact_and_no_crash(raw: bytes) -> None:
    fact = parse_status(raw)
    assert fact.reachable
    assert fact.store_ready is None
    assert fact.error


HOST = own_loopback()
POD = PodFact(name="shop-6d5f-abcde", component="api", phase="Running", address=HOST)
PROBLEM = {
    "detail": "not ready: store, vault, http",
    "modules": {
        "store": "DNS does not answer for the database's host: db:5432",
        "vault": "postgres://u:hidden@db/x\x1b[2J\n" + "x" * 9999,
        "http": "waiting for dependencies: store",
    },
}


async def ask(
    answer: Callable[[BaseHTTPRequestHandler], None], pod: PodFact = POD
) -> UnreadyFact | None:
    with LocalHttp(answer, (HOST, 8081)):
        probe = api_status.ApiProbe(cast("Any", None), "http://127.0.0.1:1", time.monotonic)
        told = await probe.ask_pod(Key("trade", "shop"), pod, max_age=0)
        await probe.close()
    return told


async def test_a_pod_says_why_it_is_not_ready_bounded_and_without_credentials() -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        headers = request.headers
        asked.append((request.path, headers["Authorization"], headers["Accept-Encoding"]))
        send_json(request, 503, PROBLEM)

    told = await ask(answer)

    assert asked == [("/readyz", None, "identity")]
    assert told is not None
    assert told.pod == POD.name
    assert told.why.startswith(f"store: {told.store}; vault: postgres://***db/x [2J xxx")
    assert told.store == "DNS does not answer for the database's host: db:5432"
    assert len(told.why) <= 300


async def test_what_waits_for_another_module_and_credentials_are_not_repeated() -> None:
    reasons = {
        "store": "no answer from postgres://u:hidden@db/x\x1b[2J",
        "http": "waiting for dependencies: store",
    }
    body = {"detail": "not ready: store, http", "modules": reasons}

    told = await ask(lambda request: send_json(request, 503, body))

    assert told is not None
    assert told.store == "no answer from postgres://***db/x [2J"
    assert told.why == f"store: {told.store}"


async def test_a_reason_is_remembered_for_a_while_of_one_pod_until_it_is_forgotten() -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        send_json(request, 503, PROBLEM)

    key, other = Key("trade", "shop"), msgspec.structs.replace(POD, name="another")
    with LocalHttp(answer, (HOST, 8081)):
        probe = api_status.ApiProbe(cast("Any", None), "http://127.0.0.1:1", lambda: 0.0)
        first = await probe.ask_pod(key, POD, max_age=60)
        assert await probe.ask_pod(key, POD, max_age=60) == first
        assert len(asked) == 1
        told = await probe.ask_pod(key, other, max_age=60)
        assert told is not None
        assert told.pod == "another"
        probe.forget(key)
        await probe.ask_pod(key, other, max_age=60)
        assert len(asked) == 3
        await probe.ask_pod(key, other, max_age=0)
        await probe.close()
    assert len(asked) == 4


async def test_an_api_leads_the_operator_nowhere_else() -> None:
    asked: list[str] = []

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"http://127.0.0.1:{stranger.port}/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with (
        LocalHttp(lambda request: asked.append(request.path)) as stranger,
        LocalHttp(redirect) as it,
    ):
        url = f"http://127.0.0.1:{it.port}"
        probe = api_status.ApiProbe(cast("Any", None), url, time.monotonic)
        fact = await probe.ask(Key("trade", "shop"), POD, "token", max_age=0)
        await probe.close()
    assert (asked, fact.error) == ([], "/system/status answered 302")


async def test_pods_are_asked_directly_in_a_cluster_alone() -> None:
    asked: list[str] = []
    with LocalHttp(lambda request: asked.append(request.path), (HOST, 8081)):
        probe = api_status.ApiProbe(cast("Any", None), "", time.monotonic)
        assert await probe.ask_pod(Key("trade", "shop"), POD, max_age=0) is None
        await probe.close()
    assert asked == []


async def test_no_proxy_of_the_environment_is_shown_a_token(
    operand: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str | None] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        shown.append(request.headers["Authorization"])
        send_json(request, 502, {})

    with LocalHttp(answer) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        url = f"http://127.0.0.1:{operand.server_port}/good"
        probe = api_status.ApiProbe(cast("Any", None), url, time.monotonic)
        fact = await probe.ask(Key("trade", "shop"), POD, "token", max_age=0)
        await probe.close()
    assert (shown, fact.store_ready) == ([], True)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, {"detail": "not ready: store, vault"}, "not ready: store, vault"),
        (503, {"detail": "not ready", "modules": {"store": ""}}, "not ready"),
        (503, {"detail": 7}, None),
        (503, {"modules": ["store"]}, None),
        (503, {}, None),
        (503, {"detail": "x" * 300_000}, None),
        (200, {"detail": "ready meanwhile"}, None),
        (404, {"detail": "another program"}, None),
    ],
)
async def test_what_is_no_refusal_of_readiness_tells_nothing(
    status: int, body: dict[str, Any], why: str | None
) -> None:
    told = await ask(lambda request: send_json(request, status, body))
    assert (told.why if told else None) == why


async def test_a_pod_that_does_not_answer_tells_nothing() -> None:
    probe = api_status.ApiProbe(cast("Any", None), "http://127.0.0.1:1", time.monotonic)
    for address in (HOST, "::1", "no address", "a/b@c"):
        pod = msgspec.structs.replace(POD, address=address)
        assert await probe.ask_pod(Key("trade", "shop"), pod, max_age=0) is None
    await probe.close()


def test_of_the_new_pods_the_one_that_waits_longest_is_asked() -> None:
    def pod(name: str, minutes: int, **changes: Any) -> PodFact:
        facts = {"name": name, "created": NOW - timedelta(minutes=minutes), "template": "new"}
        return msgspec.structs.replace(POD, **(facts | changes))

    pods = [
        pod("young", 1),
        pod("chosen", 2),
        pod("ready", 3, ready=True),
        pod("old", 3, template="old"),
        pod("going", 3, deleting=True),
        pod("crashed", 3, waiting_reason="CrashLoopBackOff"),
        pod("migrating", 3, component="migrate"),
        pod("pending", 3, phase="Pending"),
        pod("no-address", 3, address=""),
    ]
    asked = pod_to_ask(pods, "new")
    assert asked is not None
    assert asked.name == "chosen"
    assert pod_to_ask(pods[2:], "new") is None


async def test_inside_a_cluster_the_token_goes_to_the_pod_s_own_address() -> None:
    """A name can be taken by whoever may make Services, or namespaces that DNS searches first."""
    asked: list[tuple[str, str | None]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Authorization"]))
        send_json(request, 200, {"modules": []})

    with LocalHttp(answer, (HOST, 8080)):
        probe = api_status.ApiProbe(cast("Any", None), api_status.IN_CLUSTER_URL, time.monotonic)
        fact = await probe.ask(Key("trade", "shop"), POD, "token", max_age=0)
        await probe.close()
    assert (fact.reachable, fact.error) == (True, "")
    assert asked == [("/system/status", "Bearer token")]


def test_the_token_is_for_a_ready_pod_and_a_new_one_first() -> None:
    def pod(name: str, **changes: Any) -> PodFact:
        facts = {"name": name, "ready": True, "template": "new"}
        return msgspec.structs.replace(POD, **(facts | changes))

    pods = [
        pod("a-old", template="old"),
        pod("b-going", deleting=True),
        pod("c-unready", ready=False),
        pod("d-no-address", address=""),
        pod("e-database", component="postgres"),
        pod("chosen"),
        pod("later"),
    ]
    asked = pod_to_log_in(pods, "new")
    assert asked is not None
    assert asked.name == "chosen"
    assert pod_to_log_in(pods[:5], "new") == pods[0]
    assert pod_to_log_in(pods[1:5], "new") is None
