"""What is configured: the items as they are shown, and what is sent to make or change them.

In what is sent every field may be left out. POST and PUT take it for empty (0, false, no text),
PATCH for unchanged. Fields that only the server sets are accepted, so that what was read can be
sent back, and ignored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

NO_TIME = datetime.min.replace(tzinfo=UTC)
"""How the wire contract writes a time that is not set: year 1."""
MASK = "********"
"""Stands where a provider's API key would; sent back it leaves the key as it is."""

MAX_KEY = 256

type _Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
type _Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
type _Text = Annotated[str, Meta(max_length=4096)]
type _Name = Annotated[str, Meta(max_length=MAX_KEY)]
type _Names = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=1000)
]
type _Metadata = Annotated[dict[Annotated[str, Meta(max_length=128)], _Text], Meta(max_length=64)]
type _Percent = Annotated[int, Meta(ge=0, le=100)]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a blockchain that speaks JSON-RPC.

    Attributes:
        id: UUID.
        chain_id: The chain; several nodes may serve one.
        name: For people.
        rpc_url: Where it answers.
        ws_url: Where it answers over WebSocket; empty when it does not.
        chain_type: Such as `evm` or `neo`.
        network_id: The network's number; 0 when not set.
        priority: Lower is asked first.
        weight: Share among those of one priority; 0 when not set.
        max_rps: Requests a second it may be sent; 0 is no limit.
        timeout_ms: Longest time to wait for it; 0 when not set.
        enabled: Whether it is to be used.
        healthy: Whether it was found well.
        metadata: Text to text.
        created_at: UTC.
        updated_at: UTC.
        last_check_at: UTC; year 1 when it was never checked.
    """

    id: UUID = UUID(int=0)
    chain_id: str = ""
    name: str = ""
    rpc_url: str = ""
    ws_url: str = ""
    chain_type: str = ""
    network_id: int = 0
    priority: int = 0
    weight: int = 0
    max_rps: int = 0
    timeout_ms: int = 0
    enabled: bool = False
    healthy: bool = False
    metadata: dict[str, str] = {}
    created_at: datetime = NO_TIME
    updated_at: datetime = NO_TIME
    last_check_at: datetime = NO_TIME


class ChainChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a chain's node."""

    chain_id: _Name | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    rpc_url: _Text | UnsetType = UNSET
    ws_url: _Text | UnsetType = UNSET
    chain_type: _Name | UnsetType = UNSET
    network_id: _Count | UnsetType = UNSET
    priority: _Small | UnsetType = UNSET
    weight: _Small | UnsetType = UNSET
    max_rps: _Small | UnsetType = UNSET
    timeout_ms: _Small | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    healthy: bool | UnsetType = UNSET
    metadata: _Metadata | UnsetType | None = UNSET
    id: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    last_check_at: str | UnsetType = UNSET


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A source of data outside.

    Attributes:
        id: UUID.
        name: Unique.
        type: Such as `price_feed`.
        base_url: Where it answers.
        api_key: A mask when there is one; the key itself is shown nowhere.
        rate_limit: Requests a minute it may be sent; 0 is no limit.
        timeout_ms: Longest time to wait for it; 0 when not set.
        retries: Attempts after the first.
        enabled: Whether it is to be used.
        healthy: Whether it was found well.
        features: What it offers.
        metadata: Text to text.
        created_at: UTC.
        updated_at: UTC.
        last_check_at: UTC; year 1 when it was never checked.
    """

    id: UUID = UUID(int=0)
    name: str = ""
    type: str = ""
    base_url: str = ""
    api_key: str = ""
    rate_limit: int = 0
    timeout_ms: int = 0
    retries: int = 0
    enabled: bool = False
    healthy: bool = False
    features: list[str] = []
    metadata: dict[str, str] = {}
    created_at: datetime = NO_TIME
    updated_at: datetime = NO_TIME
    last_check_at: datetime = NO_TIME


class ProviderChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a provider; an `api_key` of only the mask leaves the key as it is."""

    name: _Name | UnsetType = UNSET
    type: _Name | UnsetType = UNSET
    base_url: _Text | UnsetType = UNSET
    api_key: _Text | UnsetType = UNSET
    rate_limit: _Small | UnsetType = UNSET
    timeout_ms: _Small | UnsetType = UNSET
    retries: _Small | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    healthy: bool | UnsetType = UNSET
    features: _Names | UnsetType | None = UNSET
    metadata: _Metadata | UnsetType | None = UNSET
    id: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    last_check_at: str | UnsetType = UNSET


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A named value.

    Attributes:
        key: Its name.
        value: As text, whatever the type.
        type: Such as `string`, `int` or `bool`; for those who show it.
        category: Groups settings.
        description: For people.
        editable: Whether an interface should offer to change it.
        updated_at: UTC.
        updated_by: Who changed it last.
    """

    key: str = ""
    value: str = ""
    type: str = ""
    category: str = ""
    description: str = ""
    editable: bool = False
    updated_at: datetime = NO_TIME
    updated_by: str = ""


class SettingChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a setting."""

    key: _Name | UnsetType = UNSET
    value: _Text | UnsetType = UNSET
    type: _Name | UnsetType = UNSET
    category: _Name | UnsetType = UNSET
    description: _Text | UnsetType = UNSET
    editable: bool | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    updated_by: str | UnsetType = UNSET


