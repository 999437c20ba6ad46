"""A server with an event loop in a thread of its own, beside a test that waits and blocks."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Self


class LoopThread(ABC):
    """Serves from the start of its block to the end."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=30)

    @abstractmethod
    async def serve(self) -> None:
        """Call `ready` when it can be spoken to, wait for `stopped`, clean up."""

    def ready(self) -> None:
        """Let the block begin."""
        self._started.set()

    async def stopped(self) -> None:
        """Wait for the end of the block."""
        await self._stop.wait()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self.serve())
        finally:
            self._loop.close()
