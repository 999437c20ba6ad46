"""The rights that the operator's chart grants are exactly those of the table, in either mode."""

from servicelayer_operator.kinds import CHILDREN, WATCHED
from support.chart_objects import Object, environment, one, render

EDIT = ("get", "list", "watch", "create", "patch", "delete")
LOOK = ("get", "list", "watch")
# What the operator may do in a namespace: the whole of it.
TABLE = {
    ("servicelayer.r3e.network", "servicelayers"): LOOK,
    ("servicelayer.r3e.network", "servicelayers/status"): ("get", "patch"),
    ("", "configmaps"): EDIT,
    ("", "services"): EDIT,
    ("", "serviceaccounts"): EDIT,
    ("", "secrets"): ("get", "list", "watch", "create", "patch"),
    ("", "persistentvolumeclaims"): ("get",),
    ("", "pods"): LOOK,
    ("discovery.k8s.io", "endpointslices"): LOOK,
    ("apps", "deployments"): EDIT,
    ("apps", "statefulsets"): EDIT,
    ("batch", "jobs"): EDIT,
    ("networking.k8s.io", "ingresses"): EDIT,
    ("networking.k8s.io", "networkpolicies"): EDIT,
    ("policy", "poddisruptionbudgets"): EDIT,
    ("", "events"): ("list", "create", "patch"),
    ("events.k8s.io", "events"): ("list", "create", "patch"),
}
CRD_READING = {("apiextensions.k8s.io", "customresourcedefinitions"): ("get",)}
LEASES = {
    ("coordination.k8s.io", "leases"): ("get", "create", "update", "patch"),
}


def verbs(*roles: Object) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read rules as a table; a pair told twice would be a mistake in the chart."""
    table: dict[tuple[str, str], tuple[str, ...]] = {}
    for rule in (rule for role in roles for rule in role["rules"]):
        for pair in ((g, r) for g in rule["apiGroups"] for r in rule["resources"]):
            assert pair not in table
            table[pair] = tuple(rule["verbs"])
    return table


def bound_role(objects: list[Object], binding: Object) -> Object:
    reference = binding["roleRef"]
    namespace = binding["metadata"].get("namespace") if reference["kind"] == "Role" else None
    (role,) = [
        item
        for item in objects
        if item["kind"] == reference["kind"]
        and item["metadata"]["name"] == reference["name"]
        and item["metadata"].get("namespace") == namespace
    ]
    return role


def bindings(objects: list[Object], kind: str) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


def test_without_namespaces_the_operator_gets_the_table_in_the_whole_cluster() -> None:
    objects = render()
    (cluster,) = bindings(objects, "ClusterRoleBinding")
    (namespaced,) = bindings(objects, "RoleBinding")

    assert verbs(bound_role(objects, cluster)) == TABLE | CRD_READING
    assert verbs(bound_role(objects, namespaced)) == LEASES
    assert namespaced["metadata"]["namespace"] == "servicelayer-system"
    assert environment(objects)["WATCH_NAMESPACES"] == ""


def test_with_namespaces_the_operator_gets_the_table_only_there() -> None:
    objects = render({"watch": {"namespaces": ["neo", "gas"]}})
    (cluster,) = bindings(objects, "ClusterRoleBinding")
    granted = {
        binding["metadata"]["namespace"]: verbs(bound_role(objects, binding))
        for binding in bindings(objects, "RoleBinding")
    }

    assert verbs(bound_role(objects, cluster)) == CRD_READING
    assert granted == {"neo": TABLE, "gas": TABLE, "servicelayer-system": LEASES}
    assert environment(objects)["WATCH_NAMESPACES"] == "neo,gas"


def test_only_the_one_definition_may_be_read() -> None:
    objects = render()
    (binding,) = bindings(objects, "ClusterRoleBinding")
    rule = bound_role(objects, binding)["rules"][0]

    assert rule["resourceNames"] == ["servicelayers.servicelayer.r3e.network"]


def test_every_binding_names_the_operator_s_account_and_nobody_else() -> None:
    objects = render({"watch": {"namespaces": ["neo"]}, "serviceAccount": {"name": "robot"}})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "servicelayer-system"}

    assert one(objects, "ServiceAccount")["metadata"]["name"] == "robot"
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        assert all(binding["subjects"] == [subject] for binding in bindings(objects, kind))


def test_table_holds_the_kinds_that_the_operator_keeps_and_no_others() -> None:
    kept = {(kind.group, kind.plural) for kind in CHILDREN}
    edited = {pair for pair, allowed in TABLE.items() if allowed == EDIT}

    # A Secret is made and never deleted: that is the garbage collector's.
    assert edited == kept - {("", "secrets")}
    assert "delete" not in TABLE["", "secrets"]
    assert all(TABLE[kind.group, kind.plural][:3] == LOOK for kind in WATCHED)


def test_no_rule_uses_a_wildcard() -> None:
    for role in (item for item in render() if item["kind"] in {"Role", "ClusterRole"}):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_people_get_servicelayers_through_the_cluster_s_own_roles() -> None:
    roles = {
        item["metadata"]["name"]: item
        for item in render()
        if item["kind"] == "ClusterRole" and item["metadata"]["name"].startswith("servicelayer-")
    }
    group = "servicelayer.r3e.network"
    reached = {
        name: {
            label.rpartition("-")[2]
            for label in role["metadata"]["labels"]
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-")
        }
        for name, role in roles.items()
        if name != "servicelayer-system-servicelayer-operator"
    }

    assert reached == {
        "servicelayer-view": {"view", "edit", "admin"},
        "servicelayer-edit": {"edit", "admin"},
        "servicelayer-admin": {"admin"},
    }
    assert verbs(roles["servicelayer-view"]) == {
        (group, "servicelayers"): LOOK,
        (group, "servicelayers/status"): LOOK,
        (group, "servicelayers/scale"): LOOK,
    }
    assert "delete" in verbs(roles["servicelayer-edit"])[group, "servicelayers"]


def test_rbac_can_be_left_to_somebody_else() -> None:
    objects = render({"rbac": {"create": False}})

    assert not [item for item in objects if item["apiVersion"].startswith("rbac.")]
