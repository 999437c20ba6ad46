"""The audit log's use cases: record a change, note a refusal, look entries up.

Invariant: `record` writes in the caller's transaction, so a change and its entry exist together or
not at all. A refused change is noted after the answer by a background writer with a bounded
backlog: when that is full the entry is dropped and counted, because nobody may stop the service by
being refused often. For the same reason refusals of those who showed no valid credential share
entries (`strangers`).
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from prometheus_client import Counter

from servicelayer_api.audit import rules, store
from servicelayer_api.audit.disclosures import Disclosures
from servicelayer_api.audit.models import Change, Draft
from servicelayer_api.audit.strangers import Strangers
from servicelayer_api.ids import new_id
from servicelayer_api.web.pagination import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from prometheus_client import CollectorRegistry

    from servicelayer_api.audit.models import Entry, Held, Query
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.principal import Caller

_BACKLOG: Final = 10_000
SALT_BYTES: Final = 16


class Backlog:
    """Entries that wait for a writer; what does not fit is counted and let go."""

    def __init__(self, dropped: Counter, size: int = _BACKLOG) -> None:
        """Hold at most `size` entries; count the rest in `dropped`."""
        self._entries: deque[Entry] = deque()
        self._size = size
        self._dropped = dropped

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Add an entry, or count it when there is no room."""
        if len(self._entries) < self._size:
            self._entries.append(entry)
        else:
            self._dropped.inc()

    def take(self, most: int) -> list[Entry]:
        """Take the oldest entries out."""
        return [self._entries.popleft() for _ in range(min(most, len(self._entries)))]

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Return entries that could not be written to the front, as far as there is room."""
        room = self._size - len(self._entries)
        self._entries.extendleft(reversed(entries[:room]))
        self.lose(len(entries[room:]))

    def lose(self, count: int) -> None:
        """Count entries that were taken and could not be written."""
        self._dropped.inc(count)


class AuditLog:
    """What the other features and the routes call."""

    def __init__(
        self, database: Database, clock: Clock, metrics: CollectorRegistry, *, to_file: bool
    ) -> None:
        """Keep the log in this database; hand entries to the file's writer if there is one."""
        self._database = database
        self._clock = clock
        self._recorded = Counter(
            "audit_entries_total", "Changes recorded on request", registry=metrics
        )
        self.refusals = Backlog(
            Counter(
                "audit_refusals_dropped_total",
                "Refused changes that are missing in the audit log",
                registry=metrics,
            )
        )
        self.lines = Backlog(
            Counter(
                "audit_file_dropped_total",
                "Entries that are missing in the file at AUDIT_LOG_PATH",
                registry=metrics,
            )
        )
        self._refused_strangers = Counter(
            "audit_strangers_refused_total",
            "Refused changes of callers without a valid credential; they share audit entries",
            registry=metrics,
        )
        self._strangers = Strangers()
        self._to_file = to_file
        self._undecided: dict[UUID, tuple[str, Entry]] = {}
        self._disclosures = Disclosures(database, self.record_many)

    async def record(
        self,
        connection: Connection,
        caller: Caller,
        *,
        action: str,
        status: int,
        account_id: UUID | None = None,
        resource_id: UUID | str = "",
        before: object = None,
        after: object = None,
    ) -> None:
        """Write the entry of a change in the transaction of the change.

        The states are kept as salted digests only; whatever msgspec encodes will do, but no secret.

        Args:
            connection: with the transaction open.
            caller: who asked, and how.
            action: what was done, such as `account.create`.
            status: the status the answer will have.
            account_id: account concerned.
            resource_id: what was changed.
            before: the state before; `None` when there was none.
            after: the state after; `None` when there is none.

        Raises:
            AuditUnavailable: the log cannot be written; the change must not be made.
        """
        change = Change(
            caller=caller,
            action=action,
            status=status,
            account_id=account_id,
            resource_id=resource_id,
            before=before,
            after=after,
        )
        draft = self._draft(change, secrets.token_bytes(SALT_BYTES))
        caller.recorded.append(await store.insert_entry(connection, draft))

    async def record_of(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        status: int,
        resource: Held,
        *,
        before: object = None,
        after: object = None,
    ) -> None:
        """Write the entry of a change of what an account holds; all else as `record`.

        Args:
            connection: with the transaction open.
            caller: who asked, and how.
            action: what was done.
            status: the status the answer will have.
            resource: what was changed; its id and its account are written.
            before: the state before.
            after: the state after.

        Raises:
            AuditUnavailable: as `record`.
        """
        await self.record(
            connection,
            caller,
            action=action,
            status=status,
            account_id=resource.account_id,
            resource_id=resource.id,
            before=before,
            after=after,
        )

    async def record_many(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Write the entries of several requests that share one transaction, by one statement.

        Args:
            connection: with the transaction open.
            changes: in the order in which they were made.

        Raises:
            AuditUnavailable: as `record`.
        """
        if not changes:
            return
        salts = secrets.token_bytes(SALT_BYTES * len(changes))
        drafts = [
            self._draft(change, salts[at * SALT_BYTES : (at + 1) * SALT_BYTES])
            for at, change in enumerate(changes)
        ]
        entries = await store.insert_entries(connection, drafts)
        for change, entry in zip(changes, entries, strict=True):
            change.caller.recorded.append(entry)

    async def record_disclosure(self, disclosed: Change) -> None:
        """Write the entry of what a request is about to be shown, together with those of others.

        Args:
            disclosed: what is shown; nothing was changed, so it has no states.

        Raises:
            AuditUnavailable: the log cannot be written; it must not be shown.
            Unavailable: the database is away, likewise.
        """
        await self._disclosures.record(disclosed)

    async def record_system(
        self,
        connection: Connection,
        *,
        actor: str,
        action: str,
        account_id: UUID | None = None,
        tenant: str = "",
        resource_id: UUID | str = "",
        before: object = None,
        after: object = None,
    ) -> None:
        """Write the entry of what a background worker changed, in the transaction of the change.

        Args:
            connection: with the transaction open.
            actor: the worker, such as `gasbank-settlement`.
            action: what was done.
            account_id: account concerned.
            tenant: tenant concerned.
            resource_id: what was changed.
            before: the state before, as in `record`.
            after: the state after.

        Raises:
            AuditUnavailable: as `record`.
        """
        draft = rules.draft_system_entry(
            entry_id=new_id(),
            time=self._clock.now(),
            salt=secrets.token_bytes(SALT_BYTES),
            actor=actor,
            action=action,
            tenant=tenant,
            account_id=account_id,
            resource_id=resource_id,
            before=before,
            after=after,
        )
        entry = await store.insert_entry(connection, draft)
        if not self._to_file:
            return
        if len(self._undecided) < _BACKLOG:
            self._undecided[entry.id] = (await store.get_transaction(connection), entry)
        else:
            self.lines.lose(1)

    async def decide(self) -> None:
        """Hand what background workers recorded to the file, once its transaction is committed.

        Raises:
            Unavailable: the database is away; it is decided later.
        """
        if not self._undecided:
            return
        asked = dict(self._undecided)
        async with self._database.connection() as connection:
            ended = await store.list_ended(
                connection, list(asked), [transaction for transaction, _ in asked.values()]
            )
        for entry_id, kept in ended.items():
            _, entry = self._undecided.pop(entry_id)
            if kept:
                self.lines.put(entry)

    def _draft(self, change: Change, salt: bytes) -> Draft:
        return rules.draft_entry(
            change.caller,
            entry_id=new_id(),
            time=self._clock.now(),
            salt=salt,
            action=change.action,
            status=change.status,
            account_id=change.account_id,
            resource_id=change.resource_id,
            before=change.before,
            after=change.after,
        )

    def settle(self, caller: Caller, status: int) -> None:
        """Close the books of a request when its answer is known.

        Entries whose transaction was committed go to the file; a refused change gets its entry.

        Args:
            caller: the request.
            status: of its answer.
        """
        if rules.is_refused_change(caller.method, status):
            entry = rules.draft_entry(
                caller,
                entry_id=new_id(),
                time=self._clock.now(),
                status=status,
                resource_id=caller.subject,
            ).entry
            if caller.principal is None:
                self._refused_strangers.inc()
                self.gather()
                written = self._strangers.note(entry)
            else:
                written = entry
            self._refuse([written] if written else [])
        elif caller.recorded:
            self._recorded.inc(len(caller.recorded))
            self._to_lines(caller.recorded)

    def gather(self, *, last: bool = False) -> None:
        """Hand on the refusals of strangers of a minute that is over, all of them at the `last`."""
        self._refuse(self._strangers.take(self._clock.now(), last=last))

    def _refuse(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.refusals.put(entry)
        self._to_lines(entries)

    async def list_entries(self, caller: Caller, query: Query) -> Slice[Entry]:
        """Look entries up.

        Args:
            caller: an admin; one that is bound to a tenant, or names one, sees its entries only.
            query: which ones.

        Returns:
            A page, oldest first, and where to go on.

        Raises:
            AdminOnly: another role.
        """
        bound_to = caller.require_admin().only_tenant
        asked = replace(query, limit=query.limit + 1)
        async with self._database.connection() as connection:
            found = await store.list_entries(connection, asked, only_tenant=bound_to)
        if len(found) <= query.limit:
            return Slice(found, None)
        page = found[1:] if query.newest else found[:-1]
        return Slice(page, (str(page[0 if query.newest else -1].seq),))

    async def write_refusals(self, entries: Sequence[Entry]) -> None:
        """Write entries of refusals; called by the background writer."""
        async with self._database.transaction() as connection:
            await store.insert_entries(connection, [Draft(entry=entry) for entry in entries])

    def _to_lines(self, entries: Sequence[Entry]) -> None:
        if self._to_file:
            for entry in entries:
                self.lines.put(entry)
