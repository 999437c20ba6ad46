"""The query parameters that cut lists: `limit` and `offset`, read the same way on every route."""

from __future__ import annotations

from typing import Final

from servicelayer_api.errors import Invalid

MAX_LIMIT: Final = 500

# Longer numbers are cut or refused unread; int() of an endless text would be slow.
_MAX_DIGITS: Final = 9


def parse_limit(text: str | None, default: int) -> int:
    """Read `limit`.

    Args:
        text: as sent; `None` when it was not.
        default: when it was not sent.

    Returns:
        1 to 500; more is cut to 500.

    Raises:
        Invalid: no positive integer.
    """
    if text is None:
        return default
    digits = text.lstrip("0") if _is_number(text) else ""
    if not digits:
        raise Invalid(fields=[("limit", "must be a positive integer")])
    return MAX_LIMIT if len(digits) > _MAX_DIGITS else min(int(digits), MAX_LIMIT)


def parse_offset(text: str | None) -> int:
    """Read `offset`.

    Args:
        text: as sent; `None` when it was not.

    Returns:
        Zero or more.

    Raises:
        Invalid: negative, no integer, or beyond 999,999,999.
    """
    if text is None:
        return 0
    if not _is_number(text) or len(text.lstrip("0")) > _MAX_DIGITS:
        raise Invalid(fields=[("offset", "must be a non-negative integer")])
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
