"""Keys for one purpose each, derived from `SECRET_ENCRYPTION_KEY` by HKDF (RFC 5869).

Invariant: the root itself signs and seals nothing here, and no two purposes share a key. All
replicas derive the same keys. What a previous root made stays readable as long as that is named in
`SECRET_ENCRYPTION_KEY_PREVIOUS`. A process without a root (a test, the `openapi` command) has one
of its own for as long as it lives.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from servicelayer_api.settings import Settings

_LENGTH = 32


def derive_keys(settings: Settings, purpose: str) -> tuple[bytes, ...]:
    """Derive the keys of a purpose.

    Args:
        settings: Where the root is.
        purpose: What the key is for, with a version: `cursors/1`.

    Returns:
        The present one, with which things are made, then those of the previous roots, with which
        they may still be read; 32 bytes each.
    """
    previous = settings.secret_encryption_key_previous.reveal().split(",")
    roots = [settings.secret_encryption_key.reveal(), *(text.strip() for text in previous)]
    return tuple(_derive(root.encode(), purpose) for root in roots if root) or (
        _derive(secrets.token_bytes(_LENGTH), purpose),
    )


def _derive(root: bytes, purpose: str) -> bytes:
    info = f"servicelayer/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=_LENGTH, salt=None, info=info).derive(root)
