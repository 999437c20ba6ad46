"""Kubeconfig files: written as JSON, which every reader of YAML accepts; secrets inlined.

Inlined, so that one file can be handed on (to a container, another folder) and still works.
"""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

from cluster.certificates import KeyPair

CONTEXT = "servicelayer"


def write_kubeconfig(
    path: Path, *, server: str, authority: Path, client: KeyPair | None = None, token: str = ""
) -> Path:
    """Write a kubeconfig for a client certificate or a bearer token, readable by its owner only."""
    user = (
        {"token": token}
        if client is None
        else {
            "client-certificate-data": _inline(client.certificate),
            "client-key-data": _inline(client.key),
        }
    )
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {"server": server, "certificate-authority-data": _inline(authority)},
            }
        ],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def client_context(authority: Path, client: KeyPair) -> ssl.SSLContext:
    """Return a TLS context that verifies the server and presents the client certificate."""
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(client.certificate, client.key)
    return context


def load(path: Path) -> dict[str, Any]:
    """Read a kubeconfig that `write_kubeconfig` wrote."""
    return json.loads(path.read_text())
