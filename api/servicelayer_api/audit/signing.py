"""The key that signs the audit log's checkpoints.

It is `AUDIT_SIGNING_KEY` when that is set, else it is derived (HKDF-SHA256, RFC 5869) from
`RANDOM_SIGNING_KEY`, else from `SECRET_ENCRYPTION_KEY`, each under a label of its own, so that
knowing it says nothing about the others. Checkpoints are checked by any of these keys, and by those
of `SECRET_ENCRYPTION_KEY_PREVIOUS`, so that changing one does not make the log look forged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from servicelayer_api.crypto.signed_note import NoteSigner, NoteVerifier
from servicelayer_api.crypto.signing import KeyFormatError, parse_private_key
from servicelayer_api.settings import SettingsError

if TYPE_CHECKING:
    from servicelayer_api.settings import Settings

_SEED_BYTES: Final = 32
_LABEL: Final = b"servicelayer audit checkpoints, from "


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
            found = self._signers[name] = NoteSigner(name, self._seeds()[0])
        return found

    def verifiers(self, name: str) -> list[NoteVerifier]:
        """Give what checks notes of a name: the key in force, then those it may have been before.

        Raises:
            SettingsError: as `signer`.
        """
        return [NoteSigner(name, seed).verifier for seed in self._seeds()]

    def _seeds(self) -> list[bytes]:
        settings, found = self._settings, list[bytes]()
        own = settings.audit_signing_key.reveal()
        if own:
            found.append(_decode(own))
        if settings.random_signing_key:
            found.append(_derive(settings.random_signing_key.reveal(), b"RANDOM_SIGNING_KEY"))
        previous = settings.secret_encryption_key_previous.reveal().split(",")
        for key in (settings.secret_encryption_key.reveal(), *previous):
            if key.strip():
                found.append(_derive(key.strip(), b"SECRET_ENCRYPTION_KEY"))
        if not found:
            raise SettingsError(
                "AUDIT_SIGNING_KEY is not set, nor is a key to derive it from; "
                "set it to the output of: openssl rand -base64 32"
            )
        return found


def _derive(text: str, source: bytes) -> bytes:
    kdf = HKDF(SHA256(), _SEED_BYTES, salt=None, info=_LABEL + source)
    return kdf.derive(text.encode())


def _decode(text: str) -> bytes:
    try:
        return parse_private_key(text)
    except KeyFormatError as exc:
        raise SettingsError(f"AUDIT_SIGNING_KEY {exc}") from exc
