"""A proxy before PostgreSQL that can keep a COMMIT's answer to itself.

The database has then committed and its client does not know: the moment at which a crash would part
an effect from its answer, held open for as long as a test needs.
"""

from __future__ import annotations

import asyncio
import threading
from typing import override
from urllib.parse import urlsplit, urlunsplit

from support.loop_thread import LoopThread

_COMMIT = b"COMMIT;"
_CHUNK = 65536


class CommitProxy(LoopThread):
    """The proxy, in a thread of its own; use as a context manager.

    Attributes:
        url: Its address, for the program under test.
        holding: Set when a COMMIT has been passed on and its answer is kept back.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__("commit-proxy")
        self._parts = urlsplit(database_url)
        self.url = ""
        self.holding = threading.Event()
        self._awaited = b""

    def arm(self, statement: bytes) -> None:
        """Keep back the answer of the COMMIT that follows a statement, and all after it.

        Args:
            statement: Part of its text, so that no background work of the program is caught; it is
                sent once a connection, when it is prepared.
        """
        self._awaited = statement

    @override
    async def serve(self) -> None:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        login = self._parts.netloc.rpartition("@")[0]
        parts = self._parts._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable")
        self.url = urlunsplit(parts)
        self.ready()
        await self.stopped()
        server.close()

    async def _forward(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, onward = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        silent = asyncio.Event()
        sent = bytearray()

        async def answers() -> None:
            while data := await server.read(_CHUNK):
                if not silent.is_set():
                    back.write(data)
                    await back.drain()

        answering = asyncio.create_task(answers())
        try:
            while data := await client.read(_CHUNK):
                sent += data
                if self._awaited and self._awaited in sent and _COMMIT in data:
                    silent.set()
                    self.holding.set()
                onward.write(data)
                await onward.drain()
        except ConnectionError:
            pass
        finally:
            answering.cancel()
            onward.close()
            back.close()
