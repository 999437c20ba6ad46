"""What of a request is worth an entry, and what an entry says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.audit.models import LONGEST_AGENT, LONGEST_PATH, REFUSED, Entry

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.web.principal import Caller

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FIRST_REFUSAL: Final = 400


def is_refused_change(method: str, status: int) -> bool:
    """Whether a request wanted to change something and was refused.

    Reads leave no entry: they are counted in the metrics and written in the access log.

    Args:
        method: HTTP method.
        status: status of the answer.
    """
    return method not in _SAFE_METHODS and status >= _FIRST_REFUSAL


def make_entry(
    caller: Caller,
    *,
    entry_id: UUID,
    time: datetime,
    action: str = REFUSED,
    status: int,
    account_id: UUID | None = None,
    resource_id: str = "",
) -> Entry:
    """Write down a request.

    Args:
        caller: the request's facts.
        entry_id: id of the entry.
        time: the present.
        action: what was done.
        status: HTTP status of the answer.
        account_id: account concerned.
        resource_id: what was changed.

    Returns:
        The entry; texts of the client are cut and hold no NUL.
    """
    principal = caller.principal
    return Entry(
        id=entry_id,
        time=time,
        user=principal.user if principal else "",
        role=principal.role if principal else "",
        credential=principal.credential.kind if principal else "",
        tenant=(principal.tenant or "") if principal else "",
        account_id=account_id,
        action=action,
        resource_id=resource_id,
        method=caller.method,
        path=_storable(caller.path, LONGEST_PATH),
        status=status,
        request_id=caller.request_id,
        remote_addr=caller.remote_addr,
        user_agent=_storable(caller.user_agent, LONGEST_AGENT),
    )


def like_pattern(part: str) -> str:
    """The pattern of LIKE that finds a part literally."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _storable(text: str, length: int) -> str:
    cut = text[:length].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode()
