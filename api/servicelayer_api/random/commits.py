"""Group commit: requests that come while one transaction runs share the next (`db/groups.py`).

Invariant: a draw is handed back only after its row and its audit entry are committed, so nothing is
computed from it before. Each request has its own outcome: one that may not reach its account does
not hold up the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec.structs import replace

from servicelayer_api.audit.models import Change
from servicelayer_api.db.groups import Held, SplitGroups
from servicelayer_api.errors import ServiceError
from servicelayer_api.random import rules, store
from servicelayer_api.random.errors import RandomRequestDiffers
from servicelayer_api.random.models import Commitment, Draw, NewDraw
from servicelayer_api.web.principal import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.random.models import PublicKeys

type _Outcome = Draw | ServiceError | Held


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request to draw, checked but for its account."""

    caller: Caller
    account_id: str
    draw_id: UUID
    created_at_ns: int
    new: NewDraw


class GroupCommit:
    """Commits draws, many by one transaction."""

    def __init__(
        self, database: Database, audit: AuditLog, accounts: Accounts, key: PublicKeys
    ) -> None:
        """Commit to this database, in the name of this key."""
        self._database = database
        self._audit = audit
        self._accounts = accounts
        self._key = key
        self._key_is_kept = False
        self._groups: SplitGroups[Asked, Draw] = SplitGroups(
            database, self._serve, name="random-commit", key=lambda asked: asked.account_id
        )

    async def commit(self, asked: Asked) -> Draw:
        """Commit a draw, or find the one that has its name.

        Raises:
            AccountNotFound: Not in this tenant, or not the key's own.
            AccountSuspended: The account is suspended.
            RandomRequestDiffers: The name stands for a draw with other parameters.
        """
        return await self._groups.join(asked)

    async def keep_key(self, connection: Connection) -> None:
        """Publish the key before it is used."""
        if not self._key_is_kept and await store.insert_key(connection, self._key):
            await self._audit.record_system(
                connection,
                actor="random",
                action="random.key",
                resource_id=self._key.id,
                after=self._key,
            )

    async def _serve(self, batch: Sequence[Asked], wait: bool) -> Sequence[_Outcome]:
        async with self._database.transaction() as connection:
            outcomes = await self._commit(connection, batch, wait=wait)
        # In the transaction of a request nothing is committed yet.
        self._key_is_kept = self._key_is_kept or not self._database.in_ambient
        return outcomes

    async def _commit(
        self, connection: Connection, batch: Sequence[Asked], *, wait: bool
    ) -> list[_Outcome]:
        await self.keep_key(connection)
        reached = await self._accounts.reach_many(
            connection, [(asked.caller, asked.account_id) for asked in batch], wait=wait
        )
        wanted = {
            asked.draw_id: Draw(
                id=asked.draw_id,
                counter=0,
                account_id=account.id,
                request_id=asked.new.request_id,
                client_seed=asked.new.client_seed,
                length=asked.new.length,
                created_at_ns=asked.created_at_ns,
                key_id=self._key.id,
            )
            for asked, account in zip(batch, reached, strict=True)
            if not isinstance(account, (ServiceError, Held))
        }
        drawn = await self._insert(connection, wanted)
        changes = [
            _change(asked.caller, drawn[asked.draw_id])
            for asked in batch
            if asked.draw_id in drawn and drawn[asked.draw_id].id == asked.draw_id
        ]
        await self._audit.record_many(connection, changes)
        return [
            account
            if isinstance(account, (ServiceError, Held))
            else _same(asked, drawn[asked.draw_id])
            for asked, account in zip(batch, reached, strict=True)
        ]

    async def _insert(self, connection: Connection, wanted: dict[UUID, Draw]) -> dict[UUID, Draw]:
        """Insert draws; where a name is taken, give the draw that has it instead."""
        if not wanted:
            return {}
        counters = await store.insert_draws(connection, self._key.id, list(wanted.values()))
        drawn = {
            draw_id: replace(wanted[draw_id], counter=counter)
            for draw_id, counter in counters.items()
        }
        repeated = [draw for draw in wanted.values() if draw.id not in counters]
        if repeated:
            named = await store.list_named(
                connection, [(draw.account_id, draw.request_id) for draw in repeated]
            )
            drawn |= {draw.id: named[draw.account_id, draw.request_id] for draw in repeated}
        return drawn


def _same(asked: Asked, draw: Draw) -> _Outcome:
    if rules.is_same_request(draw, asked.new):
        return draw
    return RandomRequestDiffers(
        "this request_id stands for a draw with another length or client_seed"
    )


def _change(caller: Caller, draw: Draw) -> Change:
    return Change(
        caller=caller,
        action="random.commit",
        status=200,
        account_id=draw.account_id,
        resource_id=draw.id,
        after=Commitment(
            id=draw.id,
            account_id=draw.account_id,
            request_id=draw.request_id,
            length=draw.length,
            counter=draw.counter,
            created_at_ns=draw.created_at_ns,
            key_id=draw.key_id,
            client_seed=draw.client_seed,
        ),
    )
