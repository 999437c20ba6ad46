"""Clients that foreign generators make of the OpenAPI document, compiled and used.

Two that have nothing of this project: `openapi-typescript` with `openapi-fetch`, and
`openapi-python-client`. What they know of the API is the document; they talk to the real server.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.account_items import Items
from support.api_server import TENANT, TOKEN, running_api
from support.neo_wallet import NeoWallet
from support.openapi_operations import document, operations
from support.openapi_tools import client_python, node, node_modules
from support.people import auth_users, logged_in
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess
    from support.openapi_operations import Operation

pytestmark = pytest.mark.timeout(300)

SCHEMAS = document()["components"]["schemas"]
BODIES = {
    operation.id: media["schema"]["$ref"].rpartition("/")[2]
    for operation in operations()
    for media in operation.described.get("requestBody", {}).get("content", {}).values()
}


def minimal(name: str) -> dict[str, Any]:
    """A body of a schema with what is required and nothing more."""
    schema = SCHEMAS[name]
    return {field: schema["properties"][field]["examples"][0] for field in schema["required"]}


@pytest.fixture(scope="module")
def dsn(postgres: LocalPostgres) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("clients")
    with running_api(dsn, folder, AUTH_USERS=auth_users(), ORACLE_DISPATCH="false") as process:
        yield process


USED_IN_TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { paths } from "./api.ts";
const [url, token, tenant] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: url, headers: { authorization: `Bearer ${token}`, "x-tenant-id": tenant },
});
const made = await client.POST("/accounts", { body: { owner: "typescript" } });
const id = made.data!.ID;
const path = { account_id: id };
await client.POST("/accounts/{account_id}/secrets", {
  params: { path }, body: { name: "n", value: "from typescript" },
});
const read = await client.GET("/accounts/{account_id}/secrets/{name}", {
  params: { path: { ...path, name: "n" } },
});
const gas = await client.POST("/accounts/{account_id}/gasbank", { params: { path }, body: {} });
const moved = await client.POST("/accounts/{account_id}/gasbank/deposit", {
  params: { path }, body: { gas_account_id: gas.data!.ID, amount: 2.5 },
});
const refused = await client.GET("/accounts/{account_id}", {
  params: { path: { account_id: "nobody" } },
});
const accounts = await client.GET("/accounts");
console.log(JSON.stringify({
  location: made.response.headers.get("location") === `/accounts/${id}`,
  value: read.data!.Value,
  balance: moved.data!.account.Balance + 0.5,
  refused: refused.error!.code,
  owners: accounts.data!.map((account) => account.Owner),
}));
"""


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated types beside a program for each body, compiled."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "openapi.json").write_text(json.dumps(document()))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(node_modules())
    node(
        "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "api.ts",
        cwd=folder,
    )  # fmt: skip
    typed = [
        f'export const {name}: components["schemas"]["{schema}"] = {json.dumps(minimal(schema))};'
        for name, schema in BODIES.items()
    ]
    head = 'import type { components } from "./api.ts";\n'
    (folder / "bodies.ts").write_text(head + "\n".join(typed))
    (folder / "used.ts").write_text(
        "declare const process: { argv: string[] };\n" + USED_IN_TYPESCRIPT
    )
    return folder


