"""The example of docs/reference/authentication.md is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicelayer_api.crypto import neo

if TYPE_CHECKING:
    from support.api_server import ApiProcess

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "authentication.md"


def test_example_of_the_page_logs_a_wallet_in(api: ApiProcess) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - the page's own example
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    address = neo.hash_to_address(neo.public_key_to_hash(public))
    with api.client() as client:
        account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        path = f"/accounts/{account}/workspace-wallets"
        assert client.post(path, json={"wallet_address": address}).status_code == 201

        token = names["log_in"](api.url, address, key)

        headers = {"authorization": f"Bearer {token}"}
        assert client.get("/auth/whoami", headers=headers).json()["user"] == address
