"""What holds for every operation of the OpenAPI document, derived from its route.

Security, the scope an API key needs (`x-scope`), the headers of tenant, retries, pages and limits,
and every refusal that an operation may answer: none of it is written at a route, so none of it can
be forgotten there. Statuses are listed one by one, without `default`, so that an answer outside the
list is a fault that a test can see.
"""

from __future__ import annotations

from copy import deepcopy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from servicelayer_api.errors import error_types
from servicelayer_api.web.idempotency import MAX_LENGTH, METHODS
from servicelayer_api.web.openapi_texts import PARAMETERS, SUCCESSES
from servicelayer_api.web.pagination import MAX_LIMIT, NEXT_CURSOR
from servicelayer_api.web.problems import MEDIA_TYPE
from servicelayer_api.web.texts import MAX_MAPPING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from litestar.handlers import HTTPRouteHandler

type Object = dict[str, Any]

VERBS: Final = frozenset({"get", "put", "post", "delete", "patch"})
ROLE_ADMIN: Final = "admin"

_ADMIN: Final = "/admin"
_FIRST_ERROR: Final = "4"
_CREATED: Final = "201"
# What the router says of a status where the route says nothing.
_LIBRARY_WORDS: Final = frozenset({HTTPStatus(int(status)).description for status in SUCCESSES})
# As long as a cursor; all of a request's head may be 64 KiB.
_LONGEST_PARAMETER: Final = 2048
_TEXT: Final[Object] = {"type": "string"}
_FIELD: Final[Object] = {
    "title": "FieldFault",
    "description": "A field at fault.",
    "type": "object",
    "required": ["field", "message"],
    "properties": {
        "field": {**_TEXT, "description": "Its path in the request", "examples": ["owner"]},
        "message": {
            **_TEXT,
            "description": "What is wrong with it",
            "examples": ["is required"],
        },
    },
    "examples": [{"field": "owner", "message": "is required"}],
}
_PROBLEM: Final[Object] = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457). Kinds of problem may have more members: "
    "`GET /problems/{code}` names them.",
    "type": "object",
    "required": ["type", "title", "status", "code", "error"],
    "properties": {
        "type": {**_TEXT, "description": "Path of a page about this kind of problem"},
        "title": {**_TEXT, "description": "The kind of problem, for people"},
        "status": {
            "type": "integer",
            "format": "int32",
            "minimum": 400,
            "maximum": 599,
            "description": "The HTTP status",
        },
        "detail": {**_TEXT, "description": "What happened this time"},
        "instance": {**_TEXT, "description": "Path of the request"},
        "code": {**_TEXT, "description": "The kind of problem, for programs"},
        "request_id": {**_TEXT, "description": "Ties the answer to the logs"},
        "error": {**_TEXT, "description": "The same as detail"},
        "fields": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldFault"},
            "description": "Fields at fault",
        },
        "reason": {
            "type": "string",
            "enum": ["missing", "malformed", "unknown", "expired"],
            "description": "Of a 401: what is wrong with the credential",
        },
        "requested": {"type": "number", "description": "GAS that was asked for"},
        "available": {"type": "number", "description": "GAS that there is or may be taken"},
        "signed_text": {**_TEXT, "description": "What a refused signature had to be over"},
        "signed_bytes": {**_TEXT, "description": "The same in hex"},
    },
    "examples": [
        {
            "type": "/problems/invalid-request",
            "title": "Invalid request",
            "status": 400,
            "detail": "owner: is required",
            "instance": "/accounts",
            "code": "invalid-request",
            "request_id": "01909a5e-4f7d-7c08-8a3b-91d2e5f6a7b8",
            "error": "owner: is required",
            "fields": [{"field": "owner", "message": "is required"}],
        }
    ],
}
_PARAMETERS: Final[Object] = {
    "Tenant": {
        "name": "X-Tenant-ID",
        "in": "header",
        "required": False,
        "description": "The tenant to act for, when the credential is not bound to one",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$", "maxLength": 128},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Names this request: sent again within 24 hours it is answered again and "
        "not carried out again",
        "schema": {
            "type": "string",
            "pattern": f"^[!-~]{{1,{MAX_LENGTH}}}$",
            "maxLength": MAX_LENGTH,
        },
    },
    "Limit": {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": f"Items at most; more than {MAX_LIMIT} is cut to {MAX_LIMIT}",
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_LIMIT},
    },
    "Cursor": {
        "name": "cursor",
        "in": "query",
        "required": False,
        "description": f"`{NEXT_CURSOR}` of the page before; good for a day, for this list only",
        "schema": {"type": "string", "maxLength": _LONGEST_PARAMETER},
    },
}
_HEADERS: Final[Object] = {
    "RequestId": {"description": "Ties the answer to the logs", "schema": _TEXT},
    "Access-Control-Allow-Origin": {
        "description": "Who may read the answer in a browser",
        "schema": _TEXT,
    },
    "RateLimit": {
        "description": "What is left of the nearest limit, r requests, and t "
        "seconds until all are back",
        "schema": _TEXT,
    },
    "RateLimitPolicy": {
        "description": "Each limit, q requests in w seconds",
        "schema": _TEXT,
    },
    "RetryAfter": {
        "description": "Seconds until it makes sense to try again",
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 86400},
    },
    "NextCursor": {"description": "Where the list goes on; absent at its end", "schema": _TEXT},
    "Link": {"description": "The next page, as rel=next; absent at the end", "schema": _TEXT},
    "Location": {
        "description": "Where what was made can be read",
        "schema": {**_TEXT, "format": "uri-reference"},
    },
    "Replayed": {
        "description": "`true` when an Idempotency-Key was answered again",
        "schema": {"type": "string", "const": "true"},
    },
}
_EVERYWHERE: Final = {
    "X-Request-ID": "RequestId",
    "Access-Control-Allow-Origin": "Access-Control-Allow-Origin",
    "RateLimit": "RateLimit",
    "RateLimit-Policy": "RateLimitPolicy",
}
_WITH_RETRY: Final = frozenset({409, 429, 503})
_LENGTHS: Final = {"date-time": 40, "uuid": 36, "duration": 40}
# A document that is no JSON, such as a page.
_LONGEST_DOCUMENT: Final = 4 * 1024 * 1024
_LARGEST_INTEGER: Final = 2**53
_LONGEST_LIST: Final = 100_000
_LONGEST_PART: Final = 256


