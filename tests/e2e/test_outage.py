"""The database goes away and comes back; nobody restarts anything."""

from collections.abc import Iterator

import pytest

from support.layers import Layer


@pytest.fixture
def no_new_pods(served: Layer) -> Iterator[None]:
    """A quota that lets the namespace hold the API's pods and no others."""
    count = len(served.pods("api"))
    served.call("create", "quota", "outage", f"--hard=pods={count}")
    yield
    end_outage(served)


def end_outage(served: Layer) -> None:
    served.call("delete", "quota", "outage", "--ignore-not-found")
    # The controller backs off from the refused pod; an event of its object makes it look at once.
    served.call(
        "annotate", "statefulset", f"{served.name}-postgres", "e2e/look=again", "--overwrite"
    )


def restarts(served: Layer) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in served.pods("api")
    }


@pytest.mark.usefixtures("no_new_pods")
def test_database_down_is_not_ready_and_database_back_is_ready_without_a_restart(
    served: Layer,
) -> None:
    before = restarts(served)
    served.call("delete", "pod", f"{served.name}-postgres-0", "--grace-period=1")

    served.wait_condition("Ready", "False")
    served.wait_condition("DatabaseReachable", "False")
    for pod in before:
        served.wait_for(lambda: not answers_ok(served, pod), f"503 of {pod}", seconds=30)  # noqa: B023 - called at once
    end_outage(served)
    served.wait_ready()

    assert restarts(served) == before
    for pod in before:
        assert answers_ok(served, pod)
    with served.http() as http:
        assert http.get("/readyz").status_code == 200


def answers_ok(served: Layer, pod: str) -> bool:
    """Ask one pod for /readyz, past every Service and Ingress."""
    path = f"/api/v1/namespaces/{served.namespace}/pods/{pod}:8080/proxy/readyz"
    return '"ok"' in served.call("get", "--raw", path, check=False)
