"""The outermost layer: what every request passes through, in one ASGI middleware.

It gives the request an id and the caller's true address, bounds what one address asks at the same
time and what bodies hold in memory, answers CORS preflights, cleans doubled slashes, puts the
constant headers on every answer, counts and times, and turns what escapes from the layers inside
into a problem. One layer and not six, because each layer costs a call and a closure per request.
"""

from __future__ import annotations

import html
import re
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import structlog

from servicelayer_api.errors import Invalid, NotFound, RateLimited
from servicelayer_api.ids import new_id_text
from servicelayer_api.path_names import is_canonical
from servicelayer_api.web.access_log import facts_of
from servicelayer_api.web.addresses import site_of
from servicelayer_api.web.answer_headers import open_headers
from servicelayer_api.web.intake import PUBLIC_BODY_BYTES, Budget, Intake
from servicelayer_api.web.problems import send_problem
from servicelayer_api.web.proxies import TrustedProxies

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from servicelayer_api.settings import Settings
    from servicelayer_api.web.metrics import HttpMetrics
    from servicelayer_api.web.public import PublicPaths

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SLASHES = re.compile(r"/{2,}")
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")
# Headers that say one thing: twice they say nothing that two readers would agree on.
_ONCE = frozenset({b"host", b"authorization", b"x-tenant-id"})
_PROBES = frozenset({"/livez", "/readyz", "/healthz"})
_SERVER_ERROR = 500
_METHODS = b"GET, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED = (
    b"Authorization, Content-Type, X-Tenant-ID, X-Oracle-Runner-Token, "
    b"Idempotency-Key, X-Request-ID"
)
_EXPOSED = (
    b"X-Next-Cursor, X-Request-ID, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, "
    b"Location"
)
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_CLOSE = (b"connection", b"close")

_log = structlog.get_logger(__name__)


class TooManyAtOnce(RateLimited):
    """The address has too many requests in flight: wait for some of the answers.

    `MAX_CONNECTIONS_PER_ADDRESS` sets how many it may have.
    """

    code = "too-many-at-once"
    title = "Too many requests at once"


