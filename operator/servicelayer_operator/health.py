"""Whether the operator lives and is of use: /healthz, /readyz and /metrics.

Invariants: liveness fails when the event loop is late, when a watch has been silent for too long
(the API server sends at least a bookmark a minute), or when a worker is stuck; a standby without
watches lives as long as its loop does. Readiness is for whoever rolls the operator out: a leader is
ready once it has seen everything, a standby once it has seen the Lease.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from servicelayer_operator import observability
from servicelayer_operator.errors import ConfigurationError
from servicelayer_operator.workers import ROUND_SECONDS

if TYPE_CHECKING:
    from servicelayer_operator.leader import Elector
    from servicelayer_operator.runtime import Runtime
    from servicelayer_operator.settings import Address

BEAT_SECONDS = 0.5
LATE_SECONDS = 20.0
LEASE_SEEN_SECONDS = 60.0

_log = observability.get_logger(__name__)


class Health:
    """Judges the process.

    Args:
        runtime: Its parts.
        elector: Its leader election; None when it always leads.
    """

    def __init__(self, runtime: Runtime, elector: Elector | None) -> None:
        self._runtime = runtime
        self._elector = elector
        self._last_beat = time.monotonic()

    async def beat(self) -> NoReturn:
        """Measure the event loop's lag for ever, and refresh the gauges that age."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            self._last_beat = time.monotonic()
            observability.LOOP_LAG.set(max(0.0, self._last_beat - before - BEAT_SECONDS))
            self._runtime.queue.longest_running()
            for kind, age in self._runtime.activity.ages().items():
                observability.WATCH_AGE.labels(kind).set(age)

    def complaints(self) -> list[str]:
        """Why the process should be restarted; empty when it is well."""
        found: list[str] = []
        late = time.monotonic() - self._last_beat
        if late > LATE_SECONDS:
            found.append(f"the event loop is {late:.0f} s late")
        limit = self._runtime.settings.watch_stall_seconds
        for kind, age in sorted(self._runtime.activity.ages().items()):
            if age > limit:
                found.append(f"the watch of {kind} is silent for {age:.0f} s")
        longest = self._runtime.queue.longest_running()
        if longest > 2 * ROUND_SECONDS:
            found.append(f"a worker is busy for {longest:.0f} s")
        return found

    def waits_for(self) -> str:
        """What the process still waits for before it is ready; empty when it is."""
        if self._elector is None or self._elector.leading:
            return "" if self._runtime.sweeper.swept else "the first list of all objects"
        seen = self._elector.observed_at
        if seen is None or time.monotonic() - seen > LEASE_SEEN_SECONDS:
            return "a look at the Lease"
        return ""


async def serve(health: Health, probes: Address, metrics: Address) -> list[web.AppRunner]:
    """Start the two servers.

    Returns:
        What to clean up in the end.

    Raises:
        ConfigurationError: An address is in use; names the setting.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.complaints())

    async def readyz(_: web.Request) -> web.Response:
        waiting = health.waits_for()
        return _answer([f"waits for {waiting}"] if waiting else [])

    async def scrape(_: web.Request) -> web.Response:
        body = generate_latest(observability.REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    probe_app, metrics_app = web.Application(), web.Application()
    probe_app.add_routes(
        [web.get("/healthz", healthz), web.get("/livez", healthz), web.get("/readyz", readyz)]
    )
    metrics_app.add_routes([web.get("/metrics", scrape)])
    runners: list[web.AppRunner] = []
    chosen = (("HEALTH_ADDR", probe_app, probes), ("METRICS_ADDR", metrics_app, metrics))
    for setting, app, address in chosen:
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        runners.append(runner)
        try:
            await web.TCPSite(runner, address.host or None, address.port).start()
        except OSError as error:
            for started in runners:
                await started.cleanup()
            taken = error.errno == errno.EADDRINUSE
            raise ConfigurationError(
                f"{setting}: port {address.port} "
                + ("is taken" if taken else f"cannot be listened on ({error.strerror})")
                + f"; write another one, such as {setting}=:{address.port + 10}"
            ) from None
    return runners


def _answer(complaints: list[str]) -> web.Response:
    if not complaints:
        return web.json_response({"status": "ok"})
    return web.json_response({"status": "unavailable", "reasons": complaints}, status=503)
