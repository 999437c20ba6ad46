"""Use cases of the oracle: sources, and requests as their account and its runners see them.

Invariants: a source is reached only through its account, alternates too; its credentials are sealed
for its id and URL and never shown; a request changes its state under the lock of its row, together
with its audit entry. Whoever completes a request from outside shows a runner's token when the
settings name some.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id, parse_id
from servicelayer_api.oracle import rules, store
from servicelayer_api.oracle.errors import (
    RequestNotFound,
    SourceDisabled,
    SourceInUse,
    SourceNotFound,
    TooManySources,
)
from servicelayer_api.oracle.models import Credentials, OracleRequest
from servicelayer_api.web.pagination import by_age

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.egress import Egress
    from servicelayer_api.oracle.models import (
        Holding,
        NewRequest,
        NewSource,
        RequestChange,
        Source,
        SourceChange,
        StoredSource,
    )
    from servicelayer_api.oracle.runners import RunnerTokens
    from servicelayer_api.vault import Vault
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller


class Oracle:
    """What the routes call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        vault: Vault,
        egress: Egress,
        *,
        runners: RunnerTokens,
        runner_lease: float,
        ttl: float,
    ) -> None:
        """Keep sources and requests in this database.

        Args:
            database: Where to.
            clock: Of what is shown.
            audit: Of every change.
            accounts: The gate to each account.
            vault: Seals credentials.
            egress: Knows which headers may be sent.
            runners: Who may complete requests.
            runner_lease: Seconds after which a request that a runner took is anybody's again.
            ttl: Seconds that a request may live; 0 for no limit.
        """
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._vault = vault
        self._egress = egress
        self._runners = runners
        self._runner_lease = runner_lease
        self._ttl = ttl
        self.new_work = asyncio.Event()

    async def add_source(self, caller: Caller, account_id: str, new: NewSource) -> Source:
        """Make a data source.

        Raises:
            AccountNotFound: Not in this tenant, or not the key's own.
            AccountSuspended: The account is suspended.
            Invalid: Names each field at fault.
            SourceExists: The account has one of this name.
            TooManySources: The account has as many as it may.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            source, credentials = rules.new_source(
                new, source_id=new_id(), account_id=account.id, now=self._clock.now()
            )
            self._egress.check_headers(credentials.headers)
            if await store.count_sources(connection, account.id) >= rules.MOST_SOURCES:
                raise TooManySources(f"an account may have {rules.MOST_SOURCES} data sources")
            source = await self._seal(connection, source, credentials)
            await store.insert_source(connection, source)
            shown = rules.show(source)
            await self._audit.record_of(
                connection, caller, "oracle.source.create", 201, shown, after=shown
            )
        return shown

    async def change_source(
        self, caller: Caller, account_id: str, source_id: str, change: SourceChange
    ) -> Source:
        """Change a data source.

        Raises:
            AccountNotFound: As `add_source`.
            AccountSuspended: As `add_source`.
            SourceNotFound: The account has none of this id.
            SourceExists: The account has another of this name.
            Invalid: Names each field at fault.
        """
        async with self._database.transaction() as connection:
            source = await self._accounts.reach_item(
                connection, caller, account_id, source_id, store.lock_source, write=True
            )
            if source is None:
                raise SourceNotFound("data source not found")
            kept = await self.open_credentials(connection, source)
            changed, credentials = rules.changed_source(source, kept, change, self._clock.now())
            self._egress.check_headers(credentials.headers)
            changed = await self._seal(connection, changed, credentials)
            await store.update_source(connection, changed)
            shown = rules.show(changed)
            await self._audit.record_of(
                connection,
                caller,
                "oracle.source.change",
                200,
                shown,
                before=rules.show(source),
                after=shown,
            )
        return shown

    async def remove_source(self, caller: Caller, account_id: str, source_id: str) -> None:
        """Delete a data source with the requests that were made to it.

        Raises:
            AccountNotFound: As `add_source`.
            AccountSuspended: As `add_source`.
            SourceNotFound: The account has none of this id.
            SourceInUse: It is enabled, or one of its requests is pending or running.
        """
        async with self._database.transaction() as connection:
            source = await self._accounts.reach_item(
                connection, caller, account_id, source_id, store.hold_source, write=True
            )
            if source is None:
                raise SourceNotFound("data source not found")
            if source.enabled:
                # Nobody's next request may meet a source that has just gone: first it is disabled.
                raise SourceInUse('disable the data source first: PATCH it with {"enabled": false}')
            if not await store.delete_source(connection, source.id):
                raise SourceInUse("requests to the data source are open")
            await self._audit.record_of(
                connection, caller, "oracle.source.delete", 204, source, before=rules.show(source)
            )

    async def get_source(self, caller: Caller, account_id: str, source_id: str) -> Source:
        """Find a data source of an account.

        Raises:
            AccountNotFound: As `add_source`.
            SourceNotFound: The account has none of this id.
        """
        async with self._database.connection() as connection:
            source = await self._accounts.reach_item(
                connection, caller, account_id, source_id, store.find_source
            )
        if source is None:
            raise SourceNotFound("data source not found")
        return rules.show(source)

    async def list_sources(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[Source]:
        """List the data sources of an account, oldest first.

        Raises:
            AccountNotFound: As `add_source`.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = await store.list_sources(connection, account.id, page.moment(), page.rows)
        return page.cut(found, by_age).show(rules.show)

    async def add_request(self, caller: Caller, account_id: str, new: NewRequest) -> OracleRequest:
        """Ask a data source; the answer comes later.

        Raises:
            AccountNotFound: As `add_source`.
            AccountSuspended: As `add_source`.
            Invalid: Names each field at fault; an unknown source among them.
            SourceDisabled: The source, or an alternate, is switched off.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            source_id, alternates = rules.check_new_request(new)
            await self._check_sources(connection, account.id, source_id, alternates)
            now = self._clock.now()
            request = OracleRequest(
                id=new_id(),
                account_id=account.id,
                source_id=source_id,
                payload=new.payload,
                result_path=new.result_path,
                created_at=now,
                updated_at=now,
            )
            await store.insert_request(connection, request, alternates)
            await self._audit.record_of(
                connection, caller, "oracle.request.create", 201, request, after=request
            )
        self.new_work.set()
        return request

    async def get_request(self, caller: Caller, account_id: str, request_id: str) -> OracleRequest:
        """Find a request of an account.

        Raises:
            AccountNotFound: As `add_source`.
            RequestNotFound: The account has none of this id.
        """
        async with self._database.connection() as connection:
            request = await self._accounts.reach_item(
                connection, caller, account_id, request_id, store.find_request
            )
        if request is None:
            raise RequestNotFound("oracle request not found")
        return request

    async def list_requests(
        self,
        caller: Caller,
        account_id: str,
        *,
        limit: int,
        status: str | None,
        cursor: str | None,
    ) -> tuple[list[OracleRequest], str | None]:
        """List the requests of an account, newest first.

        Args:
            caller: Who asks.
            account_id: As in the path.
            limit: Requests at most.
            status: Only those of this status.
            cursor: Id of the request that the page follows, as the contract has it.

        Returns:
            The page, and the cursor of the next one when more follow.

        Raises:
            AccountNotFound: As `add_source`.
            Invalid: The cursor names no request of the account.
        """
        after = parse_id(cursor) if cursor else None
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            if cursor and (
                after is None or await store.find_request(connection, account.id, after) is None
            ):
                raise Invalid(fields=[("cursor", "is not the id of a request of this account")])
            found = await store.list_requests(connection, account.id, status, after, limit + 1)
        page = found[:limit]
        return page, str(page[-1].id) if len(found) > limit else None

    async def change_request(
        self,
        caller: Caller,
        account_id: str,
        request_id: str,
        change: RequestChange,
        *,
        shown_tokens: Iterable[str],
    ) -> OracleRequest:
        """Take, complete, fail or retry a request.

        Args:
            caller: Who asks.
            account_id: As in the path.
            request_id: As in the path.
            change: As sent.
            shown_tokens: What the caller shows as a runner's token.

        Raises:
            AccountNotFound: As `add_source`.
            AccountSuspended: As `add_source`.
            Invalid: The status is missing or unknown, or a result is missing.
            RunnerTokenRequired: All but a retry needs a runner's token when there are some.
            RequestNotFound: The account has none of this id.
            RequestState: Not from the state it is in.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            wanted = rules.read_change(change)
            runner = None if wanted == "retry" else self._runners.identify(shown_tokens)
            rules.check_change(wanted, change)
            before, holding = await self._lock(connection, account.id, request_id)
            rules.check_transition(before, wanted, holding, runner)
            await self._apply(connection, before.id, wanted, change, runner)
            after = await store.find_request(connection, account.id, before.id)
            if after is None:
                raise RequestNotFound("oracle request not found")
            await self._audit.record_of(
                connection,
                caller,
                f"oracle.request.{wanted}",
                200,
                after,
                before=before,
                after=after,
            )
        if wanted == "retry":
            self.new_work.set()
        return after

    async def _lock(
        self, connection: Connection, account_id: UUID, request_id: str
    ) -> tuple[OracleRequest, Holding]:
        found = parse_id(request_id)
        locked = found and await store.lock_request(connection, account_id, found, self._ttl)
        if not locked:
            raise RequestNotFound("oracle request not found")
        return locked

    async def open_credentials(self, connection: Connection, source: StoredSource) -> Credentials:
        """Open the credentials of a source.

        Raises:
            Undecipherable: They do not open, or belong to another id or URL.
        """
        if source.credentials is None:
            return Credentials()
        plain = await self._vault.open(
            connection, source.account_id, source.credentials, context=seal_context(source)
        )
        return msgspec.msgpack.decode(plain, type=Credentials)

    async def _seal(
        self, connection: Connection, source: StoredSource, credentials: Credentials
    ) -> StoredSource:
        if not credentials:
            return replace(source, credentials=None)
        plain = msgspec.msgpack.encode(credentials)
        sealed = await self._vault.seal(
            connection, source.account_id, plain, context=seal_context(source)
        )
        return replace(source, credentials=sealed)

    async def _check_sources(
        self,
        connection: Connection,
        account_id: UUID,
        source_id: UUID,
        alternates: tuple[UUID, ...],
    ) -> None:
        wanted = [(account_id, found) for found in (source_id, *alternates)]
        sources = await store.list_sources_by_id(connection, wanted)
        for key in wanted:
            field = "data_source_id" if key[1] == source_id else "payload.alternate_source_ids"
            if key not in sources:
                raise Invalid(fields=[(field, "names no data source of this account")])
            if not sources[key].enabled:
                raise SourceDisabled(f"{field}: the data source is disabled")

    async def _apply(
        self,
        connection: Connection,
        request_id: UUID,
        wanted: rules.Change,
        change: RequestChange,
        runner: bytes | None,
    ) -> None:
        now = self._clock.now()
        if wanted == "running":
            await store.update_taken(connection, request_id, runner, self._runner_lease, now)
        elif wanted == "retry":
            await store.update_retried(connection, [request_id], now)
        else:
            result = change.result if wanted == "succeeded" else None
            error = change.error.strip() if wanted == "failed" else ""
            await store.update_completed(
                connection, request_id, result=result, error=error, now=now
            )


def seal_context(source: StoredSource) -> str:
    """What credentials are bound to: a row that was given another URL does not open them."""
    return f"oracle-source|{source.id}|{source.url}"
