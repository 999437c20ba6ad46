"""JSON schemas for kubeconform, taken from a real API server instead of a download.

Invariant: a closed schema refuses every field that the API server does not know (the API server
itself would drop it in silence). Made once for a Kubernetes version, then read from the cache.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from cluster.control_plane import ControlPlane
from cluster.paths import cache_dir
from cluster.progress import timed
from cluster.toolchain import ensure

REF = "#/components/schemas/"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# How kubeconform finds a schema in one of the folders made here.
LOCATION = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
# Count up when what is written changes, so that no old folder is read.
FORMAT = 1
_LISTS = ("allOf", "anyOf", "oneOf")
_KEPT = (
    "description", "type", "enum", "required", "pattern", "minimum", "maximum", "minLength",
    "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems",
)  # fmt: skip

type Schema = dict[str, Any]


def builtin_schemas() -> Path:
    """Return the folder with a schema for each kind that Kubernetes itself serves."""
    folder = cache_dir().parent / "schemas" / f"{ensure('kubernetes').name}-{FORMAT}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".schemas-", dir=folder.parent))
        try:
            with timed("schemas read", doing="schemas: asking an API server"), ControlPlane() as cp:
                _write_builtin(_openapi_documents(cp), scratch)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def write_crd_schemas(definitions: Iterable[Path], target: Path) -> None:
    """Write a schema for each version of each definition among YAML files into `target`."""
    metadata = json.loads((builtin_schemas() / "_definitions.json").read_text())
    for path in definitions:
        for crd in yaml.load_all(path.read_text(), yaml.CSafeLoader):
            spec = crd["spec"]
            for version in spec["versions"]:
                root = closed(version["schema"]["openAPIV3Schema"])
                root["properties"]["apiVersion"] = {"const": f"{spec['group']}/{version['name']}"}
                root["properties"]["kind"] = {"const": spec["names"]["kind"]}
                root["properties"]["metadata"] = {"$ref": f"#/definitions/{OBJECT_META}"}
                root["definitions"] = metadata
                name = _file_name(spec["group"], version["name"], spec["names"]["kind"])
                (target / name).write_text(json.dumps(root))


def closed(schema: Schema) -> Schema:
    """Return an OpenAPI schema as a JSON schema that refuses unknown fields."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(REF, "#/definitions/")}
    result: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("nullable") and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    for key in _LISTS:
        if key in schema:
            result[key] = [closed(part) for part in schema[key]]
    if "items" in schema:
        result["items"] = closed(schema["items"])
    if "properties" in schema:
        result["properties"] = {k: closed(v) for k, v in schema["properties"].items()}
    result |= _additional(schema)
    return result


def _additional(schema: Schema) -> Schema:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return {"additionalProperties": closed(additional)}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"additionalProperties": False}
    return {}


def _openapi_documents(control_plane: ControlPlane) -> list[Schema]:
    """Read every OpenAPI document that the API server offers."""
    root = json.loads(control_plane.kubectl("get", "--raw", "/openapi/v3").stdout)
    return [
        json.loads(control_plane.kubectl("get", "--raw", f"/openapi/v3/{path}").stdout)
        for path in root["paths"]
        if path == "api/v1" or path.startswith("apis/")
    ]


def _write_builtin(documents: list[Schema], target: Path) -> None:
    for document in documents:
        open_schemas = document.get("components", {}).get("schemas", {})
        definitions = {name: closed(schema) for name, schema in open_schemas.items()}
        for name, schema in open_schemas.items():
            for kind in schema.get("x-kubernetes-group-version-kind", ()):
                needed = _closure(name, definitions)
                body = {**definitions[name], "definitions": needed}
                file = target / _file_name(kind["group"], kind["version"], kind["kind"])
                file.write_text(json.dumps(body))
        if OBJECT_META in definitions:
            metadata = _closure(OBJECT_META, definitions)
            (target / "_definitions.json").write_text(json.dumps(metadata))


def _closure(name: str, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Return the definition and all that it refers to, so that each file stands alone."""
    found: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = definitions[current]
            waiting += _references(definitions[current])
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = node.get("$ref")
        names = [own.removeprefix("#/definitions/")] if isinstance(own, str) else []
        return names + [name for value in node.values() for name in _references(value)]
    if isinstance(node, list):
        return [name for value in node for name in _references(value)]
    return []


def _file_name(group: str, version: str, kind: str) -> str:
    # kubeconform takes the version for the group where the core group has none.
    return f"{group or version}_{version}_{kind.lower()}.json"
