"""Which paths need no credential: those of routes with `opt={"public": True}`, and no others.

The API's description (`opt={"public": "docs"}`) is among them where `API_DOCS` is `public`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.routes import BaseRoute


class PublicPaths:
    """A set of paths; a path with parameters is public as a whole branch below its fixed part."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Collect path templates such as `/livez` and `/problems/{code}`."""
        fixed: set[str] = set()
        branches: list[str] = []
        for path in paths:
            head, brace, _ = path.partition("{")
            if brace:
                branches.append(head)
            else:
                fixed.add(path.rstrip("/") or "/")
        self._fixed = frozenset(fixed)
        self._branches = tuple(branches)

    @classmethod
    def of(cls, routes: Iterable[BaseRoute], *, docs: bool) -> PublicPaths:
        """Collect the paths of routes all of whose handlers are public.

        Args:
            routes: All of them.
            docs: Whether the API's description is.
        """
        public = {True, "docs"} if docs else {True}
        found: list[str] = []
        for route in routes:
            handlers = getattr(route, "route_handlers", None) or [
                getattr(route, "route_handler", None)
            ]
            known = [handler for handler in handlers if handler is not None]
            named = [h for h in known if "OPTIONS" not in getattr(h, "http_methods", ())]
            if named and all(handler.opt.get("public") in public for handler in named):
                found.append(route.path_format)
        return cls(found)

    def __contains__(self, path: str) -> bool:
        return (path.rstrip("/") or "/") in self._fixed or (
            bool(self._branches) and path.startswith(self._branches)
        )
