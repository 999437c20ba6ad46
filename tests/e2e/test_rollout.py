"""Edits roll out under a steady request loop through the Ingress, and no request fails."""

from typing import Any

import httpx
import pytest

from cluster.provision import load_as
from support.layers import Layer
from support.stage import Stage
from support.steady_load import SteadyLoad


def roll(served: Layer, spec: dict[str, Any]) -> SteadyLoad:
    """Edit the resource under load, wait until it is ready and see that requests still go well."""
    client = served.http
    with SteadyLoad(client, "/accounts") as load:
        load.wait_more(20)
        served.edit(spec)
        served.wait_ready()
        load.wait_more(50)
    return load


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"api": {"replicas": 3}}, id="scale up"),
        pytest.param({"api": {"replicas": 2}}, id="scale down"),
        pytest.param({"api": {"extraEnv": [{"name": "NOTE", "value": "new"}]}}, id="environment"),
        pytest.param({"api": {"extraEnv": []}}, id="environment back"),
    ],
)
def test_no_request_fails_while_an_edit_rolls_out(served: Layer, spec: dict[str, Any]) -> None:
    load = roll(served, spec)

    assert load.failures == []
    assert load.sent > 70


def test_no_request_fails_while_a_new_image_rolls_out(stage: Stage, served: Layer) -> None:
    newer = f"{stage.provided.names.api}-next"
    load_as(stage.cluster, stage.provided.archives["api"], [newer])
    repository, _, tag = newer.rpartition(":")
    load = roll(served, {"image": {"repository": repository, "tag": tag}})
    images = {pod["spec"]["containers"][0]["image"] for pod in served.pods("api")}
    jobs = [item for item in served.children() if item["kind"] == "Job"]

    assert load.failures == []
    assert images == {newer}
    # Keyed on the image: the new one has migrated before the first new pod came.
    assert [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in jobs] == [newer]
    served.edit({"image": None})
    served.wait_ready()


def test_one_of_two_hosts_answers_at_any_time_while_the_host_changes(served: Layer) -> None:
    old, new = "neo.e2e.test", "neo-two.e2e.test"
    clients = served.http

    class Either(httpx.BaseTransport):
        """Asks the new host first and, while nobody serves it, the old one."""

        def __init__(self) -> None:
            self.clients = [clients(host=new), clients(host=old)]

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answers = [client.get(request.url.path) for client in self.clients]
            served_by = [answer for answer in answers if answer.status_code == httpx.codes.OK]
            return httpx.Response(200 if served_by else answers[0].status_code)

    def client() -> httpx.Client:
        return httpx.Client(transport=Either(), base_url="http://either")

    with SteadyLoad(client, "/accounts") as load:
        load.wait_more(20)
        served.edit({"expose": {"host": new}})
        served.wait_ready()
        load.wait_more(30)
    with clients(host=new) as http:
        assert http.get("/accounts").status_code == 200
    assert load.failures == []
    assert served.read()["status"]["url"] == f"http://{new}"
    served.edit({"expose": {"host": old}})
    served.wait_ready()
