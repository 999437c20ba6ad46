"""Every pod runs where the restricted Pod Security Standard is enforced."""

from support.layers import Layer
from support.stage import SYSTEM, Stage


def test_all_pods_run_in_namespaces_that_enforce_the_restricted_standard(
    stage: Stage, served: Layer
) -> None:
    kubectl = stage.cluster.kubectl
    for name in (served.namespace, SYSTEM):
        labels = kubectl.json("get", "namespace", name)["metadata"]["labels"]
        warnings = kubectl(
            *("label", "--dry-run=server", "--overwrite", "namespace", name),
            "pod-security.kubernetes.io/enforce=restricted",
        ).stderr

        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert "violate" not in warnings
    assert len(served.pods("api")) == 2
    assert len(served.pods("postgres")) == 1
    assert len(stage.operators()) == 2


def test_api_pods_hold_no_token_of_the_cluster(served: Layer) -> None:
    for pod in served.pods("api"):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert all("projected" not in volume for volume in pod["spec"]["volumes"])
