"""A small blocking client of a Kubernetes API server, for tests: JSON in, JSON out."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any, Self

import httpx

CORE = "/api/v1"
APPS = "/apis/apps/v1"
BATCH = "/apis/batch/v1"
OURS = "/apis/servicelayer.r3e.network/v1alpha1"


def tls_of(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """The server of a kubeconfig, and a TLS context that logs in with its client certificate."""
    content = json.loads(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.TemporaryDirectory() as folder:
        # Python's ssl takes certificates from files only.
        pair = [Path(folder) / name for name in ("crt", "key")]
        for path, name in zip(pair, ("certificate", "key"), strict=True):
            path.write_bytes(base64.b64decode(user[f"client-{name}-data"]))
        context.load_cert_chain(*pair)
    return cluster["server"], context


class KubeApi:
    """Speaks to one API server as the kubeconfig's user."""

    def __init__(self, kubeconfig: Path) -> None:
        server, context = tls_of(kubeconfig)
        self._http = httpx.Client(base_url=server, verify=context, timeout=20, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list; raises on any error."""
        return self._http.get(path, params=query).raise_for_status().json()

    def find(self, path: str) -> dict[str, Any] | None:
        """Read an object that may be missing."""
        response = self._http.get(path)
        return (
            None
            if response.status_code == httpx.codes.NOT_FOUND
            else response.raise_for_status().json()
        )

    def columns(self, path: str) -> list[str]:
        """The columns of a list as kubectl prints it; none while the server is not ready to."""
        headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        response = self._http.get(path, params={"limit": "1"}, headers=headers)
        if response.is_error:
            return []
        return [item["name"] for item in response.json()["columnDefinitions"]]

    def answers(self, path: str) -> bool:
        """Whether a read succeeds."""
        return self._http.get(path).is_success

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The items of a list."""
        return self.get(path, **query)["items"]

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST an object into a collection."""
        return self._http.post(path, json=body).raise_for_status().json()

    def patch(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """Merge-patch an object."""
        headers = {"Content-Type": "application/merge-patch+json"}
        response = self._http.patch(path, content=json.dumps(body), headers=headers, params=query)
        if response.is_error:
            raise AssertionError(f"PATCH {path}: {response.status_code} {response.text}")
        return response.json()

    def try_patch(self, path: str, body: dict[str, Any]) -> bool:
        """Merge-patch an object that others may delete meanwhile; whether it worked."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._http.patch(path, content=json.dumps(body), headers=headers).is_success

    def try_json_patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Patch an object by operations; None when the server refuses them."""
        headers = {"Content-Type": "application/json-patch+json"}
        response = self._http.patch(path, content=json.dumps(operations), headers=headers)
        return response.json() if response.is_success else None

    def delete(self, path: str, **query: str) -> None:
        """Delete an object."""
        self._http.delete(path, params=query).raise_for_status()

    def try_create(self, path: str, body: dict[str, Any]) -> bool:
        """POST an object that others may make or delete meanwhile; whether it worked."""
        return self._http.post(path, json=body).is_success

    def end(self, path: str) -> None:
        """Delete an object at once, as a kubelet does when a pod has ended."""
        self._http.delete(path, params={"gracePeriodSeconds": "0"})
