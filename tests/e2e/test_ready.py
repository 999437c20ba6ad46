"""`kubectl wait --for=condition=Ready` tells the truth, after an apply and after each edit."""

from support.layers import Layer


def environment(layer: Layer) -> dict[str, str]:
    (container,) = layer.object("deployment")["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def test_wait_right_after_apply_returns_when_the_api_answers(broken: Layer) -> None:
    broken.apply(
        {
            "database": {"embedded": {}},
            "api": {"replicas": 1},
            "expose": {"mode": "Ingress", "host": "ready.e2e.test"},
        }
    )
    broken.wait_ready(180)
    resource = broken.read()

    assert resource["status"]["observedGeneration"] == resource["metadata"]["generation"]
    assert resource["status"]["readyReplicas"] == 1
    assert resource["status"]["url"] == "http://ready.e2e.test"
    with broken.http() as http:
        assert http.get("/readyz").status_code == 200
        assert http.get("/accounts").json() == []
        modules = http.get("/system/status").json()["modules"]
    assert {"store", "accounts"} <= {module["name"] for module in modules}
    assert all(module["ready"] for module in resource["status"]["modules"])


def test_wait_right_after_an_edit_returns_when_every_pod_has_it(served: Layer) -> None:
    before = environment(served)["MODULE_SLOW_MS"]
    for milliseconds in {"1500", "2000"} - {before}:
        served.edit({"api": {"moduleSlowMs": int(milliseconds)}})
        served.wait_ready()
        deployment = served.object("deployment")
        status = deployment["status"]

        assert environment(served)["MODULE_SLOW_MS"] == milliseconds
        assert status["observedGeneration"] == deployment["metadata"]["generation"]
        assert status["updatedReplicas"] == 2
        assert status["availableReplicas"] == 2
        assert status["replicas"] == 2
