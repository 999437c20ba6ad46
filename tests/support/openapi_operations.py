"""The operations of the OpenAPI document, and a valid request for each, made from its schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from servicelayer_api.app import create_app
from servicelayer_api.settings import Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

NOWHERE = "01890000-0000-7000-8000-000000000000"
_VERBS = ("get", "put", "post", "patch", "delete")
_FORMATS = {
    "uuid": NOWHERE,
    "date-time": "2026-11-24T12:00:00Z",
    "date": "2026-11-24",
    "uri": "https://example.com/",
    "byte": "AAAA",
}

type Object = dict[str, Any]


@cache
def document() -> Object:
    """The document of this program, as it would be served."""
    settings = Settings(
        auth_jwt_secret=Secret("j" * 32),
        secret_encryption_key=Secret("c0ffee" * 10 + "c0ff"),
        api_tokens=Secret("t" * 32),
    )
    return json.loads(create_app(settings).openapi())


class Operation(NamedTuple):
    """One operation, with references followed."""

    verb: str
    path: str
    described: Object

    @property
    def id(self) -> str:
        """Its name in the document."""
        return self.described["operationId"]

    @property
    def public(self) -> bool:
        """Whether it needs no credential."""
        return self.described["security"] == []

    @property
    def of_account(self) -> bool:
        """Whether it acts on one account."""
        return "{account_id}" in self.path

    @property
    def admin(self) -> bool:
        """Whether it needs the role admin."""
        return self.described.get("x-role") == "admin"

    @property
    def scope(self) -> str | None:
        """The scope an account key needs for it."""
        return self.described.get("x-scope")

    @property
    def writes(self) -> bool:
        """Whether it changes something, as its scope tells."""
        return self.scope is not None and not self.scope.endswith(":read")

    @property
    def has_input(self) -> bool:
        """Whether there is anything in it but the path that could be wrong."""
        return "requestBody" in self.described or any(
            parameter["in"] == "query" for parameter in self.parameters()
        )

    def parameters(self) -> list[Object]:
        """Its parameters."""
        return [follow(parameter) for parameter in self.described.get("parameters", [])]

    def body(self) -> Any:
        """The smallest valid body; `None` when it takes none."""
        if "requestBody" not in self.described:
            return None
        content = follow(self.described["requestBody"])["content"]
        return example(content["application/json"]["schema"])

    def target(self, account: str) -> str:
        """Path and query, for an account."""
        path, query = self.path, []
        for parameter in self.parameters():
            name = parameter["name"]
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(_path_value(parameter, account), safe=""))
            elif parameter["in"] == "query" and parameter.get("required"):
                query.append(f"{name}={quote(str(example(parameter['schema'])), safe='')}")
        return f"{path}?{'&'.join(query)}" if query else path


def operations() -> list[Operation]:
    """All operations of the document."""
    return [
        Operation(verb, path, item[verb])
        for path, item in document()["paths"].items()
        for verb in _VERBS
        if verb in item
    ]


def follow(node: Object) -> Object:
    """The object a reference names, or the object itself."""
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def example(schema: Object) -> Any:
    """The smallest value that a schema allows."""
    schema = follow(schema)
    for key in ("const", "example", "default"):
        if schema.get(key) is not None:
            return schema[key]
    choices = schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf")
    if choices:
        return example(choices[0])
    return schema["enum"][0] if schema.get("enum") else _EXAMPLES[_kind(schema)](schema)


def _kind(schema: Object) -> str:
    kind = schema.get("type", "object")
    return kind if isinstance(kind, str) else next(name for name in kind if name != "null")


def _object(schema: Object) -> Object:
    members = schema.get("properties", {})
    return {name: example(members[name]) for name in schema.get("required", [])}


def _array(schema: Object) -> list[Any]:
    return [example(schema["items"])] * schema.get("minItems", 0)


def _string(schema: Object) -> str:
    return _FORMATS.get(schema.get("format", ""), "x" * max(1, schema.get("minLength", 1)))


def _number(schema: Object) -> int:
    return max(1, schema.get("minimum", 1)) if schema.get("maximum", 1) >= 1 else 0


_EXAMPLES: dict[str, Callable[[Object], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": lambda _: False,
}


def _path_value(parameter: Object, account: str) -> str:
    if parameter["name"] == "account_id":
        return account
    if parameter["name"].endswith("id"):
        return NOWHERE
    return str(example(parameter["schema"]))
