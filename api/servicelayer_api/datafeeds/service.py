"""Use cases of data feeds: configure them, take signed prices, give accepted rounds out.

Invariants: every change is made under the lock of the feed's row, together with its audit entry;
what is given out as the latest price was accepted by a quorum; no signature is believed that was
not verified, unless the operator of the server switched verification off, and then it is marked.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from servicelayer_api.datafeeds import configuration, rules, signatures, store, views
from servicelayer_api.datafeeds.accepting import write_update
from servicelayer_api.datafeeds.errors import (
    AlreadySubmitted,
    DataFeedNotFound,
    DecimalsFixed,
    RoundNotFound,
    SignatureRefused,
)
from servicelayer_api.datafeeds.models import PLACES, StoredFeed, StoredUpdate
from servicelayer_api.datafeeds.signatures import NO_PROOF, SignerRefusedError
from servicelayer_api.errors import Invalid, ServiceError
from servicelayer_api.ids import new_id
from servicelayer_api.quotes import decimals
from servicelayer_api.quotes.demands import Quality, check_demands
from servicelayer_api.web.pagination import by_age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.crypto.signing import SigningKey
    from servicelayer_api.datafeeds.configuration import Defaults
    from servicelayer_api.datafeeds.metrics import FeedMetrics
    from servicelayer_api.datafeeds.models import (
        DataFeed,
        DataFeedUpdate,
        FeedRequest,
        LatestRound,
        SignedRound,
        UpdateRequest,
    )
    from servicelayer_api.datafeeds.signatures import Proof
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.quotes.demands import Demands
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller


class DataFeeds:
    """What the routes and the other features call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        metrics: FeedMetrics,
        keys: Sequence[SigningKey],
        defaults: Defaults,
    ) -> None:
        """Keep feeds in this database, sign their rounds with the first of the keys."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._metrics = metrics
        self._keys = keys
        self._defaults = defaults

    def public_keys(self) -> list[bytes]:
        """The public half of the key that signs records, then of those that did before."""
        return [key.public for key in self._keys]

    async def list_feeds(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[DataFeed]:
        """List the feeds of an account, the newest first.

        Raises:
            AccountNotFound: Not in this tenant, or not the key's own.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = await store.list_feeds(connection, account.id, page.moment(), page.rows)
        return page.cut(found, by_age).show(self._show)

    async def add(self, caller: Caller, account_id: str, request: FeedRequest) -> DataFeed:
        """Make a feed.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            Invalid: Names each field at fault.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            blank = configuration.blank_feed(account.id, caller.require_tenant(), now)
            feed = configuration.configure(blank, request, self._defaults)
            await self._check_registered(connection, feed)
            await store.insert_feed(connection, feed)
            await self._audit.record_of(
                connection, caller, "datafeed.create", 201, feed, after=feed
            )
        return self._show(feed)

    async def get(self, caller: Caller, account_id: str, feed_id: str) -> DataFeed:
        """Find a feed.

        Raises:
            AccountNotFound: As `list_feeds`.
            DataFeedNotFound: The account has none of this id.
        """
        async with self._database.connection() as connection:
            return self._show(await self._find(connection, caller, account_id, feed_id))

    async def replace(
        self, caller: Caller, account_id: str, feed_id: str, request: FeedRequest
    ) -> DataFeed:
        """Replace the configuration of a feed.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            DataFeedNotFound: As `get`.
            DecimalsFixed: Prices were submitted with the decimals it has.
            Invalid: Names each field at fault.
        """
        async with self._database.transaction() as connection:
            feed = await self._find(connection, caller, account_id, feed_id, write=True)
            changed = configuration.configure(feed, request, self._defaults)
            if changed.decimals != feed.decimals and await store.find_any_update(
                connection, feed.id
            ):
                raise DecimalsFixed("prices were submitted with the decimals the feed has")
            await self._check_registered(connection, changed)
            changed = replace(changed, updated_at=self._clock.now())
            await store.update_config(connection, changed)
            await self._audit.record_of(
                connection, caller, "datafeed.change", 200, feed, before=feed, after=changed
            )
        return self._show(changed)

    async def remove(self, caller: Caller, account_id: str, feed_id: str) -> None:
        """Delete a feed with its updates and rounds.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            DataFeedNotFound: As `get`.
        """
        async with self._database.transaction() as connection:
            feed = await self._find(connection, caller, account_id, feed_id, write=True)
            await store.delete_feed(connection, feed.id)
            await self._audit.record_of(
                connection, caller, "datafeed.delete", 204, feed, before=feed
            )

    async def submit(
        self, caller: Caller, account_id: str, feed_id: str, request: UpdateRequest
    ) -> DataFeedUpdate:
        """Take a price of a signer for a round; its round is accepted if that meets the quorum.

        Raises:
            AccountNotFound: As `list_feeds`.
            AccountSuspended: The account is suspended.
            DataFeedNotFound: As `get`.
            SignatureRefused: The signature is not the signer's over this update.
            RoundClosed: The round, or a later one, is accepted.
            RoundOutOfOrder: The signer went on to a later round or time, or it is far ahead.
            AlreadySubmitted: The signer has submitted to this round.
            ThresholdsNotMet: No new round is due.
            Invalid: Names each field at fault.
        """
        try:
            async with self._database.transaction() as connection:
                feed = await self._find(connection, caller, account_id, feed_id, write=True)
                update = await self._check(connection, feed, request)
                changed, update, judgement = await write_update(
                    connection,
                    feed,
                    update,
                    quorum=self._quorum(feed),
                    key=self._keys[0],
                    now=update.created_at,
                )
                await self._audit.record_of(
                    connection, caller, "datafeed.submit", 201, feed, before=feed, after=changed
                )
        except ServiceError:
            self._metrics.updated("refused")
            raise
        accepted = changed.round_id == update.round_id
        self._metrics.updated("accepted" if accepted else "pending")
        if accepted:
            self._metrics.judged(judgement.reasons)
        return views.update(update)

    async def list_updates(
        self, caller: Caller, account_id: str, feed_id: str, page: PageRequest
    ) -> Slice[DataFeedUpdate]:
        """List updates, the highest round first.

        Raises:
            AccountNotFound: As `list_feeds`.
            DataFeedNotFound: As `get`.
        """
        after = None
        if page.after is not None:
            number, moment, last = page.after
            after = (int(number), datetime.fromisoformat(moment), UUID(last))
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            found = await store.list_updates(connection, feed.id, after, page.rows)
        return page.cut(found, lambda each: (each.round_id, *by_age(each))).show(views.update)

    async def latest(
        self, caller: Caller, account_id: str, feed_id: str, demands: Demands
    ) -> LatestRound:
        """Give the last accepted round.

        Raises:
            AccountNotFound: As `list_feeds`.
            DataFeedNotFound: As `get`.
            RoundNotFound: None is accepted yet.
            QuoteNotFit: It does not meet the demands.
        """
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            accepted = await store.find_round(connection, feed.id, feed.round_id)
            closing = accepted and await store.find_update(connection, accepted.closed_by)
        if closing is None or feed.price_at is None:
            raise RoundNotFound("no round of the data feed is accepted yet")
        now = self._clock.now()
        quality = Quality(
            age=now - feed.price_at,
            sources=feed.price_sources,
            spread=feed.price_spread,
            price=feed.price or 0,
        )
        check_demands(demands, quality)
        return views.latest(feed, closing, feed.price_at, rules.state(feed, now))

    async def get_round(
        self, caller: Caller, account_id: str, feed_id: str, round_id: str
    ) -> SignedRound:
        """Give the signed record of an accepted round.

        Raises:
            AccountNotFound: As `list_feeds`.
            DataFeedNotFound: As `get`.
            RoundNotFound: There is none of this number.
        """
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            number = rules.read_round_number(round_id)
            accepted = number and await store.find_round(connection, feed.id, number)
        if not accepted:
            raise RoundNotFound("no round of this number is accepted")
        return views.signed_round(accepted)

    async def list_rounds(
        self, caller: Caller, account_id: str, feed_id: str, page: PageRequest
    ) -> Slice[SignedRound]:
        """List the signed records of a feed, the newest first; raises as `get`."""
        async with self._database.connection() as connection:
            feed = await self._find(connection, caller, account_id, feed_id)
            found = await store.list_rounds(connection, feed.id, page.number(), page.rows)
        return page.cut(found, lambda each: (each.round_id,)).show(views.signed_round)

    async def _check(
        self, connection: Connection, feed: StoredFeed, request: UpdateRequest
    ) -> StoredUpdate:
        now = self._clock.now()
        rules.check_round(feed, request.round_id)
        signer = configuration.check_signer(
            feed, request, verified=self._defaults.verify_signatures
        )
        price = rules.check_price(request.price, feed.decimals)
        moment = request.timestamp or now
        rules.check_time(moment, now)
        last = await store.find_last_of_signer(connection, feed.id, signer)
        rules.check_order(last, request.round_id, moment)
        pending = await store.list_pending(connection, feed.id, request.round_id)
        if not pending:
            rules.check_due(feed, price, now)
        proof = self._prove(feed, request, signer, price) if signer else NO_PROOF
        # A set that is older than the rule may name a wallet and its own key.
        if proof.public_key and any(each.public_key == proof.public_key for each in pending):
            raise AlreadySubmitted(f"the key has submitted to round {request.round_id}")
        return StoredUpdate(
            id=new_id(),
            account_id=feed.account_id,
            feed_id=feed.id,
            round_id=request.round_id,
            price=price,
            signer=signer,
            submitted_for=moment,
            signature=proof.signature or request.signature,
            public_key=proof.public_key,
            salt=proof.salt,
            scheme=proof.scheme,
            status="pending",
            error="",
            metadata=rules.read_metadata(request.metadata),
            created_at=now,
            updated_at=now,
        )

    def _prove(self, feed: StoredFeed, request: UpdateRequest, signer: str, price: int) -> Proof:
        if not self._defaults.verify_signatures:
            return NO_PROOF
        if request.timestamp is None:
            raise Invalid(fields=[("timestamp", "is required: the signer signs it")])
        text = rules.message(
            feed.id,
            request.round_id,
            decimals.write(price, PLACES),
            rules.write_time(request.timestamp),
        )
        try:
            return signatures.verify(
                signer,
                text,
                signature=request.signature,
                public_key=request.pubkey,
                salt=request.salt,
            )
        except SignerRefusedError as exc:
            raise SignatureRefused(str(exc), text) from exc

    def _quorum(self, feed: StoredFeed) -> int:
        return rules.quorum(len(feed.signer_set), feed.quorum, self._defaults.min_signers)

    def _show(self, feed: StoredFeed) -> DataFeed:
        return views.feed(feed, self._quorum(feed), self._clock.now())

    async def _check_registered(self, connection: Connection, feed: StoredFeed) -> None:
        wallets = [signer for signer in feed.signer_set if signatures.is_wallet(signer)]
        for missing in await self._accounts.wallets.list_unregistered(
            connection, feed.account_id, wallets
        ):
            raise Invalid(fields=[("signer_set", f"{missing} is no wallet of the account")])

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
            raise DataFeedNotFound("data feed not found")
        return feed
