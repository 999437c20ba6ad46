"""What of a request is worth an entry, and what an entry says. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.audit.models import (
    LONGEST_AGENT,
    LONGEST_PATH,
    REFUSED,
    SYSTEM,
    Draft,
    Entry,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.web.principal import Caller

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FIRST_REFUSAL: Final = 400
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


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


def like_pattern(part: str) -> str:
    """The pattern of LIKE that finds a part literally."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _storable(text: str, length: int) -> str:
    cut = text[:length].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode()
