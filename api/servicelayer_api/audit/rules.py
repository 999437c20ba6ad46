"""What of a request is worth an entry, and what an entry says. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.audit.models import (
    LONGEST_AGENT,
    LONGEST_PATH,
    REFUSED,
    SYSTEM,
    Checkpoint,
    Draft,
    Entry,
)
from servicelayer_api.crypto.merkle import HASH_BYTES

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.web.principal import Caller

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FIRST_REFUSAL: Final = 400
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
_PLAIN: Final = msgspec.json.Encoder()
_CHECKPOINT: Final = re.compile(
    r"(?P<origin>[!-~]{1,200})\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/=]{44})\n"
    r"time (?P<time>[0-9T:.-]{10,32}Z)\n"
)


def is_refused_change(method: str, status: int) -> bool:
    """Whether a request wanted to change something and was refused.

    Reads leave no entry: they are counted in the metrics and written in the access log.

    Args:
        method: HTTP method.
        status: status of the answer.
    """
    return method not in _SAFE_METHODS and status >= _FIRST_REFUSAL


def draft_entry(
    caller: Caller,
    *,
    entry_id: UUID,
    time: datetime,
    status: int,
    salt: bytes = b"",
    action: str = REFUSED,
    account_id: UUID | None = None,
    resource_id: UUID | str = "",
    before: object = None,
    after: object = None,
) -> Draft:
    """Write down a request.

    Args:
        caller: the request's facts.
        entry_id: id of the entry.
        time: the present.
        status: HTTP status of the answer.
        salt: random, for the digests.
        action: what was done.
        account_id: account concerned.
        resource_id: what was changed.
        before: the state before the change.
        after: the state after it.

    Returns:
        The entry; texts of the client are cut and hold no NUL, states are digests.
    """
    principal = caller.principal
    entry = Entry(
        id=entry_id,
        time=time,
        user=principal.user if principal else "",
        role=principal.role if principal else "",
        credential=principal.credential.kind if principal else "",
        tenant=(principal.tenant or "") if principal else "",
        account_id=account_id,
        action=action,
        resource_id=str(resource_id),
        method=caller.method,
        path=_storable(caller.path, LONGEST_PATH),
        status=status,
        request_id=caller.request_id,
        remote_addr=caller.remote_addr,
        user_agent=_storable(caller.user_agent, LONGEST_AGENT),
        route=caller.route,
        scope=caller.scope,
        idempotency=caller.idempotency,
        before=digest(salt, before),
        after=digest(salt, after),
    )
    return Draft(entry=entry, salt=salt if entry.before or entry.after else b"")


def draft_system_entry(
    *,
    entry_id: UUID,
    time: datetime,
    salt: bytes,
    actor: str,
    action: str,
    tenant: str = "",
    account_id: UUID | None = None,
    resource_id: UUID | str = "",
    before: object = None,
    after: object = None,
) -> Draft:
    """Write down what the program did unasked; there is no request, so its facts are empty."""
    entry = Entry(
        id=entry_id,
        time=time,
        user=actor,
        role=SYSTEM,
        credential="",
        tenant=tenant,
        account_id=account_id,
        action=action,
        resource_id=str(resource_id),
        method="",
        path="",
        status=0,
        request_id="",
        remote_addr="",
        user_agent="",
        before=digest(salt, before),
        after=digest(salt, after),
    )
    return Draft(entry=entry, salt=salt if entry.before or entry.after else b"")


def digest(salt: bytes, state: object) -> str:
    """The salted SHA-256 of a state's canonical JSON, in hex; empty for `None`.

    Without the salt, which is shown nowhere, small states cannot be found by trying them all.
    """
    if state is None:
        return ""
    return hashlib.sha256(salt + _CANONICAL.encode(state)).hexdigest()


def leaf_data(entry: Entry) -> bytes:
    """The bytes that an entry's leaf hashes: its JSON, fields in their order, no spaces."""
    return _PLAIN.encode(entry)


def origin(log_id: UUID) -> str:
    """The name of a log in its checkpoints."""
    return f"servicelayer/audit/{log_id}"


def write_checkpoint(checkpoint: Checkpoint) -> str:
    """The text of a checkpoint (C2SP tlog-checkpoint), with the time as its extension line."""
    moment = checkpoint.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return f"{checkpoint.origin}\n{checkpoint.size}\n{checkpoint.root}\ntime {moment}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint back.

    Raises:
        ValueError: it is none.
    """
    found = _CHECKPOINT.fullmatch(text)
    if found is None:
        raise ValueError("the text is no checkpoint of an audit log")
    root = base64.b64decode(found["root"], validate=True)
    if len(root) != HASH_BYTES:
        raise ValueError("the root of a checkpoint is 32 bytes")
    return Checkpoint(
        origin=found["origin"],
        size=int(found["size"]),
        root=found["root"],
        time=datetime.fromisoformat(found["time"]),
    )


def like_pattern(part: str) -> str:
    """The pattern of LIKE that finds a part literally."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _storable(text: str, length: int) -> str:
    cut = text[:length].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode()
