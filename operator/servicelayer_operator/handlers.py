"""Every kopf decorator of the operator, and what kopf is told about itself.

Invariants: a spy's body records a fact or queues a key and cannot fail; no create, update, delete,
timer or daemon handler exists, so that kopf writes nothing into any object: no annotation, no
finalizer, no event. Selectors are evaluated by the API server. Refuses to decide anything.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import kopf

from servicelayer_operator import observability
from servicelayer_operator.kinds import MANAGED_SELECTOR, SERVICE_LAYER, WATCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servicelayer_operator.kinds import Kind
    from servicelayer_operator.runtime import Runtime

CHUNK = 500
INACTIVITY_SECONDS = 70.0
LOGIN_PAUSE_SECONDS = 5.0

_log = observability.get_logger(__name__)


class NullDiffBaseStorage(kopf.DiffBaseStorage):
    """Keeps no last state: no handler would ask for it, and a Secret must not be copied."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's signature
        """Nothing is essential."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:  # noqa: ARG002 - kopf's signature
        """Nothing was kept."""
        return

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


class NullProgressStorage(kopf.ProgressStorage):
    """Keeps no progress of handlers: spies have none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:  # noqa: ARG002 - kopf's signature
        """Nothing was kept."""
        return

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Keep nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """There is nothing to purge."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """There is nothing to clear."""
        return essence


def register(runtime: Runtime) -> kopf.OperatorRegistry:
    """All handlers, in a registry of their own.

    Args:
        runtime: Where their facts and keys go.
    """
    registry = kopf.OperatorRegistry()
    login = _Login(runtime)
    kopf.on.startup(registry=registry, id="configure")(partial(_configure, parts=runtime))
    kopf.on.cleanup(registry=registry, id="stopped")(_stopped)
    kopf.on.login(registry=registry, id="login")(login.log_in)
    _spy(registry, SERVICE_LAYER, runtime.intake.resource_event)
    for kind in WATCHED:
        _spy(registry, kind, runtime.intake.child_event)
    return registry


def first_settings() -> kopf.OperatorSettings:
    """What kopf must know before its start-up handler tells it the rest."""
    settings = kopf.OperatorSettings()
    # The preflight saw that all kinds are served; watching CRDs and namespaces would need rights
    # over the whole cluster.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    return settings


def _spy(
    registry: kopf.OperatorRegistry,
    kind: Kind,
    take: Callable[[str | None, Mapping[str, Any]], None],
) -> None:
    """Register one spy."""

    async def spy(event: Mapping[str, Any], **_: Any) -> None:
        try:
            take(event["type"], event["object"])
        except Exception:  # noqa: BLE001 - a spy must not fail, whatever the object looks like
            # kopf would log it with the object's body at hand, and stop for some errors.
            _log.exception("event_not_understood", kind=kind.kind)

    kopf.on.event(
        kind.group, kind.version, kind.plural, registry=registry, id=f"spy-{kind.plural}"
    )(spy)


async def _configure(*, settings: kopf.OperatorSettings, parts: Runtime, **_: Any) -> None:
    """Tell kopf to watch with the server's help, and to write nothing."""
    settings.persistence.diffbase_storage = NullDiffBaseStorage()
    settings.persistence.progress_storage = NullProgressStorage()
    settings.posting.enabled = False
    settings.posting.loggers = False
    server = parts.settings.watch_server_timeout
    settings.watching.server_timeout = server
    settings.watching.client_timeout = server + 10
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = INACTIVITY_SECONDS
    settings.watching.chunk_size = CHUNK
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.process.ultimate_exiting_timeout = 30
    for kind in WATCHED:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = MANAGED_SELECTOR


async def _stopped(**_: Any) -> None:
    _log.info("watches_stopped")


class _Login:
    """Hands kopf a session that is logged in as the operator's own connection is."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._last = float("-inf")

    async def log_in(self, **_: Any) -> kopf.AiohttpSession:
        """A new session; a pause first if the last one was refused at once."""
        pause = self._last + LOGIN_PAUSE_SECONDS - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        self._last = time.monotonic()
        cluster = self._runtime.cluster
        return kopf.AiohttpSession(
            server=cluster.server, aiohttp_session=cluster.watch_session(self._runtime.activity)
        )
