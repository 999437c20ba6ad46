"""What the operator's chart renders, and how a test picks one object out of it."""

from typing import Any

from cluster.helm import OPERATOR_CHART, Helm

type Object = dict[str, Any]

HELM = Helm()


def render(values: Object | None = None, *served: str) -> list[Object]:
    return HELM.template(OPERATOR_CHART, values, served=served)


def one(objects: list[Object], kind: str) -> Object:
    found = [item for item in objects if item["kind"] == kind]

    assert len(found) == 1, [item["metadata"]["name"] for item in found]
    return found[0]


def container(objects: list[Object]) -> Object:
    (found,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def environment(objects: list[Object]) -> dict[str, str | None]:
    return {item["name"]: item.get("value") for item in container(objects)["env"]}