class Edge:
    """Wraps the whole application."""

    def __init__(
        self, app: ASGIApp, settings: Settings, metrics: HttpMetrics, public: PublicPaths
    ) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            settings: Proxies, origins and bounds.
            metrics: Where requests are counted.
            public: The paths that need no credential.
        """
        self._app = app
        self._metrics = metrics
        self._public = public
        self._budget = Budget(settings.max_buffered_bytes)
        self._max_body = settings.max_body_bytes
        self._max_at_once = settings.max_connections_per_address
        self._at_once: dict[str, int] = {}
        self.proxies = TrustedProxies(settings.trusted_proxies)
        origins = settings.cors_allowed_origins
        self._any_origin = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self._constant = (
            *(((b"access-control-allow-origin", b"*"),) if self._any_origin else ()),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-expose-headers", _EXPOSED),
            *_SECURITY,
        )
        self.draining = False

    @property
    def inflight(self) -> int:
        """How many requests are being answered."""
        return self._metrics.inflight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        details = cast("dict[str, Any]", scope)
        head = self._read_headers(details)
        token = REQUEST_ID.set(head.request_id)
        headers = self._headers(details, head.request_id, head.origin)
        asked = details["method"]
        answer = _Answer(self, send, headers, bodiless=asked == "HEAD")
        if answer.bodiless:
            # What GET would answer, without the body (RFC 9110, 9.3.2); the server has the first.
            details = {**details, "method": "GET"}
            scope = cast("Scope", details)
        open_headers(scope, headers)
        intake = Intake(receive, self._budget, self._most(details["path"]), head.announced)
        site = site_of(details["client"][0]) if details.get("client") else ""
        at_once = self._at_once[site] = self._at_once.get(site, 0) + 1
        self._metrics.inflight += 1
        try:
            if at_once > self._max_at_once:
                await send_problem(scope, answer.send, TooManyAtOnce())
            elif head.fault:
                await send_problem(scope, answer.send, Invalid(head.fault))
            else:
                await self._respond(scope, intake, answer)
        finally:
            self._leave(site)
            intake.close()
            self._metrics.inflight -= 1
            seconds = time.perf_counter() - began
            self._metrics.observe(asked, details.get("path_template"), answer.status, seconds)
            if details["path"] not in _PROBES:
                _log.info("request", **facts_of(details, asked, answer.status, seconds))
            REQUEST_ID.reset(token)

    def _most(self, path: str) -> int:
        """How large a body may be."""
        return min(PUBLIC_BODY_BYTES, self._max_body) if path in self._public else self._max_body

    def _leave(self, site: str) -> None:
        left = self._at_once[site] - 1
        if left:
            self._at_once[site] = left
        else:
            del self._at_once[site]

    async def _respond(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        details = cast("dict[str, Any]", scope)
        if details["method"] == "OPTIONS":
            await _empty(answer.send, 204, [(b"access-control-max-age", b"600")])
            return
        raw = details["raw_path"].partition(b"?")[0]
        if not is_canonical(raw):
            await send_problem(scope, answer.send, NotFound("the path is not canonical"))
            return
        if b"//" in raw:
            await _redirect(answer.send, details)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception as exc:
            if answer.started:
                # Too late for another answer: the server cuts the connection, which the caller
                # sees.
                _log.exception("request failed half way")
                raise
            await send_problem(scope, answer.send, exc)

    def _read_headers(self, scope: dict[str, Any]) -> _Head:
        """Settle the request's id and the caller's address."""
        request_id, origin, announced, fault = b"", b"", None, ""
        once: list[bytes] = []
        for name, value in scope["headers"]:
            if name in _ONCE:
                once.append(name)
                if name == b"host" and not _HOST.fullmatch(value):
                    fault = "the header Host is malformed"
            elif name == b"x-request-id" and _SANE_ID.fullmatch(value):
                request_id = value
            elif name == b"origin":
                origin = value
            elif name == b"content-length" and value.isdigit():
                announced = int(value)
        scope["request_id"] = request_id.decode() if request_id else new_id_text()
        if scope.get("client"):
            caller, scheme = self.proxies.caller(scope["client"][0], scope["headers"])
            scope["client"] = (caller, scope["client"][1])
            scope["scheme"] = scheme or scope["scheme"]
        return _Head(
            scope["request_id"],
            origin,
            announced,
            fault or _count_fault(once, scope["http_version"]),
        )

    def _headers(
        self, scope: dict[str, Any], request_id: str, origin: bytes
    ) -> list[tuple[bytes, bytes]]:
        headers = [*self._constant, (b"x-request-id", request_id.encode())]
        if not self._any_origin:
            headers.append((b"vary", b"Origin"))
            if origin in self._origins:
                headers.append((b"access-control-allow-origin", origin))
        if scope["scheme"] == "https":
            headers.append(_HSTS)
        return headers


class _Head(NamedTuple):
    """What the headers of a request say to the edge; a fault is why it cannot be carried out."""

    request_id: str
    origin: bytes
    announced: int | None
    fault: str


def _count_fault(once: list[bytes], http_version: str) -> str:
    """Tell what is wrong with how often headers stand that may stand once."""
    if len(once) != len(set(once)):
        twice = next(name for name in once if once.count(name) > 1)
        return f"the header {_SPELLED[twice]} stands more than once"
    if http_version == "1.1" and b"host" not in once:
        return "the header Host is missing"
    return ""


_SPELLED = {b"host": "Host", b"authorization": "Authorization", b"x-tenant-id": "X-Tenant-ID"}


class _Answer:
    """The answer to one request on its way out; it gets the headers that every answer has."""

    __slots__ = ("_edge", "_headers", "_send", "bodiless", "started", "status")

    def __init__(
        self, edge: Edge, send: Send, headers: list[tuple[bytes, bytes]], *, bodiless: bool
    ) -> None:
        self._edge = edge
        self._send = send
        self._headers = headers
        self.bodiless = bodiless
        self.started = False
        self.status = _SERVER_ERROR

    async def send(self, message: Message) -> None:
        self.started = True
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers]
            if self._edge.draining:
                message["headers"].append(_CLOSE)
        elif self.bodiless and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)


async def _empty(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _redirect(send: Send, scope: dict[str, Any]) -> None:
    """Send the caller to the same path with single slashes, as the reference server does."""
    clean = _SLASHES.sub("/", scope["raw_path"].decode("latin-1").partition("?")[0])
    query = scope["query_string"].decode("latin-1")
    target = f"{clean}?{query}" if query else clean
    body = f'<a href="{html.escape(target)}">Temporary Redirect</a>.\n\n'.encode()
    headers = [
        (b"location", target.encode("latin-1")),
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
