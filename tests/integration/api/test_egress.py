"""The egress guard against hostile URLs, names, redirects and servers.

Real HTTP and TLS over local sockets; public addresses are stood for by `support.outside_world`,
which notes every attempt to connect.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.egress import Answer, Egress, EgressFailed, EgressRefused, parse_openings
from support.guarded_egress import OK, Guarded, failure, guard
from support.hostile_targets import HOST, PUBLIC, PUBLIC_V6, Case, cases
from support.outside_world import answering, serving
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

OTHER = "93.184.215.15"


HOSTILE = list(dict.fromkeys(cases()))


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    async with guard() as found:
        yield found


def redirect(location: str, status: int = 302) -> bytes:
    return (
        f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")


def test_there_are_more_than_three_hundred_hostile_cases() -> None:
    assert len(HOSTILE) >= 300
    assert len({case.url for case in HOSTILE}) >= 300


async def test_every_hostile_case_is_refused_before_anything_is_connected_to(
    guarded: Guarded,
) -> None:
    let_through: list[Case] = []
    leaking: list[str] = []
    for case in HOSTILE:
        guarded.names.says(HOST, case.answers)
        guarded.names.turns["*"] = [case.answers]
        try:
            await guarded.egress.request("GET", case.url)
        except EgressRefused as exc:
            leaking += [answer for answer in case.answers if answer in exc.detail]
        except EgressFailed:
            let_through.append(case)
    assert not let_through
    assert not leaking
    assert guarded.world.attempts == []
    assert guarded.count("refused") == len(HOSTILE)


async def test_the_same_host_with_a_public_address_is_connected_to(guarded: Guarded) -> None:
    assert await failure(guarded.egress, f"https://{HOST}/") == "connect"
    assert guarded.world.attempts == [(PUBLIC, 443)]


async def test_a_listener_on_this_machine_is_never_reached_by_any_spelling() -> None:
    async with serving(answering(OK)) as port:
        reached = Egress(parse_openings(("127.0.0.1",), ()), CollectorRegistry())
        assert (await reached.request("GET", f"http://127.0.0.1:{port}/")).status == 200
        seen: list[bytes] = []
    async with serving(answering(OK, seen=seen)) as port:
        guard = Egress(parse_openings((), (str(port),)), CollectorRegistry())
        for host in ("127.0.0.1", "localhost", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0", "[::]"):
            with pytest.raises(EgressRefused):
                await guard.request("GET", f"http://{host}:{port}/")
    assert seen == []
    await reached.close()
    await guard.close()


async def test_a_name_is_looked_up_once_and_the_answer_is_pinned(guarded: Guarded) -> None:
    guarded.names.says(HOST, [PUBLIC], ["127.0.0.1"])
    async with serving(answering(OK)) as port:
        guarded.world.ports[PUBLIC] = port
        answer = await guarded.egress.request("GET", f"http://{HOST}/")
    assert answer.status == 200
    assert guarded.names.asked == [f"{HOST}."]
    assert guarded.world.attempts == [(PUBLIC, 80)]


async def test_a_name_that_turned_private_is_refused_at_the_next_connection(
    guarded: Guarded,
) -> None:
    guarded.names.says(HOST, [PUBLIC], ["127.0.0.1"])
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(answering(closing)) as port:
        guarded.world.ports[PUBLIC] = port
        await guarded.egress.request("GET", f"http://{HOST}/")
        with pytest.raises(EgressRefused):
            await guarded.egress.request("GET", f"http://{HOST}/")
    assert guarded.world.attempts == [(PUBLIC, 80)]


async def test_a_redirect_is_looked_up_anew(guarded: Guarded) -> None:
    guarded.names.says(HOST, [PUBLIC], ["10.0.0.1"])
    async with serving(answering(redirect(f"http://{HOST}/y"))) as port:
        guarded.world.ports[PUBLIC] = port
        with pytest.raises(EgressRefused):
            await guarded.egress.request("GET", f"http://{HOST}/", max_redirects=2)
    assert guarded.world.attempts == [(PUBLIC, 80)]


async def test_a_connection_that_went_elsewhere_is_dropped(guarded: Guarded) -> None:
    seen: list[bytes] = []
    async with serving(answering(OK, seen=seen)) as port:
        guarded.world.ports[PUBLIC] = port
        guarded.world.claims[PUBLIC] = "127.0.0.1"
        with pytest.raises(EgressRefused):
            await guarded.egress.request("GET", f"http://{HOST}/")
    assert seen == []


@pytest.mark.parametrize(
    ("scheme", "elsewhere", "said"),
    [
        ("http", True, b""),
        ("https", False, b"this is no TLS\r\n"),
        ("http", False, b"this is no HTTP\r\n\r\n"),
    ],
)
async def test_a_connection_is_closed_when_what_it_was_made_for_fails(
    guarded: Guarded, scheme: str, said: bytes, *, elsewhere: bool
) -> None:
    closed = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say something and wait, for as long as the other side keeps the connection."""
        writer.write(said)
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        guarded.world.ports[PUBLIC] = server.sockets[0].getsockname()[1]
        if elsewhere:
            guarded.world.claims[PUBLIC] = "127.0.0.1"
        with pytest.raises((EgressRefused, EgressFailed)):
            await guarded.egress.request("GET", f"{scheme}://{HOST}/")
        # Before the client itself is closed.
        await asyncio.wait_for(closed.wait(), patience(30))


