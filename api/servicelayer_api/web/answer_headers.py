"""Headers that a layer adds to the answer of a request before there is an answer.

The edge writes them, once, on whatever the answer turns out to be. So a layer that only adds
headers need not wrap `send`, which would cost every request a closure and a call a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from litestar.types import Scope

type Headers = list[tuple[bytes, bytes]]

_KEY: Final = "servicelayer.answer_headers"


def open_headers(scope: Scope, headers: Headers) -> None:
    """Let the layers inside add to a list of headers; the edge's part."""
    cast("dict[str, Any]", scope)[_KEY] = headers


def answer_headers(scope: Scope) -> Headers:
    """Give the list to add to."""
    found = cast("dict[str, Any]", scope).get(_KEY)
    return cast("Headers", found) if found is not None else []
