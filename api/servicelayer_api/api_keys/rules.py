"""How an API key looks and what is kept of it. Pure; the randomness is an argument."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Final

from servicelayer_api.web.auth import ACCOUNT_KEY_PREFIX

MAX_KEYS: Final = 100
KEY_BYTES: Final = 32
SHOWN: Final = len(ACCOUNT_KEY_PREFIX) + 6

_FORM: Final = re.compile(re.escape(ACCOUNT_KEY_PREFIX) + r"[A-Za-z0-9_-]{43}")


def write_key(noise: bytes) -> str:
    """The key made of 32 random bytes: `slk_` and 43 letters."""
    return ACCOUNT_KEY_PREFIX + urlsafe_b64encode(noise).rstrip(b"=").decode()


def is_key(text: str) -> bool:
    """Whether a text has the form of a key; what has not is never looked up."""
    return _FORM.fullmatch(text) is not None


def hash_key(key: str) -> bytes:
    """What is kept of a key. A key is 256 random bits, so a plain hash gives nothing to guess."""
    return hashlib.sha256(key.encode()).digest()
