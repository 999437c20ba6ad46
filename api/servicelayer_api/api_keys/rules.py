"""How an API key looks and what is kept of it. Pure; the randomness is an argument."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from servicelayer_api.api_keys.errors import ApiKeyReplaced
from servicelayer_api.errors import Invalid
from servicelayer_api.web.auth import ACCOUNT_KEY_PREFIX
from servicelayer_api.web.scopes import SCOPES

if TYPE_CHECKING:
    from datetime import datetime

    from servicelayer_api.api_keys.models import ApiKey, KeyReplacement, NewApiKey

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


def check_new_key(new: NewApiKey) -> list[str] | None:
    """Check what is sent to make a key.

    Returns:
        The scopes to keep, each once and in order; `None` for all.

    Raises:
        Invalid: names each field at fault.
    """
    faults: list[tuple[str, str]] = []
    if "\0" in new.name:
        faults.append(("name", "must not hold the character NUL"))
    if new.scopes is not None:
        unknown = sorted(set(new.scopes) - SCOPES)
        if unknown:
            faults.append(("scopes", f"must be some of {', '.join(sorted(SCOPES))}"))
    if faults:
        raise Invalid(fields=faults)
    return None if new.scopes is None else sorted(set(new.scopes))


def plan_rotation(
    old: ApiKey, rotation: KeyReplacement, now: datetime
) -> tuple[datetime, datetime | None]:
    """Say when the old key ends and when the new one will.

    Args:
        old: as it is now.
        rotation: as sent.
        now: the present.

    Returns:
        The end of the old key, never later than it was, and that of the new one, which lives as
        long as the old one was meant to; `None` for without end.

    Raises:
        ApiKeyReplaced: the old one was rotated or has expired.
    """
    if old.replaced_by is not None:
        raise ApiKeyReplaced(f"the key was replaced by {old.replaced_by}")
    ends = now + timedelta(seconds=rotation.overlap_seconds)
    if old.expires_at is None:
        return ends, None
    if old.expires_at <= now:
        raise ApiKeyReplaced("the key has expired; make a new one")
    return min(ends, old.expires_at), now + (old.expires_at - old.created_at)