def complete_components(schema: Object) -> None:
    """Add the parts that operations refer to."""
    components: Object = schema.setdefault("components", {})
    bearer = {"type": "http", "scheme": "bearer"}
    components["securitySchemes"] = {
        "bearer": {
            **bearer,
            "bearerFormat": "JWT, platform token or account API key",
            "description": "Login tokens by RFC8725; all credentials are sent as RFC 6750 says.",
        },
        "admin": {
            **bearer,
            "bearerFormat": "JWT",
            "description": "The login token (RFC8725) of a user whose role is admin.",
        },
    }
    schema["servers"] = [{"url": "/", "x-internal": False}]
    schemas: Object = components.setdefault("schemas", {})
    schemas["Problem"] = deepcopy(_PROBLEM)
    schemas["FieldFault"] = deepcopy(_FIELD)
    components["parameters"] = deepcopy(_PARAMETERS)
    components["headers"] = deepcopy(_HEADERS)
    components["responses"] = {
        **{_name(status): _refusal(status, "Problem", title) for status, title in _kinds().items()},
    }


def complete_operation(
    operation: Object, verb: str, path: str, handler: HTTPRouteHandler, *, located: bool
) -> None:
    """Say of an operation what its route implies.

    Args:
        operation: As litestar described it; changed in place.
        verb: Its method in lower case.
        path: Template of its path.
        handler: Its route.
        located: Whether what it makes has an address of its own.
    """
    public = handler.opt.get("public") is True
    paged = "pages" in handler.parsed_fn_signature.parameters
    kept = not public and verb.upper() in METHODS
    admin = path.startswith(_ADMIN)
    operation["security"] = [] if public else [{"admin" if admin else "bearer": []}]
    if scope := handler.opt.get("scope"):
        operation["x-scope"] = scope
    if admin:
        operation["x-role"] = ROLE_ADMIN
    names = [
        *(() if public else ("Tenant",)),
        *(("IdempotencyKey",) if kept else ()),
        *(("Limit", "Cursor") if paged else ()),
    ]
    _add_parameters(operation, names)
    headers = {
        **_EVERYWHERE,
        **({NEXT_CURSOR: "NextCursor", "Link": "Link"} if paged else {}),
        **({"Idempotent-Replayed": "Replayed"} if kept else {}),
    }
    given = operation["responses"]
    answers = {status: given[status] for status in given if status < _FIRST_ERROR}
    for status, answer in answers.items():
        if answer.get("description", "") in _LIBRARY_WORDS:
            answer["description"] = SUCCESSES[status]
        for media, content in answer.get("content", {}).items():
            if media.startswith("text/"):
                content["schema"].setdefault("maxLength", _LONGEST_DOCUMENT)
        known = answer.setdefault("headers", {})
        known.update(_header_references(headers))
        if located and status == _CREATED:
            known.update(_header_references({"Location": "Location"}))
    declared = {int(status) for status in given if status >= _FIRST_ERROR and status.isdigit()}
    refusals = declared | _refusals(operation, public=public, kept=kept)
    operation["responses"] = {
        **answers,
        **{str(status): _reference(_name(status)) for status in sorted(refusals)},
    }


