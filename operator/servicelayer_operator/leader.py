"""Leader election over one Lease, as client-go does it: one operator of several acts.

Invariants: a lease is judged by how long we have *seen* it unchanged, never by the clock of
another machine; a leader that cannot renew within the deadline stops being one before anybody else
may start; leadership once lost is never taken up again in the same process (the process ends).
Writes stay safe even if two lead for a moment, since all of them are idempotent; see `docs/kopf-
traps.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from servicelayer_operator import observability
from servicelayer_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
)
from servicelayer_operator.kinds import LEASE

LEASE_SECONDS = 15
RENEW_DEADLINE = 10.0
RETRY_PERIOD = 2.0

_log = observability.get_logger(__name__)


class LeaseStore(Protocol):
    """What leader election needs of the API."""

    async def read(self) -> dict[str, Any]:
        """The Lease; `NotFoundError` when there is none."""
        ...

    async def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST it; `AlreadyExistsError` when somebody was first."""
        ...

    async def replace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """PUT it under its resourceVersion; `ConflictError` when somebody was first."""
        ...


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The clock and the waits of an election (seconds)."""

    monotonic: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    lease: float = LEASE_SECONDS
    deadline: float = RENEW_DEADLINE
    retry: float = RETRY_PERIOD


class Elector:
    """Campaigns for a Lease and keeps it.

    Args:
        store: Where the Lease is kept.
        identity: Who we are; unique per process.
        timing: The clock.
        name: Name of the Lease.
        namespace: Namespace of the Lease.
    """

    def __init__(
        self, store: LeaseStore, identity: str, timing: Timing, *, name: str, namespace: str
    ) -> None:
        self._store = store
        self._identity = identity
        self._timing = timing
        self._name = name
        self._namespace = namespace
        self._seen: dict[str, Any] | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self.leading = False
        self.observed_at: float | None = None
        self._gauge = observability.LEADER.labels(name)
        self._gauge.set(0)

    async def acquire(self) -> None:
        """Return once we lead; a standby waits here, for ever if need be."""
        announced = ""
        while True:
            try:
                if await self._try():
                    self.leading = True
                    self._gauge.set(1)
                    _log.info("leadership_acquired", identity=self._identity)
                    return
            except ClusterError as error:
                _log.warning("lease_unreachable", status=error.status, error=str(error))
            holder = self._holder()
            if holder and holder != announced:
                _log.info("standing_by", leader=holder)
                announced = holder
            await self._timing.sleep(self._next_try())

    async def hold(self) -> None:
        """Renew until the lease is lost, then return; the caller must end the process at once."""
        while True:
            await self._timing.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(max(self._left(), 0.0)):
                    renewed = await self._try()
            except (ClusterError, TimeoutError) as error:
                renewed = False
                _log.warning("lease_renewal_failed", error=str(error), seconds_left=self._left())
            # A conflict without another holder (somebody annotated the Lease) is worth a retry.
            stolen = self._holder() != self._identity
            if not renewed and (stolen or self._left() <= 0):
                self.leading = False
                self._gauge.set(0)
                _log.error("leadership_lost", leader=self._holder())
                return

    async def release(self) -> None:
        """Give the lease up, so that a standby need not wait for it to expire."""
        if not self.leading or self._seen is None:
            return
        self.leading = False
        self._gauge.set(0)
        body = self._body(self._seen, holder="", seconds=1)
        try:
            await self._store.replace(body)
        except ClusterError as error:
            _log.warning("lease_not_released", error=str(error))
        else:
            _log.info("leadership_released")

    def _left(self) -> float:
        """Seconds until the renewal deadline."""
        return self._renewed_at + self._timing.deadline - self._timing.monotonic()

    async def _try(self) -> bool:
        """One attempt to take or to renew the lease; whether it is ours now."""
        try:
            live = await self._store.read()
        except NotFoundError:
            return await self._create()
        self._observe(live)
        if self._holder() != self._identity and not self._expired():
            return False
        try:
            self._remember(await self._store.replace(self._body(live, holder=self._identity)))
        except ConflictError:
            return False
        return True

    async def _create(self) -> bool:
        try:
            created = await self._store.create(self._body(None, holder=self._identity))
        except AlreadyExistsError:
            return False
        self._remember(created)
        return True

    def _observe(self, live: dict[str, Any]) -> None:
        """Note when the record last changed, by our own clock."""
        self.observed_at = self._timing.monotonic()
        if self._seen is None or live.get("spec") != self._seen.get("spec"):
            self._seen_at = self.observed_at
        self._seen = live

    def _remember(self, written: dict[str, Any]) -> None:
        self._observe(written)
        self._renewed_at = self._timing.monotonic()

    def _expired(self) -> bool:
        return not self._holder() or self._expiry() <= self._timing.monotonic()

    def _expiry(self) -> float:
        seconds = _spec(self._seen).get("leaseDurationSeconds") or self._timing.lease
        return self._seen_at + float(seconds)

    def _holder(self) -> str:
        return str(_spec(self._seen).get("holderIdentity") or "")

    def _next_try(self) -> float:
        """Wait a period, or less when the lease expires sooner: failover must be quick."""
        until_expiry = self._expiry() - self._timing.monotonic() if self._holder() else 0.0
        if until_expiry <= 0:
            return self._timing.retry
        return min(self._timing.retry, until_expiry + 0.01)

    def _body(
        self, live: dict[str, Any] | None, *, holder: str, seconds: float | None = None
    ) -> dict[str, Any]:
        now = self._timing.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = _spec(live)
        changed = str(spec.get("holderIdentity") or "") != holder
        transitions = int(spec.get("leaseTransitions") or 0)
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if live is not None:
            metadata = {**live["metadata"]}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(seconds or self._timing.lease),
                "acquireTime": now if changed else spec.get("acquireTime", now),
                "renewTime": now,
                "leaseTransitions": transitions + (1 if changed and holder and live else 0),
            },
        }


def _spec(lease: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = (lease or {}).get("spec") or {}
    return found