async def test_the_second_address_is_tried_when_the_first_does_not_answer(
    guarded: Guarded,
) -> None:
    guarded.names.says(HOST, [PUBLIC_V6, PUBLIC])
    async with serving(answering(OK)) as port:
        guarded.world.ports[PUBLIC] = port
        await guarded.egress.request("GET", f"http://{HOST}/")
    assert guarded.world.attempts == [(PUBLIC_V6, 80), (PUBLIC, 80)]


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/"),
        *("http://2130706433/", "//localhost/", "http://private.com/", "file:///etc/passwd"),
        *("http://[64:ff9b::a9fe:a9fe]/", "http://user@b.com/", "http://a.com:22/"),
    ],
)
async def test_a_redirect_to_a_private_place_is_refused(guarded: Guarded, location: str) -> None:
    guarded.names.says("private.com", ["10.1.2.3"])
    async with serving(answering(redirect(location))) as port:
        guarded.world.ports[PUBLIC] = port
        with pytest.raises(EgressRefused):
            await guarded.egress.request("GET", f"http://{HOST}/", max_redirects=5)
    assert guarded.world.attempts == [(PUBLIC, 80)]


async def test_redirects_are_followed_as_often_as_was_said(guarded: Guarded) -> None:
    hops = [redirect("/1"), redirect("/2"), OK]
    async with serving(answering(*hops)) as port:
        guarded.world.ports[PUBLIC] = port
        answer = await guarded.egress.request("GET", f"http://{HOST}/", max_redirects=2)
    assert (answer.status, answer.url) == (200, f"http://{HOST}/2")
    for most in (0, 1, 3):
        async with serving(answering(redirect("/again"))) as port:
            guarded.world.ports[PUBLIC] = port
            assert (
                await failure(guarded.egress, f"http://{HOST}/", max_redirects=most) == "redirect"
            )


async def test_credentials_stay_behind_when_another_host_is_redirected_to(
    guarded: Guarded,
) -> None:
    seen: list[bytes] = []
    guarded.names.says("elsewhere.com", [OTHER])
    async with (
        serving(answering(redirect("http://elsewhere.com/"))) as first,
        serving(answering(OK, seen=seen)) as second,
    ):
        guarded.world.ports.update({PUBLIC: first, OTHER: second})
        await guarded.egress.request(
            "GET",
            f"http://{HOST}/",
            headers={"Authorization": "Bearer canary", "X-Api-Key": "canary", "Cookie": "canary"},
            max_redirects=1,
        )
    assert b"elsewhere.com" in seen[0]
    assert b"canary" not in seen[0]


async def test_proxies_of_the_environment_are_not_used(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(answering(OK)) as port:
        guarded.world.ports[PUBLIC] = port
        assert (await guarded.egress.request("GET", f"http://{HOST}/")).body == b"{}"


async def test_what_is_sent_is_plain_and_complete(guarded: Guarded) -> None:
    seen: list[bytes] = []
    async with serving(answering(OK, seen=seen)) as port:
        guarded.world.ports[PUBLIC] = port
        await guarded.egress.request(
            "POST", f"http://{HOST}/p?q", headers={"X-A": " v "}, content=b"body"
        )
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /p?q HTTP/1.1"
    assert f"host: {HOST}".encode() in lines
    assert b"accept-encoding: identity" in lines
    assert b"x-a: v" in lines
    assert body == b"body"


BOMB = gzip.compress(b"0" * 10_000_000)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "too-large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "too-large"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 20_000, "too-large"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n"
            + b"x" * 256 + b"\r\n" * 100,
            "protocol",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 50,
            "too-large",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
            + str(len(BOMB)).encode() + b"\r\n\r\n" + BOMB,
            "protocol",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", "too-large"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 7000 + b"\r\n", "too-large"),
        (b"just text, HTTP/0.9\r\n\r\n", "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "protocol"),
        (b"HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n", "protocol"),
        (b"", "protocol"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_too_large_or_broken_is_a_failure_of_its_kind(
    guarded: Guarded, raw: bytes, kind: str
) -> None:
    async with serving(answering(raw)) as port:
        guarded.world.ports[PUBLIC] = port
        assert await failure(guarded.egress, f"http://{HOST}/", max_bytes=10_000) == kind
    assert guarded.count(kind) == 1


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_a_server_that_drips_is_cut_off_at_the_deadline(
    guarded: Guarded, head: bytes, drip: bytes
) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(slow) as port:
        guarded.world.ports[PUBLIC] = port
        assert await failure(guarded.egress, f"http://{HOST}/", timeout=0.3) == "timeout"
        # The pool is whole afterwards.
        assert await failure(guarded.egress, f"http://{HOST}/", timeout=0.3) == "timeout"
    assert guarded.count("timeout") == 2


async def test_a_name_server_that_is_slow_is_cut_off_at_the_deadline() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError((host, port))

    egress = Egress(parse_openings((), ("80",)), CollectorRegistry(), resolver=never)
    assert await failure(egress, f"http://{HOST}/", timeout=0.1) == "timeout"
    await egress.close()


async def test_errors_are_answers_too(guarded: Guarded) -> None:
    raw = (
        b"HTTP/1.1 503 Down\r\nRetry-After: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
        b"Content-Length: 1\r\n\r\nx"
    )
    async with serving(answering(raw)) as port:
        guarded.world.ports[PUBLIC] = port
        answer = await guarded.egress.request("GET", f"http://{HOST}/")
    assert answer == Answer(
        status=503,
        headers={"retry-after": "1", "set-cookie": "a, b", "content-length": "1"},
        body=b"x",
        url=f"http://{HOST}/",
    )


async def test_many_requests_at_once_share_the_pool_and_lose_nothing(guarded: Guarded) -> None:
    async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)
            await writer.drain()

    async with serving(keep_alive) as port:
        guarded.world.ports[PUBLIC] = port
        answers = await asyncio.gather(
            *(guarded.egress.request("GET", f"http://{HOST}/{n}") for n in range(300))
        )
        assert {answer.status for answer in answers} == {200}
        await guarded.egress.close()
    assert guarded.count("answered") == 300
