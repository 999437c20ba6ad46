"""Every example survives the ways in which people and GitOps tools apply it, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.crd import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.control_plane import ControlPlane
    from cluster.kubectl import Kubectl

CRD_FILE = ROOT / "crds" / "servicelayers.servicelayer.r3e.network.yaml"
EXAMPLES = sorted((ROOT / "examples").glob("0*.yaml"))
FLUX = ("--field-manager=kustomize-controller", "--force-conflicts")
WAYS: tuple[tuple[str, ...], ...] = (
    ("apply",),
    ("apply",),
    ("apply", "--server-side", "--force-conflicts"),
    ("apply", "--server-side"),
    ("apply", "--server-side", *FLUX),
    ("apply", "--server-side", *FLUX),
    ("apply",),
)


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Iterator[Kubectl]:
    kubectl = control_plane.kubectl
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    kubectl.wait_established("servicelayers.servicelayer.r3e.network")
    kubectl("create", "namespace", "gitops")
    yield kubectl
    kubectl("delete", "namespace", "gitops", "--wait=false")


def documents() -> list[Any]:
    """All ServiceLayers of the examples."""
    return [
        pytest.param(body, id=path.stem)
        for path in EXAMPLES
        for body in yaml.safe_load_all(path.read_text())
        if body and body["kind"] == "ServiceLayer"
    ]


@pytest.mark.parametrize("body", documents())
def test_an_example_survives_every_way_of_applying_it(
    kubectl: Kubectl, body: dict[str, Any]
) -> None:
    metadata = {"name": body["metadata"]["name"], "namespace": "gitops"}
    text = yaml.safe_dump({**body, "metadata": metadata})
    name = f"sl/{metadata['name']}"
    specs: list[Any] = []
    for way in WAYS:
        kubectl(*way, "-f", "-", stdin=text)
        live = kubectl.json("-n", "gitops", "get", name)
        specs.append((live["spec"], live["metadata"]["generation"]))
    kubectl("-n", "gitops", "delete", name)

    assert all(spec == specs[0] for spec in specs), "a later way changed what the first one made"
