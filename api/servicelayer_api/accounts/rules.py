"""Pure decisions about accounts: what a valid one is, who may do what, how a wallet is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from servicelayer_api.accounts.errors import (
    AccountBound,
    AccountKeyNotAllowed,
    AccountSuspended,
)
from servicelayer_api.crypto import neo
from servicelayer_api.errors import Forbidden, Invalid
from servicelayer_api.web.principal import CredentialKind, Role

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.accounts.models import AccountChange, AccountStatus, NewAccount, NewWallet
    from servicelayer_api.web.principal import Principal

MAX_METADATA: Final = 64
MAX_METADATA_KEY: Final = 128
MAX_METADATA_VALUE: Final = 4096
MAX_LABEL: Final = 256
MAX_STATUS: Final = 64

TENANT_KEY: Final = "tenant"


def check_new_account(new: NewAccount, tenant: str) -> dict[str, str]:
    """Check what is sent to open an account.

    Args:
        new: as sent.
        tenant: of the request.

    Returns:
        The metadata to keep.

    Raises:
        Invalid: names each field at fault.
    """
    metadata = new.metadata or {}
    faults = _owner_faults(new.owner) + _metadata_faults(metadata)
    if faults:
        raise Invalid(fields=faults)
    return {**metadata, TENANT_KEY: tenant}


def check_change(
    change: AccountChange, metadata: dict[str, str], tenant: str
) -> tuple[str | None, dict[str, str], AccountStatus | None]:
    """Check what is sent to change an account.

    Args:
        change: as sent.
        metadata: as it is now.
        tenant: of the account.

    Returns:
        The new owner and status, `None` for those that stay, and the metadata to keep.

    Raises:
        Invalid: names each field at fault.
    """
    faults = [] if isinstance(change.owner, UnsetType) else _owner_faults(change.owner)
    merged = dict(metadata)
    if not isinstance(change.metadata, UnsetType):
        merged.update({key: value for key, value in change.metadata.items() if value is not None})
        for key, value in change.metadata.items():
            if value is None:
                merged.pop(key, None)
    merged[TENANT_KEY] = tenant
    faults += _metadata_faults(merged)
    if faults:
        raise Invalid(fields=faults)
    owner = None if isinstance(change.owner, UnsetType) else change.owner
    status = None if isinstance(change.status, UnsetType) else change.status
    return owner, merged, status


def check_may_set_status(principal: Principal, change: AccountChange) -> None:
    """Refuse a change of status by anybody but an admin or a platform token.

    Raises:
        Forbidden: the role is another.
    """
    if change.status is not UNSET and principal.role not in {Role.ADMIN, Role.TOKEN}:
        raise Forbidden("only an admin or a platform token may suspend or reopen an account")


def check_not_account_key(principal: Principal) -> None:
    """Refuse an account key where it could reach beyond its account or outlive itself.

    Raises:
        AccountKeyNotAllowed: the credential is an account key.
    """
    if principal.credential.kind is CredentialKind.KEY:
        raise AccountKeyNotAllowed("an account key cannot do this")


def check_may_open(principal: Principal) -> None:
    """Refuse a credential of certain accounts where it would get itself another.

    Raises:
        AccountKeyNotAllowed: it is an account key.
        AccountBound: it is a wallet's session.
    """
    check_not_account_key(principal)
    if principal.bounds is not None:
        raise AccountBound("a wallet's session is for the accounts that registered the wallet")


def may_reach(principal: Principal, account_id: UUID) -> bool:
    """Whether the credential is for this account; the tenant is the query's business."""
    return principal.find_grant(account_id) is not None


def check_usable(status: AccountStatus, principal: Principal, *, write: bool) -> None:
    """Refuse what a suspended account does not allow.

    Args:
        status: of the account.
        principal: who asks.
        write: whether something of the account would change.

    Raises:
        AccountSuspended: it is suspended, and this is a change or asked by a key or a wallet.
    """
    if status == "suspended" and (write or principal.bounds is not None):
        raise AccountSuspended("the account is suspended")


def check_wallet(new: NewWallet) -> str:
    """Check what is sent to register a wallet.

    Args:
        new: as sent.

    Returns:
        The script hash to keep: 0x and 40 hex digits in lower case.

    Raises:
        Invalid: names each field at fault.
    """
    faults: list[tuple[str, str]] = []
    address = ""
    if not new.wallet_address:
        faults.append(("wallet_address", "is required"))
    else:
        try:
            address = neo.hash_to_text(neo.parse_wallet(new.wallet_address))
        except neo.NeoFormatError as exc:
            faults.append(("wallet_address", _wallet_fault(new.wallet_address, exc)))
    if len(new.label) > MAX_LABEL:
        faults.append(("label", f"must not be longer than {MAX_LABEL} characters"))
    if len(new.status) > MAX_STATUS:
        faults.append(("status", f"must not be longer than {MAX_STATUS} characters"))
    faults += _nul_faults(("label", new.label), ("status", new.status))
    if faults:
        raise Invalid(fields=faults)
    return address


def _wallet_fault(text: str, exc: neo.NeoFormatError) -> str:
    if text.startswith("0x") or not text.startswith("N"):
        return "must be a script hash (0x and 40 hex characters) or a Neo N3 address (N...)"
    return str(exc)


def _owner_faults(owner: str) -> list[tuple[str, str]]:
    return [("owner", "is required")] if not owner else _nul_faults(("owner", owner))


def _metadata_faults(metadata: dict[str, str]) -> list[tuple[str, str]]:
    if len(metadata) > MAX_METADATA:
        return [("metadata", f"must not hold more than {MAX_METADATA} keys")]
    faults: list[tuple[str, str]] = []
    for key, value in metadata.items():
        if not 0 < len(key) <= MAX_METADATA_KEY:
            faults.append(("metadata", f"keys must be 1 to {MAX_METADATA_KEY} characters"))
        elif len(value) > MAX_METADATA_VALUE:
            faults.append(
                (f"metadata.{key}", f"must not be longer than {MAX_METADATA_VALUE} characters")
            )
        else:
            faults += _nul_faults((f"metadata.{key}", key + value))
    return faults


def _nul_faults(*named: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (name.replace("\0", ""), "must not hold the character NUL")
        for name, text in named
        if "\0" in text
    ]
