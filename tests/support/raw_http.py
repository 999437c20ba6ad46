"""A lean HTTP/1.1 client over one connection: a load is the server's then, not the client's."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

_CLOSED = b"connection: close"


class Reply(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes


class RawConnection:
    """One kept connection; opened when needed, closed on any fault."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, port: int, path: str, body: bytes) -> Reply:
        """Send a JSON body.

        Raises:
            OSError: There is no answer; whether the server acted is not known.
        """
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = self._streams
            writer.write(
                f"POST {path} HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n{self._head}\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            at = lowered.index(b"content-length:") + len(b"content-length:")
            length = int(lowered[at : lowered.index(b"\r\n", at)])
            reply = Reply(int(head[9:12]), await reader.readexactly(length))
        except (OSError, ValueError, asyncio.IncompleteReadError) as exc:
            self.close()
            raise OSError(f"no answer: {exc}") from exc
        if _CLOSED in lowered:
            self.close()
        return reply

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
