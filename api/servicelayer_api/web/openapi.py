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

from servicelayer_api.version import VERSION
from servicelayer_api.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from litestar import Litestar

_PAGES = "servicelayer_api.web"
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_VERBS = frozenset({"get", "put", "post", "delete", "patch"})
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "error"],
    "properties": {
        "type": {"type": "string", "description": "Path of a page about this kind of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "error": {"type": "string", "description": "The same as detail"},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_TENANT = {
    "name": "X-Tenant-ID",
    "in": "header",
    "required": False,
    "description": "The tenant to act for, when the credential is not bound to one",
    "schema": {"type": "string"},
}


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
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        components["responses"] = {
            "Problem": {
                "description": "A refusal (RFC 9457)",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
        }
        public = self._public_operations()
        for item in schema.get("paths", {}).values():
            for verb in _VERBS & item.keys():
                self._complete_operation(item[verb], item[verb]["operationId"] in public)

    @staticmethod
    def _complete_operation(operation: dict[str, Any], public: bool) -> None:
        responses = {
            status: answer for status, answer in operation["responses"].items() if status < "4"
        }
        operation["responses"] = {
            **responses,
            "default": {"$ref": "#/components/responses/Problem"},
        }
        operation["security"] = [] if public else [{"bearer": []}]
        if not public:
            operation.setdefault("parameters", []).append(_TENANT)

    def _public_operations(self) -> set[str]:
        found: set[str] = set()
        for route in self._app.routes:
            for handler in getattr(route, "route_handlers", ()):
                if handler.opt.get("public") is True and handler.operation_id:
                    found.add(str(handler.operation_id))
        return found


@get("/openapi.json", include_in_schema=False, opt={"public": True}, media_type="application/json")
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


@get("/docs", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def docs_page() -> Response[bytes]:
    """Give the page to try the API from."""
    return _page("docs.html", "text/html")


@get("/docs/docs.js", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def docs_script() -> Response[bytes]:
    """Give the page's script."""
    return _page("docs.js", "text/javascript")


@get("/docs/docs.css", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def docs_style() -> Response[bytes]:
    """Give the page's style."""
    return _page("docs.css", "text/css")


page_routes = (openapi_document, docs_page, docs_script, docs_style)
