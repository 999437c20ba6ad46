"""The ASGI application: all routes, inside the features' middleware, inside the edge."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import structlog
from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute

from servicelayer_api.errors import ServiceError
from servicelayer_api.web import metrics
from servicelayer_api.web.answers import Answer
from servicelayer_api.web.body import StrictBody
from servicelayer_api.web.edge import Edge
from servicelayer_api.web.exposition import Exposition, expose_metrics
from servicelayer_api.web.health import probe_routes
from servicelayer_api.web.incoming import Incoming
from servicelayer_api.web.lifecycle import Lifecycle
from servicelayer_api.web.openapi import ApiDescription, page_routes
from servicelayer_api.web.pagination import Pages
from servicelayer_api.web.plain_routes import shorten
from servicelayer_api.web.problem_pages import problem_routes
from servicelayer_api.web.problems import handle
from servicelayer_api.web.public import PublicPaths
from servicelayer_api.web.scopes import require_scope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from litestar.types import ASGIApp, Receive, Scope, Send

    from servicelayer_api.web.feature import Core, Feature

_log = structlog.get_logger(__name__)


class Application:
    """What the server calls; `litestar` is the router inside, `lifecycle` what runs beside it."""

    def __init__(self, core: Core, features: Sequence[Feature]) -> None:
        """Put the parts together.

        Args:
            core: What the features share.
            features: In the order in which their middleware wraps, the first outermost.
        """
        self.core = core
        self.lifecycle = Lifecycle(core.modules)
        self._start_checks = [check for feature in features for check in feature.start_checks]
        for feature in features:
            self.lifecycle.add_workers(feature.workers)
            for module in feature.modules:
                core.modules.add(module)
        self.instruments = metrics.register(core.metrics, core.modules, core.database.figures)
        self.exposition = Exposition(core.metrics)
        self.litestar = self._router(features)
        self.description = ApiDescription(self.litestar)
        self.public = PublicPaths.of(self.litestar.routes, docs=core.settings.api_docs == "public")
        inner: ASGIApp = self.litestar
        for feature in reversed(features):
            for middleware in reversed(feature.middleware):
                inner = middleware(inner, self.public)
        self.edge = Edge(inner, core.settings, self.instruments, self.public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if cast("str", scope["type"]) == "lifespan":
            await self.litestar(scope, receive, send)
        else:
            await self.edge(scope, receive, send)

    async def check_start(self) -> None:
        """Let the features check, over the database, that they were set up rightly.

        Raises:
            SettingsError: One was not; the message is one line for a person.
            Unavailable: The database does not answer; the modules go on to look.
        """
        for check in self._start_checks:
            await check()

    def drain(self) -> None:
        """Ask clients to go elsewhere: readiness goes down, answers close their connection."""
        self.lifecycle.draining = True
        self.edge.draining = True

    def openapi(self) -> bytes:
        """Give the OpenAPI document as JSON."""
        return self.description.document()

    def _router(self, features: Sequence[Feature]) -> Litestar:
        router = self._compose(features)
        for route in router.routes:
            if isinstance(route, HTTPRoute):
                shorten(route)
        return router

    def _compose(self, features: Sequence[Feature]) -> Litestar:
        shared: dict[str, Any] = {
            "lifecycle": self.lifecycle,
            "exposition": self.exposition,
            "description": _Later(self),
            "documented": self.core.settings.api_docs == "public",
            "pages": Pages(self.core.clock, self.core.settings),
        }
        for feature in features:
            shared.update(feature.dependencies)
        return Litestar(
            route_handlers=[
                *probe_routes,
                expose_metrics,
                *problem_routes,
                *page_routes,
                *(route for feature in features for route in feature.routes),
            ],
            dependencies={name: _provide(value) for name, value in shared.items()},
            before_request=require_scope,
            dto=StrictBody.for_application(),
            return_dto=None,
            request_class=Incoming,
            response_class=Answer,
            exception_handlers={
                ServiceError: handle,
                HTTPException: handle,
                Exception: handle,
            },
            lifespan=[self._lifespan],
            logging_config=None,
            openapi_config=None,
            request_max_body_size=self.core.settings.max_body_bytes,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncGenerator[None]:
        async with self.lifecycle.running():
            _log.info("serving", modules=len(self.core.modules.states()))
            yield
        _log.info("stopped")


class _Later:
    """Breaks the circle between the router and the description that is read off it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def document(self) -> bytes:
        return self._application.description.document()


def _provide(value: object) -> Provide:
    provide = Provide(lambda: value, use_cache=True, sync_to_thread=False)
    provide.value = value
    return provide