def compile_typescript(folder: Path, *files: str) -> str:
    """Compile files; gives what the compiler has against them."""
    options = {
        "noEmit": True,
        "strict": True,
        "skipLibCheck": True,
        "allowImportingTsExtensions": True,
        "target": "es2022",
        "module": "nodenext",
        "lib": ["es2022", "dom", "dom.iterable"],
        "types": [],
    }
    project = {"compilerOptions": options, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    return node("node_modules/typescript/bin/tsc", "-p", ".", cwd=folder, check=False).stdout


def test_typescript_takes_the_least_body_of_every_operation(typescript: Path) -> None:
    assert len(BODIES) > 40
    assert compile_typescript(typescript, "bodies.ts", "used.ts") == ""


def test_typescript_refuses_a_body_without_what_is_required(typescript: Path) -> None:
    (typescript / "wrong.ts").write_text(
        'import type { components } from "./api.ts";\n'
        'export const body: components["schemas"]["NewFeed"] = { base_asset: "NEO" };\n'
        'export const more: components["schemas"]["NewAccount"] = { owner: "o", plan: "gold" };\n'
    )
    told = compile_typescript(typescript, "wrong.ts")
    assert told.count("error TS") == 2, told
    assert "quote_asset, deviation_percent" in told
    assert "'plan' does not exist" in told


def test_the_typescript_client_works(typescript: Path, server: ApiProcess) -> None:
    # Node takes the types off by itself.
    done = node("--no-warnings", "used.ts", server.url, TOKEN, TENANT, cwd=typescript)

    told = json.loads(done.stdout)
    assert "typescript" in told.pop("owners")
    assert told == {
        "location": True,
        "value": "from typescript",
        "balance": 3.0,
        "refused": "account-not-found",
    }


USED_IN_PYTHON = """
import importlib, json, pkgutil, sys
from neo_service_layer_client import AuthenticatedClient, api, models
from neo_service_layer_client.api.accounts import create_account, get_account, list_accounts
from neo_service_layer_client.api.gasbank import deposit_gas, ensure_gas_account
from neo_service_layer_client.api.secrets import create_secret, get_secret

url, token, tenant = sys.argv[1:]
modules = [m.name for m in pkgutil.walk_packages(api.__path__, api.__name__ + ".")]
for name in modules:
    importlib.import_module(name)
client = AuthenticatedClient(base_url=url, token=token, headers={"x-tenant-id": tenant})
account = create_account.sync(client=client, body=models.NewAccount(owner="python"))
create_secret.sync(
    account.id, client=client, body=models.NewSecret(name="n", value="from python")
)
gas = ensure_gas_account.sync(account.id, client=client, body=models.GasAccountChange())
moved = deposit_gas.sync(
    account.id, client=client, body=models.NewDeposit(gas_account_id=str(gas.id), amount=2.5)
)
print(json.dumps({
    "value": get_secret.sync(account.id, "n", client=client).value,
    "balance": moved.account.balance + 0.5,
    "refused": get_account.sync("nobody", client=client).code,
    "owners": [each.owner for each in list_accounts.sync(client=client)],
    "operations": sum(1 for name in modules if name.count(".") == 3),
    "models": sorted(name for name in dir(models) if name[0].isupper()),
}))
"""


def test_the_python_client_has_everything_and_works(server: ApiProcess, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document()))
    python = client_python()
    made = in_environment(
        str(python), "-m", "openapi_python_client", "generate", "--path", "openapi.json",
        cwd=tmp_path,
    )  # fmt: skip
    assert "WARNING" not in made
    assert "ERROR" not in made
    folder = tmp_path / "neo-service-layer-client"
    (folder / "used.py").write_text(USED_IN_PYTHON)
    told = json.loads(in_environment(str(python), "used.py", server.url, TOKEN, TENANT, cwd=folder))

    assert told.pop("operations") == len(operations())
    names = {name.lower() for name in told.pop("models")}
    assert {name.lower() for name in SCHEMAS} - names == set()
    assert "python" in told.pop("owners")
    assert told == {"value": "from python", "balance": 3.0, "refused": "account-not-found"}


def in_environment(program: str, *arguments: str, cwd: Path) -> str:
    """Run a program of an environment; what it says, on either stream."""
    bin_folder = os.path.dirname(program)  # noqa: PTH120 - the link itself, not what it points at
    env = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
    done = subprocess.run(
        [program, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False,
        timeout=230,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# Signatures and passwords of examples are nobody's.
UNPROVED = {"login": 401, "walletLogin": 401, "submitDataFeedUpdate": 409}


@pytest.mark.parametrize(
    "operation", [each for each in operations() if each.id in BODIES], ids=lambda each: each.id
)
def test_the_example_of_a_body_is_taken(operation: Operation, server: ApiProcess, dsn: str) -> None:
    body = SCHEMAS[BODIES[operation.id]]["examples"][0]
    with server.client() as platform, logged_in(server) as admin:
        items = Items(platform, dsn, TENANT)
        ids = {"gas_account_id": lambda: items.gas, "data_source_id": lambda: items.source}
        body = {**body, **{name: make() for name, make in ids.items() if name in body}}
        if operation.id == "rollBackSecret":
            assert items.secret
        if operation.id == "ensureGasAccount":
            # A wallet belongs to one gas account, whoever has used the example's before.
            body["wallet_address"] = NeoWallet().address
        path = items.target(operation)
        if operation.admin and "{" in operation.path:
            # It is there, under the name that the example has.
            path = operation.path.rpartition("/")[0]
            admin.post(path, json=body)
            name = next(iter(body.values()))
            found = next(each for each in admin.get(path).json() if name in each.values())
            path = f"{path}/{found.get('id', name)}"
        answer = (admin if operation.admin else platform).request(operation.verb, path, json=body)

    assert answer.status_code == UNPROVED.get(operation.id, answer.status_code), answer.text
    assert answer.is_success or operation.id in UNPROVED, answer.text
