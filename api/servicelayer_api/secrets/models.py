"""Secrets as they are kept and as they go over the wire."""

from __future__ import annotations

from datetime import datetime
from enum import IntFlag
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_NAME: Final = 256
MAX_VALUE_BYTES: Final = 64 * 1024

type Acl = Annotated[int, Meta(ge=0, le=255)]
type Value = Annotated[str, Meta(min_length=1, max_length=MAX_VALUE_BYTES)]
type Moment = Annotated[datetime, Meta(tz=True)]

_SECRET_NAMES = {
    "id": "ID",
    "account_id": "AccountID",
    "name": "Name",
    "value": "Value",
    "version": "Version",
    "acl": "ACL",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
    "expires_at": "ExpiresAt",
}


class Reader(IntFlag):
    """Who may have a secret's value beside the people of its tenant: the bits of `acl`.

    The first four are the reference server's. Bits that mean nothing yet are kept as they are.
    """

    ORACLE = 0x01
    AUTOMATION = 0x02
    FUNCTIONS = 0x04
    JAM = 0x08
    ACCOUNT_KEYS = 0x10


class SecretMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A secret without its value.

    Attributes:
        id: UUID.
        account_id: The account.
        name: As it was given; case does not tell names apart.
        version: Counts changes from 1.
        acl: 0 to 255: 1 oracle, 2 automation, 4 functions, 8 JAM, 16 account keys.
        created_at: UTC.
        updated_at: UTC.
        expires_at: UTC; from then on nobody gets the value. Left out when there is none.
        expired: Whether that time has come. Left out when not.
    """

    id: UUID
    account_id: UUID
    name: str
    version: int
    acl: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    expired: bool = False


class Secret(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_SECRET_NAMES):
    """A secret with its value.

    Attributes:
        id: UUID.
        account_id: The account.
        name: As it was given.
        value: The text itself.
        version: The version this is.
        acl: Of this version.
        created_at: UTC; of the secret.
        updated_at: UTC; of this version.
        expires_at: UTC; of this version. Left out when there is none.
    """

    id: UUID
    account_id: UUID
    name: str
    value: str
    version: int
    acl: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Secret({self.id}, version {self.version})"


class SecretVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of a secret, without its value.

    Attributes:
        version: Its number.
        acl: 0 to 255, as above.
        created_by: Who made it.
        created_at: UTC.
        current: Whether it is the one in force. Left out when not.
        expires_at: UTC. Left out when there is none.
        expired: Left out when not.
        restored_from: The version whose value it brought back, if it did.
    """

    version: int
    acl: int
    created_by: str
    created_at: datetime
    current: bool = False
    expires_at: datetime | None = None
    expired: bool = False
    restored_from: int | None = None


class NewSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a secret."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    value: Value
    acl: Acl = 0
    expires_at: Moment | None = None

    def __repr__(self) -> str:
        return "NewSecret(***)"


class SecretChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to change a secret: at least one field; what is left out stays as it is.

    `expires_at: null` takes the expiry off.
    """

    value: Value | UnsetType = UNSET
    acl: Acl | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "SecretChange(***)"


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to bring the value of an older version back, as a new version.

    The access bits and the expiry stay those of the present version.
    """

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret's own row."""

    id: UUID
    account_id: UUID
    name: str
    name_key: str
    version: int
    created_at: datetime
    updated_at: datetime


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The row of one of its versions."""

    id: UUID
    account_id: UUID
    secret_id: UUID
    version: int
    acl: int
    expires_at: datetime | None
    sealed: bytes
    imported: bool
    restored_from: int | None
    created_by: str
    created_at: datetime
