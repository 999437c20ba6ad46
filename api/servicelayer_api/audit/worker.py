"""The audit log's background loops: refusals to the database, every entry to the file, the sealing.

Each writer has its own backlog, so that neither waits for the other. Both write what is left when
the program stops. The sealing goes to another process when this one stops.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.audit.sealer import BATCH
from servicelayer_api.errors import ServiceError
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicelayer_api.audit.models import Entry
    from servicelayer_api.audit.sealer import Sealer
    from servicelayer_api.audit.service import AuditLog, Backlog
    from servicelayer_api.audit.sink import FileSink
    from servicelayer_api.db.leases import Lease

_PAUSE: Final = 0.2
_BATCH: Final = 500
_SEAL_PAUSE: Final = 1.0

_log = structlog.get_logger(__name__)


def database_writer(audit: AuditLog) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that writes refused changes to the database; while that is away they wait."""

    async def write(batch: list[Entry]) -> None:
        await audit.write_refusals(batch)

    async def refill(*, last: bool) -> None:
        audit.gather(last=last)

    return _Writer("database", audit.refusals, write, keep=True, refill=refill).run


def file_writer(audit: AuditLog, sink: FileSink) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that appends entries to the file; what the disk refuses is a gap."""

    async def write(batch: list[Entry]) -> None:
        await asyncio.to_thread(sink.append, batch)

    async def refill(*, last: bool) -> None:
        audit.gather(last=last)
        with suppress(ServiceError):
            await audit.decide()

    return _Writer("file", audit.lines, write, keep=False, refill=refill).run


def sealing(sealer: Sealer) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that seals, in the one process that has the lease."""

    async def run(stop: asyncio.Event) -> None:
        failing = False
        lease: Lease | None = None
        while not stop.is_set():
            try:
                if await sealer.is_behind():
                    lease = await sealer.lead()
                    while lease and not stop.is_set() and await sealer.seal(lease) == BATCH:
                        lease = await sealer.lead()
            except ServiceError as exc:
                if not failing:
                    _log.warning("audit entries cannot be sealed", reason=str(exc))
                failing = True
            else:
                if failing:
                    _log.info("audit entries are sealed again")
                failing = False
            await stopped_within(stop, _SEAL_PAUSE)
        if lease:
            with suppress(ServiceError):
                await sealer.seal(lease)
                await sealer.yield_lead(lease)

    return run


class _Writer:
    """Empties one backlog in batches; logs once when the target fails and once when it recovers."""

    def __init__(
        self,
        target: str,
        backlog: Backlog,
        write: Callable[[list[Entry]], Awaitable[None]],
        *,
        keep: bool,
        refill: Callable[..., Awaitable[None]],
    ) -> None:
        """Write from `backlog`.

        Args:
            target: for the program's log.
            backlog: what to write.
            write: writes a batch.
            keep: whether entries wait while the target fails.
            refill: puts more into the backlog; told whether it is the last time.
        """
        self._target = target
        self._backlog = backlog
        self._write = write
        self._keep = keep
        self._refill = refill
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop, then what is left."""
        while not stop.is_set():
            await stopped_within(stop, _PAUSE)
            await self._empty(keep=self._keep, last=False)
        await self._empty(keep=False, last=True)

    async def _empty(self, *, keep: bool, last: bool) -> None:
        await self._refill(last=last)
        while self._backlog and await self._write_batch(keep=keep):
            pass

    async def _write_batch(self, *, keep: bool) -> bool:
        batch = self._backlog.take(_BATCH)
        try:
            await self._write(batch)
        except (OSError, ServiceError) as exc:
            if keep:
                self._backlog.put_back(batch)
            else:
                self._backlog.lose(len(batch))
            if not self._failing:
                reason = exc.strerror if isinstance(exc, OSError) else str(exc)
                _log.error("audit entries cannot be written", target=self._target, reason=reason)
            self._failing = True
            return False
        if self._failing:
            _log.info("audit entries are written again", target=self._target)
        self._failing = False
        return True
