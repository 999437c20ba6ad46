"""Whose an object is: a table of who may stand at a name that a ServiceLayer wants."""

from typing import Any

import pytest

from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.observed import observe_child
from servicelayer_operator.ownership import companions, judge
from servicelayer_operator.resource import Metadata
from support.situations import EMBEDDED, desired_of, find, layer

ME = Metadata(name="shop", namespace="trade", uid="u-shop")
LABELS = {
    "app.kubernetes.io/managed-by": "servicelayer-operator",
    "app.kubernetes.io/instance": "shop",
    "app.kubernetes.io/component": "postgres",
}
OTHERS = {**LABELS, "app.kubernetes.io/instance": "other"}
MARK = {"servicelayer.r3e.network/applied-hash": "h"}
ADOPT = "servicelayer.r3e.network/adopt"


def owner(name: str, uid: str, kind: str = "ServiceLayer") -> list[dict[str, Any]]:
    return [{"apiVersion": "x/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "NameTaken"),
        ({"labels": LABELS}, "NameTaken"),
        ({"annotations": MARK}, "NameTaken"),
        ({"labels": LABELS, "annotations": MARK}, None),
        ({"ownerReferences": owner("shop", "u-shop")}, None),
        ({"ownerReferences": owner("shop", "u-shop"), "labels": OTHERS}, None),
        ({"ownerReferences": owner("shop", "u-earlier"), "labels": LABELS}, "NameConflict"),
        ({"ownerReferences": owner("other", "u-other"), "labels": LABELS}, "NameConflict"),
        ({"ownerReferences": owner("web", "u-web", "Deployment")}, "NameTaken"),
        ({"labels": OTHERS, "annotations": MARK}, "NameConflict"),
        ({"labels": OTHERS}, "NameTaken"),
        ({"annotations": {ADOPT: "trade/shop"}}, None),
        ({"annotations": {ADOPT: "u-shop"}}, None),
        ({"annotations": {ADOPT: "shop"}}, "NameTaken"),
        ({"annotations": {ADOPT: "elsewhere/shop"}}, "NameTaken"),
        ({"annotations": {ADOPT: ""}}, "NameTaken"),
        (
            {"annotations": {ADOPT: "trade/shop"}, "ownerReferences": owner("other", "u-other")},
            "NameConflict",
        ),
    ],
)
def test_an_object_is_ours_by_owner_by_mark_or_by_consent(
    metadata: dict[str, Any], reason: str | None
) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", **metadata}}
    conflict = judge(observe_child(body), ME)

    assert (conflict and conflict.reason) == reason
    assert conflict is None or "Service/shop" in conflict.message


@pytest.mark.parametrize("kind", ["Secret", "PersistentVolumeClaim"])
def test_what_is_kept_is_known_by_its_labels(kind: str) -> None:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "kept", "labels": LABELS}}

    assert judge(observe_child(body), ME) is None
    assert judge(observe_child({**body, "metadata": {"name": "kept"}}), ME) is not None


def test_a_claim_that_its_stateful_set_controls_is_still_known_by_its_labels() -> None:
    """Kubernetes writes that owner where a claim is to go with its StatefulSet."""
    meta = {
        "name": "data-shop-postgres-0",
        "labels": LABELS,
        "ownerReferences": owner("shop-postgres", "u-set", "StatefulSet"),
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}

    assert judge(observe_child(body), ME) is None
    found = judge(observe_child({**body, "metadata": {**meta, "labels": OTHERS}}), ME)
    assert found is not None
    assert found.reason == "NameConflict"


def test_only_the_child_of_a_deleted_resource_of_the_same_name_goes_by_itself() -> None:
    def passing(name: str) -> bool:
        meta = {"name": "shop", "ownerReferences": owner(name, "u-gone")}
        found = judge(observe_child({"apiVersion": "v1", "kind": "Service", "metadata": meta}), ME)
        assert found is not None
        return found.passing

    assert (passing("shop"), passing("other")) == (True, False)


@pytest.mark.parametrize(
    ("tls", "names"),
    [
        ({"issuerRef": {"name": "ca", "kind": "Issuer"}}, ["shop-tls"]),
        ({"secretName": "brought"}, []),
    ],
)
def test_what_other_controllers_write_for_us_is_looked_up_too(
    tls: dict[str, Any], names: list[str]
) -> None:
    expose = {"mode": "Ingress", "host": "shop.example.com", "tls": tls}
    resource = layer({**EMBEDDED, "expose": {**expose, "ingress": {"className": "nginx"}}})
    desired = desired_of(resource)

    def beside(kind: str) -> list[str]:
        return [str(key) for key in companions(find(desired, kind), names_of(resource))]

    assert beside("Ingress") == [f"Secret/{name}" for name in names]
    assert beside("StatefulSet") == ["PersistentVolumeClaim/data-shop-postgres-0"]
