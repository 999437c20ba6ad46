"""The request that routes are given: the router's own, with a shorter way to the body.

Invariant: no more than the largest body is ever held. A body whose length was announced is complete
when so many bytes are here; the server's word that nothing follows would be one more turn of the
loop and one more change of threads, and is waited for only where no length was announced.
"""

from __future__ import annotations

from typing import Any, override

from litestar import Request

from servicelayer_api.errors import Invalid
from servicelayer_api.web.principal import Credential, Principal


class Incoming(Request[Principal, Credential, Any]):
    """A request that reads its body at once."""

    __slots__ = ()

    @override
    async def body(self) -> bytes:
        known = self._connection_state.body
        if not isinstance(known, bytes):
            known = self._body = self._connection_state.body = await self._read()
        return known

    async def _read(self) -> bytes:
        """Read the body; how large it may be is counted where it comes in (`intake`).

        Raises:
            TooLarge: It is, or announces that it will be.
            Overloaded: Too many bodies are held already.
            Invalid: The client has gone, or its announced length is no number.
        """
        announced = self._announced()
        parts: list[bytes] = []
        count, more = 0, True
        while more and count != announced:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Invalid("the body ended before it was complete")
            parts.append(message["body"])
            count += len(message["body"])
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _announced(self) -> int | None:
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    raise Invalid("Content-Length is no number")
                return int(value)
        return None
