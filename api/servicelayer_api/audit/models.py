"""Audit entries: as they are kept and as they are shown.

Invariant: the JSON of an `Entry` is what its leaf in the Merkle tree hashes, so the order, names
and forms of its fields never change; a new one goes to the end and is left out when empty.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from servicelayer_api.web.principal import Caller

REFUSED = "request.refused"
SYSTEM = "system"
LONGEST_PATH = 2048
LONGEST_AGENT = 256


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: who did what to which resource, from where, with which result.

    The wire form is the one of `GET /admin/audit` and of the file at `AUDIT_LOG_PATH`.

    Attributes:
        seq: Place in the log; 0 while that is not known, which is in the file only.
        id: Of this entry.
        time: When it was written.
        user: Name of the principal; empty when nobody known asked.
        role: Role of the principal; empty likewise.
        credential: Kind of the credential shown; empty likewise.
        tenant: Tenant the request acted for; empty when none.
        account_id: Account concerned; empty when none.
        action: Such as `account.create`; `request.refused` when nothing was changed.
        resource_id: What was changed; empty when nothing.
        method: HTTP method.
        path: Path without the query.
        status: HTTP status of the answer.
        request_id: As in the answer and in the logs.
        remote_addr: The client's address.
        user_agent: As the client sent it, cut.
        route: Template of the path, such as `/accounts/{account_id}`; empty when none matched.
        scope: What the route asks of an account API key; empty when nothing.
        idempotency: SHA-256 of the request's `Idempotency-Key`; empty when it had none.
        before: Salted SHA-256 of the state before; empty when there was none or it is not kept.
        after: The same of the state after.
        requests: How many requests like this one the entry stands for; left out when it is one, and
            not part of its leaf then.
    """

    seq: int = 0
    id: UUID
    time: datetime
    user: str
    role: str
    credential: str
    tenant: str
    account_id: UUID | None
    action: str
    resource_id: str
    method: str
    path: str
    status: int
    request_id: str
    remote_addr: str
    user_agent: str
    route: str = ""
    scope: str = ""
    idempotency: str = ""
    before: str = ""
    after: str = ""
    requests: int | msgspec.UnsetType = msgspec.UNSET


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with what is kept beside it and never shown.

    Attributes:
        entry: What is shown.
        salt: What the digests were salted with; empty when there are none.
    """

    entry: Entry
    salt: bytes = b""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of many that are recorded at once.

    Attributes:
        caller: Who asked, and how.
        action: What was done, such as `gasbank.deposit`.
        status: The status the answer will have.
        account_id: Account concerned.
        resource_id: What was changed.
        before: The state before, to be digested; no secret.
        after: The state after, likewise.
    """

    caller: Caller
    action: str
    status: int
    account_id: UUID | None = None
    resource_id: UUID | str = ""
    before: object = None
    after: object = None


class Held(Protocol):
    """What an account holds: an entry about it names both."""

    @property
    def id(self) -> UUID:
        """Of what is held."""
        ...

    @property
    def account_id(self) -> UUID:
        """Of the account."""
        ...


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to show of the log.

    Attributes:
        limit: Entries at most.
        offset: Entries to skip, counted from the end that `newest` names.
        after: Place in the log after which to go on, away from the end that `newest` names.
        newest: Whether the page is taken from the newest entries or from the oldest; either way it
            is shown oldest first.
        user: Exact name.
        role: Exact role.
        tenant: Exact tenant.
        method: Method, any case.
        contains: Part of the path.
        status: HTTP status.
        account_id: The account that it is about.
        action: Exact action.
    """

    limit: int = 200
    offset: int = 0
    after: int | None = None
    newest: bool = True
    user: str | None = None
    role: str | None = None
    tenant: str | None = None
    method: str | None = None
    contains: str | None = None
    status: int | None = None
    account_id: UUID | None = None
    action: str | None = None


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sealing stands.

    Attributes:
        log_id: Names this log.
        size: Leaves of the tree.
        frontier: Hashes of its perfect subtrees, the largest first.
        sealed_xid: Transaction of the last entry that was sealed.
        sealed_seq: Its place in the log.
        floor_seq: Entries up to this one were sealed before the database was restored elsewhere.
        next_xid: No transaction of this cluster has had this number yet.
    """

    log_id: UUID
    size: int
    frontier: bytes
    sealed_xid: int
    sealed_seq: int
    floor_seq: int
    next_xid: int

    @property
    def was_restored(self) -> bool:
        """Whether the last sealed entry was written by a cluster that counted further than this."""
        return self.sealed_xid >= self.next_xid


class Written(msgspec.Struct, frozen=True):
    """An entry and the transaction that wrote it."""

    entry: Entry
    xid: int


class Leaf(msgspec.Struct, frozen=True):
    """A leaf as it was sealed, and the entry that is at its place in the log now, if any."""

    index: int
    seq: int
    hash: bytes
    entry: Entry | None


class Backlog(msgspec.Struct, frozen=True):
    """What waits to be sealed: entries (counted to 10,000), and seconds since the oldest."""

    sealed: int
    waiting: int
    age: float


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The tree at a moment: what a signed note says.

    Attributes:
        origin: Names the log.
        size: Leaves.
        root: Root hash, base64.
        time: When it was signed.
    """

    origin: str
    size: int
    root: str
    time: datetime


class SignedCheckpoint(Checkpoint, frozen=True, kw_only=True):
    """A checkpoint with its signed note (C2SP), which is what to keep.

    Attributes:
        note: The note's whole text.
        key: Verifier key that checks it; compare it with one that was kept.
    """

    note: str
    key: str


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that checkpoints are signed with.

    Attributes:
        name: Of the signer: the origin of the log.
        algorithm: Always `Ed25519`.
        public_key: 32 bytes, base64.
        verifier_key: Name, id and key in the form of C2SP signed notes.
    """

    name: str
    algorithm: str = "Ed25519"
    public_key: str
    verifier_key: str


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that an entry is in the log of a checkpoint; can be checked from this alone.

    Attributes:
        entry: The entry; its JSON, as it stands here, is the data of the leaf.
        leaf: Index of the leaf.
        size: Leaves of the tree.
        leaf_hash: SHA-256 over 0x00 and the data, base64.
        hashes: The proof (RFC 6962), from the leaf's neighbour upwards, base64.
        checkpoint: The signed note of the tree.
    """

    entry: Entry
    leaf: int
    size: int
    leaf_hash: str
    hashes: list[str]
    checkpoint: str


class ConsistencyProof(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that nothing of a smaller tree was changed, removed or moved in a larger one.

    Attributes:
        old: Leaves of the smaller tree.
        new: Leaves of the larger one.
        hashes: The proof (RFC 6962), base64.
    """

    old: int
    new: int
    hashes: list[str]
