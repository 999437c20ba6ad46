"""The answer that almost every route gives: JSON, and nothing beside it but a few headers.

The router's own way over cookies, background tasks and a mapping of headers costs a tenth of a
short request. What has none of these goes out directly; anything else still takes that way. The
router's type encoders are left out: our answers are structs and what JSON knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, override
from urllib.parse import quote

from litestar import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.response.base import ASGIResponse
    from litestar.types import Receive, Scope, Send

_JSON: Final = "application/json"
_CONTENT_TYPE: Final = (b"content-type", _JSON.encode())
_OK: Final = 200
_WITHOUT_BODY: Final = frozenset({204, 304})
_RARE: Final = ("background", "cookies", "encoded_headers", "headers", "is_head_response")


class Answer[T](Response[T]):
    """A response of the router that takes the short way where it can."""

    @override
    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> ASGIResponse:
        media_type = self.media_type or options.get("media_type") or _JSON
        status = self.status_code or options.get("status_code") or _OK
        if (
            media_type != _JSON
            or status in _WITHOUT_BODY
            or self.cookies
            or self.background
            or any(options.get(name) for name in _RARE)
        ):
            return cast("Any", super()).to_asgi_response(app, request, **options)
        short = ShortAnswer(status, self.render(self.content, _JSON), self.headers)
        # The router does nothing with it but call it.
        return cast("ASGIResponse", short)


def created[T](request: Request[Any, Any, Any], item: T, name: object) -> Response[T]:
    """Answer what was made, with the header `Location` that says where it can be read.

    Args:
        request: To the list that it was added to.
        item: What was made.
        name: Of it, as it stands in its path.
    """
    where = f"{request.scope['path'].rstrip('/')}/{name}"
    return Answer(item, headers={"Location": quote(where)})


class ShortAnswer:
    """Sends a body that is encoded already."""

    __slots__ = ("_body", "_start")

    def __init__(self, status: int, body: bytes, headers: Mapping[str, Any]) -> None:
        """Hold an answer.

        Args:
            status: Of the answer.
            body: JSON.
            headers: Beside those that tell its type and length.
        """
        fields = [_CONTENT_TYPE, (b"content-length", str(len(body)).encode())]
        for name, text in headers.items():
            fields.append((name.lower().encode(), str(text).encode("latin-1")))
        self._start = {"type": "http.response.start", "status": status, "headers": fields}
        self._body = body

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send(cast("Any", self._start))
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
