"""Pure decisions about secrets: names, what is valid, who may read, what a version is bound to."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from servicelayer_api import path_names
from servicelayer_api.clock import OUTSIDE_UTC, in_utc
from servicelayer_api.errors import Invalid
from servicelayer_api.secrets.errors import SecretAccessDenied, SecretChanged, SecretExpired
from servicelayer_api.secrets.models import (
    MAX_VALUE_BYTES,
    Reader,
    Secret,
    SecretMetadata,
    SecretVersion,
    StoredSecret,
    StoredVersion,
)
from servicelayer_api.web.principal import CredentialKind, Role

if TYPE_CHECKING:
    from servicelayer_api.secrets.models import NewSecret, SecretChange
    from servicelayer_api.web.principal import Principal

MAX_VERSIONS: Final = 50

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HIGHEST_VERSION: Final = 2**31 - 1
_MAX_DIGITS: Final = 10

type _Faults = list[tuple[str, str]]


def name_key(name: str) -> str:
    """What tells names apart: composed letters (NFC) in lower case."""
    return unicodedata.normalize("NFC", name).lower()


def context(secret: StoredSecret, version: StoredVersion) -> str:
    """Name the place of a version: what of its row a sealed value is bound to beside the account.

    The account is bound by the vault. The store builds the same text in SQL.
    """
    expires = version.expires_at
    micros = "" if expires is None else str((expires - _EPOCH) // _MICROSECOND)
    return f"secret|{secret.id}|{version.version}|{version.acl}|{micros}|{secret.name}"


def check_new(new: NewSecret, now: datetime) -> None:
    """Check what is sent to make a secret.

    Raises:
        Invalid: names each field at fault.
    """
    faults = _name_faults(new.name) + _value_faults(new.value) + _expiry_faults(new.expires_at, now)
    if faults:
        raise Invalid(fields=faults)


def check_change(change: SecretChange, now: datetime) -> None:
    """Check what is sent to change a secret.

    Raises:
        Invalid: names each field at fault.
    """
    if change.value is UNSET and change.acl is UNSET and change.expires_at is UNSET:
        raise Invalid("at least one of 'value', 'acl' or 'expires_at' is required")
    faults: _Faults = []
    if not isinstance(change.value, UnsetType):
        faults += _value_faults(change.value)
    if not isinstance(change.expires_at, UnsetType):
        faults += _expiry_faults(change.expires_at, now)
    if faults:
        raise Invalid(fields=faults)


def parse_version(text: str | None) -> int | None:
    """Read the query parameter `version`; `None` when it was not sent.

    Raises:
        Invalid: no positive integer.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        number = int(text)
        if 1 <= number <= _HIGHEST_VERSION:
            return number
    raise Invalid(fields=[("version", "must be a positive integer")])


def check_may_read(principal: Principal, acl: int) -> None:
    """Refuse a value to a credential that the access bits do not name.

    People of the tenant and platform tokens may read every secret of their accounts.

    Raises:
        SecretAccessDenied: an account key without its bit, or an oracle runner.
    """
    kind, role = principal.credential.kind, principal.role
    if kind is CredentialKind.KEY:
        check_reader(Reader.ACCOUNT_KEYS, acl)
    elif role is Role.RUNNER:
        raise SecretAccessDenied("an oracle runner cannot read secrets")


def check_reader(reader: Reader, acl: int) -> None:
    """Refuse a value to a module or kind of credential whose bit is not set.

    Raises:
        SecretAccessDenied: it is not.
    """
    if not acl & reader:
        name = (reader.name or "").lower().replace("_", " ")
        raise SecretAccessDenied(f"the secret's acl does not include {name} ({reader.value})")


def check_may_grant(principal: Principal, before: int, after: int) -> None:
    """Refuse an account key that would open a secret to itself or to a module.

    Raises:
        SecretAccessDenied: it would add bits.
    """
    if principal.credential.kind is CredentialKind.KEY and after & ~before:
        raise SecretAccessDenied("an account key cannot add access bits to a secret")


def check_fresh(expires_at: datetime | None, now: datetime) -> None:
    """Refuse a value that has expired.

    Raises:
        SecretExpired: its time has come.
    """
    if expires_at is not None and expires_at <= now:
        raise SecretExpired("the secret has expired")


def etag(secret: StoredSecret) -> str:
    """The entity tag of a secret at its version; another secret of the same name has another."""
    return f'"{secret.id}.{secret.version}"'


def check_match(if_match: str, secret: StoredSecret) -> None:
    """Compare the header `If-Match` (RFC 9110, section 13.1.1) with a secret.

    Args:
        if_match: as sent; empty when it was not.
        secret: as it is.

    Raises:
        SecretChanged: it names another version.
    """
    if not if_match or if_match.strip() == "*":
        return
    if etag(secret) not in {tag.strip() for tag in if_match.split(",")}:
        raise SecretChanged(f"the secret is at version {secret.version}")


def metadata(secret: StoredSecret, version: StoredVersion, now: datetime) -> SecretMetadata:
    """Show a secret by its present version."""
    return SecretMetadata(
        id=secret.id,
        account_id=secret.account_id,
        name=secret.name,
        version=secret.version,
        acl=version.acl,
        created_at=secret.created_at,
        updated_at=secret.updated_at,
        expires_at=version.expires_at,
        expired=version.expires_at is not None and version.expires_at <= now,
    )


def disclose(secret: StoredSecret, version: StoredVersion, value: str) -> Secret:
    """Show a version of a secret with its value."""
    return Secret(
        id=secret.id,
        account_id=secret.account_id,
        name=secret.name,
        value=value,
        version=version.version,
        acl=version.acl,
        created_at=secret.created_at,
        updated_at=version.created_at,
        expires_at=version.expires_at,
    )


def history(secret: StoredSecret, version: StoredVersion, now: datetime) -> SecretVersion:
    """Show a version in a secret's history."""
    return SecretVersion(
        version=version.version,
        acl=version.acl,
        created_by=version.created_by,
        created_at=version.created_at,
        current=version.version == secret.version,
        expires_at=version.expires_at,
        expired=version.expires_at is not None and version.expires_at <= now,
        restored_from=version.restored_from,
    )


def _name_faults(name: str) -> _Faults:
    if not name.strip():
        return [("name", "is required")]
    faults: _Faults = []
    if "|" in name:
        faults.append(("name", "cannot contain '|'"))
    if "\0" in name:
        faults.append(("name", "must not hold the character NUL"))
    if path_names.cannot_be_addressed(name):
        faults.append(("name", path_names.FAULT))
    return faults


def _value_faults(value: str) -> _Faults:
    if len(value.encode()) > MAX_VALUE_BYTES:
        return [("value", f"must not be longer than {MAX_VALUE_BYTES} bytes in UTF-8")]
    return []


def _expiry_faults(expires_at: datetime | None, now: datetime) -> _Faults:
    if expires_at is not None and expires_at <= now:
        return [("expires_at", "must be in the future")]
    if expires_at is not None and in_utc(expires_at) is None:
        return [("expires_at", OUTSIDE_UTC)]
    return []
