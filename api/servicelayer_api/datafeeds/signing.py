"""The key that signs the records of rounds.

It is derived (HKDF-SHA256, RFC 5869) from `RANDOM_SIGNING_KEY`, else from `SECRET_ENCRYPTION_KEY`,
under a label of its own: knowing it says nothing about the others. A record carries its public key,
so that records of before are still checked after the source was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from servicelayer_api.crypto.signing import KeyFormatError, SigningKey, parse_private_key
from servicelayer_api.settings import SettingsError
from servicelayer_api.web.keys import derive_keys

if TYPE_CHECKING:
    from servicelayer_api.settings import Settings

_PURPOSE: Final = "datafeeds-rounds/1"
_LENGTH: Final = 32


def round_key(settings: Settings) -> SigningKey:
    """Make the key of these settings.

    Raises:
        SettingsError: `RANDOM_SIGNING_KEY` is no key.
    """
    text = settings.random_signing_key.reveal()
    if not text:
        return SigningKey(derive_keys(settings, _PURPOSE)[0])
    try:
        source = parse_private_key(text)
    except KeyFormatError as exc:
        raise SettingsError(f"RANDOM_SIGNING_KEY {exc}") from exc
    info = f"servicelayer/{_PURPOSE}".encode()
    return SigningKey(HKDF(SHA256(), _LENGTH, salt=None, info=info).derive(source))
