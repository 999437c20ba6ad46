"""Clients that take what others need: sockets, time, memory. Each stays within its bounds."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import httpx
import pytest

from support.api_server import TOKEN, free_port, running_api
from support.patience import patience
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

_OF_ADDRESS = 12
_ALL = 30
_HEAD = f"POST /accounts HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {TOKEN}\r\n"
# A hang must end the test; nothing is measured by it.
_PATIENCE = 30.0


@pytest.fixture(scope="module")
def probe_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory, probe_port: int
) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("hostile")
    with (
        own_database(postgres) as url,
        running_api(
            url,
            folder,
            PROBE_ADDR=f"127.0.0.1:{probe_port}",
            HEADER_TIMEOUT="2s",
            BODY_TIMEOUT="3s",
            IDLE_TIMEOUT="4s",
            MAX_CONNECTIONS=str(_ALL),
            MAX_CONNECTIONS_PER_ADDRESS=str(_OF_ADDRESS),
        ) as process,
    ):
        yield process


def _connect(server: ApiProcess, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(
        ("127.0.0.1", server.port), timeout=_PATIENCE, source_address=(source, 0)
    )


def _said(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def _ask(connection: socket.socket) -> int:
    connection.sendall(b"GET /system/version HTTP/1.1\r\nhost: api\r\n\r\n")
    answer = connection.recv(65536)
    return int(answer[9:12]) if answer else 0


def _is_refused(connection: socket.socket) -> bool:
    """Whether a whole request gets no answer; one that waited too long would have had its own."""
    try:
        return _ask(connection) == 0
    except (ConnectionResetError, BrokenPipeError):
        return True


def _slow_body(server: ApiProcess, source: str) -> socket.socket:
    connection = _connect(server, source)
    connection.sendall(f"{_HEAD}content-length: 100\r\n\r\n{{".encode())
    return connection


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("", None),
        ("\r\n", None),
        ("GET /accounts HTTP/1.1\r\nhost: a", 408),
        (f"{_HEAD}content-length: 100\r\n\r\n{{", 408),
        (f"{_HEAD}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n", 408),
    ],
)
def test_what_does_not_arrive_in_time_ends_the_connection(
    server: ApiProcess, sent: str, status: int | None
) -> None:
    with closing(_connect(server)) as connection:
        connection.sendall(sent.encode())
        said = _said(connection)

    head, _, body = said.partition(b"\r\n\r\n")
    if status is None:
        assert said == b""
    else:
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(body)["status"] == status
    assert "Traceback" not in server.output()


def test_a_connection_that_dribbles_blank_lines_after_an_answer_ends(server: ApiProcess) -> None:
    with closing(_connect(server)) as connection:
        assert _ask(connection) == 200
        deadline = time.monotonic() + patience(_PATIENCE)
        closed = False
        connection.settimeout(0.2)
        while not closed and time.monotonic() < deadline:
            try:
                connection.sendall(b"\r\n")
                closed = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True

    assert closed


def test_one_address_cannot_have_all_connections_and_probes_answer_meanwhile(
    server: ApiProcess, probe_port: int
) -> None:
    with ExitStack() as held:
        for _ in range(_OF_ADDRESS):
            held.enter_context(closing(_slow_body(server, "127.0.0.2")))
        with closing(_connect(server, "127.0.0.2")) as refused:
            assert _is_refused(refused)
        with closing(_connect(server, "127.0.0.3")) as honest:
            assert _ask(honest) == 200
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            url = f"http://127.0.0.1:{probe_port}{path}"
            assert httpx.get(url, trust_env=False).status_code == 200


def test_who_waits_for_nothing_makes_room(server: ApiProcess, probe_port: int) -> None:
    with ExitStack() as held:
        idle = [
            held.enter_context(closing(_connect(server, f"127.0.1.{number}")))
            for number in range(1, _ALL + 1)
        ]
        with closing(_connect(server, "127.0.0.4")) as honest:
            assert _ask(honest) == 200
        assert _said(idle[0]) == b""
    figures = httpx.get(f"http://127.0.0.1:{probe_port}/metrics", trust_env=False).text
    assert 'http_connections_ended_total{reason="evicted"}' in figures


def test_the_listener_for_probes_serves_nothing_else(server: ApiProcess, probe_port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{probe_port}", trust_env=False) as client:
        assert client.get("/accounts", headers={"authorization": f"Bearer {TOKEN}"}).is_error
        assert client.post("/livez").status_code == 405
        head = client.head("/readyz")
    assert (head.status_code, head.content) == (200, b"")
    with server.client() as client:
        assert client.get("/metrics").status_code == 200


def test_who_has_no_credential_may_send_a_few_kib_only(server: ApiProcess) -> None:
    with server.client() as client:
        body = json.dumps({"username": "a", "password": "b" * 10_000})
        assert client.post("/auth/login", content=body).status_code == 413
        parts = iter([body[:5000].encode(), body[5000:].encode()])
        assert client.post("/auth/login", content=parts).status_code == 413


@pytest.mark.parametrize(
    "sent",
    [
        "POST /auth/login HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /auth/login HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}x",
        "GET / HTTP/1.1\r\nhost: api\r\nbroken header\r\n\r\n",
        "nonsense\r\n\r\n",
    ],
)
def test_what_cannot_be_read_is_the_clients_fault(server: ApiProcess, sent: str) -> None:
    with closing(_connect(server)) as connection:
        connection.sendall(sent.encode())
        said = _said(connection)

    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in said
    assert "Traceback" not in server.output()


def test_a_client_that_goes_half_way_is_no_error_of_the_server(server: ApiProcess) -> None:
    with closing(_connect(server)) as connection:
        connection.sendall(
            b"POST /auth/login HTTP/1.1\r\nhost: api\r\ncontent-length: 100\r\n\r\n{"
        )
    with server.client() as client:
        deadline = time.monotonic() + patience(_PATIENCE)
        counted = ""
        while 'path="/auth/login",status="400"' not in counted and time.monotonic() < deadline:
            counted = client.get("/metrics").text

    assert 'path="/auth/login",status="400"' in counted
    assert 'path="/auth/login",status="500"' not in counted
    assert "Traceback" not in server.output()


def test_a_head_without_end_and_a_flood_of_requests_in_one_go_are_refused(
    server: ApiProcess,
) -> None:
    with closing(_connect(server)) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 1_000_000)
            said = _said(connection)
        except OSError:
            said = b""
        assert said == b"" or said.startswith(b"HTTP/1.1 431 ")
    with closing(_connect(server)) as connection:
        connection.sendall(_HEAD.replace("POST", "GET").encode() + b"\r\n")
        connection.sendall((_HEAD.replace("POST", "GET").encode() + b"\r\n") * 100)
        assert _said(connection).count(b"HTTP/1.1 200 ") < 50


_CHUNKED = "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize("flood", [b"a:\r\n" * 50_000, b"a: " + b"x" * 200_000])
@pytest.mark.parametrize("probe", [False, True])
def test_trailers_without_end_are_refused(
    server: ApiProcess, probe_port: int, flood: bytes, probe: bool
) -> None:
    port = probe_port if probe else server.port
    head = "GET /livez HTTP/1.1\r\nhost: api\r\n" if probe else _HEAD
    with closing(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)) as connection:
        connection.sendall((head + _CHUNKED).encode())
        try:
            connection.sendall(flood)
            said = _said(connection)
        except OSError:
            said = b"HTTP/1.1 431 "  # it was closed before all was sent

    assert b"HTTP/1.1 431 " in said
    assert b"HTTP/1.1 408 " not in said


def test_trailers_never_become_headers(server: ApiProcess) -> None:
    trailers = f"authorization: Bearer {TOKEN}\r\nx-tenant-id: t\r\n\r\n"
    with closing(_connect(server)) as connection:
        connection.sendall(f"GET /accounts HTTP/1.1\r\nhost: api\r\n{_CHUNKED}{trailers}".encode())
        answer = connection.recv(65536)

    assert int(answer[9:12]) == 401


@pytest.mark.parametrize("path", ["/%2Flivez", "/admin%2Faudit", "/a/../livez", "/%2e%2e/livez"])
def test_a_path_that_others_read_differently_leads_nowhere(server: ApiProcess, path: str) -> None:
    with closing(_connect(server)) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {TOKEN}\r\n"
            "connection: close\r\n\r\n".encode()
        )
        assert _said(connection).startswith(b"HTTP/1.1 404 ")


def _exchange(server: ApiProcess, head: str) -> bytes:
    with closing(_connect(server)) as connection:
        connection.sendall(f"{head}\r\nconnection: close\r\n\r\n".encode())
        return _said(connection)


_KNOWN = f"authorization: Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /accounts HTTP/1.1\r\n{_KNOWN}\r\nx-tenant-id: t1", 400),
        (f"GET /accounts HTTP/1.1\r\nhost: a\r\nhost: b\r\n{_KNOWN}\r\nx-tenant-id: t1", 400),
        (f"GET /accounts HTTP/1.1\r\nhost: a/b\r\n{_KNOWN}\r\nx-tenant-id: t1", 400),
        (
            f"GET /accounts HTTP/1.1\r\nhost: a\r\n{_KNOWN}\r\nx-tenant-id: t1\r\nx-tenant-id: zz",
            400,
        ),
        (f"GET /accounts HTTP/1.1\r\nhost: a\r\n{_KNOWN}\r\n{_KNOWN}\r\nx-tenant-id: t", 400),
        (f"GET /accounts HTTP/1.0\r\n{_KNOWN}\r\nx-tenant-id: t1", 200),
        (f"GET /accounts HTTP/1.1\r\nhost: [::1]:80\r\n{_KNOWN}\r\nx-tenant-id: t1", 200),
    ],
)
def test_a_header_that_may_stand_once_stands_once(
    server: ApiProcess, head: str, status: int
) -> None:
    assert int(_exchange(server, head)[9:12]) == status


@pytest.mark.parametrize("path", ["/livez", "/accounts", "/docs", "/no/such/path"])
def test_head_answers_as_get_does_without_the_body(server: ApiProcess, path: str) -> None:
    rest = f"{path} HTTP/1.1\r\nhost: a\r\n{_KNOWN}\r\nx-tenant-id: t1"
    head, _, body = _exchange(server, f"HEAD {rest}").partition(b"\r\n\r\n")
    shown, _, _ = _exchange(server, f"GET {rest}").partition(b"\r\n\r\n")

    def told(said: bytes) -> set[bytes]:
        changing = (b"date", b"x-request-id", b"content-length: 2")
        return {line for line in said.split(b"\r\n") if not line.lower().startswith(changing)}

    assert body == b""
    assert told(head) == told(shown)


def request_lines(server: ApiProcess) -> dict[str | None, dict[str, object]]:
    """The access log so far, by the id of the request."""
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    return {line.get("request_id"): line for line in lines if line["message"] == "request"}


def test_every_request_but_probes_has_a_line_in_the_log(server: ApiProcess) -> None:
    with server.client(**{"x-tenant-id": "logged"}) as client:
        made = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        client.get(f"/accounts/{made}", headers={"x-request-id": "read-1"})
        client.get(f"/accounts/{made}/secrets/none?version=1", headers={"x-request-id": "read-2"})
        client.get("/livez", headers={"x-request-id": "probe-1"})
        client.head("/no/such", headers={"x-request-id": "read-3", "authorization": ""})
    # A line is written after the last byte of the answer, so the answer may be here before it.
    deadline = time.monotonic() + patience(10)
    while "read-3" not in (by_id := request_lines(server)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert by_id["read-1"]["route"] == "/accounts/{account_id}"
    assert by_id["read-1"]["status"] == 200
    assert (by_id["read-1"]["caller"], by_id["read-1"]["credential"]) == ("token", "static-token")
    assert (by_id["read-1"]["tenant"], by_id["read-1"]["account"]) == ("logged", made)
    assert (by_id["read-2"]["status"], by_id["read-2"]["code"]) == (404, "secret-not-found")
    assert (by_id["read-3"]["method"], by_id["read-3"]["code"]) == ("HEAD", "unauthenticated")
    assert "version=1" not in server.output()
    assert "probe-1" not in by_id
