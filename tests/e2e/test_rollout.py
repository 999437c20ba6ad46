"""Edits roll out under a steady request loop through the Ingress, and no request fails."""

from collections.abc import Callable, Iterable
from typing import Any

import httpx

from cluster.provision import load_as
from support.layers import Layer
from support.stage import Stage
from support.steady_load import SteadyLoad


def roll(served: Layer, *specs: dict[str, Any]) -> SteadyLoad:
    """Make edits under load, each to the end, and see that requests still go well."""
    with SteadyLoad(served.clients(), "/accounts") as load:
        load.wait_more(20)
        for spec in specs:
            served.edit(spec)
            served.wait_ready()
            load.wait_more(50)
    return load


def test_no_request_fails_while_it_is_scaled_up_and_down(served: Layer) -> None:
    load = roll(served, {"api": {"replicas": 3}}, {"api": {"replicas": 1}})

    assert load.failures == []
    assert len(served.pods("api")) == 1


def test_no_request_fails_while_a_new_environment_rolls_out(served: Layer) -> None:
    before = {pod["metadata"]["uid"] for pod in served.pods("api")}
    load = roll(served, {"api": {"extraEnv": [{"name": "NOTE", "value": "new"}]}})

    assert load.failures == []
    assert not before & {pod["metadata"]["uid"] for pod in served.pods("api")}


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


def test_one_of_two_hosts_answers_at_any_time_while_the_host_changes(served: Layer) -> None:
    old, new = "neo.e2e.test", "neo-two.e2e.test"
    # The old one first: when it has gone, the switch has been made, and the new one must answer.
    makers = [served.clients(host=old), served.clients(host=new)]

    def client() -> httpx.Client:
        return httpx.Client(transport=Either(makers), base_url="http://either")

    with SteadyLoad(client, "/accounts") as load:
        load.wait_more(20)
        served.edit({"expose": {"host": new}})
        served.wait_ready()
        with served.http(host=new) as http:
            # An ingress controller takes a new host up in its own time; Traefik within 2 seconds.
            served.wait_for(
                lambda: http.get("/accounts").status_code == httpx.codes.OK,
                f"{new} answers",
                seconds=15,
            )
        load.wait_more(30)

    assert load.failures == []
    assert served.read()["status"]["url"] == f"http://{new}"


class Either(httpx.BaseTransport):
    """Asks one host after the other; the request fails only when nobody serves it."""

    def __init__(self, makers: Iterable[Callable[[], httpx.Client]]) -> None:
        self._clients = [make() for make in makers]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        codes = [client.get(request.url.path).status_code for client in self._clients]
        return httpx.Response(httpx.codes.OK if httpx.codes.OK in codes else codes[0])

    def close(self) -> None:
        for client in self._clients:
            client.close()
