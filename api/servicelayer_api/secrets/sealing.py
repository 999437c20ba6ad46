"""Where a secret's value meets the vault: sealed into its place, opened in its place only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from servicelayer_api.ids import new_id
from servicelayer_api.secrets import rules, store
from servicelayer_api.secrets.models import StoredVersion
from servicelayer_api.vault.errors import Undecipherable

if TYPE_CHECKING:
    from datetime import datetime

    from servicelayer_api.db import Connection
    from servicelayer_api.secrets.models import StoredSecret
    from servicelayer_api.vault import Vault
    from servicelayer_api.web.principal import Caller


class Sealer:
    """Seals and opens versions of secrets."""

    def __init__(self, vault: Vault) -> None:
        """Use a vault."""
        self._vault = vault

    async def seal(
        self, connection: Connection, secret: StoredSecret, blank: StoredVersion, value: str
    ) -> StoredVersion:
        """Give a version its value, sealed."""
        sealed = await self._vault.seal(
            connection, secret.account_id, value.encode(), context=rules.context(secret, blank)
        )
        return replace(blank, sealed=sealed)

    async def open(
        self, connection: Connection, secret: StoredSecret, version: StoredVersion
    ) -> str:
        """Open a version.

        Raises:
            Undecipherable: it was changed or moved in the database, or its key is lost.
        """
        if version.imported:
            plain = self._vault.open_reference(version.sealed)
        else:
            # A row that is found under another name than its own is as good as moved.
            whole = rules.name_key(secret.name) == secret.name_key
            plain = await self._vault.open(
                connection,
                secret.account_id,
                version.sealed if whole else b"",
                context=rules.context(secret, version),
            )
        try:
            return plain.decode()
        except UnicodeDecodeError as exc:
            raise Undecipherable from exc

    async def take_in(self, connection: Connection, secret: StoredSecret) -> None:
        """Seal what is left of the reference server's versions of a secret as our own."""
        for version in await store.lock_imported(connection, secret.id):
            try:
                plain = self._vault.open_reference(version.sealed)
            except Undecipherable:
                continue
            sealed = await self._vault.seal(
                connection, secret.account_id, plain, context=rules.context(secret, version)
            )
            await store.update_sealed(connection, version.id, sealed)


def blank_version(
    secret: StoredSecret,
    caller: Caller,
    now: datetime,
    *,
    number: int,
    acl: int,
    expires_at: datetime | None,
    restored_from: int | None = None,
) -> StoredVersion:
    """A version of a secret, nothing sealed in it yet."""
    return StoredVersion(
        id=new_id(),
        account_id=secret.account_id,
        secret_id=secret.id,
        version=number,
        acl=acl,
        expires_at=expires_at,
        sealed=b"",
        imported=False,
        restored_from=restored_from,
        created_by=caller.require_principal().user,
        created_at=now,
    )
