"""Refusals of the vault. None says what was sealed, by which key, or how it failed to open."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, ServiceError, Unavailable
from servicelayer_api.settings import SettingsError


class Undecipherable(ServiceError):
    """Stored data does not open: it was changed or moved in the database, or its key is lost."""

    code = "undecipherable"
    title = "Stored data cannot be opened"


class VaultClosed(Unavailable):
    """The server cannot use its encryption keys at the moment; its operators are told why."""

    code = "vault-closed"
    title = "The vault is closed"


class RotationRunning(Conflict):
    """A rotation of the other kind is running: wait until it has ended."""

    code = "rotation-running"
    title = "A rotation is running"


class WrongKey(SettingsError):
    """The keys that were set are not those the database needs; names fingerprints, never keys."""
