"""The operations of the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from servicelayer_api.app import create_app
from servicelayer_api.settings import Secret, Settings

NOWHERE = "01890000-0000-7000-8000-000000000000"
_VERBS = ("get", "put", "post", "patch", "delete")

type Object = dict[str, Any]


def described() -> Settings:
    """Settings with which a program can describe itself; nothing is opened."""
    return Settings(
        auth_jwt_secret=Secret("j" * 32),
        secret_encryption_key=Secret("c0ffee" * 10 + "c0ff"),
        api_tokens=Secret("t" * 32),
    )


@cache
def document() -> Object:
    """The document of this program, as it would be served."""
    return json.loads(create_app(described()).openapi())


class Operation(NamedTuple):
    """One operation."""

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


def operations() -> list[Operation]:
    """All operations of the document."""
    return [
        Operation(verb, path, item[verb])
        for path, item in document()["paths"].items()
        for verb in _VERBS
        if verb in item
    ]
