"""What the audit log is told of values that are given out.

Invariant: while it is on (`SECRETS_AUDIT_READS`), no value leaves before its entry is committed or,
for a module of the product, is part of the module's own transaction. An entry names the secret and
the version, never the value, and has no digests: nothing was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.audit import Change

if TYPE_CHECKING:
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.db import Connection
    from servicelayer_api.secrets.models import Reader, StoredSecret, StoredVersion
    from servicelayer_api.web.principal import Caller

_ACTION: Final = "secret.read"


class Readings:
    """Records who was given which version of which secret."""

    def __init__(self, audit: AuditLog, *, on: bool) -> None:
        """Record in this log, or, switched off, nowhere."""
        self._audit = audit
        self._on = on

    async def note(self, caller: Caller, secret: StoredSecret, version: StoredVersion) -> None:
        """Record that a caller is given a value; no connection may be held meanwhile.

        Raises:
            AuditUnavailable: it cannot be recorded; the value must not be given.
        """
        if self._on:
            await self._audit.record_disclosure(
                Change(
                    caller=caller,
                    action=_ACTION,
                    status=200,
                    account_id=secret.account_id,
                    resource_id=_resource(secret, version),
                )
            )

    async def note_module(
        self, connection: Connection, reader: Reader, secret: StoredSecret, version: StoredVersion
    ) -> None:
        """Record that a module of the product is given a value, on the module's connection.

        Raises:
            AuditUnavailable: as `note`.
        """
        if self._on:
            await self._audit.record_system(
                connection,
                actor=(reader.name or "").lower(),
                action=_ACTION,
                account_id=secret.account_id,
                resource_id=_resource(secret, version),
            )


def _resource(secret: StoredSecret, version: StoredVersion) -> str:
    """Id, version and name; a name holds no `|`."""
    return f"{secret.id}|{version.version}|{secret.name}"
