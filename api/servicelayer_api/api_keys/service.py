"""Use cases of account API keys: make, list, rotate, revoke, and what authentication asks for.

Invariant: a key is shown once and kept as a hash; it counts as whoever made it, and ends with them
or with the wallet by whose session they did. A revoked or expired key opens nothing after at most
five seconds, the time for which a process trusts what it looked up. When a key was used is
noted in memory and written later: authentication only reads.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from servicelayer_api.accounts import rules as account_rules
from servicelayer_api.accounts.errors import AccountNotFound
from servicelayer_api.api_keys import rules, store
from servicelayer_api.api_keys.errors import ApiKeyNotFound, TooManyApiKeys
from servicelayer_api.api_keys.models import ApiKey
from servicelayer_api.errors import Unauthenticated, Unavailable
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from datetime import datetime

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.accounts.models import Account
    from servicelayer_api.api_keys.models import KeyReplacement, NewApiKey
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Database
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller, Credential, Grant, Principal

_TRUST_SECONDS: Final = 5.0
_CACHE_SIZE: Final = 4096


class ApiKeys:
    """What the routes and the authenticator call."""

    def __init__(
        self, database: Database, clock: Clock, audit: AuditLog, accounts: Accounts
    ) -> None:
        """Keep keys in this database."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._trusted: dict[bytes, tuple[Credential, datetime | None, float]] = {}
        accounts.when_closed(lambda _: self._trusted.clear())
        self._used: dict[str, datetime] = {}

    async def make_key(self, caller: Caller, account_id: str, new: NewApiKey) -> ApiKey:
        """Make a key for an account.

        Returns:
            The key, with its text; the only time it is shown.

        Raises:
            AccountNotFound: not in this tenant.
            AccountKeyNotAllowed: by an account key.
            TooManyApiKeys: the account has 100 in force.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        account_rules.check_not_account_key(principal)
        scopes = rules.check_new_key(new)
        text, now = rules.write_key(secrets.token_bytes(rules.KEY_BYTES)), self._clock.now()
        lifetime = new.expires_in_seconds
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            if await store.count_keys_in_force(connection, account.id, now) >= rules.MAX_KEYS:
                raise TooManyApiKeys(f"an account may have {rules.MAX_KEYS} keys")
            key = ApiKey(
                id=new_id(),
                account_id=account.id,
                name=new.name,
                prefix=text[: rules.SHOWN],
                created_by=principal.user,
                created_at=now,
                expires_at=None if lifetime is None else now + timedelta(seconds=lifetime),
                scopes=scopes,
            )
            await store.insert_key(
                connection, key, tenant, rules.hash_key(text), _maker(principal, account)
            )
            await self._audit.record_of(connection, caller, "api_key.create", 201, key, after=key)
        return replace(key, key=text)

    async def rotate_key(
        self, caller: Caller, account_id: str, key_id: str, rotation: KeyReplacement
    ) -> ApiKey:
        """Make a key in the place of another, which stays valid for a while.

        Returns:
            The new key, with its text; name, scopes and length of life are those of the old one.
            It counts as whoever asked for it, who has seen the text.

        Raises:
            AccountNotFound: not in this tenant.
            AccountKeyNotAllowed: by an account key.
            ApiKeyNotFound: the account has none of this id in force.
            ApiKeyReplaced: it was rotated or has expired.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        account_rules.check_not_account_key(principal)
        text, now = rules.write_key(secrets.token_bytes(rules.KEY_BYTES)), self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            found = parse_id(key_id)
            old = await store.lock_key(connection, account.id, found) if found else None
            if old is None:
                raise ApiKeyNotFound("API key not found")
            ends, expires = rules.plan_rotation(old, rotation, now)
            new = ApiKey(
                id=new_id(),
                account_id=account.id,
                name=old.name,
                prefix=text[: rules.SHOWN],
                created_by=principal.user,
                created_at=now,
                expires_at=expires,
                scopes=old.scopes,
            )
            await store.insert_key(
                connection, new, tenant, rules.hash_key(text), _maker(principal, account)
            )
            ended = replace(old, expires_at=ends, replaced_by=new.id)
            await store.update_replaced_key(connection, ended, new)
            await self._audit.record_of(
                connection, caller, "api_key.rotate", 201, old, before=old, after=(ended, new)
            )
        self._trusted.clear()
        return replace(new, key=text)

    async def list_keys(self, caller: Caller, account_id: str, page: PageRequest) -> Slice[ApiKey]:
        """List the keys of an account that were not revoked.

        Raises:
            AccountNotFound: not in this tenant.
            AccountKeyNotAllowed: by an account key.
        """
        account_rules.check_not_account_key(caller.require_principal())
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            return await store.list_keys(connection, account.id, page)

    async def revoke_key(self, caller: Caller, account_id: str, key_id: str) -> None:
        """Revoke a key.

        Raises:
            AccountNotFound: not in this tenant.
            AccountKeyNotAllowed: by an account key.
            ApiKeyNotFound: the account has none of this id in force.
        """
        account_rules.check_not_account_key(caller.require_principal())
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = parse_id(key_id)
            now = self._clock.now()
            gone = await store.revoke_key(connection, account.id, found, now) if found else None
            if gone is None:
                raise ApiKeyNotFound("API key not found")
            await self._audit.record_of(
                connection, caller, "api_key.revoke", 204, gone, before=gone
            )
        self._trusted.clear()

    async def find_credential(self, key: str) -> Credential | None:
        """The credential of a key in force, else `None`.

        Raises:
            Unauthenticated: it was in force until its time was over.
        """
        if not rules.is_key(key):
            return None
        key_hash, now = rules.hash_key(key), self._clock.now()
        trusted = self._trusted.get(key_hash)
        if trusted is not None:
            credential, expires, until = trusted
            if self._clock.monotonic() < until and (expires is None or now < expires):
                self._used[credential.subject] = now
                return credential
            del self._trusted[key_hash]
        async with self._database.connection() as connection:
            found = await store.find_credential(connection, key_hash)
        if found is None:
            return None
        if found[1] is not None and found[1] <= now:
            raise Unauthenticated("the account API key has expired: use another", reason="expired")
        if len(self._trusted) >= _CACHE_SIZE:
            self._trusted.clear()
        self._trusted[key_hash] = (*found, self._clock.monotonic() + _TRUST_SECONDS)
        self._used[found[0].subject] = now
        return found[0]

    async def write_usage(self) -> None:
        """Write down when keys were used since the last time; called by the background writer.

        Raises:
            Unavailable: the database is away; nothing is forgotten.
        """
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.connection() as connection:
                await store.update_last_used(connection, used)
        except Unavailable:
            self._used = {**used, **self._used}
            raise


def _maker(principal: Principal, account: Account) -> Grant:
    grant = principal.find_grant(account.id)
    if grant is None:
        raise AccountNotFound("account not found")
    return grant