class FeatureFlag(msgspec.Struct, frozen=True, kw_only=True):
    """A switch.

    Attributes:
        key: Its name.
        enabled: Whether it is on.
        description: For people.
        rollout: Percent of cases in which it is on.
        updated_at: UTC.
        updated_by: Who changed it last.
    """

    key: str = ""
    enabled: bool = False
    description: str = ""
    rollout: int = 0
    updated_at: datetime = NO_TIME
    updated_by: str = ""


class FeatureFlagChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a switch."""

    key: _Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: _Text | UnsetType = UNSET
    rollout: _Percent | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    updated_by: str | UnsetType = UNSET


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant may use; 0 is no limit, and a tenant without a quota is not limited.

    Attributes:
        tenant_id: The tenant.
        max_accounts: Accounts it may have.
        max_functions: Functions it may have. Kept and shown; it limits nothing in this version,
            which has no functions.
        max_rpc_per_min: Calls of the chain proxy a minute. Limits nothing in this version, which
            has no proxy.
        max_storage_bytes: Bytes it may keep. Limits nothing in this version.
        max_gas_per_day: Gas it may withdraw a day (UTC), in fractions of GAS (10^-8): 1000000000
            are 10 GAS.
        max_requests_per_min: Requests a minute, those under `/admin` apart.
        max_requests_per_day: Requests a day (UTC), likewise.
        features: Names of what it may use.
        updated_at: UTC.
        updated_by: Who changed it last.
    """

    tenant_id: str = ""
    max_accounts: int = 0
    max_functions: int = 0
    max_rpc_per_min: int = 0
    max_storage_bytes: int = 0
    max_gas_per_day: int = 0
    max_requests_per_min: int = 0
    max_requests_per_day: int = 0
    features: list[str] = []
    updated_at: datetime = NO_TIME
    updated_by: str = ""


class QuotaChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a tenant's quotas."""

    tenant_id: _Name | UnsetType = UNSET
    max_accounts: _Count | UnsetType = UNSET
    max_functions: _Count | UnsetType = UNSET
    max_rpc_per_min: _Count | UnsetType = UNSET
    max_storage_bytes: _Count | UnsetType = UNSET
    max_gas_per_day: _Count | UnsetType = UNSET
    max_requests_per_min: _Count | UnsetType = UNSET
    max_requests_per_day: _Count | UnsetType = UNSET
    features: _Names | UnsetType | None = UNSET
    updated_at: str | UnsetType = UNSET
    updated_by: str | UnsetType = UNSET


class MethodList(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON-RPC methods of a chain that may be called.

    Attributes:
        chain_id: The chain.
        methods: Their names.
    """

    chain_id: str = ""
    methods: list[str] = []


class MethodListChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent about a chain's methods."""

    chain_id: _Name | UnsetType = UNSET
    methods: _Names | UnsetType | None = UNSET


type Item = Chain | Provider | Setting | FeatureFlag | Quota | MethodList
type Change = (
    ChainChange
    | ProviderChange
    | SettingChange
    | FeatureFlagChange
    | QuotaChange
    | MethodListChange
)
