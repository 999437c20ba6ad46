"""API keys of accounts: as they are shown and as they are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta


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
    key: str | None = None


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a key. Without `expires_in_seconds` it is valid until it is revoked."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    expires_in_seconds: Annotated[int, Meta(ge=1, le=5 * 366 * 86400)] | None = None
