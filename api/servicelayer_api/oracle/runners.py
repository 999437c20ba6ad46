"""Who may complete requests from outside: whoever shows a token of ORACLE_RUNNER_TOKENS.

A request remembers which of them took it, by a few bytes of the token's digest: enough to tell
runners apart, and too few for whoever reads the database to find a token by.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from servicelayer_api.oracle.errors import RunnerTokenRequired

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN_SEPARATORS: Final = re.compile(r"[,;\s]+")
_MARK_BYTES: Final = 4


class RunnerTokens:
    """The tokens of oracle runners, as digests, so that no comparison tells how much was right."""

    def __init__(self, text: str) -> None:
        """Read tokens that are separated by commas, semicolons or spaces."""
        self._digests = {_digest(token) for token in _TOKEN_SEPARATORS.split(text) if token}

    def identify(self, shown: Iterable[str]) -> bytes | None:
        """Tell which runner a caller is; refuse one who shows no token, when there are some.

        Returns:
            What tells this runner from others; `None` where there are no tokens.

        Raises:
            RunnerTokenRequired: None of what is shown is a token.
        """
        if not self._digests:
            return None
        for digest in map(_digest, filter(None, shown)):
            if digest in self._digests:
                return digest[:_MARK_BYTES]
        raise RunnerTokenRequired(
            "oracle runner token required; none that is known was sent in the header "
            "`X-Oracle-Runner-Token: <token>`"
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
