"""What a real API server makes of the CRD: refuses, defaults, explains, scales."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cluster.progress import wait_until
from servicelayer_operator import resource
from servicelayer_operator.spec_rules import LISTED_ANNOTATIONS
from support.bad_specs import BAD_SPECS, BadSpec
from support.crd import CRD_FILE, ROOT, root_schema, walk
from support.good_specs import GOOD_SPECS
from support.specs import MINIMAL, ingress, minimal, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.control_plane import ControlPlane
    from cluster.kubectl import Kubectl

NAMESPACE = "crd-admission"
CRD = f"{resource.PLURAL}.{resource.GROUP}"

UNSAFE_UPDATES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "embedded to a database of one's own": (
        MINIMAL,
        {"database": {"secretRef": {"name": "dsn"}}},
        "secretRef and embedded cannot be swapped, the data would stay behind: create a second",
    ),
    "a database of one's own to embedded": (
        {"database": {"secretRef": {"name": "dsn"}}},
        MINIMAL,
        "secretRef and embedded cannot be swapped",
    ),
    "a smaller volume": (
        {"database": {"embedded": {"storage": "2Gi"}}},
        {"database": {"embedded": {"storage": "1Gi"}}},
        "storage cannot be changed once the volume is made: keep the old value",
    ),
    "a larger volume": (
        {"database": {"embedded": {"storage": "2Gi"}}},
        {"database": {"embedded": {"storage": "3Gi"}}},
        "move the data (pg_dump, pg_restore)",
    ),
    "another storage class": (
        {"database": {"embedded": {"storageClassName": "fast"}}},
        {"database": {"embedded": {"storageClassName": "slow"}}},
        "storageClassName cannot be changed once the volume is made",
    ),
    "a storage class taken away": (
        {"database": {"embedded": {"storageClassName": "fast"}}},
        MINIMAL,
        "storageClassName cannot be changed once the volume is made",
    ),
    "own keys to generated ones": (
        minimal(secrets={"mode": "Existing", "existing": {"name": "keys"}}),
        minimal(secrets={"mode": "Generate"}),
        "mode cannot go back from Existing to Generate",
    ),
    "own keys left out": (
        minimal(secrets={"mode": "Existing", "existing": {"name": "keys"}}),
        MINIMAL,
        "data encrypted with your keys would become unreadable: keep mode Existing",
    ),
}

SAFE_UPDATES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "generated keys to own ones": (
        MINIMAL,
        minimal(secrets={"mode": "Existing", "existing": {"name": "keys"}}),
    ),
    "another Secret of keys": (
        minimal(secrets={"mode": "Existing", "existing": {"name": "keys"}}),
        minimal(secrets={"mode": "Existing", "existing": {"name": "other"}}),
    ),
    "another database Secret": (
        {"database": {"secretRef": {"name": "dsn"}}},
        {"database": {"secretRef": {"name": "other"}}},
    ),
    "the same volume in other words": (MINIMAL, {"database": {"embedded": {"storage": "1Gi"}}}),
    "exposed and taken back": (ingress(), minimal(expose={"mode": "None"})),
    "another image": (minimal(image={"tag": "1"}), minimal(image={"tag": "2"})),
    "plan, then apply": (minimal(mode="Plan"), minimal(mode="Apply")),
}


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Iterator[Kubectl]:
    kubectl = control_plane.kubectl
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    kubectl.wait_established(CRD)
    assert wait_until(lambda: explained(kubectl), seconds=30)
    kubectl("create", "namespace", NAMESPACE)
    yield kubectl
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def explained(kubectl: Kubectl) -> bool:
    """Say whether the API server has published the schema, which it does a little later."""
    return kubectl("explain", "sl.spec", check=False).returncode == 0


def document(spec: dict[str, Any], name: str = "demo") -> str:
    return json.dumps(
        {
            "apiVersion": resource.API_VERSION,
            "kind": resource.KIND,
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        }
    )


def try_out(kubectl: Kubectl, verb: str, spec: dict[str, Any], name: str = "demo") -> str:
    """Have the API server judge a spec; return its complaint, nothing when it takes it."""
    done = kubectl(verb, "--dry-run=server", "-f", "-", stdin=document(spec, name), check=False)
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    return done.stderr


def test_the_api_server_takes_the_crd_whole(kubectl: Kubectl) -> None:
    conditions = {
        condition["type"]: condition["status"]
        for condition in kubectl.json("get", "crd", CRD)["status"]["conditions"]
    }

    assert conditions == {"Established": "True", "NamesAccepted": "True"}


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.fault)
def test_bad_specs_are_refused_with_what_to_write_instead(kubectl: Kubectl, bad: BadSpec) -> None:
    complaint = try_out(kubectl, "create", bad.spec)

    assert bad.says in complaint


@pytest.mark.parametrize("spec", GOOD_SPECS.values(), ids=GOOD_SPECS)
def test_good_specs_are_taken(kubectl: Kubectl, spec: dict[str, Any]) -> None:
    assert not try_out(kubectl, "create", spec)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a" * 41, "metadata.name is too long: use at most 40 characters"),
        ("1api", "metadata.name must be a DNS label that starts with a letter"),
        ("my.api", "use lower-case letters, digits and '-' only, without dots"),
    ],
)
def test_names_that_cannot_name_a_service_are_refused(
    kubectl: Kubectl, name: str, says: str
) -> None:
    assert says in try_out(kubectl, "create", MINIMAL, name)


def test_the_longest_name_is_taken(kubectl: Kubectl) -> None:
    assert not try_out(kubectl, "create", MINIMAL, "a" * 40)


def test_a_misspelt_field_is_named(kubectl: Kubectl) -> None:
    assert 'unknown field "spec.api.replcas"' in try_out(
        kubectl, "create", minimal(api={"replcas": 3})
    )


def test_every_rule_is_provoked_by_a_spec_of_the_tables() -> None:
    """Keep the tables complete: a rule that no bad spec meets is a rule that nobody has tried."""
    said = [bad.says for bad in BAD_SPECS] + [says for _, _, says in UNSAFE_UPDATES.values()]
    rules = {
        rule["message"]
        for field in walk(root_schema())
        for rule in field.schema.get("x-kubernetes-validations", [])
        if field.path and "messageExpression" not in rule
    }

    assert [rule for rule in rules if not any(words in rule for words in said)] == []


@pytest.mark.parametrize(("before", "after", "says"), UNSAFE_UPDATES.values(), ids=UNSAFE_UPDATES)
def test_updates_that_would_lose_data_are_refused(
    kubectl: Kubectl, before: dict[str, Any], after: dict[str, Any], says: str
) -> None:
    kubectl("create", "-f", "-", stdin=document(before, "unsafe"))
    try:
        assert says in try_out(kubectl, "replace", after, "unsafe")
    finally:
        kubectl("-n", NAMESPACE, "delete", "sl", "unsafe")


@pytest.mark.parametrize(("before", "after"), SAFE_UPDATES.values(), ids=SAFE_UPDATES)
def test_updates_that_lose_nothing_are_taken(
    kubectl: Kubectl, before: dict[str, Any], after: dict[str, Any]
) -> None:
    kubectl("create", "-f", "-", stdin=document(before, "safe"))
    try:
        assert not try_out(kubectl, "replace", after, "safe")
    finally:
        kubectl("-n", NAMESPACE, "delete", "sl", "safe")


@pytest.fixture
def created(kubectl: Kubectl) -> Iterator[str]:
    kubectl("create", "-f", "-", stdin=document(MINIMAL, "created"))
    yield "sl/created"
    kubectl("-n", NAMESPACE, "delete", "sl", "created")


def test_a_resource_that_nobody_has_seen_is_not_current(kubectl: Kubectl, created: str) -> None:
    body = kubectl.json("-n", NAMESPACE, "get", created)

    assert body["metadata"]["generation"] == 1
    assert body["status"] == {"observedGeneration": -1}


def test_the_api_server_and_the_structs_default_alike(kubectl: Kubectl, created: str) -> None:
    body = kubectl.json("-n", NAMESPACE, "get", created)

    decoded = resource.decode(body)

    assert decoded.spec == resource.decode(body | {"spec": MINIMAL}).spec
    assert body["spec"]["api"]["replicas"] == 2
    assert body["spec"]["database"]["embedded"]["storage"] == "1Gi"


def test_scale_sets_and_shows_the_replicas(kubectl: Kubectl, created: str) -> None:
    status = {"status": {"replicas": 2, "readyReplicas": 1, "selector": "app=demo"}}
    patch = json.dumps(status)
    kubectl("-n", NAMESPACE, "patch", created, "--subresource=status", "--type=merge", "-p", patch)

    kubectl("-n", NAMESPACE, "scale", created, "--replicas=5")

    scale = kubectl.json("-n", NAMESPACE, "get", created, "--subresource=scale")
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"] == {"replicas": 2, "selector": "app=demo"}
    refused = kubectl("-n", NAMESPACE, "scale", created, "--replicas=0", check=False)
    assert "should be greater than or equal to 1" in refused.stderr


def test_columns_show_what_the_status_says(kubectl: Kubectl, created: str) -> None:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Migrating",
        "message": "Job runs.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    status = {"conditions": [ready], "version": "1.2.3", "replicas": 2, "url": "http://demo"}
    patch = json.dumps({"status": status})
    kubectl("-n", NAMESPACE, "patch", created, "--subresource=status", "--type=merge", "-p", patch)

    narrow = kubectl("-n", NAMESPACE, "get", "r3e").stdout.splitlines()
    wide = kubectl("-n", NAMESPACE, "get", created, "-o", "wide").stdout.splitlines()

    assert narrow[0].split() == ["NAME", "READY", "REASON", "VERSION", "REPLICAS", "AGE"]
    assert narrow[1].split()[:5] == ["created", "False", "Migrating", "1.2.3", "2"]
    assert wide[0].split() == [*narrow[0].split()[:5], "URL", "AGE"]
    assert "http://demo" in wide[1]


def test_a_user_cannot_write_the_status_with_the_spec(kubectl: Kubectl, created: str) -> None:
    patch = json.dumps({"status": {"version": "9.9.9"}})
    kubectl("-n", NAMESPACE, "patch", created, "--type=merge", "-p", patch)

    assert "version" not in kubectl.json("-n", NAMESPACE, "get", created)["status"]


def test_explain_reads_like_documentation(kubectl: Kubectl) -> None:
    text = " ".join(kubectl("explain", "sl.spec.database").stdout.split())

    assert "The PostgreSQL (14 or newer) that holds all data." in text
    assert "Give secretRef for a database of your own, which is what production wants" in text
    for name in ("embedded", "migrations", "secretRef"):
        assert f"{name} <Object>" in text


def test_examples_are_taken_as_they_stand(kubectl: Kubectl) -> None:
    done = kubectl("-n", NAMESPACE, "create", "--dry-run=server", "-f", str(ROOT / "examples"))

    assert done.stdout.count("created (server dry run)") == len(
        list((ROOT / "examples").glob("*.yaml"))
    )


def test_the_largest_resource_stays_within_the_cost_budget(kubectl: Kubectl) -> None:
    labels = {f"example.com/label-{number}": "x" * 63 for number in range(32)}
    spec = pod(labels=labels, annotations=dict.fromkeys(labels, "y" * 4096))
    spec["api"]["extraEnv"] = [{"name": f"VARIABLE_{n}", "value": "z" * 4096} for n in range(64)]
    listed = dict.fromkeys(sorted(LISTED_ANNOTATIONS)[:32], "x" * 4096)
    both = {"annotations": listed, "unsafeAnnotations": labels}
    spec["expose"] = ingress(ingress=both)["expose"]
    spec["networkPolicy"] = {
        "extraEgress": [
            {"cidr": f"10.{n}.0.0/16", "except": [f"10.{n}.{m}.0/24" for m in range(16)]}
            for n in range(32)
        ]
    }

    assert not try_out(kubectl, "create", spec)
