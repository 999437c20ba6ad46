"""The keys that sign the records of rounds.

Each is derived (HKDF-SHA256, RFC 5869) from `RANDOM_SIGNING_KEY`, else from
`SECRET_ENCRYPTION_KEY`, under a label of its own: knowing one says nothing about the others. A
record carries its public key; those of the former settings, as far as they are named in
`RANDOM_PREVIOUS_KEYS` and `SECRET_ENCRYPTION_KEY_PREVIOUS`, are served as long as they are there.
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


def round_keys(settings: Settings) -> list[SigningKey]:
    """Make the keys of these settings: the one that signs, then those that have signed before.

    Raises:
        SettingsError: `RANDOM_SIGNING_KEY` or one of `RANDOM_PREVIOUS_KEYS` is no key.
    """
    stand_ins = [SigningKey(seed) for seed in derive_keys(settings, _PURPOSE)]
    former = settings.random_previous_keys.reveal().split(",")
    before = [_derive(text, "RANDOM_PREVIOUS_KEYS") for text in former if text.strip()]
    own = settings.random_signing_key.reveal()
    if own:
        return [_derive(own, "RANDOM_SIGNING_KEY"), *before, *stand_ins]
    return [stand_ins[0], *before, *stand_ins[1:]]


def _derive(text: str, name: str) -> SigningKey:
    try:
        source = parse_private_key(text)
    except KeyFormatError as exc:
        raise SettingsError(f"{name} {exc}") from exc
    info = f"servicelayer/{_PURPOSE}".encode()
    return SigningKey(HKDF(SHA256(), _LENGTH, salt=None, info=info).derive(source))
