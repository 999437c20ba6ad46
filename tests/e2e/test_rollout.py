"""Edits roll out under steady requests of many clients, and none fails; no account is lost."""

from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest

from cluster.provision import load_as
from support.layers import Layer
from support.stage import Stage
from support.steady_load import SteadyLoad


def roll(served: Layer, *specs: dict[str, Any]) -> SteadyLoad:
    """Make edits under load, each to the end, and see that requests still go well.

    Every account whose POST was acknowledged is there in the end.
    """
    with SteadyLoad(served.clients(), "/accounts", posts=True) as load:
        load.wait_more(64)
        for spec in specs:
            served.edit(spec)
            served.wait_ready()
            load.wait_more(128)
    assert load.made
    assert set(load.made) <= owners(served)
    return load


def owners(served: Layer) -> set[str]:
    """Return the owners of all accounts of the tenant."""
    found: set[str] = set()
    query = {"limit": "500"}
    with served.http() as client:
        while True:
            answer = client.get("/accounts", params=query).raise_for_status()
            found.update(account["Owner"] for account in answer.json())
            cursor = answer.headers.get("X-Next-Cursor")
            if not cursor:
                return found
            query["cursor"] = cursor


def image_ids(served: Layer) -> set[str]:
    """Return the digests of the images that the API's pods run."""
    return {
        status["imageID"]
        for pod in served.pods("api")
        for status in pod["status"]["containerStatuses"]
    }


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
    # The same content as another image: a node that keeps the old one would keep its digest.
    load_as(stage.cluster, stage.provided.archives["api"], [newer], labels={"next": "true"})
    before = image_ids(served)
    repository, _, tag = newer.rpartition(":")
    load = roll(served, {"image": {"repository": repository, "tag": tag}})
    images = {pod["spec"]["containers"][0]["image"] for pod in served.pods("api")}
    jobs = [item for item in served.children() if item["kind"] == "Job"]

    assert load.failures == []
    assert images == {newer}
    assert not before & image_ids(served)
    # Keyed on the image: the new one has migrated before the first new pod came.
    assert [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in jobs] == [newer]


def test_one_of_two_hosts_answers_at_any_time_while_the_host_changes(served: Layer) -> None:
    old, new = "neo.e2e.test", "neo-two.e2e.test"
    # The old one first: when it has gone, the switch has been made, and the new one must answer.
    makers = [served.clients(host=old), served.clients(host=new)]

    def client() -> httpx.Client:
        return httpx.Client(transport=Either(makers), base_url="http://either")

    with SteadyLoad(client, "/accounts") as load:
        load.wait_more(64)
        served.edit({"expose": {"host": new}})
        served.wait_ready()
        with served.http(host=new) as http:
            # An ingress controller takes a new host up in its own time; Traefik within 2 seconds.
            served.wait_for(
                lambda: http.get("/accounts").status_code == httpx.codes.OK,
                f"{new} answers",
                seconds=15,
            )
        load.wait_more(64)

    assert load.failures == []
    assert served.read()["status"]["url"] == f"http://{new}"


class Either(httpx.BaseTransport):
    """Asks one host after the other: one of them answers, and the other may not be served.

    A host that is served and fails is a failure, whatever the other one says.
    """

    def __init__(self, makers: Iterable[Callable[[], httpx.Client]]) -> None:
        self._clients = [make() for make in makers]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        return httpx.Response(verdict([client.get(path).status_code for client in self._clients]))

    def close(self) -> None:
        for client in self._clients:
            client.close()


def verdict(codes: list[int]) -> int:
    """Return 200 when a host answers and the others do not exist, else what was wrong."""
    wrong = [code for code in codes if code not in {httpx.codes.OK, httpx.codes.NOT_FOUND}]
    return wrong[0] if wrong else min(codes)


@pytest.mark.parametrize(
    ("codes", "told"),
    [([200, 404], 200), ([404, 200], 200), ([404, 404], 404), ([200, 502], 502), ([503, 200], 503)],
)
def test_one_host_that_fails_is_a_failure_though_the_other_answers(
    codes: list[int], told: int
) -> None:
    assert verdict(codes) == told
