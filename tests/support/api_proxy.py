"""A debugging proxy before an API server: plain http here, the administrator's certificate there.

It notes every call, and can be told what to do to the next one: answer it with an error, cut the
connection before or after the API server has acted on it, or be silent on watches. A hook sees
each mutating call after the API server has acted and before the client hears of it; that is the
moment at which a client can be killed to learn what it does with half a job done.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Self, override

import aiohttp
from aiohttp import web

from support.kube_api import tls_of
from support.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GOODBYE_SECONDS = 0.3
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "accept-encoding"}
)


@dataclasses.dataclass(frozen=True)
class Call:
    """One call as the client made it; `number` counts mutating calls from 1, 0 for the others."""

    method: str
    path: str
    query: dict[str, str]
    number: int

    @property
    def mutating(self) -> bool:
        """Whether it changes something."""
        return self.method in MUTATING

    @property
    def watch(self) -> bool:
        """Whether it is a watch."""
        return self.query.get("watch") == "true"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What to do to a call: answer `status` without forwarding, cut it before or after, or hang.

    A call that hangs is taken, not passed on and never answered.
    """

    status: int = 0
    body: dict[str, Any] = dataclasses.field(default_factory=dict)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut: str = ""
    hang: bool = False


class ApiProxy(LoopThread):
    """The proxy, in a thread of its own; use as a context manager.

    Attributes:
        server: Its URL.
        kubeconfig: A kubeconfig without credentials that leads to it.
        calls: All calls so far.
        fault: Decides what to do to a call; None lets it pass.
        after: Called in the proxy's thread after the API server acted on a mutating call.
        silent: While set, watches are accepted and deliver nothing.
    """

    def __init__(self, upstream: Path, folder: Path) -> None:
        super().__init__("api-proxy")
        self.calls: list[Call] = []
        self.fault: Callable[[Call], Fault | None] = lambda _: None
        self.after: Callable[[Call], None] = lambda _: None
        self.silent = False
        self.server = ""
        self.kubeconfig = folder / "proxy.kubeconfig"
        self._target, self._context = tls_of(upstream)
        self._mutating = 0
        self._session: aiohttp.ClientSession | None = None

    @override
    def __enter__(self) -> Self:
        super().__enter__()
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "proxy", "cluster": {"server": self.server}}],
                    "users": [],
                    "contexts": [{"name": "proxy", "context": {"cluster": "proxy"}}],
                    "current-context": "proxy",
                }
            )
        )
        return self

    @property
    def mutations(self) -> list[Call]:
        """The mutating calls so far."""
        return [call for call in list(self.calls) if call.mutating]

    def reset(self) -> None:
        """Forget the calls and all faults."""
        self.calls.clear()
        self._mutating = 0
        self.fault = lambda _: None
        self.after = lambda _: None
        self.silent = False

    @override
    async def serve(self) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.5)
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.server = site.name if not runner.addresses else _url(runner.addresses[0])
            self.ready()
            await self.stopped()
            await runner.cleanup()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        # Encrypted connections say goodbye after the session is closed, and nobody waits for them.
        await asyncio.sleep(_GOODBYE_SECONDS)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        number = 0
        if request.method in MUTATING:
            self._mutating += 1
            number = self._mutating
        call = Call(request.method, request.path, dict(request.query), number)
        self.calls.append(call)
        fault = self.fault(call) or Fault()
        body = await request.read()
        if fault.hang:
            await asyncio.Event().wait()
        if fault.status:
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        if fault.cut == "before":
            return _cut(request)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        assert self._session is not None
        async with self._session.request(
            request.method,
            self._target + str(request.rel_url),
            headers=headers,
            data=body or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        ) as upstream:
            if call.watch:
                return await self._stream(request, upstream)
            content = await upstream.read()
            if call.mutating:
                self.after(call)
            if fault.cut == "after":
                return _cut(request)
            return web.Response(
                body=content,
                status=upstream.status,
                headers={"Content-Type": upstream.headers.get("Content-Type", "")},
            )

    async def _stream(
        self, request: web.Request, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            status=upstream.status,
            headers={"Content-Type": upstream.headers.get("Content-Type", "")},
        )
        await response.prepare(request)
        try:
            async for chunk in upstream.content.iter_any():
                if not self.silent:
                    await response.write(chunk)
            while self.silent:  # noqa: ASYNC110 - set from another thread
                # A half-open connection: it neither delivers nor ends.
                await asyncio.sleep(0.1)
        except (ConnectionError, aiohttp.ClientError):
            pass
        return response


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _url(address: tuple[str, int]) -> str:
    return f"http://{address[0]}:{address[1]}"
