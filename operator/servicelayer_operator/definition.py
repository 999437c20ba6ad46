"""Whether the cluster serves the ServiceLayer definition that this operator was built for.

The charts are two, so that the definition may be upgraded apart from the operator; when that was
forgotten, the API server prunes the new fields without a word. Here they are named. Pure but for
reading the definition that travels with the program.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "servicelayers.servicelayer.r3e.network"
VERSION = "v1alpha1"
_CHECKOUT = Path(__file__).resolve().parents[2] / "crds"


def built_for() -> dict[str, Any]:
    """Read the definition that travels with the program, or stands in the checkout.

    Raises:
        OSError: The installation is incomplete.
    """
    packed = resources.files("servicelayer_operator").joinpath("crds")
    folder = packed if packed.is_dir() else _CHECKOUT
    text = folder.joinpath(f"{NAME}.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.load(text, yaml.CSafeLoader))


def missing_fields(served: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """List the fields that the served definition lacks, parents only, such as `spec.monitoring`.

    Args:
        served: The CustomResourceDefinition as the API server gives it.
        wanted: The one this operator was built for.
    """
    return list(_lacking(_schema(served), _schema(wanted), ""))


def _schema(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    for version in definition["spec"]["versions"]:
        if version["name"] == VERSION and version["served"]:
            return cast("Mapping[str, Any]", version["schema"]["openAPIV3Schema"])
    return {}


def _lacking(served: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> Iterator[str]:
    there = served.get("properties", {})
    for name, schema in wanted.get("properties", {}).items():
        if name not in there:
            yield f"{path}{name}"
        else:
            yield from _lacking(there[name], schema, f"{path}{name}.")
    for key, mark in (("items", "[]."), ("additionalProperties", "{}.")):
        if isinstance(wanted.get(key), dict):
            yield from _lacking(served.get(key) or {}, wanted[key], f"{path.rstrip('.')}{mark}")
