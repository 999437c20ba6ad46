"""Fetching: claim what is due, ask the sources, write the answers down, once.

A fetch that is due is claimed by one process for a while (database time). What it brings is written
only while the claim is still that process's own: a process that was paused or killed leaves the
claim to expire, and whoever claims it next writes for the same slot.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import structlog

from servicelayer_api.egress import EgressFailed, EgressRefused
from servicelayer_api.errors import Invalid
from servicelayer_api.pricefeed import rules, store
from servicelayer_api.pricefeed.errors import ObservationOutOfOrder
from servicelayer_api.pricefeed.models import Claim, Quotation, StoredFeed
from servicelayer_api.pricefeed.recording import write_prices
from servicelayer_api.pricefeed.rules import AnswerRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.egress import Egress
    from servicelayer_api.pricefeed.metrics import FeedMetrics
    from servicelayer_api.pricefeed.recording import Written

ACTOR: Final = "pricefeed-fetcher"

_LEASE: Final = timedelta(seconds=12)
_TIMEOUT: Final = 5.0
_MAX_BYTES: Final = 64 * 1024
_OK: Final = 200

_log = structlog.get_logger(__name__)


class Source:
    """One server that is asked for prices."""

    def __init__(self, egress: Egress, url: str, key: str) -> None:
        """Ask at this URL, with this key as bearer token if there is one."""
        self._egress = egress
        self._url = url
        self._headers = {"accept": "application/json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        self._host = urlsplit(url).hostname or "source"

    async def ask(self, base: str, quote_asset: str) -> Quotation:
        """Ask for a price.

        Raises:
            AnswerRefusedError: The answer cannot be used.
            EgressFailed: There was none.
            EgressRefused: The address is not let through.
        """
        joint = "&" if urlsplit(self._url).query else "?"
        url = f"{self._url}{joint}base={quote(base, safe='')}&quote={quote(quote_asset, safe='')}"
        answer = await self._egress.request(
            "GET", url, headers=self._headers, timeout=_TIMEOUT, max_bytes=_MAX_BYTES
        )
        if answer.status != _OK:
            raise AnswerRefusedError(f"the source answered {answer.status}")
        return rules.read_answer(answer.body, self._host, base, quote_asset)


class Fetching:
    """What the worker calls."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        metrics: FeedMetrics,
        sources: Sequence[Source],
    ) -> None:
        """Ask these sources, each for every feed that is due."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._metrics = metrics
        self._sources = sources
        self._quorum = rules.default_quorum(len(sources))

    async def claim(self, most: int) -> list[Claim]:
        """Claim fetches that are due, `most` of them; those of suspended accounts end at once."""
        async with self._database.transaction() as connection:
            claims = await store.lock_due(connection, most, _LEASE)
            wanted = {claim.feed.account_id for claim in claims}
            active = await self._accounts.list_active(connection, wanted)
            for claim in claims:
                if claim.feed.account_id not in active:
                    await store.update_fetched(connection, claim, claim.feed.failures, "")
                    self._metrics.fetched("skipped")
        return [claim for claim in claims if claim.feed.account_id in active]

    async def fetch(self, claim: Claim) -> None:
        """Ask the sources for a claimed feed, and write down what they say."""
        feed = claim.feed
        answers = await asyncio.gather(*(self._ask(source, feed) for source in self._sources))
        good = [answer for answer in answers if isinstance(answer, Quotation)]
        faults = [answer for answer in answers if not isinstance(answer, Quotation)]
        fault = faults[-1] if faults else ("failed", "")
        async with self._database.transaction() as connection:
            outcome, written = await self._settle(connection, claim, good, fault)
        self._metrics.fetched(outcome)
        if written is not None:
            self._metrics.observed(written.decision.outcome)

    @staticmethod
    async def _ask(source: Source, feed: StoredFeed) -> Quotation | tuple[str, str]:
        """Ask one source; what it does costs the others nothing. Gives outcome and error else."""
        try:
            return await source.ask(feed.base_asset, feed.quote_asset)
        except EgressFailed as exc:
            return "failed", str(exc)
        except (AnswerRefusedError, EgressRefused) as exc:
            return "refused", str(exc)
        except Exception:  # noqa: BLE001 - whatever one source brings about, the others count
            _log.exception("a source of prices cannot be read", feed=str(feed.id))
            return "refused", "the answer of a source cannot be used"

    async def _settle(
        self,
        connection: Connection,
        claim: Claim,
        good: Sequence[Quotation],
        fault: tuple[str, str],
    ) -> tuple[str, Written | None]:
        feed = await store.lock_claimed(connection, claim)
        if feed is None:
            return "lost", None
        outcome, error = fault
        written: Written | None = None
        if good and feed.active:
            try:
                written = await write_prices(
                    connection,
                    feed,
                    good,
                    now=self._clock.now(),
                    min_sources=self._quorum,
                    slot=claim.slot,
                )
            except ObservationOutOfOrder:
                # The source has no newer price; that it grows old is for the state to tell.
                outcome = "unchanged"
            except Invalid as exc:
                outcome, error = "refused", str(exc)
            else:
                outcome = "fetched"
        failed = outcome in {"failed", "refused"}
        await store.update_fetched(connection, claim, feed.failures + 1 if failed else 0, error)
        if written is not None and written.snapshot is not None:
            await self._audit.record_system(
                connection,
                actor=ACTOR,
                action="pricefeed.publish",
                account_id=feed.account_id,
                tenant=feed.tenant,
                resource_id=feed.id,
                before=feed,
                after=written.feed,
            )
        return outcome, written
