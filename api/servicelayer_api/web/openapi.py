"""The OpenAPI document, and a page to try the API from that needs nothing from any other server.

Litestar describes the routes; what holds for all of them (the bearer token, the tenant header, the
shape of refusals) is added here once, so that no route has to repeat it.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec
from litestar import Response, get
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.di import NamedDependency
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License
from litestar.routes import HTTPRoute

from servicelayer_api.version import VERSION
from servicelayer_api.web.auth import SENT_AS
from servicelayer_api.web.openapi_examples import add_examples
from servicelayer_api.web.openapi_rules import VERBS, bound, complete_components, complete_operation
from servicelayer_api.web.openapi_schemas import build_schemas, demand, find_structs
from servicelayer_api.web.openapi_tidy import tidy

if TYPE_CHECKING:
    from litestar import Litestar

_PAGES = "servicelayer_api.web"
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@runtime_checkable
class Document(Protocol):
    """Something that has an OpenAPI document."""

    def document(self) -> bytes:
        """Give it as JSON."""
        ...


class _Describer(OpenAPIPlugin):
    """Litestar's own describer, without its pages, which load scripts from elsewhere."""

    @property
    def openapi_config(self) -> OpenAPIConfig:
        """Describe the API as a whole."""
        return OpenAPIConfig(
            title="Neo Service Layer",
            version=VERSION,
            description="Off-chain services for the Neo N3 blockchain.",
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
        )


class ApiDescription:
    """The document of an application, made at the first use and kept."""

    def __init__(self, app: Litestar) -> None:
        """Describe an application."""
        self._app = app
        self._document: bytes | None = None

    def document(self) -> bytes:
        """Give the document as JSON."""
        if self._document is None:
            describer = _Describer(self._app)
            for route in self._app.routes:
                describer.receive_route(route)
            schema = describer.provide_openapi_schema()
            self._complete(schema)
            self._document = msgspec.json.format(msgspec.json.encode(schema), indent=2)
        return self._document

    def _complete(self, schema: dict[str, Any]) -> None:
        handlers = {
            (route.path_format, method.lower()): handler
            for route in self._app.routes
            if isinstance(route, HTTPRoute)
            for handler in route.route_handlers
            for method in handler.http_methods
        }
        schemas = build_schemas(*find_structs(handlers.values()))
        schema["components"]["schemas"] = schemas
        complete_components(schema)
        shown = {path.rpartition("/{")[0] for path, verb in handlers if verb == "get"}
        for path, item in schema.get("paths", {}).items():
            for verb in VERBS & item.keys():
                if needed := handlers[path, verb].opt.get("needs"):
                    body = item[verb]["requestBody"]["content"]["application/json"]
                    body["schema"] = demand(schemas, body["schema"], needed)
                complete_operation(
                    item[verb], verb, path, handlers[path, verb], located=path in shown
                )
        bound(schema)
        add_examples(schemas)
        tidy(schema)


@get(
    "/openapi.json", include_in_schema=False, opt={"public": "docs"}, media_type="application/json"
)
async def openapi_document(description: NamedDependency[Document]) -> Response[bytes]:
    """Give the OpenAPI document."""
    return Response(description.document(), media_type="application/json")


def _page(name: str, media_type: str) -> Response[bytes]:
    content = resources.files(_PAGES).joinpath("pages", name).read_bytes()
    return Response(
        content,
        media_type=media_type,
        headers={"content-security-policy": _CSP, "cache-control": "no-cache"},
    )


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API is described."""

    docs: str = "/docs"
    openapi: str = "/openapi.json"
    credential: str = SENT_AS


@get("/", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def entrance(documented: NamedDependency[bool]) -> Response[Any]:
    """Lead to the description; where it wants a credential, say where it is and how to send one."""
    if documented:
        return Response(b"", status_code=307, headers={"Location": "/docs"})
    return Response(Entrance())


@get("/docs", include_in_schema=False, opt={"public": "docs"}, sync_to_thread=False)
def docs_page() -> Response[bytes]:
    """Give the page to try the API from."""
    return _page("docs.html", "text/html")


@get("/docs/docs.js", include_in_schema=False, opt={"public": "docs"}, sync_to_thread=False)
def docs_script() -> Response[bytes]:
    """Give the page's script."""
    return _page("docs.js", "text/javascript")


@get("/docs/docs.css", include_in_schema=False, opt={"public": "docs"}, sync_to_thread=False)
def docs_style() -> Response[bytes]:
    """Give the page's style."""
    return _page("docs.css", "text/css")


page_routes = (entrance, openapi_document, docs_page, docs_script, docs_style)
