"""The guard of scopes, on routes of its own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from litestar import get
from litestar.params import FromPath  # noqa: TC002 - litestar reads annotations
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.settings import Settings
from servicelayer_api.web.application import Application
from servicelayer_api.web.feature import Core, Feature
from servicelayer_api.web.gate import note_caller
from servicelayer_api.web.modules import ModuleRegistry
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role


@get("/accounts/{account_id:str}/secrets", opt={"scope": "secrets:read"})
async def _secrets(account_id: FromPath[str]) -> str:
    return account_id


@get("/accounts/{account_id:str}/forgotten")
async def _forgotten(account_id: FromPath[str]) -> str:
    return account_id


@get("/elsewhere")
async def _elsewhere() -> str:
    return "here"


def _client(scopes: frozenset[str] | None) -> httpx.AsyncClient:
    credential = Credential(user="k", role=Role.USER, kind=CredentialKind.KEY, scopes=scopes)

    def gate(app: Any, _public: object) -> Any:
        async def let_in(scope: Any, receive: Any, send: Any) -> None:
            note_caller(scope).principal = Principal(credential=credential, tenant="t")
            await app(scope, receive, send)

        return let_in

    clock = SystemClock()
    core = Core(
        settings=Settings(),
        clock=clock,
        database=Database("postgres://u:p@127.0.0.1:1/d"),
        metrics=CollectorRegistry(),
        modules=ModuleRegistry(clock),
    )
    feature = Feature(name="probe", routes=(_secrets, _forgotten, _elsewhere), middleware=(gate,))
    transport = httpx.ASGITransport(Application(core, [feature]))  # pyright: ignore[reportArgumentType]
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        (None, "/accounts/a/secrets", 200),
        (None, "/accounts/a/forgotten", 200),
        (frozenset({"secrets:read"}), "/accounts/a/secrets", 200),
        (frozenset({"secrets:write"}), "/accounts/a/secrets", 403),
        (frozenset[str](), "/accounts/a/secrets", 403),
        (frozenset({"secrets:read"}), "/accounts/a/forgotten", 403),
        (frozenset[str](), "/elsewhere", 200),
    ],
)
async def test_a_key_reaches_what_its_scopes_allow(
    scopes: frozenset[str] | None, path: str, status: int
) -> None:
    async with _client(scopes) as client:
        assert (await client.get(path)).status_code == status


async def test_the_refusal_names_the_missing_scope() -> None:
    async with _client(frozenset()) as client:
        answer = await client.get("/accounts/a/secrets")

    assert answer.json()["code"] == "insufficient-scope"
    assert answer.json()["scope"] == "secrets:read"
