"""A tenant of a real server whose oracle is quick to repeat and may ask this machine."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.api_server import running_api
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx

    from support.api_server import ApiProcess

QUICK = {"EGRESS_ALLOW": "127.0.0.1", "ORACLE_BACKOFF": "20ms", "ORACLE_TIMEOUT": "2s"}
DEADLINE = 20.0


class Tenant:
    """An account with a client."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.account = self.post("/accounts", owner="o")["ID"]
        self.root = f"/accounts/{self.account}/oracle"

    def post(self, path: str, expected: int = 201, **body: object) -> dict[str, Any]:
        """Send a body and check the status."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def patch(self, path: str, expected: int = 200, **body: object) -> dict[str, Any]:
        """Send a change and check the status."""
        answer = self.client.patch(path, json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def get(self, path: str, expected: int = 200) -> Any:
        """Read and check the status."""
        answer = self.client.get(path)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def source(self, url: str, **more: object) -> str:
        """Make a source; give its id."""
        name = more.pop("name", url)
        return self.post(f"{self.root}/sources", name=name, url=url, **more)["ID"]

    def ask(self, source: str, payload: str = "", **more: object) -> str:
        """Make a request; give its id."""
        body = {"data_source_id": source, "payload": payload, **more}
        return self.post(f"{self.root}/requests", **body)["ID"]

    def show(self, request: str) -> dict[str, Any]:
        """Show a request."""
        return self.get(f"{self.root}/requests/{request}")

    def outcome(self, request: str) -> dict[str, Any]:
        """Wait until a request is completed."""
        deadline = time.monotonic() + patience(DEADLINE)
        while time.monotonic() < deadline:
            shown = self.show(request)
            if shown["Status"] in {"succeeded", "failed"}:
                return shown
            time.sleep(0.01)
        raise AssertionError(f"not completed: {self.show(request)}")


@contextmanager
def serving(database_url: str, folder: Path, **env: str) -> Generator[tuple[ApiProcess, Tenant]]:
    with running_api(database_url, folder, **{**QUICK, **env}) as api, api.client() as client:
        yield api, Tenant(client)
