"""Use cases of the people who run the program: start a rotation, see how far it is.

The keys are those of all tenants, so an admin who is bound to one may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from servicelayer_api.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.db import Connection, Database
    from servicelayer_api.vault.models import KeyStatus, Rotation, RotationRequest
    from servicelayer_api.vault.rotation import Rotations
    from servicelayer_api.web.principal import Caller, Principal


class Recorder(Protocol):
    """The audit log, which stands above this room."""

    async def record(
        self,
        connection: Connection,
        caller: Caller,
        *,
        action: str,
        status: int,
        account_id: UUID | None = None,
        resource_id: UUID | str = "",
    ) -> None:
        """Write the entry of a change in the transaction of the change."""
        ...


class KeyAdmin:
    """What the routes call."""

    def __init__(self, database: Database, rotations: Rotations, audit: Recorder) -> None:
        """Rotate by `rotations` and record it."""
        self._database = database
        self._rotations = rotations
        self._audit = audit

    async def rotate(self, caller: Caller, asked: RotationRequest) -> Rotation:
        """Start a rotation, or find the one that is running.

        Raises:
            AdminOnly: another role.
            Forbidden: an admin of one tenant.
            RotationRunning: one of the other kind is running.
        """
        principal = _require_platform_admin(caller)
        async with self._database.transaction() as connection:
            rotation, new = await self._rotations.begin(
                connection, "data-keys" if asked.data_keys else "keys", principal.user
            )
            if new:
                await self._audit.record(
                    connection, caller, action="keys.rotate", status=202, resource_id=rotation.id
                )
        self._rotations.asked.set()
        return rotation

    async def status(self, caller: Caller) -> KeyStatus:
        """The key versions and the last rotation.

        Raises:
            AdminOnly: another role.
            Forbidden: an admin of one tenant.
        """
        _require_platform_admin(caller)
        async with self._database.snapshot() as connection:
            return await self._rotations.status(connection)


def _require_platform_admin(caller: Caller) -> Principal:
    principal = caller.require_admin()
    if principal.credential.tenant is not None:
        raise Forbidden("the keys are those of all tenants; this admin is bound to one")
    return principal
