"""A counted number of requests over some connections; `wrk` only knows a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from load.wrk import Shot

_SERVER_REFUSAL = 400


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        seconds: From the first request to the last answer.
        latencies_ms: Of each answer, sorted.
        refused: Answers with a status of 400 or more.
    """

    seconds: float
    latencies_ms: list[float]
    refused: int

    def percentile(self, share: float) -> float:
        """Give the latency that this share of the answers did not exceed."""
        return self.latencies_ms[
            min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * share))
        ]


async def burst(shot: Shot, *, tag: str, count: int, connections: int = 32) -> Burst:
    """Send a request some times.

    Args:
        shot: What to send; `@N@` in the body is made unique.
        tag: Makes the bodies unique among all bursts.
        count: How many requests.
        connections: Kept open, one request in flight on each.

    Raises:
        ConnectionError: The server cut a connection.
    """
    numbers = iter(range(count))
    latencies: list[float] = []
    refused = 0

    async def send_all() -> None:
        nonlocal refused
        address = urlsplit(shot.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            for number in numbers:
                body = shot.body.replace("@N@", f"{tag}-{number}").encode()
                began = time.perf_counter()
                writer.write(_request(shot, address.path, address.netloc, body))
                status = await _answer(reader)
                latencies.append((time.perf_counter() - began) * 1000)
                refused += status >= _SERVER_REFUSAL
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send_all() for _ in range(connections)))
    return Burst(
        seconds=time.perf_counter() - began, latencies_ms=sorted(latencies), refused=refused
    )


def _request(shot: Shot, path: str, host: str, body: bytes) -> bytes:
    headers = {**shot.headers, "host": host, "content-length": str(len(body))}
    lines = [f"{shot.method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _answer(reader: asyncio.StreamReader) -> int:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        raise ConnectionError("the server cut the connection") from exc
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    await reader.readexactly(int(fields.get("content-length", "0")))
    return int(status.split()[1])
