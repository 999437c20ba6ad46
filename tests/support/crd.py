"""The CRD file as data: its schema, and a walk over every field of it.

Pure but for reading the one file. It knows the shape of a structural schema and nothing of what
the fields mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CRD_FILE = ROOT / "crds" / "servicelayers.servicelayer.r3e.network.yaml"


class Field(NamedTuple):
    """One node of the schema.

    Attributes:
        path: such as `spec.api.extraEnv[].name`; `{}` stands for the values of a map.
        schema: the node itself.
        required: whether the object around it demands it.
    """

    path: str
    schema: dict[str, Any]
    required: bool


def load_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition as it stands in the repository."""
    return yaml.load(CRD_FILE.read_text(), yaml.CSafeLoader)


def served_version() -> dict[str, Any]:
    """Return the one version that is served and stored."""
    (version,) = load_crd()["spec"]["versions"]
    return version


def root_schema() -> dict[str, Any]:
    """Return the OpenAPI schema of the whole object."""
    return served_version()["schema"]["openAPIV3Schema"]


def walk(schema: dict[str, Any], path: str = "", *, required: bool = True) -> Iterator[Field]:
    """Yield a node and everything under it, parents first, in the file's order."""
    yield Field(path, schema, required)
    for name, child in schema.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        yield from walk(child, inner, required=name in schema.get("required", []))
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema as plain JSON Schema that refuses what the API server would prune.

    The API server closes objects by pruning and checks lists of type set and map itself; CEL rules
    have no counterpart and are dropped.
    """
    plain = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if "properties" in plain:
        plain["properties"] = {name: closed(part) for name, part in plain["properties"].items()}
        plain["additionalProperties"] = False
    elif "additionalProperties" in plain:
        plain["additionalProperties"] = closed(plain["additionalProperties"])
    if "items" in plain:
        plain["items"] = closed(plain["items"])
    return plain