def _refusals(operation: Object, *, public: bool, kept: bool) -> set[int]:
    """Give the statuses an operation may refuse with, whatever its feature adds."""
    found = {429, 431, 500, 503}
    parameters = operation.get("parameters", [])
    if not public:
        found |= {400, 401, 403}
    if any(parameter.get("in") == "path" for parameter in parameters):
        found |= {400, 404}
    if parameters:
        found.add(400)
    if "requestBody" in operation:
        found |= {400, 401, 408, 413, 415}
    if kept:
        found |= {409, 413, 422}
    return found


def _add_parameters(operation: Object, names: Iterable[str]) -> None:
    parameters: list[Object] = operation.setdefault("parameters", [])
    for parameter in parameters:
        parameter.setdefault("description", PARAMETERS.get(parameter["name"], ""))
        if parameter["in"] != "path":
            parameter["schema"].setdefault("maxLength", _LONGEST_PARAMETER)
        if parameter["in"] == "path" and parameter["schema"].get("type") == "string":
            parameter["schema"].setdefault("minLength", 1)
            parameter["schema"].setdefault("maxLength", _LONGEST_PART)
    there = {(parameter["in"], parameter["name"].lower()) for parameter in parameters}
    for name in names:
        parameter = _PARAMETERS[name]
        if (parameter["in"], parameter["name"].lower()) not in there:
            parameters.append({"$ref": f"#/components/parameters/{name}"})
    if not parameters:
        del operation["parameters"]


def bound(node: object) -> None:
    """Set the limits that hold for all values where a schema names none; let unions overlap.

    A body is 4 MiB at most, an integer no larger than 2^53 (RFC 8259 section 6).
    """
    if isinstance(node, list):
        for item in cast("list[object]", node):
            bound(item)
    elif isinstance(node, dict):
        schema = cast("Object", node)
        if "oneOf" in schema and "discriminator" not in schema:
            # An integer is a number too: of overlapping kinds more than one may fit.
            schema["anyOf"] = schema.pop("oneOf")
        _bound_schema(schema)
        for item in schema.values():
            bound(item)


def _bound_schema(schema: Object) -> None:
    kinds: object = schema.get("type")
    if not isinstance(kinds, (str, list)):
        return
    if "string" in kinds and not {"enum", "const", "maxLength"} & schema.keys():
        schema["maxLength"] = _LENGTHS.get(schema.get("format", ""), MAX_MAPPING)
    if "integer" in kinds and not {"enum", "const"} & schema.keys():
        schema.setdefault("format", "int64")
        if "exclusiveMinimum" not in schema:
            schema.setdefault("minimum", -_LARGEST_INTEGER)
        if "exclusiveMaximum" not in schema:
            schema.setdefault("maximum", _LARGEST_INTEGER)
    if "array" in kinds:
        schema.setdefault("maxItems", _LONGEST_LIST)


def _kinds() -> dict[int, str]:
    """Give the statuses of refusals with the title of the most general kind of each."""
    found: dict[int, str] = {}
    for kind in error_types():
        found.setdefault(kind.status, kind.title)
    return found


def _name(status: int) -> str:
    return f"Refusal{status}"


def _reference(name: str) -> Object:
    return {"$ref": f"#/components/responses/{name}"}


def _header_references(names: Mapping[str, str]) -> Object:
    return {name: {"$ref": f"#/components/headers/{header}"} for name, header in names.items()}


def _refusal(status: int, schema: str, title: str) -> Object:
    retry = {"Retry-After": "RetryAfter"} if status in _WITH_RETRY else {}
    return {
        "description": f"{title}: a problem (RFC 9457)",
        "headers": _header_references({**_EVERYWHERE, **retry}),
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
