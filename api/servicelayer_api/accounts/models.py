"""Accounts and their wallets: as they are kept and as they go over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from servicelayer_api.wire import NEEDED

type AccountStatus = Literal["active", "suspended"]

_ACCOUNT_NAMES = {
    "id": "ID",
    "owner": "Owner",
    "metadata": "Metadata",
    "status": "Status",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
}
_WALLET_NAMES = {
    "id": "ID",
    "workspace_id": "WorkspaceID",
    "wallet_address": "WalletAddress",
    "label": "Label",
    "status": "Status",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
}

type Owner = Annotated[str, Meta(max_length=1024)]


class Account(msgspec.Struct, frozen=True, kw_only=True, rename=_ACCOUNT_NAMES):
    """A customer of a tenant; what the other modules keep hangs on it.

    Attributes:
        id: UUID.
        owner: Free text.
        metadata: Text to text; `tenant` among them, set by the server.
        status: `suspended` accounts can be read and not changed.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    owner: str
    metadata: dict[str, str]
    status: AccountStatus = "active"
    created_at: datetime
    updated_at: datetime


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to open an account; `metadata.tenant` becomes the tenant of the request."""

    owner: Owner
    metadata: dict[str, str] | None = None


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to change an account: a field that is left out stays as it is.

    In `metadata` a key with a text is set and a key with `null` is removed. Only an admin or a
    platform token may change `status`.
    """

    owner: Owner | UnsetType = UNSET
    metadata: dict[str, str | None] | UnsetType = UNSET
    status: AccountStatus | UnsetType = UNSET


class Wallet(msgspec.Struct, frozen=True, kw_only=True, rename=_WALLET_NAMES):
    """A Neo wallet that belongs to an account ("workspace"). Its owner may log in with it.

    Attributes:
        id: UUID.
        workspace_id: The account.
        wallet_address: Script hash: 0x and 40 hex digits in lower case.
        label: Free text.
        status: `active` or empty; with any other text the wallet signs and does not log in.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    workspace_id: UUID
    wallet_address: str
    label: str
    status: str
    created_at: datetime
    updated_at: datetime

    @property
    def account_id(self) -> UUID:
        """The account, by the name that other things have for it."""
        return self.workspace_id


class NewWallet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to register a wallet: its script hash (0x...) or its address (N...).

    Whoever holds the wallet may then log in for the account, unless `status` says something else
    than `active`: write for instance `signer` for a wallet that only signs for data feeds.
    """

    wallet_address: Annotated[str, NEEDED] = ""
    label: str = ""
    status: str = ""
