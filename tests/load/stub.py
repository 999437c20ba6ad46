"""`python -m load.stub PORT`: what the oracle asks; answers every request at once with a number."""

from __future__ import annotations

import asyncio
import sys

_BODY = b'{"price":"12.34"}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"content-length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)
_END = b"\r\n\r\n"


class _Stub(asyncio.Protocol):
    """Answers requests without a body, on connections that stay open."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(_END)
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(_ANSWER * len(whole))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(0)
