"""values.yaml, values.schema.json and the README of a chart say the same, and all of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.helm import CRDS_CHART, OPERATOR_CHART, Helm
from cluster.schemas import LOCATION, builtin_schemas, write_crd_schemas
from cluster.toolchain import program
from support.chart_values import documented_values, with_table

ROOT = Path(__file__).resolve().parents[2]
BOTH = pytest.mark.parametrize("chart", [OPERATOR_CHART, CRDS_CHART], ids=lambda chart: chart.name)
VALUE_SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "namespaced": {
        "watch": {"namespaces": ["neo", "gas"]},
        "networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1/32"]}, "monitoringNamespaces": []},
    },
    "single": {"replicas": 1, "leaderElection": {"enabled": False}},
    "everything": {
        "imagePullSecrets": [{"name": "pull"}],
        "podLabels": {"team": "neo"},
        "podAnnotations": {"note": "yes"},
        "priorityClassName": "high",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "serviceAccount": {"annotations": {"a": "b"}},
        "metrics": {"service": {"annotations": {"a": "b"}}},
        "extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "podDisruptionBudget": {"maxUnavailable": "50%"},
    },
}


@pytest.fixture(scope="module")
def crd_schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("crd-schemas")
    write_crd_schemas(sorted((ROOT / "crds").glob("*.yaml")), target)
    return target


def kubeconform(text: str, *folders: Path) -> "subprocess.CompletedProcess[str]":
    locations = [
        word for folder in folders for word in ("-schema-location", f"{folder}/{LOCATION}")
    ]
    return subprocess.run(
        [program("kubeconform"), "-strict", "-summary", *locations, "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def leaves(tree: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted keys of values, down to where the schema stops to name them.

    Where the values hold less than the schema names (`resources`, `affinity` ...), they stop, too.
    """
    found: set[str] = set()
    for key, value in tree.items():
        inner = schema.get("properties", {}).get(key, {})
        deeper = isinstance(value, dict) and value and inner.get("properties")
        found |= leaves(value, inner, f"{prefix}{key}.") if deeper else {f"{prefix}{key}"}
    return found


def schema_leaves(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, inner in schema["properties"].items():
        whole = inner.get("properties") and not is_kubernetes_type(inner)
        found |= schema_leaves(inner, f"{prefix}{key}.") if whole else {f"{prefix}{key}"}
    return found


def is_kubernetes_type(schema: dict[str, Any]) -> bool:
    """Tell a type of Kubernetes, whose fields are all optional, from a group of values."""
    types = ({"requests"}, {"nodeAffinity"}, {"runAsUser"})
    return any(mark <= schema["properties"].keys() for mark in types)


def read_schema(chart: Path) -> dict[str, Any]:
    return json.loads((chart / "values.schema.json").read_text())


@BOTH
def test_values_and_schema_name_the_same_keys(chart: Path) -> None:
    schema = read_schema(chart)
    values = yaml.safe_load((chart / "values.yaml").read_text())
    in_values = {
        key
        for key in leaves(values, schema)
        if not key.startswith(("resources.", "podSecurityContext.", "securityContext."))
    }
    in_schema = schema_leaves(schema) - {"resources", "podSecurityContext", "securityContext"}

    assert in_values == in_schema


@BOTH
def test_schema_is_closed_and_described_everywhere(chart: Path) -> None:
    # What a parent chart hands down and what Kubernetes checks itself is passed on as it is.
    passed_on = {"global", "nodeAffinity", "podAffinity", "podAntiAffinity"}

    def walk(schema: dict[str, Any], path: str) -> None:
        if schema.get("type") == "object" and path.rpartition(".")[2] not in passed_on:
            assert "additionalProperties" in schema, path
            assert schema["additionalProperties"] is not True, path
        for key, inner in schema.get("properties", {}).items():
            assert inner.get("description"), f"{path}.{key}"
            walk(inner, f"{path}.{key}")
        if isinstance(schema.get("items"), dict):
            walk(schema["items"], path)

    walk(read_schema(chart), "")


@BOTH
def test_every_value_is_described_and_the_schema_uses_the_same_words(chart: Path) -> None:
    schema = read_schema(chart)
    documented = {value.key: value.text for value in documented_values(chart)}

    for key, text in documented.items():
        node = schema
        for part in key.split("."):
            node = node["properties"][part]
        # values.yaml may say more than the schema does, but nothing else.
        assert text.startswith(node["description"].rstrip(".")), key
    assert set(documented) == {
        key for key in schema_leaves(schema) if not key.startswith("resources.")
    }


@BOTH
def test_readme_holds_the_table_of_the_values(chart: Path) -> None:
    assert (chart / "README.md").read_text() == with_table(chart)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_rendered_objects_are_valid_kubernetes(name: str) -> None:
    objects = Helm().template(OPERATOR_CHART, VALUE_SETS[name])
    done = kubeconform(yaml.safe_dump_all(objects), builtin_schemas())

    assert done.returncode == 0, done.stdout
    assert f"Valid: {len(objects)}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_rendered_definition_is_valid_kubernetes() -> None:
    objects = Helm().template(CRDS_CHART)
    done = kubeconform(yaml.safe_dump_all(objects), builtin_schemas())

    assert done.returncode == 0, done.stdout


def test_the_check_itself_sees_an_unknown_field() -> None:
    objects = Helm().template(OPERATOR_CHART)
    deployment = next(item for item in objects if item["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    done = kubeconform(yaml.safe_dump(deployment), builtin_schemas())

    assert done.returncode != 0
    assert "imagePullPolice" in done.stdout


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name
)
def test_example_fits_the_definition(example: Path, crd_schemas: Path) -> None:
    done = kubeconform(example.read_text(), crd_schemas, builtin_schemas())

    assert done.returncode == 0, done.stdout


def test_there_are_examples() -> None:
    assert (ROOT / "examples" / "01-minimal.yaml").is_file()


def test_an_example_with_a_typo_would_be_seen(crd_schemas: Path) -> None:
    example = yaml.safe_load((ROOT / "examples" / "01-minimal.yaml").read_text())
    example["spec"]["databse"] = {}
    done = kubeconform(yaml.safe_dump(example), crd_schemas, builtin_schemas())

    assert done.returncode != 0
    assert "databse" in done.stdout
