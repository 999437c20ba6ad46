"""How a test spells a ServiceLayer spec in one line: the smallest one, with some parts set."""

from __future__ import annotations

from typing import Any

MINIMAL: dict[str, Any] = {"database": {"embedded": {}}}
KEYREF = {"name": "settings", "key": "URL"}
ZONE = "topology.kubernetes.io/zone"


def minimal(**parts: Any) -> dict[str, Any]:
    """Return the smallest good spec with some parts set."""
    return MINIMAL | parts


def pod(**parts: Any) -> dict[str, Any]:
    """Return a good spec with parts of the pod template set."""
    return minimal(api={"podTemplate": parts})


def env(**variable: Any) -> dict[str, Any]:
    """Return a spec with one further environment variable."""
    return minimal(api={"extraEnv": [variable]})


def ingress(**parts: Any) -> dict[str, Any]:
    """Return a spec that is exposed under a host."""
    return minimal(expose={"mode": "Ingress", "host": "api.example.com"} | parts)


def egress(**rule: Any) -> dict[str, Any]:
    """Return a spec with one rule of further egress."""
    return minimal(networkPolicy={"extraEgress": [rule]})
