"""Who may complete requests from outside: whoever shows a token of ORACLE_RUNNER_TOKENS."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from servicelayer_api.oracle.errors import RunnerTokenRequired

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN_SEPARATORS: Final = re.compile(r"[,;\s]+")


class RunnerTokens:
    """The tokens of oracle runners, as digests, so that no comparison tells how much was right."""

    def __init__(self, text: str) -> None:
        """Read tokens that are separated by commas, semicolons or spaces."""
        self._digests = {_digest(token) for token in _TOKEN_SEPARATORS.split(text) if token}

    def check(self, shown: Iterable[str]) -> None:
        """Refuse a caller who shows no token, when there are some.

        Raises:
            RunnerTokenRequired: None of what is shown is a token.
        """
        if self._digests and not any(_digest(text) in self._digests for text in shown if text):
            raise RunnerTokenRequired("oracle runner token required")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
