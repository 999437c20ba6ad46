"""Dead letters: requests that were given up, to be looked at, put back, or let go.

Invariant: a request that is put back keeps its id, gets all its attempts and its whole time anew,
and is put back at most once however often the same order is given, since it is no dead letter
afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.audit import Change
from servicelayer_api.clock import OUTSIDE_UTC, in_utc
from servicelayer_api.errors import Invalid
from servicelayer_api.ids import parse_id
from servicelayer_api.oracle import store
from servicelayer_api.oracle.errors import RequestNotFound
from servicelayer_api.oracle.models import OracleRequest, Redrive, RedriveRequest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.oracle.models import DeadLetter, DeadReason
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller

_NO_DEAD_LETTER = "the account has no dead letter of this id"


class DeadLetters:
    """What the routes call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        new_work: asyncio.Event,
    ) -> None:
        """Look into this database; set `new_work` when something is put back."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._new_work = new_work

    async def list_dead_letters(
        self, caller: Caller, account_id: str, page: PageRequest, reason: DeadReason | None
    ) -> Slice[DeadLetter]:
        """List the dead letters of an account, oldest first.

        Raises:
            AccountNotFound: Not in this tenant, or not the key's own.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = await store.list_dead_letters(
                connection, account.id, reason, page.moment(), page.rows
            )
        return page.cut(found, lambda letter: (letter.dead_at, letter.request_id))

    async def redrive(self, caller: Caller, account_id: str, wanted: RedriveRequest) -> Redrive:
        """Put back the dead letters that a filter finds, the oldest first.

        Raises:
            AccountNotFound: As `list_dead_letters`.
            AccountSuspended: The account is suspended.
            Invalid: A field cannot be used.
        """
        source_id = parse_id(wanted.data_source_id)
        if wanted.data_source_id and source_id is None:
            raise Invalid(fields=[("data_source_id", "is not the id of a data source")])
        for field, moment in (
            ("dead_after", wanted.dead_after),
            ("dead_before", wanted.dead_before),
        ):
            if moment is not None and moment.tzinfo is None:
                raise Invalid(fields=[(field, "must name its time zone")])
            if moment is not None and in_utc(moment) is None:
                raise Invalid(fields=[(field, OUTSIDE_UTC)])
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(
                connection, caller, account_id, write=not wanted.dry_run
            )
            found = await store.lock_dead_letters(connection, account.id, wanted, source_id)
            if not wanted.dry_run:
                await self._put_back(connection, caller, found)
        if found and not wanted.dry_run:
            self._new_work.set()
        return Redrive(
            dry_run=wanted.dry_run,
            redriven=0 if wanted.dry_run else len(found),
            request_ids=[request.id for request in found],
        )

    async def redrive_one(self, caller: Caller, account_id: str, request_id: str) -> OracleRequest:
        """Put one dead letter back.

        Raises:
            AccountNotFound: As `list_dead_letters`.
            AccountSuspended: The account is suspended.
            RequestNotFound: It is no dead letter of the account.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            found = parse_id(request_id)
            request = await store.lock_dead_letter(connection, account.id, found) if found else None
            if request is None:
                raise RequestNotFound(_NO_DEAD_LETTER)
            await self._put_back(connection, caller, [request])
            back = await store.find_request(connection, account.id, request.id)
        if back is None:
            raise RequestNotFound(_NO_DEAD_LETTER)
        self._new_work.set()
        return back

    async def bury(self, caller: Caller, account_id: str, request_id: str) -> None:
        """Let a dead letter go; its request stays as it is, failed.

        Raises:
            AccountNotFound: As `list_dead_letters`.
            AccountSuspended: The account is suspended.
            RequestNotFound: It is no dead letter of the account.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            found = parse_id(request_id)
            if found is None or not await store.update_buried(connection, account.id, found):
                raise RequestNotFound(_NO_DEAD_LETTER)
            await self._audit.record(
                connection,
                caller,
                action="oracle.dead_letter.delete",
                status=204,
                account_id=account.id,
                resource_id=found,
            )

    async def _put_back(
        self, connection: Connection, caller: Caller, requests: Sequence[OracleRequest]
    ) -> None:
        await store.update_retried(
            connection, [request.id for request in requests], self._clock.now()
        )
        await self._audit.record_many(
            connection,
            [
                Change(
                    caller=caller,
                    action="oracle.dead_letter.redrive",
                    status=200,
                    account_id=request.account_id,
                    resource_id=request.id,
                    before=request,
                )
                for request in requests
            ],
        )
