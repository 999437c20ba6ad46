"""The checks of the API's pods: whether anything serves, and whether exactly what is wanted runs.

The invariant: what is wrong with a new pod is told whatever the old ones do, and in the words of
whoever knows best: the kubelet, the scheduler, admission, the pod itself.
"""

from typing import Final

from servicelayer_operator.conditions import Situation, Verdict, bad, good
from servicelayer_operator.failures import clean, find_failure, settled
from servicelayer_operator.manifests.labels import API
from servicelayer_operator.manifests.manifest import Gate, ObjectKey
from servicelayer_operator.observed import DeploymentFact, PodFact

WAITING: Final = {
    Gate.SECRETS_READY: "WaitingForSecrets",
    Gate.DATABASE_READY: "WaitingForDatabase",
    Gate.MIGRATED: "WaitingForMigration",
}


def check_workloads(situation: Situation) -> Verdict:
    """Judge whether anything serves, old pods or new."""
    resource, deployment = situation.resource, situation.observed.deployment
    name = resource.metadata.name
    if resource.spec.suspend:
        return bad("Suspended", "Nothing serves while spec.suspend is true.")
    if deployment is None:
        return _not_deployed(situation)
    if deployment.available and not ready_endpoints(situation):
        return bad(
            "NoReadyEndpoints",
            f"Service {name} has no ready address, though {deployment.available} pods of "
            f"Deployment {name} are available: kubectl get endpointslices -l "
            f"kubernetes.io/service-name={name}",
        )
    if deployment.available:
        return good(
            "Available",
            f"{deployment.available} of {deployment.wanted} API pods of Deployment {name} serve.",
        )
    found = check_rollout(situation)
    if found.status == "False":
        return found
    return bad("PodsNotReady", f"No pod of Deployment {name} is ready: see its /readyz.")


def ready_endpoints(situation: Situation) -> int:
    """Return how many ready addresses the API's Service has."""
    return situation.observed.endpoints.get(situation.resource.metadata.name, 0)


def _not_deployed(situation: Situation) -> Verdict:
    key = _deployment_key(situation)
    for wait in situation.plan.wait:
        if wait.key == key and wait.gate is not None:
            return bad(WAITING[wait.gate], f"{key} is not made yet: {wait.reason}.")
    return bad("DeploymentMissing", f"{key} does not exist yet.")


def check_rollout(situation: Situation) -> Verdict:
    """Judge whether exactly the wanted pods run, and no old ones. Not a condition of its own."""
    deployment, name = situation.observed.deployment, situation.resource.metadata.name
    if deployment is None:
        return _not_deployed(situation)
    if deployment.observed_generation < deployment.generation:
        return bad("RolloutInProgress", f"Deployment {name} is not looked at by Kubernetes yet.")
    if deployment.replica_failure is not None:
        return refused_pods(f"Deployment {name}", deployment.replica_failure)
    failure = find_failure(_new_pods(situation, deployment), situation.now)
    if failure is not None:
        serving = f" {deployment.available} pods serve." if deployment.available else ""
        message = f"{failure.message.rstrip('.')}.{serving}"
        return bad(failure.reason, message, stalled=failure.stalled)
    if deployment.deadline_exceeded:
        why = _why(situation) or f"See why: kubectl describe deployment {name}"
        return bad(
            "ProgressDeadlineExceeded",
            f"Deployment {name} made no progress for 5 minutes. {why}",
            stalled=True,
        )
    return _progress(situation, deployment)


def late_pod(situation: Situation) -> PodFact | None:
    """Find a new pod that should have been ready by now, whatever old pods are still there."""
    deployment = situation.observed.deployment
    if deployment is None:
        return None
    return next(
        (
            pod
            for pod in _new_pods(situation, deployment)
            if pod.phase == "Running"
            and not (pod.ready or pod.deleting)
            and settled(pod, situation.now)
        ),
        None,
    )


def _why(situation: Situation) -> str:
    unready = situation.observed.unready
    return f"Pod {unready.pod} says: {unready.why.rstrip('.')}." if unready is not None else ""


def _available(name: str, deployment: DeploymentFact) -> str:
    return f"{deployment.available} of {deployment.wanted} pods of Deployment {name} are available."


def refused_pods(whose: str, message: str) -> Verdict:
    """Judge that pods are refused, in the words of whoever refused them."""
    if "exceeded quota" in message:
        return bad(
            "QuotaExceeded",
            f"Pods of {whose} do not fit the namespace's quota: {clean(message)}. Raise the quota, "
            "or lower spec.api.replicas or the resources.",
            stalled=True,
        )
    return bad("PodsRefused", f"Pods of {whose} are refused: {clean(message)}.", stalled=True)


def _progress(situation: Situation, deployment: DeploymentFact) -> Verdict:
    wanted, name = deployment.wanted, situation.resource.metadata.name
    late = late_pod(situation)
    if late is not None:
        told = _why(situation) or f"Pod {late.name} is not ready: its /readyz does not answer 200."
        return bad("PodsNotReady", f"{_available(name, deployment)} {told}")
    if deployment.updated < wanted:
        text = f"{deployment.updated} of {wanted} new pods of Deployment {name} are made."
        return bad("RolloutInProgress", text)
    if deployment.replicas > deployment.updated:
        old = deployment.replicas - deployment.updated
        return bad("RolloutInProgress", f"{old} old pods of Deployment {name} are still there.")
    if deployment.available < wanted:
        why = _why(situation) or "A pod is ready when its /readyz answers 200."
        return bad("PodsNotReady", f"{_available(name, deployment)} {why}")
    return good("RolledOut", f"All {wanted} pods of Deployment {name} are up to date.")


def _new_pods(situation: Situation, deployment: DeploymentFact) -> list[PodFact]:
    """Pods of the template applied last: an old failing pod must not blame the new spec."""
    pods = pods_of(situation, API)
    if not deployment.template:
        return pods
    return [pod for pod in pods if pod.template in {"", deployment.template}]


def pods_of(situation: Situation, component: str) -> list[PodFact]:
    """Return the pods of a component."""
    return [pod for pod in situation.observed.pods if pod.component == component]


def _deployment_key(situation: Situation) -> ObjectKey:
    return next(item.key for item in situation.desired if item.key.kind == "Deployment")
