"""The key that signs the audit log's checkpoints.

It is `AUDIT_SIGNING_KEY` when that is set, else it is derived (HKDF-SHA256, RFC 5869) from
`RANDOM_SIGNING_KEY`, else from `SECRET_ENCRYPTION_KEY`, each under a label of its own, so that
knowing it says nothing about the others. Whoever rotates the source sets `AUDIT_SIGNING_KEY` or
keeps the old verifier key: checkpoints of before are checked by the key they were signed with.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from servicelayer_api.crypto.signed_note import NoteSigner
from servicelayer_api.settings import SettingsError

if TYPE_CHECKING:
    from servicelayer_api.settings import Settings

_SEED_BYTES: Final = 32
_LABEL: Final = b"servicelayer audit checkpoints, "


class SigningKey:
    """The key, taken from the settings when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        """Sign with the key of these settings."""
        self._settings = settings
        self._signers: dict[str, NoteSigner] = {}

    def signer(self, name: str) -> NoteSigner:
        """Give the signer of a name.

        Raises:
            SettingsError: no key is set, or the one for it is malformed.
        """
        found = self._signers.get(name)
        if found is None:
            found = self._signers[name] = NoteSigner(name, _seed(self._settings))
        return found


def _seed(settings: Settings) -> bytes:
    own = settings.audit_signing_key.reveal()
    if own:
        return _decode(own)
    for source, label in (
        (settings.random_signing_key, b"from RANDOM_SIGNING_KEY"),
        (settings.secret_encryption_key, b"from SECRET_ENCRYPTION_KEY"),
    ):
        if source:
            derive = HKDF(SHA256(), _SEED_BYTES, salt=None, info=_LABEL + label)
            return derive.derive(source.reveal().encode())
    raise SettingsError(
        "AUDIT_SIGNING_KEY is not set, nor is a key to derive it from; "
        "set it to the output of: openssl rand -base64 32"
    )


def _decode(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        plain = text.replace("-", "+").replace("_", "/")
        try:
            raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except ValueError as exc:
            raise SettingsError("AUDIT_SIGNING_KEY is neither hex nor base64") from exc
    if len(raw) not in {_SEED_BYTES, 2 * _SEED_BYTES}:
        raise SettingsError("AUDIT_SIGNING_KEY is not 32 or 64 bytes")
    return raw[:_SEED_BYTES]
