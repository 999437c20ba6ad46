"""What of a data source's credentials may be seen: header values that cannot be credentials.

All values are kept sealed. One is shown when its header only describes the message, or when it is
too short to be a credential and its header's name does not speak of one. In doubt it is masked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_api.oracle.models import Credentials

MASK: Final = "***"
"""What is shown in place of a credential; sent back, it means: as it was."""

_DESCRIBING: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-language",
        "content-type",
        "prefer",
        "user-agent",
    }
)
"""Headers of RFC 9110, 9111 and 7240 that say how a message is to be read, not who sends it."""

_TELLING: Final = re.compile(
    r"auth|bearer|cookie|cred|jwt|key|login|pass|pin|pwd|secret|session|sign|token|user",
    re.IGNORECASE,
)
_SHORTEST_CREDENTIAL: Final = 8
_SHORTEST_SECRET: Final = 6


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Give each header with its value, or with the mask for it."""
    return {name: value if is_harmless(name, value) else MASK for name, value in headers.items()}


def is_harmless(name: str, value: str) -> bool:
    """Tell whether a header's value may be shown to whoever may read the source."""
    if name.lower() in _DESCRIBING:
        return True
    return len(value) < _SHORTEST_CREDENTIAL and _TELLING.search(name) is None


def mask(text: str, secret: Credentials) -> str:
    """Take a source's credentials out of a text that others may read."""
    hidden = [value for name, value in secret.headers.items() if not is_harmless(name, value)]
    for value in sorted((*hidden, secret.body), key=len, reverse=True):
        for part in (value, *value.split()):
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, MASK)
    return text
