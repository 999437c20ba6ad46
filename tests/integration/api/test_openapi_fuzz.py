"""Every operation of the OpenAPI document with generated inputs, valid and broken.

No answer may be a server error, and none may have a status, a media type, a header or a body that
the document does not describe. `FUZZ_EXAMPLES` sets how many inputs each operation gets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.api_server import TENANT, TOKEN, running_api
from support.openapi_operations import document
from support.people import auth_users, token_of
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import APIOperation, Case

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {
    operation.label: operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
}


def takes_input(operation: APIOperation) -> bool:
    """Whether there is anything in an operation that could be broken."""
    return bool(operation.body or operation.query or operation.headers or operation.path_parameters)


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("fuzz")
    with (
        own_database(postgres) as url,
        running_api(url, folder, AUTH_USERS=auth_users()) as process,
    ):
        yield process


@pytest.fixture(scope="module")
def admin(server: ApiProcess) -> str:
    return token_of(server)


@pytest.fixture
def account(server: ApiProcess) -> str:
    with server.client() as client:
        return client.post("/accounts", json={"owner": "somebody"}).json()["ID"]


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        pytest.param(label, mode, id=f"{label}, {mode.value}")
        for label, operation in OPERATIONS.items()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or takes_input(operation)
    ],
)
def test_no_input_brings_an_answer_that_the_document_does_not_describe(
    server: ApiProcess, admin: str, account: str, label: str, mode: GenerationMode
) -> None:
    operation = OPERATIONS[label]
    secured = operation.definition.raw["security"]
    token = admin if {"admin": []} in secured else TOKEN

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        send(case, server.url, token if secured else None, account, mode)

    ask()


def send(case: Case, url: str, token: str | None, account: str, mode: GenerationMode) -> None:
    headers: dict[str, Any] = {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if mode is GenerationMode.POSITIVE:
        headers["x-tenant-id"] = TENANT
        if "account_id" in case.path_parameters:
            case.path_parameters["account_id"] = account
    answer = case.call(base_url=url, headers=headers)
    case.validate_response(answer, checks=CHECKS)
