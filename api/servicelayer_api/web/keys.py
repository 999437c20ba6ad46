"""Keys for one purpose each, derived from `SECRET_ENCRYPTION_KEY` by HKDF (RFC 5869).

Invariant: the root itself signs and seals nothing here, and no two purposes share a key. All
replicas derive the same keys; a process without a root (a test, the `openapi` command) has a root
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


def derive_key(settings: Settings, purpose: str) -> bytes:
    """Derive a key.

    Args:
        settings: Where the root is.
        purpose: What the key is for, with a version: `cursors/1`.

    Returns:
        32 bytes.
    """
    root = settings.secret_encryption_key.reveal().encode() or secrets.token_bytes(_LENGTH)
    info = f"servicelayer/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=_LENGTH, salt=None, info=info).derive(root)
