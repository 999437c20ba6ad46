"""The desired objects of whole resources, kept as files and read in the diff.

`UPDATE_GOLDEN=1 python -m pytest tests/unit/operator` (or `make golden`) writes them anew.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from servicelayer_operator.manifests import Manifest
from servicelayer_operator.resource import ServiceLayer
from support.situations import desired_of, layer, migrated_status

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str) -> ServiceLayer:
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return layer(body["spec"], name=body["metadata"]["name"])


def migrated(resource: ServiceLayer) -> ServiceLayer:
    spec = {"database": {"embedded": {}}}
    return layer(spec, name=resource.metadata.name, status=migrated_status(resource))


CASES = {
    "minimal": example("01-minimal.yaml"),
    "production": example("02-production.yaml"),
    "private-network": example("03-private-network.yaml"),
    "plan": example("04-plan.yaml"),
    "suspended": layer({"database": {"embedded": {}}, "suspend": True}),
    "existing-secrets": layer(
        {
            "database": {"secretRef": {"name": "shop-dsn"}},
            "secrets": {"mode": "Existing", "existing": {"name": "shop-keys"}},
            "networkPolicy": {"enabled": False},
        }
    ),
    "not-exposed-and-migrated": migrated(layer({"database": {"embedded": {}}})),
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def written(manifests: list[Manifest]) -> str:
    documents: list[str] = []
    for manifest in manifests:
        gate = f"# gate: {manifest.gate}\n" if manifest.gate else ""
        kept = "# only while it is there\n" if manifest.only_if_present else ""
        text = yaml.dump(manifest.body, Dumper=_Dumper, sort_keys=False, width=100)
        documents.append(f"---\n{gate}{kept}{text}")
    return "".join(documents)


@pytest.mark.parametrize("case", CASES)
def test_manifests_are_those_that_were_reviewed(case: str) -> None:
    path = GOLDEN / f"{case}.yaml"
    text = written(desired_of(CASES[case]))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)

    assert text == path.read_text()


def test_no_golden_file_is_left_without_its_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)
