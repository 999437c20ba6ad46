"""Pure decisions about the configuration: what a change makes of an item, and what a valid one is.

`COLLECTIONS` says for each kind of item what tells it apart and what holds for it; the rest of the
feature is the same for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from servicelayer_api import path_names
from servicelayer_api.admin.errors import PlatformAdminOnly
from servicelayer_api.admin.models import (
    MASK,
    MAX_KEY,
    Chain,
    Change,
    FeatureFlag,
    Item,
    MethodList,
    Provider,
    Quota,
    Setting,
)
from servicelayer_api.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servicelayer_api.web.principal import Caller, Principal

_SERVER_SETS: Final = frozenset({"id", "created_at", "updated_at", "updated_by", "last_check_at"})
_WHOLE_ROLLOUT: Final = 100


class Collection[T: Item](msgspec.Struct, frozen=True, kw_only=True):
    """A kind of item.

    Attributes:
        name: In the singular, for the audit log and for refusals.
        empty: An item with nothing set.
        key: What an item is found by.
        named: Whether the caller chooses the key; else it is an id that the server makes.
        required: What must not be empty.
        urls: Fields that hold a URL, with the schemes allowed.
        filter: The field a list can be cut by; empty when none.
        new: What a new item has where nothing was sent.
        untold_on_post: Times that the answer to POST leaves unset, by the wire contract.
        untold_on_put: The same for PUT.
    """

    name: str
    empty: T
    key: str
    named: bool
    required: tuple[str, ...]
    urls: dict[str, frozenset[str]] = {}
    filter: str = ""
    new: dict[str, Any] = {}
    untold_on_post: tuple[str, ...] = ()
    untold_on_put: tuple[str, ...] = ()


_HTTP: Final = frozenset({"http", "https"})
_WS: Final = frozenset({"ws", "wss"})
_CHANGED_AT: Final = ("updated_at",)

CHAINS: Final = Collection(
    name="chain",
    empty=Chain(),
    key="id",
    named=False,
    required=("chain_id", "rpc_url"),
    urls={"rpc_url": _HTTP, "ws_url": _WS},
    new={"chain_type": "evm", "enabled": True, "healthy": True},
    untold_on_put=("created_at",),
)
PROVIDERS: Final = Collection(
    name="provider",
    empty=Provider(),
    key="id",
    named=False,
    required=("name", "type", "base_url"),
    urls={"base_url": _HTTP},
    filter="type",
    new={"enabled": True, "healthy": True},
    untold_on_put=("created_at",),
)
SETTINGS: Final = Collection(
    name="setting",
    empty=Setting(),
    key="key",
    named=True,
    required=("key",),
    filter="category",
    new={"type": "string", "category": "general"},
    untold_on_post=_CHANGED_AT,
    untold_on_put=_CHANGED_AT,
)
FEATURES: Final = Collection(
    name="feature",
    empty=FeatureFlag(),
    key="key",
    named=True,
    required=("key",),
    untold_on_post=_CHANGED_AT,
    untold_on_put=_CHANGED_AT,
)
QUOTAS: Final = Collection(
    name="quota",
    empty=Quota(),
    key="tenant_id",
    named=True,
    required=("tenant_id",),
    untold_on_post=_CHANGED_AT,
    untold_on_put=_CHANGED_AT,
)
METHODS: Final = Collection(
    name="methods", empty=MethodList(), key="chain_id", named=True, required=("chain_id",)
)
COLLECTIONS: Final = (CHAINS, PROVIDERS, SETTINGS, FEATURES, QUOTAS, METHODS)


def new_item[T: Item](collection: Collection[T], change: Change) -> T:
    """What POST makes of what was sent.

    Raises:
        Invalid: names each field at fault.
    """
    item = apply(collection, collection.empty, change)
    missing = {name: value for name, value in collection.new.items() if not getattr(item, name)}
    if isinstance(item, Chain) and not item.name:
        missing["name"] = item.chain_id
    if isinstance(item, FeatureFlag) and item.enabled and item.rollout == 0:
        missing["rollout"] = _WHOLE_ROLLOUT
    item = replace(item, **missing)
    if collection.named and path_names.cannot_be_addressed(getattr(item, collection.key)):
        raise Invalid(fields=[(collection.key, path_names.FAULT)])
    return checked(collection, item)


def apply[T: Item](collection: Collection[T], item: T, change: Change) -> T:
    """What an item becomes when the fields that were sent are set.

    An API key is only ever a mask here: the service seals the key itself.
    """
    given = {
        name: value
        for name, value in asdict(change).items()
        if value is not UNSET and name not in _SERVER_SETS
    }
    for name, value in given.items():
        if value is None:
            given[name] = getattr(collection.empty, name)
    if given.get("api_key") == MASK:
        # Sent back as it was shown: the key stays as it is.
        del given["api_key"]
    elif given.get("api_key"):
        given["api_key"] = MASK
    return replace(item, **given)


def checked[T: Item](collection: Collection[T], item: T) -> T:
    """Give the item back when it is valid.

    Raises:
        Invalid: names each field at fault.
    """
    fields = asdict(item)
    faults = [(name, "is required") for name in collection.required if not fields[name]]
    faults += [
        (name, f"must be a URL of {' or '.join(sorted(schemes))}")
        for name, schemes in collection.urls.items()
        if fields[name] and not _is_url(fields[name], schemes)
    ]
    faults += [(name, "must not hold the character NUL") for name in _with_nul(fields)]
    if faults:
        raise Invalid(fields=faults)
    return item


def check_key(collection: Collection[Any], key: str, change: Change) -> None:
    """Check that what was sent is about the item that the path names.

    Raises:
        Invalid: it names another, or the key cannot be one.
    """
    sent = getattr(change, collection.key)
    if collection.named and sent not in {UNSET, "", key}:
        raise Invalid(fields=[(collection.key, "differs from the one in the path")])
    if "\0" in key or len(key) > MAX_KEY:
        message = f"must have {MAX_KEY} characters at most, none of them NUL"
        raise Invalid(fields=[(collection.key, message)])


def require_platform_admin(caller: Caller) -> Principal:
    """Who asks, if they are an admin of the platform.

    Raises:
        AdminOnly: another role.
        PlatformAdminOnly: an admin of one tenant.
    """
    principal = caller.require_admin()
    if principal.credential.tenant is not None:
        raise PlatformAdminOnly("this needs an admin who is not bound to a tenant")
    return principal


def _is_url(text: str, schemes: frozenset[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _with_nul(fields: dict[str, Any]) -> Iterable[str]:
    for name, value in fields.items():
        if any("\0" in text for text in _texts(value)):
            yield name


def _texts(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
        case list():
            yield from cast("list[str]", value)
        case dict():
            for key, text in cast("dict[str, str]", value).items():
                yield key
                yield text
        case _:
            return
