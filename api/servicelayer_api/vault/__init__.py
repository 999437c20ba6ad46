"""Keeps what the other features must not store in clear, so that only the right place opens it.

Promise: data is sealed with a key of its account, which a key from the settings wraps; a row that
was moved or changed in the database does not open. The key in the settings can be changed while the
program serves. A wrong key stops the start and is named by its fingerprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.crypto.envelope import EnvelopeError, KeyEncryptionKey, read_key
from servicelayer_api.settings import SettingsError
from servicelayer_api.vault.admin import KeyAdmin
from servicelayer_api.vault.models import SealedColumn
from servicelayer_api.vault.rotation import Rotations
from servicelayer_api.vault.routes import ROUTES
from servicelayer_api.vault.service import Vault
from servicelayer_api.vault.worker import rotation_loop
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.settings import Settings
    from servicelayer_api.vault.admin import Recorder
    from servicelayer_api.web.feature import Core

__all__ = ["Rotations", "SealedColumn", "Vault", "build", "build_rotations", "build_service"]


def build_service(core: Core, columns: Sequence[SealedColumn] = ()) -> Vault:
    """Make the service that the other features seal with.

    Args:
        core: What the program gives.
        columns: Every column in which a feature keeps what it sealed.
    """
    return Vault(core.database, core.clock, read_keys(core.settings), columns, core.metrics)


def build_rotations(core: Core, vault: Vault) -> Rotations:
    """Make the service that changes keys."""
    return Rotations(vault, core.database)


def build(core: Core, vault: Vault, audit: Recorder) -> Feature:
    """Put the feature together."""
    rotations = build_rotations(core, vault)
    return Feature(
        name="vault",
        routes=ROUTES,
        dependencies={"key_admin": KeyAdmin(core.database, rotations, audit)},
        workers=[Worker("vault-rotation", rotation_loop(rotations))],
        modules=[
            Module(
                name="vault",
                domain="vault",
                layer="infra",
                capabilities=("encryption",),
                depends_on=("store",),
                critical=True,
                probe=vault.probe,
            )
        ],
        start_checks=[vault.unlock],
    )


def read_keys(settings: Settings) -> list[KeyEncryptionKey]:
    """Read the keys of the settings, the current one first; none when none is set.

    Raises:
        SettingsError: one is not a key; it is named by its variable and place.
    """
    current = settings.secret_encryption_key.reveal()
    if not current:
        return []
    named = [("SECRET_ENCRYPTION_KEY", current)]
    previous = settings.secret_encryption_key_previous.reveal()
    named += [
        (f"SECRET_ENCRYPTION_KEY_PREVIOUS, key {place}", text.strip())
        for place, text in enumerate(previous.split(","), start=1)
        if text.strip()
    ]
    keys: dict[str, KeyEncryptionKey] = {}
    for name, text in named:
        try:
            key = KeyEncryptionKey(read_key(text))
        except EnvelopeError as exc:
            raise SettingsError(
                f"{name} is not 32 bytes in hex or base64; "
                "set it to the output of: openssl rand -hex 32"
            ) from exc
        keys.setdefault(key.fingerprint, key)
    return list(keys.values())
