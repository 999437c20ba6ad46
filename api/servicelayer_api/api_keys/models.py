"""API keys of accounts: as they are shown and as they are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from servicelayer_api.web.scopes import SCOPES

MAX_OVERLAP: Final = 30 * 86400

type ScopeName = Annotated[str, Meta(extra_json_schema={"enum": sorted(SCOPES)})]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A credential that acts for one account only. The key itself is kept nowhere.

    Attributes:
        id: UUID.
        account_id: The account.
        name: Free text, to tell keys apart.
        prefix: The first characters of the key.
        created_by: Who made it.
        created_at: UTC.
        expires_at: Refused from then on.
        last_used_at: To the minute.
        scopes: What it is limited to; left out when it may do all that a key may.
        replaced_by: The key that a rotation made in its place.
        key: The key; only in the answer that made it.
    """

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: list[str] | None = None
    replaced_by: UUID | None = None
    key: str | None = None


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a key.

    Without `expires_in_seconds` it is valid until it is revoked, without `scopes` it may do all
    that a key may.

    Attributes:
        name: Free text, to tell keys apart.
        expires_in_seconds: Seconds until it is refused; left out for a key without an end.
        scopes: What it may do; left out for all that a key may.
    """

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    expires_in_seconds: Annotated[int, Meta(ge=1, le=5 * 366 * 86400)] | None = None
    scopes: Annotated[list[ScopeName], Meta(min_length=1, max_length=64)] | None = None


class KeyReplacement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to rotate a key: for how long the old one stays valid beside the new one.

    Attributes:
        overlap_seconds: Seconds for which the old key stays valid; 0 ends it at once, 30 days at
            most.
    """

    overlap_seconds: Annotated[int, Meta(ge=0, le=MAX_OVERLAP)]
