"""The users of the configuration: `AUTH_USERS=user:bcrypt-hash:role[:tenant],...`.

Invariant: a password is only ever a bcrypt hash, and an entry that cannot be used stops the start
    instead of being
skipped. A bcrypt hash holds neither colon nor comma, so the form is unambiguous.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.settings import SettingsError
from servicelayer_api.web.principal import (
    Credential,
    CredentialKind,
    Role,
    is_user,
    person_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_api.web.principal import Grant

TENANT: Final = re.compile(r"[\x21-\x7e]{1,128}")

_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MAX_NAME_LENGTH: Final = 128
_PARTS_WITHOUT_TENANT: Final = 3
_PARTS_WITH_TENANT: Final = 4


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the configuration.

    Attributes:
        name: In the spelling of the configuration.
        password_hash: bcrypt.
        role: `admin` or `user`.
        tenant: The only tenant the user can act for; `None` for a platform user.
    """

    name: str
    password_hash: str
    role: Role
    tenant: str | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with the password; says nothing about it."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]

    @property
    def credential(self) -> Credential:
        """What the user shows when logged in."""
        return Credential(
            user=self.name,
            role=self.role,
            kind=CredentialKind.PASSWORD,
            tenant=self.tenant,
            person=person_of(self.name),
        )

    @property
    def cost(self) -> int:
        """The work factor of the hash."""
        return int(self.password_hash[4:6])


def fold_name(name: str) -> str:
    """The form in which user names are compared."""
    return name.strip().casefold()


def people_of(users: Mapping[str, User]) -> Mapping[str, str | None]:
    """The tenant of each person that the users are; `None` for all tenants."""
    return {person_of(user.name): user.tenant for user in users.values()}


def living_grants(
    people: Mapping[str, str | None], grants: tuple[Grant, ...], tenant: str | None
) -> tuple[Grant, ...]:
    """Those of some rights whose giver is still there.

    Args:
        people: of the configuration, as `people_of` gives them.
        grants: rights in this tenant.
        tenant: the tenant.

    Returns:
        Without those that a user gave who is not configured any more, or for another tenant. What
        the platform gave stays, and what nobody is known to have given.
    """

    def lives(person: str) -> bool:
        if not is_user(person):
            return True
        return person in people and people[person] in {None, tenant}

    return tuple(grant for grant in grants if lives(grant.person))


def parse_users(text: str) -> Mapping[str, User]:
    """Read `AUTH_USERS`.

    Args:
        text: the setting.

    Returns:
        Users by their folded names.

    Raises:
        SettingsError: an entry that cannot be used. The message names its place, never its content.
    """
    users: dict[str, User] = {}
    for place, entry in enumerate(
        (part.strip() for part in text.split(",") if part.strip()), start=1
    ):
        user = _parse(place, entry)
        if fold_name(user.name) in users:
            raise SettingsError(
                f"AUTH_USERS: entry {place} names a user that an earlier entry names"
            )
        users[fold_name(user.name)] = user
    return users


def _parse(place: int, entry: str) -> User:
    parts = entry.split(":")
    if len(parts) not in {_PARTS_WITHOUT_TENANT, _PARTS_WITH_TENANT}:
        raise SettingsError(f"AUTH_USERS: entry {place} must be user:bcrypt-hash:role[:tenant]")
    name, password_hash, role = parts[0].strip(), parts[1].strip(), parts[2].strip().lower()
    tenant = parts[3].strip() if len(parts) == _PARTS_WITH_TENANT else ""
    if not name or len(name) > _MAX_NAME_LENGTH:
        raise SettingsError(
            f"AUTH_USERS: entry {place} needs a name of 1 to {_MAX_NAME_LENGTH} characters"
        )
    if not _BCRYPT.fullmatch(password_hash):
        raise SettingsError(
            f"AUTH_USERS: entry {place} needs a bcrypt hash as its second part, "
            "made for instance by `htpasswd -nBC 12 user`"
        )
    if role not in {Role.ADMIN, Role.USER}:
        raise SettingsError(f"AUTH_USERS: entry {place} needs the role admin or user")
    if tenant and not TENANT.fullmatch(tenant):
        raise SettingsError(
            f"AUTH_USERS: entry {place} has a tenant that is not 1 to 128 visible ASCII characters"
        )
    return User(name=name, password_hash=password_hash, role=Role(role), tenant=tenant or None)
