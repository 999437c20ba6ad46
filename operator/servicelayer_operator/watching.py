"""When each watch last said something, which is the only proof that it still lives.

kopf reconnects a silent watch, but shows no one whether that helped, and keeps bookmarks to itself.
So the bytes are noted where they arrive: in the HTTP response of a watch. Liveness asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class WatchActivity:
    """The time of the last byte of each watched path.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def opened(self, path: str) -> None:
        """A watch was asked for; it has until the limit to say something for the first time."""
        self._last.setdefault(path, self._clock())

    def heard(self, path: str) -> None:
        """A watch delivered an event or a bookmark."""
        self._last[path] = self._clock()

    def ages(self) -> dict[str, float]:
        """Seconds since each watch last said something, by the plural of its kind."""
        now = self._clock()
        ages: dict[str, float] = {}
        for path, last in self._last.items():
            plural = path.rsplit("/", 1)[-1]
            ages[plural] = max(now - last, ages.get(plural, 0.0))
        return ages


class ObservedResponse(aiohttp.ClientResponse):
    """An aiohttp response that reports the chunks of a watch."""

    watch_activity: ClassVar[WatchActivity]

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Begin to read; a watch's content is wrapped so that its chunks are noticed."""
        await super().start(connection)
        if self.method == "GET" and self.url.query.get("watch") == "true":
            path = self.url.path
            self.watch_activity.opened(path)
            stream: Any = _ObservedStream(self.content, path, self.watch_activity)
            self.content = stream
        return self


class _ObservedStream:
    """A stream reader's stand-in; everything but the reading by chunks goes to the original."""

    def __init__(self, stream: aiohttp.StreamReader, path: str, activity: WatchActivity) -> None:
        self._stream = stream
        self._path = path
        self._activity = activity

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield chunks as they come, noting each."""
        async for chunk in self._stream.iter_chunked(size):
            self._activity.heard(self._path)
            yield chunk
        # The API server ended the watch in good order: a sign of life too, where a connection that
        # is dead half way ends by a timeout only, which is an exception.
        self._activity.heard(self._path)
