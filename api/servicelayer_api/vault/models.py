"""What the vault keeps and shows: key versions, data keys still wrapped, rotations, columns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

type RotationKind = Literal["keys", "data-keys"]
type RotationState = Literal["running", "done", "failed"]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the key-encryption key as the database knows it."""

    version: int
    fingerprint: str
    check_value: bytes
    created_at: datetime
    retired_at: datetime | None
    data_keys: int


class WrappedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A data key as it is kept."""

    id: UUID
    owner: UUID | None
    version: int
    key_version: int
    wrapped: bytes


class SealedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of sealed data, so that a rotation of data keys finds and re-seals what is in it.

    All members but `name` are fixed SQL of the feature that owns the table, never a caller's text.

    Attributes:
        name: For logs and progress.
        table: The table.
        key: Its primary key, one `uuid` column.
        column: The `bytea` column; rows where it is null are passed over.
        owner: The account's column, or `NULL::uuid` for data of the program.
        context: Expression over the table's columns that gives the very context the feature seals
            with.
        imported: Boolean column that marks values of the reference server, if there can be any.
    """

    name: str
    table: str
    key: str
    column: str
    owner: str
    context: str
    imported: str = ""


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of such a column."""

    key: UUID
    owner: UUID | None
    sealed: bytes
    context: str
    imported: bool


class Rotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rotation and how far it is.

    Attributes:
        id: UUID.
        kind: `keys` wraps data keys by the newest key-encryption key; `data-keys` makes new data
            keys and seals all data with them.
        state: `running`, `done`, or `failed` when something did not open.
        target_version: The key-encryption key that was the newest at the start.
        total: Data keys to go over when it started.
        done: Data keys gone over.
        failed: Data keys or rows that did not open; they were left as they are.
        resealed: Rows of data that were sealed anew.
        started_by: Who asked for it.
        started_at: UTC.
        updated_at: UTC; when it last made progress.
        finished_at: UTC.
    """

    id: UUID
    kind: RotationKind
    state: RotationState
    target_version: int
    total: int
    done: int
    failed: int
    resealed: int
    started_by: str
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None


class KeyVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of the key-encryption key as it is shown.

    Attributes:
        version: Counts from 1; the highest is in force.
        fingerprint: 16 hex digits that tell keys apart and say nothing about them.
        current: Whether new data keys are wrapped by it.
        available: Whether this process was given the key.
        data_keys: How many data keys are wrapped by it.
        created_at: UTC.
        retired_at: UTC; from then on it is needed no more and may be taken out of the settings.
    """

    version: int
    fingerprint: str
    current: bool
    available: bool
    data_keys: int
    created_at: datetime
    retired_at: datetime | None = None


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The keys and the last rotation.

    Attributes:
        keys: All versions, newest first.
        imported: Values of the reference server that are still sealed as it sealed them.
        rotation: The last one, if there ever was one.
    """

    keys: list[KeyVersion]
    imported: int
    rotation: Rotation | None = None


class RotationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to start a rotation.

    Attributes:
        data_keys: Also make new data keys and seal all data with them, which takes longer.
    """

    data_keys: bool = False
