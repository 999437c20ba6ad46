"""Data sources and requests of the oracle: as they are kept, sent and shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from servicelayer_api.wire import NEEDED

type Status = Literal["pending", "running", "succeeded", "failed"]
type Holder = Literal["dispatcher", "runner"]
type DeadReason = Literal["attempts", "expired"]

# What the decoder takes; the rules say how long each of them may be.
type LongText = Annotated[str, Meta(max_length=4 * 1024 * 1024)]

NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""How the contract writes a time that has not come."""

_SOURCE_NAMES: Final = {
    "id": "ID",
    "account_id": "AccountID",
    "name": "Name",
    "description": "Description",
    "url": "URL",
    "method": "Method",
    "headers": "Headers",
    "body": "Body",
    "result_path": "ResultPath",
    "enabled": "Enabled",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
}
_REQUEST_NAMES: Final = {
    "id": "ID",
    "account_id": "AccountID",
    "source_id": "DataSourceID",
    "status": "Status",
    "attempts": "Attempts",
    "fee": "Fee",
    "payload": "Payload",
    "result_path": "ResultPath",
    "result": "Result",
    "error": "Error",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
    "completed_at": "CompletedAt",
}
_DEAD_NAMES: Final = {
    "request_id": "RequestID",
    "account_id": "AccountID",
    "source_id": "DataSourceID",
    "reason": "Reason",
    "attempts": "Attempts",
    "error": "Error",
    "created_at": "CreatedAt",
    "dead_at": "DeadAt",
}


class Source(msgspec.Struct, frozen=True, kw_only=True, rename=_SOURCE_NAMES):
    """A data source as it is shown.

    Attributes:
        id: UUID.
        account_id: The account.
        name: One of its kind in the account, in any case.
        description: Free text.
        url: What is called.
        method: HTTP method in capitals.
        headers: The headers that are sent; values that may be credentials are masked.
        body: The mask when there is one, else empty.
        result_path: Where in a JSON answer the result stands; empty for the whole answer.
        enabled: Whether it is called.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    account_id: UUID
    name: str
    description: str
    url: str
    method: str
    headers: dict[str, str]
    body: str
    result_path: str
    enabled: bool
    created_at: datetime
    updated_at: datetime


class StoredSource(msgspec.Struct, frozen=True, kw_only=True):
    """A data source as it is kept; its credentials are sealed."""

    id: UUID
    account_id: UUID
    name: str
    description: str
    url: str
    method: str
    shown_headers: dict[str, str]
    has_body: bool
    credentials: bytes | None
    result_path: str
    enabled: bool
    created_at: datetime
    updated_at: datetime


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What of a source must not be seen."""

    headers: dict[str, str] = {}
    body: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __bool__(self) -> bool:
        return bool(self.headers or self.body)


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a data source. `headers` and `body` are kept sealed.

    The body is shown masked, and so is each header's value that may be a credential.
    """

    name: Annotated[str, NEEDED] = ""
    url: Annotated[str, NEEDED] = ""
    method: str = ""
    description: str = ""
    headers: dict[str, str] | None = None
    body: LongText = ""
    result_path: str = ""


class SourceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to change a data source: a field that is left out stays as it is.

    `headers` replaces all of them; a value of `***` keeps the value that the header has. When the
    URL gets another scheme, host or port, headers and body must be sent anew, or they are refused.
    """

    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET
    body: LongText | UnsetType = UNSET
    result_path: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class OracleRequest(msgspec.Struct, frozen=True, kw_only=True, rename=_REQUEST_NAMES):
    """A request to ask a data source.

    Attributes:
        id: UUID.
        account_id: The account.
        source_id: The data source.
        status: `pending`, `running`, `succeeded` or `failed`.
        attempts: Calls made for it so far.
        fee: Always 0.
        payload: As it was sent.
        result_path: Where in a JSON answer the result stands; empty for the source's own.
        result: The answer; empty unless it succeeded.
        error: Why it failed, or why the last attempt did.
        created_at: UTC.
        updated_at: UTC.
        completed_at: UTC; the year 1 while it is open.
    """

    id: UUID
    account_id: UUID
    source_id: UUID
    status: Status = "pending"
    attempts: int = 0
    fee: int = 0
    payload: LongText = ""
    result_path: str = ""
    result: LongText = ""
    error: str = ""
    created_at: datetime
    updated_at: datetime
    completed_at: datetime = NEVER


class NewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to ask a data source.

    `payload` may be JSON: the members of an object become query parameters of a GET; otherwise it
    is the body. Its member `alternate_source_ids` names further sources to ask at the same time.
    """

    data_source_id: Annotated[str, NEEDED] = ""
    payload: LongText = ""
    result_path: str = ""


class RequestChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a runner sends about a request; `retry` may be sent by anybody."""

    status: Annotated[str, NEEDED] = ""
    result: LongText | None = None
    error: LongText = ""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename=_DEAD_NAMES):
    """A request that was given up: its attempts are used up, or its time.

    Attributes:
        request_id: The request, which keeps its id when it is put back.
        account_id: The account.
        source_id: The data source.
        reason: `attempts` or `expired`.
        attempts: Calls made.
        error: Why the last one failed.
        created_at: When it was asked for, UTC.
        dead_at: When it was given up, UTC.
    """

    request_id: UUID
    account_id: UUID
    source_id: UUID
    reason: DeadReason
    attempts: int
    error: str
    created_at: datetime
    dead_at: datetime


class RedriveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters to put back; all when nothing is named. A dry run only finds them.

    Attributes:
        data_source_id: Of this source.
        reason: `attempts` or `expired`.
        dead_after: Given up at this time or later.
        dead_before: Given up before this time.
        limit: At most, the oldest first.
        dry_run: Change nothing.
    """

    data_source_id: str = ""
    reason: DeadReason | None = None
    dead_after: datetime | None = None
    dead_before: datetime | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 500
    dry_run: bool = False


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """What was found and put back.

    Attributes:
        dry_run: Whether nothing was changed.
        redriven: How many requests.
        request_ids: Which.
    """

    dry_run: bool
    redriven: int
    request_ids: list[UUID]


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a request.

    Attributes:
        by: Whose lease on it has not ended; `None` when nobody's.
        runner: Which runner took it last, its lease over or not; `None` when none has, or where
            runners have no tokens.
        expired: Whether the request has lived longer than it may.
    """

    by: Holder | None
    runner: bytes | None = None
    expired: bool


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A request that this process holds until its lease ends.

    Attributes:
        id: The request.
        fence: To write its result with.
        attempt: Which call this is, from 1; beyond the limit when a crash used the last one up.
        pause: Seconds that were waited before this attempt.
        tenant: Of the account.
        suspended: Whether the account is.
        source_id: The first source to ask.
        alternates: Further ones.
        payload: As it was sent.
        result_path: Of the request, empty for the source's.
    """

    id: UUID
    account_id: UUID
    tenant: str
    suspended: bool
    fence: int
    attempt: int
    pause: float
    source_id: UUID
    alternates: tuple[UUID, ...]
    payload: str
    result_path: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a claim.

    Attributes:
        outcome: `retried` goes back to wait `pause` seconds; `postponed` likewise, and the attempt
            does not count; the others are final.
        result: Of a success.
        error: Of anything else.
        pause: Seconds.
        dead: Why it becomes a dead letter.
    """

    outcome: Literal["succeeded", "retried", "postponed", "failed", "exhausted"]
    result: str = ""
    error: str = ""
    pause: float = 0.0
    dead: DeadReason | None = None


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits: open requests, the age of the oldest that is due, dead letters."""

    open_requests: int
    oldest_seconds: float
    dead_letters: int
