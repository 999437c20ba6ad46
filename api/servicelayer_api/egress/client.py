"""Outbound HTTP: one request, its redirects, its limits.

Invariants: every connection is opened by `GuardedNetwork`; nothing is taken from the environment
(no proxies, no netrc); one deadline covers looking up, connecting, all redirects and the last byte
of the body; no more than `max_bytes` of a body are kept, and compressed bodies are refused, so that
a small answer cannot grow.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import certifi
import httpcore
import msgspec
from prometheus_client import Counter

from servicelayer_api.egress import rules
from servicelayer_api.egress.connections import Connections
from servicelayer_api.egress.errors import EgressFailed, EgressRefused
from servicelayer_api.egress.network import GuardedNetwork, SystemResolver, TlsFailed
from servicelayer_api.version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from prometheus_client import CollectorRegistry

    from servicelayer_api.egress.network import Resolver
    from servicelayer_api.egress.rules import Hop, Openings

_OUTCOMES: Final = (
    *("answered", "refused", "timeout", "connect", "tls", "too-large", "redirect", "protocol"),
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other server said.

    Attributes:
        status: HTTP status; any, errors are answers too.
        headers: Names in lower case; of repeated ones the values are joined by commas.
        body: At most `max_bytes`.
        url: That was answered, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Egress:
    """The product's only client for the outside world."""

    def __init__(
        self,
        openings: Openings,
        metrics: CollectorRegistry,
        *,
        ca_file: str = "",
        resolver: Resolver | None = None,
        sockets: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """Hold the rules; nothing is connected yet.

        Args:
            openings: What may be called beyond public addresses on the usual ports.
            metrics: Where the outcomes are counted.
            ca_file: Certificates (PEM) of authorities to trust beside the public ones.
            resolver: Another source of addresses, for tests.
            sockets: Another way to connect to an address, for tests.
        """
        self._openings = openings
        self._system = SystemResolver()
        network = GuardedNetwork(openings, resolver or self._system, sockets)
        self._connections = Connections(network, _tls(ca_file))
        counter = Counter(
            "egress_requests", "Outbound requests by outcome.", ("outcome",), registry=metrics
        )
        self._counts = {outcome: counter.labels(outcome) for outcome in _OUTCOMES}

    def check(self, url: str) -> None:
        """Refuse what can be refused without looking a name up; for input that is kept for later.

        Raises:
            EgressRefused: It would be refused whenever it is called.
        """
        rules.parse_url(url, self._openings)

    @staticmethod
    def check_headers(headers: Mapping[str, str]) -> None:
        """Refuse headers that would be refused whenever they are sent.

        Raises:
            EgressRefused: One is malformed, or governs the connection.
        """
        rules.check_headers(headers)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = 10.0,  # noqa: ASYNC109 - covers the steps that are cut apart here
        max_bytes: int = 1 << 20,
        max_redirects: int = 0,
    ) -> Answer:
        """Make a request.

        Args:
            method: In capitals.
            url: Absolute.
            headers: Beside those of the connection; not sent on to another origin.
            content: The body.
            timeout: Seconds for everything together.
            max_bytes: Of the answer's body.
            max_redirects: To follow; one more is a failure.

        Returns:
            The answer, whatever its status.

        Raises:
            EgressRefused: The URL, an address it resolves to, a redirect or a header is not
                allowed. Nothing was sent to what was refused.
            EgressFailed: There was no usable answer; its `kind` tells why.
        """
        try:
            rules.check_method(method)
            rules.check_headers(headers or {})
            hop = rules.Hop(
                method=method,
                target=rules.parse_url(url, self._openings),
                headers=headers or {},
                content=content,
            )
            async with asyncio.timeout(timeout):
                answer = await self._follow(hop, max_bytes, max_redirects)
        except EgressRefused:
            self._counts["refused"].inc()
            raise
        except EgressFailed as exc:
            self._counts[exc.kind].inc()
            raise
        except TimeoutError as exc:
            self._counts["timeout"].inc()
            raise EgressFailed("timeout") from exc
        self._counts["answered"].inc()
        return answer

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._connections.close()
        self._system.close()

    async def _follow(self, hop: Hop, max_bytes: int, max_redirects: int) -> Answer:
        for left in range(max_redirects, -1, -1):
            answer = await self._exchange(hop, max_bytes)
            location = answer.headers.get("location")
            if answer.status not in rules.REDIRECTS or location is None:
                return answer
            if left:
                hop = rules.follow(hop, answer.status, location, self._openings)
        raise EgressFailed("redirect")

    async def _exchange(self, hop: Hop, max_bytes: int) -> Answer:
        target = hop.target
        sent = {
            "host": target.authority,
            "accept-encoding": "identity",
            "accept": "*/*",
            "user-agent": f"servicelayer/{VERSION}",
            **{name.lower(): value.strip() for name, value in hop.headers.items()},
        }
        if hop.content or hop.method in {"POST", "PUT", "PATCH"}:
            sent["content-length"] = str(len(hop.content))
        try:
            async with self._connections.exchange(target, _request(hop, sent)) as response:
                headers = _read_headers(response.headers)
                body = b""
                if response.status not in rules.REDIRECTS or "location" not in headers:
                    _check_body(headers, max_bytes)
                    body = await _read_body(response.aiter_stream(), max_bytes)
        except TlsFailed as exc:
            raise EgressFailed("tls") from exc
        except httpcore.TimeoutException as exc:
            raise EgressFailed("timeout") from exc
        except (httpcore.ProtocolError, httpcore.ReadError, httpcore.WriteError) as exc:
            raise EgressFailed("protocol") from exc
        except httpcore.NetworkError as exc:
            raise EgressFailed("connect") from exc
        return Answer(status=response.status, headers=headers, body=body, url=str(target))


def _request(hop: Hop, headers: Mapping[str, str]) -> httpcore.Request:
    target = hop.target
    return httpcore.Request(
        hop.method,
        httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        ),
        headers=[(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        content=hop.content or None,
    )


def _tls(ca_file: str) -> ssl.SSLContext:
    # Not `create_default_context`, which takes settings from the environment.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _read_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    if sum(len(name) + len(value) + 4 for name, value in raw) > rules.LARGEST_HEADERS:
        raise EgressFailed("too-large")
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _check_body(headers: Mapping[str, str], max_bytes: int) -> None:
    if headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise EgressFailed("protocol")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise EgressFailed("too-large")


async def _read_body(stream: AsyncIterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in stream:
        if len(body) + len(chunk) > max_bytes:
            raise EgressFailed("too-large")
        body += chunk
    return bytes(body)
