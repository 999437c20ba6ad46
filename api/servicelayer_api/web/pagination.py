"""How lists are cut: `limit` with `cursor` or `offset`, read the same way on every route.

A list goes on behind the last item that was given (keyset), so that rows that come or go meanwhile
shift nothing. `Pages` reads the two query parameters and writes `X-Next-Cursor` and `Link` when
more follows.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, cast
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import QueryParameter

from servicelayer_api.errors import Invalid
from servicelayer_api.web.answers import Answer
from servicelayer_api.web.cursors import Cursors, ListScope
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.keys import derive_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from servicelayer_api.clock import Clock
    from servicelayer_api.settings import Settings

MAX_LIMIT: Final = 500
NEXT_CURSOR: Final = "X-Next-Cursor"

# `Pages` reads both off the request; a route that takes them lets the OpenAPI document show them.
Limit = Annotated[str | None, QueryParameter(description="Items at most, 1 to 500")]
Cursor = Annotated[str | None, QueryParameter(description="X-Next-Cursor of the page before")]

# A page ends sooner than its limit when its items are large: it is held in memory, several times.
MAX_PAGE_BYTES: Final = 1024 * 1024
# So few are not measured: even the largest items of any list fit.
_SURELY_FIT: Final = 4

# Longer numbers are cut or refused unread; int() of an endless text would be slow.
_MAX_DIGITS: Final = 9
_KEY_PURPOSE: Final = "cursors/1"

type _Request = Request[Any, Any, Any]


class PageRequest(msgspec.Struct, frozen=True):
    """A page that is asked for.

    Attributes:
        limit: Items at most, 1 to 500.
        after: Position of the item it follows, as `Slice.after` gave it; `None` for the first page.
    """

    limit: int
    after: tuple[str, ...] | None = None

    @property
    def rows(self) -> int:
        """How many rows to look for: one more than are shown tells whether more follow."""
        return self.limit + 1

    def moment(self) -> tuple[datetime, UUID] | None:
        """Where a list by time and id goes on; `None` for the first page."""
        if self.after is None:
            return None
        moment, identity = self.after
        return datetime.fromisoformat(moment), UUID(identity)

    def number(self) -> int | None:
        """Where a list by number goes on; `None` for the first page."""
        return None if self.after is None else int(self.after[0])

    def cut[T](self, found: list[T], position: Callable[[T], tuple[object, ...]]) -> Slice[T]:
        """Make the page from `rows` rows, or from all that were left.

        Args:
            found: In the list's order.
            position: What the list is ordered by, read of a row.
        """
        items = found[: min(self.limit, _fitting(found))]
        if len(items) == len(found):
            return Slice(found)
        return Slice(items, tuple(_written(each) for each in position(items[-1])))


class Slice[T](msgspec.Struct, frozen=True):
    """A page that was found.

    Attributes:
        items: In the list's order.
        after: Position of the last of them when more follow, else `None`.
    """

    items: list[T]
    after: tuple[str, ...] | None = None

    def show[S](self, view: Callable[[T], S]) -> Slice[S]:
        """Give the same page with each item as it is shown."""
        return Slice([view(each) for each in self.items], self.after)


def _fitting(found: Sequence[object]) -> int:
    """Count the items that fit into the largest page; one always does."""
    if len(found) <= _SURELY_FIT:
        return len(found)
    left = MAX_PAGE_BYTES
    for count, item in enumerate(found):
        left -= len(msgspec.json.encode(item, enc_hook=str))
        if left < 0:
            return max(1, count)
    return len(found)


def _written(part: object) -> str:
    return part.isoformat() if isinstance(part, datetime) else str(part)


class Pages:
    """What list routes call on the way in and on the way out."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        """Sign cursors with a key that is derived from the settings."""
        self._clock = clock
        self._cursors = Cursors(*derive_keys(settings, _KEY_PURPOSE))

    def read(
        self, request: _Request, list_name: str, default_limit: int = 25, **filters: str | None
    ) -> PageRequest:
        """Read the query parameters `limit` and `cursor`.

        Args:
            request: The request of an authenticated caller.
            list_name: Name of the list; no other list has it.
            default_limit: When `limit` is not sent.
            filters: What else decides which rows are in the list, as sent.

        Raises:
            Invalid: `limit` is no positive integer.
            InvalidCursor: `cursor` was not made for this list, account, tenant and filters, or has
                expired.
        """
        if not request.scope["query_string"]:
            return PageRequest(default_limit)
        query = request.query_params
        limit = parse_limit(query.get("limit"), default_limit)
        text = query.get("cursor")
        if not text:
            return PageRequest(limit)
        scope = self._scope(request, list_name, filters)
        return PageRequest(limit, self._cursors.read(text, scope, self._clock.now()))

    def answer[T](
        self, request: _Request, list_name: str, page: Slice[T], **filters: str | None
    ) -> Response[list[T]]:
        """Answer with a page; its headers say where the next one is, if there is one.

        Args:
            request: As for `read`.
            list_name: As for `read`.
            page: What was found.
            filters: As for `read`.
        """
        if page.after is None:
            return Answer(page.items)
        scope = self._scope(request, list_name, filters)
        cursor = self._cursors.write(scope, page.after, self._clock.now())
        link = f'<{_with_cursor(request, cursor)}>; rel="next"'
        return Answer(page.items, headers={NEXT_CURSOR: cursor, "Link": link})

    @staticmethod
    def _scope(request: _Request, list_name: str, filters: Mapping[str, str | None]) -> ListScope:
        principal = caller_of(request.scope).require_principal()
        account = str(cast("Mapping[str, object]", request.path_params).get("account_id", ""))
        # A credential of some accounts may see less of a list than one of the whole tenant.
        holder = f"{account}|{','.join(map(str, principal.bounds or ()))}"
        return ListScope(list_name, principal.tenant or "", holder, filters)


def _with_cursor(request: _Request, cursor: str) -> str:
    """Give the request's own target with another cursor."""
    query = request.scope["query_string"].decode("latin-1")
    kept = [(name, text) for name, text in parse_qsl(query, True) if name != "cursor"]
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    # The brackets of a link's target must not stand in it.
    return f"{path}?{urlencode([*kept, ('cursor', cursor)])}".replace(">", "%3E")


class Dated(Protocol):
    """What lists by time hold."""

    @property
    def id(self) -> UUID:
        """What tells items of one moment apart."""
        ...

    @property
    def created_at(self) -> datetime:
        """What orders them."""
        ...


def by_age(item: Dated) -> tuple[datetime, UUID]:
    """Give the position of an item in a list by the time it was made."""
    return item.created_at, item.id


def following[*V](condition: str, after: tuple[*V] | None) -> tuple[str, tuple[*V] | tuple[()]]:
    """Give what the position of a page adds to a query.

    Args:
        condition: On the position, such as `(created_at, id) < ($3, $4)`.
        after: The values of that position; `None` for the first page.

    Returns:
        `AND` with the condition and its values, or nothing for the first page.
    """
    return ("", ()) if after is None else (f"AND {condition}", after)


def parse_limit(text: str | None, default: int) -> int:
    """Read `limit`.

    Args:
        text: as sent; `None` when it was not, and empty text says no more.
        default: when it was not sent.

    Returns:
        1 to 500; more is cut to 500.

    Raises:
        Invalid: no positive integer.
    """
    if not text:
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
    if not text:
        return 0
    if not _is_number(text) or len(text.lstrip("0")) > _MAX_DIGITS:
        raise Invalid(fields=[("offset", "must be a non-negative integer")])
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
