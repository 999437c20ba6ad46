"""The running operator: settings, logs, health, leader election, watches and workers together.

Invariants: nothing watches or writes before the Lease is held; when the Lease is lost, the process
ends at once, without any clean-up that could write; on SIGTERM the workers stop, then the watches,
then the Lease is released for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn, cast

import kopf

from servicelayer_operator import handlers, observability, preflight
from servicelayer_operator.cluster import connect
from servicelayer_operator.errors import ClusterError, ConfigurationError
from servicelayer_operator.health import Health, serve
from servicelayer_operator.leader import Elector, Timing
from servicelayer_operator.lease_store import ClusterLease
from servicelayer_operator.reconcile import Reconciler
from servicelayer_operator.runtime import Runtime, now
from servicelayer_operator.version import own_version
from servicelayer_operator.workers import work

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from servicelayer_operator.settings import Settings

EXIT_CLUSTER = 3
EXIT_LEADERSHIP_LOST = 4
RELEASE_SECONDS = 5.0

_log = observability.get_logger(__name__)


def main(chosen: Settings) -> int:
    """Run the operator to its end.

    Returns:
        The exit code: 0 stopped as asked, 3 no usable cluster, 4 leadership lost.
    """
    observability.configure_logging(chosen)
    observability.BUILD_INFO.labels(own_version()).set(1)
    try:
        return asyncio.run(run(chosen))
    except ConfigurationError as error:
        sys.stderr.write(f"servicelayer-operator: {error}\n")
        return EXIT_CLUSTER
    except (ClusterError, OSError) as error:
        _log.error("start_failed", error=str(error))
        return EXIT_CLUSTER


async def run(chosen: Settings) -> int:
    """Run the operator until it is told to stop.

    Raises:
        ConfigurationError: There is no cluster to connect to.
    """
    cluster = await connect(qps=chosen.api_qps)
    runtime = Runtime(chosen, cluster)
    _on_signals(runtime)
    elector = _elector(runtime) if chosen.leader_election else None
    health = Health(runtime, elector)
    servers = await serve(health, chosen.health_addr, chosen.metrics_addr)
    beat = asyncio.create_task(health.beat(), name="heartbeat")
    _log.info(
        "started", version=own_version(), server=cluster.server, namespaces=chosen.watch_namespaces
    )
    try:
        if elector is not None and not await _until_stopped(elector.acquire(), runtime):
            return 0
        return await _lead(runtime, elector)
    finally:
        beat.cancel()
        for server in servers:
            await server.cleanup()
        await runtime.close()


async def _lead(runtime: Runtime, elector: Elector | None) -> int:
    """Do the operator's work; whoever comes here holds the Lease or needs none."""
    hold = asyncio.create_task(_end_when_lost(elector), name="lease") if elector else None
    try:
        if not await _ready_to_work(runtime):
            return 0 if runtime.stop.is_set() else EXIT_CLUSTER
        await _watch_and_work(runtime)
    finally:
        if hold is not None and elector is not None:
            hold.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await elector.release()
    return 0


async def _ready_to_work(runtime: Runtime) -> bool:
    """Whether the cluster has what is needed and everything was listed once."""
    missing = await preflight.complaints(runtime.cluster, runtime.settings.namespaces)
    for complaint in missing:
        _log.error("not_ready_to_work", reason=complaint)
    if missing:
        return False
    await preflight.compare_definition(runtime.cluster)
    return await _until_stopped(runtime.sweeper.sweep(), runtime)


async def _watch_and_work(runtime: Runtime) -> None:
    """Run the workers, the sweep and kopf's watches until the stop is asked for."""
    count = runtime.settings.workers
    observability.MAX_WORKERS.labels(observability.CONTROLLER).set(count)
    reconcile = Reconciler(runtime).reconcile
    tasks = [
        asyncio.create_task(work(runtime.queue, reconcile), name=f"worker {number}")
        for number in range(count)
    ]
    tasks.append(asyncio.create_task(runtime.sweeper.run(), name="sweeper"))
    stopping = asyncio.create_task(_stop_first(runtime, tasks), name="stopper")
    namespaces = runtime.settings.watch_namespaces
    existing = asyncio.all_tasks()
    stop_watches = asyncio.Event()
    try:
        roots = await kopf.spawn_tasks(
            registry=handlers.register(runtime),
            settings=handlers.first_settings(),
            # Without one kopf asks for the name of the user, which a numeric one does not have.
            identity=cast("Any", runtime.settings.identity),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop_watches,
        )
        # kopf has taken the signals; they are ours: the workers must stop before the watches.
        _on_signals(runtime)
        stopping.add_done_callback(lambda _: stop_watches.set())
        await kopf.run_tasks(roots, ignored=existing)
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.wait({*tasks, stopping})


async def _stop_first(runtime: Runtime, tasks: list[asyncio.Task[NoReturn]]) -> None:
    """Wait for the stop, then end the work; a round that is cut off is done again by the next."""
    stop = asyncio.create_task(runtime.stop.wait())
    try:
        done, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
    for task in done - {stop}:
        # Workers never end; one that did is a bug, and half an operator is worse than a restart.
        _log.error("task_died", task=task.get_name(), exc_info=task.exception())
    for task in tasks:
        task.cancel()


async def _until_stopped(coroutine: Coroutine[Any, Any, None], runtime: Runtime) -> bool:
    """Await something unless the stop comes first; whether it was finished."""
    task = asyncio.create_task(coroutine)
    stop = asyncio.create_task(runtime.stop.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
    if task.done():
        await task
        return True
    task.cancel()
    return False


async def _end_when_lost(elector: Elector) -> NoReturn:
    """End the process the moment that another may lead."""
    await elector.hold()
    # No clean-up: whatever still runs could write. The files that matter are flushed.
    sys.stdout.flush()
    os._exit(EXIT_LEADERSHIP_LOST)


def _elector(runtime: Runtime) -> Elector:
    chosen = runtime.settings
    store = ClusterLease(runtime.cluster, chosen.lease_namespace, chosen.lease_name)
    return Elector(
        store,
        chosen.identity,
        Timing(monotonic=time.monotonic, now=now),
        name=chosen.lease_name,
        namespace=chosen.lease_namespace,
    )


def _on_signals(runtime: Runtime) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stop.set)
