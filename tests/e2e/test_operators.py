"""Two operators: one leads; when it is killed the other one acts within 20 seconds."""

from support.layers import Layer
from support.stage import SYSTEM, Stage


def holder(stage: Stage) -> str:
    """Return the pod that holds the Lease; the identity is the pod's name and a process id."""
    lease = stage.cluster.kubectl.json("-n", SYSTEM, "get", "lease", "servicelayer-operator")
    return (lease["spec"].get("holderIdentity") or "").partition("_")[0]


def test_killing_the_leader_hands_the_work_over_within_twenty_seconds(
    stage: Stage, served: Layer
) -> None:
    leader = holder(stage)
    assert len(stage.operators()) == 2
    assert leader in stage.operators()

    # At once, without a chance to hand the Lease over.
    stage.cluster.kubectl("-n", SYSTEM, "delete", "pod", leader, "--grace-period=0", "--force")
    served.call("delete", "configmap", f"{served.name}-config", "--wait=false")
    served.wait_for(
        lambda: served.find("configmap", f"{served.name}-config") is not None,
        "the other operator put the deleted ConfigMap back",
        seconds=20,
    )

    assert holder(stage) != leader
    stage.scale_operator(2)


def test_a_leader_that_ends_in_peace_hands_over_at_once(stage: Stage, served: Layer) -> None:
    leader = holder(stage)
    stage.cluster.kubectl("-n", SYSTEM, "delete", "pod", leader, "--wait=false")
    served.wait_for(lambda: holder(stage) not in {"", leader}, "another leader", seconds=10)
    stage.scale_operator(2)
