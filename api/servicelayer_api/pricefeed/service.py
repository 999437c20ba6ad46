"""Use cases of price feeds: keep them, take prices, give them out.

Invariants: every change is made under the lock of the feed's row, together with its audit entry;
a price is judged by when its source gave it, never by when it came here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UnsetType
from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.pricefeed import rules, store, views
from servicelayer_api.pricefeed.errors import NoPriceYet, PriceFeedInactive, PriceFeedNotFound
from servicelayer_api.pricefeed.models import Quotation, StoredFeed
from servicelayer_api.pricefeed.recording import write_prices
from servicelayer_api.quotes.demands import Quality, check_demands
from servicelayer_api.web.pagination import by_age

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.pricefeed.metrics import FeedMetrics
    from servicelayer_api.pricefeed.models import (
        FeedChange,
        LatestPrice,
        NewFeed,
        NewObservation,
        PriceFeed,
        PriceObservation,
        PriceRound,
        PriceSnapshot,
        WithheldPrice,
    )
    from servicelayer_api.quotes.demands import Demands
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller


class PriceFeeds:
    """What the routes and the other features call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        metrics: FeedMetrics,
        *,
        fetched_sources: int,
        frozen_rounds: int,
    ) -> None:
        """Keep feeds in this database.

        Args:
            database: Where.
            clock: Of what is shown and judged; leases go by the database's.
            audit: Where changes are recorded.
            accounts: Whose feeds they are.
            metrics: Where rounds are counted.
            fetched_sources: Sources that are fetched, for the default quorum.
            frozen_rounds: Published rounds without a change that make a feed frozen; 0 for never.
        """
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._metrics = metrics
        self._frozen_rounds = frozen_rounds
        self.quorum = rules.default_quorum(fetched_sources)

    async def list_feeds(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[PriceFeed]:
        """List the feeds of an account, oldest first.

        Raises:
            AccountNotFound: Not in this tenant, or not the key's own.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = await store.list_feeds(connection, account.id, page.moment(), page.rows)
        return page.cut(found, by_age).show(self._show)

    async def add(self, caller: Caller, account_id: str, new: NewFeed) -> PriceFeed:
        """Make a feed; prices are fetched for it from now on.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            Invalid: Names each field at fault.
            PriceFeedExists: The account has one of this pair.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            feed = _new_feed(new, account.id, caller.require_tenant(), now)
            await store.insert_feed(connection, feed)
            await self._audit.record_of(
                connection, caller, "pricefeed.create", 201, feed, after=feed
            )
        return self._show(feed)

    async def get(self, caller: Caller, account_id: str, feed_id: str) -> PriceFeed:
        """Find a feed.

        Raises:
            AccountNotFound: As `list_feeds`.
            PriceFeedNotFound: The account has none of this id.
        """
        async with self._database.connection() as connection:
            return self._show(await self._find(connection, caller, account_id, feed_id))

    async def change(
        self, caller: Caller, account_id: str, feed_id: str, change: FeedChange
    ) -> PriceFeed:
        """Change how a feed fetches and publishes.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            PriceFeedNotFound: As `get`.
            Invalid: Names each field at fault.
        """
        async with self._database.transaction() as connection:
            feed = await self._find(connection, caller, account_id, feed_id, write=True)
            changed = replace(_changed(feed, change), updated_at=self._clock.now())
            await store.update_config(connection, changed)
            await self._audit.record_of(
                connection, caller, "pricefeed.change", 200, feed, before=feed, after=changed
            )
        return self._show(changed)

    async def remove(self, caller: Caller, account_id: str, feed_id: str) -> None:
        """Delete a feed and all its rounds and prices.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            PriceFeedNotFound: As `get`.
        """
        async with self._database.transaction() as connection:
            feed = await self._find(connection, caller, account_id, feed_id, write=True)
            await store.delete_feed(connection, feed.id)
            await self._audit.record_of(
                connection, caller, "pricefeed.delete", 204, feed, before=feed
            )

    async def submit(
        self, caller: Caller, account_id: str, feed_id: str, new: NewObservation
    ) -> PriceSnapshot | WithheldPrice:
        """Take a price.

        Returns:
            What it published, or the state of the round that stays open.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            PriceFeedNotFound: As `get`.
            PriceFeedInactive: The feed takes none.
            ObservationOutOfOrder: It is older than what the feed has.
            Invalid: Names each field at fault.
        """
        async with self._database.transaction() as connection:
            feed = await self._find(connection, caller, account_id, feed_id, write=True)
            quotation = Quotation(
                source=new.source.strip() or rules.DEFAULT_SOURCE,
                price=rules.check_price(new.price),
                published_at=new.collected_at,
            )
            if not feed.active:
                raise PriceFeedInactive("the price feed is not active")
            written = await write_prices(
                connection, feed, [quotation], now=self._clock.now(), min_sources=self.quorum
            )
            await self._audit.record_of(
                connection, caller, "pricefeed.submit", 201, feed, before=feed, after=written.feed
            )
        self._metrics.observed(written.decision.outcome)
        if written.snapshot is None:
            return views.withheld(feed.id, written.decision, feed.round_id + 1)
        return views.snapshot(written.snapshot)

    async def latest(
        self, caller: Caller, account_id: str, feed_id: str, demands: Demands
    ) -> LatestPrice:
        """Give the last published price and its state.

        Raises:
            AccountNotFound: As `list_feeds`.
            PriceFeedNotFound: As `get`.
            NoPriceYet: Nothing was published.
            QuoteNotFit: It does not meet the demands.
        """
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
        expires = rules.expires_at(feed)
        if feed.price is None or feed.price_at is None or expires is None:
            raise NoPriceYet("the price feed has not published a price yet")
        now = self._clock.now()
        quality = Quality(
            age=now - feed.price_at,
            sources=feed.price_sources,
            spread=feed.price_spread,
            price=feed.price,
        )
        check_demands(demands, quality)
        state = rules.state(feed, now, self._frozen_rounds)
        return views.latest(feed, feed.price, (feed.price_at, expires), state)

    async def list_snapshots(
        self, caller: Caller, account_id: str, feed_id: str, page: PageRequest
    ) -> Slice[PriceSnapshot]:
        """List the published prices, the newest first.

        Raises:
            AccountNotFound: As `list_feeds`.
            PriceFeedNotFound: As `get`.
        """
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            found = await store.list_snapshots(connection, feed.id, page.moment(), page.rows)
        return page.cut(found, lambda each: (each.collected_at, each.id)).show(views.snapshot)

    async def list_rounds(
        self, caller: Caller, account_id: str, feed_id: str, page: PageRequest
    ) -> Slice[PriceRound]:
        """List the rounds, the newest first; the first may be open yet. Raises as the above."""
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            found = await store.list_rounds(connection, feed.id, page.number(), page.rows)
        return page.cut(found, lambda each: (each.round_id,)).show(views.price_round)

    async def list_observations(
        self, caller: Caller, account_id: str, feed_id: str, round_id: int | None, page: PageRequest
    ) -> Slice[PriceObservation]:
        """List the prices as they came, the newest first, of one round or all. Raises as above."""
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            found = await store.list_observations(
                connection, feed.id, round_id, page.moment(), page.rows
            )
        return page.cut(found, by_age).show(views.observation)

    def _show(self, feed: StoredFeed) -> PriceFeed:
        return views.feed(feed, rules.state(feed, self._clock.now(), self._frozen_rounds))

    async def _find(
        self,
        connection: Connection,
        caller: Caller,
        account_id: str,
        feed_id: str,
        *,
        write: bool = False,
    ) -> StoredFeed:
        """Find a feed of the account; with `write` it is held until the transaction ends."""
        find = store.lock_feed if write else store.find_feed
        feed = await self._accounts.reach_item(
            connection, caller, account_id, feed_id, find, write=write
        )
        if feed is None:
            raise PriceFeedNotFound("price feed not found")
        return feed


def _new_feed(new: NewFeed, account_id: UUID, tenant: str, now: datetime) -> StoredFeed:
    faults: list[tuple[str, str]] = []
    base = rules.check_asset("base_asset", new.base_asset, faults)
    quote = rules.check_asset("quote_asset", new.quote_asset, faults)
    update = new.update_interval.strip() or rules.DEFAULT_UPDATE
    heartbeat = new.heartbeat_interval.strip() or rules.DEFAULT_HEARTBEAT
    feed = StoredFeed(
        id=new_id(),
        account_id=account_id,
        tenant=tenant,
        base_asset=base,
        quote_asset=quote,
        pair=f"{base}/{quote}",
        update_interval=update,
        update_every=rules.check_interval("update_interval", update, faults),
        heartbeat=heartbeat,
        heartbeat_every=rules.check_interval("heartbeat_interval", heartbeat, faults),
        deviation_percent=rules.check_deviation(new.deviation_percent, faults),
        active=True,
        min_sources=new.min_sources,
        source_groups=rules.check_groups(new.source_groups, faults),
        created_at=now,
        updated_at=now,
    )
    if faults:
        raise Invalid(fields=faults)
    return feed


def _changed(feed: StoredFeed, change: FeedChange) -> StoredFeed:
    faults: list[tuple[str, str]] = []
    fields: dict[str, object] = {}
    if not isinstance(change.update_interval, UnsetType):
        text = change.update_interval.strip()
        fields["update_interval"] = text
        fields["update_every"] = rules.check_interval("update_interval", text, faults)
    if not isinstance(change.heartbeat_interval, UnsetType):
        text = change.heartbeat_interval.strip()
        fields["heartbeat"] = text
        fields["heartbeat_every"] = rules.check_interval("heartbeat_interval", text, faults)
    if not isinstance(change.deviation_percent, UnsetType):
        fields["deviation_percent"] = rules.check_deviation(change.deviation_percent, faults)
    if not isinstance(change.source_groups, UnsetType):
        fields["source_groups"] = rules.check_groups(change.source_groups, faults)
    for name in ("active", "min_sources"):
        if not isinstance(getattr(change, name), UnsetType):
            fields[name] = getattr(change, name)
    if faults:
        raise Invalid(fields=faults)
    return replace(feed, **fields)
