"""What holds for the manifests of every resource, and the choices that single fields make."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicelayer_operator.manifests import BuildInputs, Claim, Manifest, build_all
from servicelayer_operator.manifests.config_map import config_data
from servicelayer_operator.manifests.labels import APPLIED_HASH, label_value
from servicelayer_operator.manifests.manifest import digest
from servicelayer_operator.manifests.names import image_version
from servicelayer_operator.resource import InvalidResource
from support.good_specs import DIGEST, GOOD_SPECS
from support.pod_security import violations
from support.situations import (
    EMBEDDED,
    EMBEDDED_INPUTS,
    INPUTS,
    OWN_DATABASE,
    UID,
    desired_of,
    find,
    layer,
)

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
PARTS = st.fixed_dictionaries(
    {
        "database": st.sampled_from(
            [{"embedded": {}}, {"embedded": {"storage": "5Gi"}}, {"secretRef": {"name": "dsn"}}]
        )
    },
    optional={
        "suspend": st.booleans(),
        "mode": st.sampled_from(["Apply", "Plan"]),
        "deletionPolicy": st.sampled_from(["Delete", "Retain"]),
        "image": st.sampled_from(
            [{"tag": "1.0"}, {"digest": DIGEST}, {"repository": "mirror.example.com/x", "tag": "t"}]
        ),
        "secrets": st.sampled_from([{}, {"mode": "Existing", "existing": {"name": "keys"}}]),
        "networkPolicy": st.sampled_from([{}, {"enabled": False}, {"ingressNamespaces": ["edge"]}]),
        "expose": st.sampled_from(
            [
                {},
                {"mode": "Ingress", "host": "a.example.com"},
                {"mode": "Ingress", "host": "a.example.com", "tls": {"secretName": "cert"}},
            ]
        ),
        "api": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(1, 100),
                "logLevel": st.sampled_from(["debug", "error"]),
                "resources": st.sampled_from([{}, {"limits": {"cpu": 1}}]),
                "podTemplate": st.fixed_dictionaries(
                    {}, optional={"terminationGracePeriodSeconds": st.integers(15, 3600)}
                ),
            },
        ),
    },
)
INPUT_SETS = st.builds(
    BuildInputs,
    api_image=st.sampled_from([INPUTS.api_image, "api", f"localhost:5000/api@{DIGEST}"]),
    postgres_image=st.just(INPUTS.postgres_image),
    operator_namespace=st.sampled_from(["servicelayer-system", ""]),
    secret_fingerprint=st.sampled_from([None, "ab12"]),
    database_fingerprint=st.sampled_from([None, "cd34"]),
    database_identity=st.sampled_from([None, "5e7"]),
    claim=st.sampled_from([None, Claim(storage="1Gi", storage_class="fast")]),
)


def pod_templates(desired: list[Manifest]) -> Iterator[dict[str, Any]]:
    for manifest in desired:
        if manifest.key.kind in WORKLOADS:
            yield manifest.body["spec"]["template"]


@given(spec=PARTS, name=NAMES, inputs=INPUT_SETS)
@settings(max_examples=40)
def test_building_is_deterministic_and_leaves_its_arguments_alone(
    spec: dict[str, Any], name: str, inputs: BuildInputs
) -> None:
    resource = layer(spec, name=name)
    before = copy.deepcopy(resource)

    first, second = build_all(resource, inputs), build_all(layer(spec, name=name), inputs)

    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert resource == before


@given(spec=PARTS, name=NAMES, inputs=INPUT_SETS)
@settings(max_examples=40)
def test_every_object_is_named_owned_labelled_and_sealed(
    spec: dict[str, Any], name: str, inputs: BuildInputs
) -> None:
    desired = build_all(layer(spec, name=name), inputs)

    assert len({m.key for m in desired}) == len(desired)
    for manifest in desired:
        meta = manifest.body["metadata"]
        assert DNS_LABEL.fullmatch(meta["name"])
        assert meta["namespace"] == "market"
        assert all(LABEL_VALUE.fullmatch(value) for value in meta["labels"].values())
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "servicelayer-operator"
        assert meta["labels"]["app.kubernetes.io/instance"] == name
        assert [owner["uid"] for owner in meta["ownerReferences"]] == [UID]
        assert meta["ownerReferences"][0]["controller"] is True
        assert meta["ownerReferences"][0]["blockOwnerDeletion"] is False
        unsealed = copy.deepcopy(manifest.body)
        del unsealed["metadata"]["annotations"][APPLIED_HASH]
        assert manifest.hash == digest(unsealed)


@given(spec=PARTS, name=NAMES, inputs=INPUT_SETS)
@settings(max_examples=40)
def test_every_pod_keeps_the_restricted_standard(
    spec: dict[str, Any], name: str, inputs: BuildInputs
) -> None:
    for template in pod_templates(build_all(layer(spec, name=name), inputs)):
        assert violations(template["spec"]) == []


@given(spec=PARTS, name=NAMES, inputs=INPUT_SETS)
@settings(max_examples=30)
def test_selectors_match_their_own_pods_and_no_others(
    spec: dict[str, Any], name: str, inputs: BuildInputs
) -> None:
    desired = build_all(layer(spec, name=name), inputs)
    selected = {
        m.key.kind: m.body["spec"]["selector"]["matchLabels"].items()
        for m in desired
        if m.key.kind in {"Deployment", "StatefulSet"}
    }
    for manifest in desired:
        if manifest.key.kind not in WORKLOADS:
            continue
        labels = manifest.body["spec"]["template"]["metadata"]["labels"].items()
        matching = {kind for kind, selector in selected.items() if selector <= labels}
        assert matching == {manifest.key.kind} - {"Job"}


@pytest.mark.parametrize("case", GOOD_SPECS)
def test_every_spec_that_the_schema_accepts_can_be_built(case: str) -> None:
    desired = build_all(layer(GOOD_SPECS[case]), INPUTS)

    for template in pod_templates(desired):
        assert violations(template["spec"]) == []


def test_no_variable_is_set_twice() -> None:
    extra = [
        {"name": "SHUTDOWN_GRACE_SECONDS", "value": "7"},
        {"name": "ORACLE_RUNNER_TOKENS", "valueFrom": {"secretKeyRef": {"name": "o", "key": "k"}}},
    ]
    env = container({**EMBEDDED, "api": {"extraEnv": extra}})["env"]

    names = [item["name"] for item in env]
    assert len(names) == len(set(names))
    assert env[-2:] == extra


def container(spec: dict[str, Any]) -> dict[str, Any]:
    deployment = find(desired_of(layer(spec)), "Deployment").body
    return deployment["spec"]["template"]["spec"]["containers"][0]


def test_secrets_reach_the_pods_by_reference_only() -> None:
    env = {item["name"]: item for item in container(EMBEDDED)["env"]}

    assert env["DATABASE_URL"]["valueFrom"]["secretKeyRef"] == {
        "name": "shop-postgres",
        "key": "DATABASE_URL",
    }
    for key in ("API_TOKENS", "AUTH_JWT_SECRET", "AUTH_USERS", "SECRET_ENCRYPTION_KEY"):
        assert env[key]["valueFrom"]["secretKeyRef"] == {"name": "shop-secrets", "key": key}
    assert "ADMIN_PASSWORD" not in env


def test_an_existing_secret_needs_only_what_the_guide_requires_of_it() -> None:
    spec = {**OWN_DATABASE, "secrets": {"mode": "Existing", "existing": {"name": "keys"}}}
    required = {
        item["name"]
        for item in container(spec)["env"]
        if "valueFrom" in item and not item["valueFrom"]["secretKeyRef"].get("optional")
    }

    assert required == {"DATABASE_URL", "API_TOKENS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY"}


@pytest.mark.parametrize(("grace", "draining"), [(15, "5"), (45, "25"), (300, "280")])
def test_draining_fits_into_the_grace_period(grace: int, draining: str) -> None:
    spec = {**EMBEDDED, "api": {"podTemplate": {"terminationGracePeriodSeconds": grace}}}
    env = {item["name"]: item.get("value") for item in container(spec)["env"]}

    assert env["SHUTDOWN_GRACE_SECONDS"] == draining


def test_resources_are_requested_where_the_user_leaves_them_open() -> None:
    resources = container({**EMBEDDED, "api": {"resources": {"limits": {"memory": "1Gi"}}}})

    assert resources["resources"] == {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}


def template(spec: dict[str, Any], inputs: BuildInputs = EMBEDDED_INPUTS) -> dict[str, Any]:
    return find(build_all(layer(spec), inputs), "Deployment").body["spec"]["template"]


@pytest.mark.parametrize(
    "api", [{"logLevel": "debug"}, {"moduleSlowMs": 5}, {"extraEnv": [{"name": "A", "value": "1"}]}]
)
def test_an_edit_of_the_settings_rolls_the_pods(api: dict[str, Any]) -> None:
    assert template({**EMBEDDED, "api": api}) != template(EMBEDDED)


def test_proxies_are_believed_only_behind_the_network_policy() -> None:
    open_to_all = layer({**EMBEDDED, "networkPolicy": {"enabled": False}})

    assert "trusted_proxies" in config_data(layer(EMBEDDED))["config.yaml"]
    assert "trusted_proxies" not in config_data(open_to_all)["config.yaml"]
    assert template({**EMBEDDED, "networkPolicy": {"enabled": False}}) != template(EMBEDDED)


def test_the_api_is_told_where_clients_reach_it() -> None:
    """Wallets sign that address when they log in, so pods with the old one must go."""
    expose = {"mode": "Ingress", "host": "api.example.com"}
    tls = {**expose, "tls": {"secretName": "cert"}}

    def written(exposed: dict[str, Any]) -> str:
        return config_data(layer({**EMBEDDED, "expose": exposed}))["config.yaml"]

    assert 'public_url: "http://api.example.com"' in written(expose)
    assert 'public_url: "https://api.example.com"' in written(tls)
    assert "public_url" not in written({})
    assert template({**EMBEDDED, "expose": expose}) != template(EMBEDDED)


def test_the_api_leaves_the_rate_limit_to_an_ingress_that_has_one() -> None:
    expose = {"mode": "Ingress", "host": "api.example.com"}
    limited = {**expose, "rateLimit": {"requestsPerSecond": 50, "burst": 50}}

    assert 'rate_limit: "off"' in config_data(layer({**EMBEDDED, "expose": limited}))["config.yaml"]
    assert "rate_limit" not in config_data(layer({**EMBEDDED, "expose": expose}))["config.yaml"]


def test_a_changed_secret_rolls_the_pods() -> None:
    changed = msgspec.structs.replace(EMBEDDED_INPUTS, secret_fingerprint="other")

    assert template(EMBEDDED, changed) != template(EMBEDDED)


@pytest.mark.parametrize(
    "part",
    [
        {"api": {"replicas": 5}},
        {"database": {"embedded": {"storage": "9Gi"}}},
        {"deletionPolicy": "Retain"},
    ],
)
def test_an_edit_that_pods_do_not_see_leaves_them_running(part: dict[str, Any]) -> None:
    assert template({**EMBEDDED, **part}) == template(EMBEDDED)


def test_suspending_stops_both_workloads_and_starts_no_migration() -> None:
    desired = desired_of(layer({**EMBEDDED, "suspend": True}))

    assert find(desired, "Deployment").body["spec"]["replicas"] == 0
    assert find(desired, "Deployment").gate is None
    assert find(desired, "StatefulSet").body["spec"]["replicas"] == 0
    assert find(desired, "Job").only_if_present


@pytest.mark.parametrize(("policy", "kept"), [("Delete", "Delete"), ("Retain", "Retain")])
def test_the_volume_goes_or_stays_as_the_deletion_policy_says(policy: str, kept: str) -> None:
    body = find(desired_of(layer({**EMBEDDED, "deletionPolicy": policy})), "StatefulSet").body

    retention = body["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert retention == {"whenDeleted": kept, "whenScaled": "Retain"}


def test_a_live_volume_claim_template_is_repeated_as_it_is() -> None:
    spec = {"database": {"embedded": {"storage": "9Gi", "storageClassName": "slow"}}}
    inputs = msgspec.structs.replace(INPUTS, claim=Claim(storage="1Gi", storage_class="fast"))
    body = find(build_all(layer(spec), inputs), "StatefulSet").body

    claim = body["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["resources"]["requests"]["storage"] == "1Gi"
    assert claim["storageClassName"] == "fast"


def test_an_own_database_brings_no_postgres() -> None:
    desired = desired_of(layer(OWN_DATABASE))

    assert not [m for m in desired if "postgres" in m.key.name]


def ingress(**expose: Any) -> dict[str, Any]:
    spec = {**EMBEDDED, "expose": {"mode": "Ingress", "host": "api.example.com", **expose}}
    return find(desired_of(layer(spec)), "Ingress").body


def test_an_issuer_is_asked_for_the_certificate_and_http_is_redirected() -> None:
    body = ingress(tls={"issuerRef": {"name": "ca", "kind": "Issuer"}})

    annotations = body["metadata"]["annotations"]
    assert annotations["cert-manager.io/issuer"] == "ca"
    assert annotations["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
    assert body["spec"]["tls"] == [{"hosts": ["api.example.com"], "secretName": "shop-tls"}]


def test_a_certificate_of_ones_own_is_used_as_it_is() -> None:
    body = ingress(tls={"secretName": "mine"})

    assert body["spec"]["tls"][0]["secretName"] == "mine"
    assert not [key for key in body["metadata"]["annotations"] if key.startswith("cert-manager")]


@pytest.mark.parametrize(("burst", "multiplier"), [(100, "1"), (250, "3"), (None, None)])
def test_the_rate_limit_is_told_to_the_controller(
    burst: int | None, multiplier: str | None
) -> None:
    limit = {"requestsPerSecond": 100} | ({} if burst is None else {"burst": burst})
    annotations = ingress(rateLimit=limit)["metadata"]["annotations"]

    assert annotations["nginx.ingress.kubernetes.io/limit-rps"] == "100"
    assert annotations.get("nginx.ingress.kubernetes.io/limit-burst-multiplier") == multiplier


def test_annotations_of_the_user_are_merged_under_ours() -> None:
    mine = {"nginx.ingress.kubernetes.io/proxy-body-size": "8m"}
    annotations = ingress(ingress={"annotations": mine}, tls={"secretName": "c"})["metadata"]

    assert annotations["annotations"].items() >= mine.items()
    assert annotations["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"


def policy(spec: dict[str, Any], name: str = "shop-network") -> dict[str, Any]:
    return find(desired_of(layer(spec)), "NetworkPolicy", name).body["spec"]


def test_the_network_policy_denies_by_default_and_allows_by_name() -> None:
    spec = policy(EMBEDDED)

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    sources = {
        rule["ports"][0]["port"]: [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for peer in rule["from"]
        ]
        for rule in spec["ingress"]
    }
    assert sources == {
        8080: ["ingress-nginx", "traefik", "servicelayer-system"],
        8081: ["monitoring", "servicelayer-system"],
    }
    for rule in spec["egress"]:
        assert rule.get("to"), "a rule without a peer allows every host"


def test_a_database_of_ones_own_is_let_through_by_its_ports_alone() -> None:
    open_rules = [rule for rule in policy(OWN_DATABASE)["egress"] if "to" not in rule]

    assert [[port["port"] for port in rule["ports"]] for rule in open_rules] == [[5432, 6432]]


def test_only_our_pods_reach_the_embedded_database_and_it_reaches_nobody() -> None:
    spec = policy(EMBEDDED, "shop-postgres")

    assert "egress" not in spec
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    selector = spec["ingress"][0]["from"][0]["podSelector"]
    assert selector["matchLabels"]["app.kubernetes.io/instance"] == "shop"
    assert selector["matchExpressions"][0]["values"] == ["api", "migrate"]


def test_private_networks_are_not_public() -> None:
    public = next(
        rule
        for rule in policy(EMBEDDED)["egress"]
        if rule["ports"] == [{"protocol": "TCP", "port": 443}]
    )

    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"):
        assert block in public["to"][0]["ipBlock"]["except"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("api", "latest"),
        ("localhost:5000/api", "latest"),
        ("localhost:5000/api:1.2", "1.2"),
        (f"registry.example.com/api@{DIGEST}", DIGEST),
        (f"registry.example.com/api:1.2@{DIGEST}", "1.2"),
    ],
)
def test_the_version_is_read_off_the_image(image: str, version: str) -> None:
    assert image_version(image) == version
    assert LABEL_VALUE.fullmatch(label_value(version))


def test_probes_and_metrics_have_a_port_that_the_ingress_does_not_serve() -> None:
    deployment = find(desired_of(layer(EMBEDDED)), "Deployment").body
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert ports == {"http": 8080, "probes": 8081}
    assert {
        container[probe]["httpGet"]["port"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    } == {"probes"}


_EXPOSE = {"mode": "Ingress", "host": "api.example.com"}


@pytest.mark.parametrize("name", ["traefik", "haproxy", "public"])
def test_the_api_keeps_the_rate_limit_where_the_class_is_not_known_to(name: str) -> None:
    expose = {
        **_EXPOSE,
        "ingress": {"className": name},
        "rateLimit": {"requestsPerSecond": 7, "burst": 20},
    }
    resource = layer({**EMBEDDED, "expose": expose})
    told = config_data(resource)["config.yaml"]

    assert 'rate_limit: "7/s"' in told
    assert "rate_limit_burst: 20" in told
    annotations = find(desired_of(resource), "Ingress").body["metadata"]["annotations"]
    assert not any("limit" in key for key in annotations)


def test_only_the_users_own_word_lets_an_unlisted_annotation_through() -> None:
    unsafe = {"nginx.org/server-snippets": "x", "nginx.ingress.kubernetes.io/auth-snippet": "y"}
    ingress = {
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "1m"},
        "unsafeAnnotations": unsafe,
    }
    expose = {**_EXPOSE, "ingress": ingress}
    made = find(desired_of(layer({**EMBEDDED, "expose": expose})), "Ingress")

    assert (
        made.body["metadata"]["annotations"].items() >= {**ingress["annotations"], **unsafe}.items()
    )


@pytest.mark.parametrize(
    "key",
    [
        "nginx.org/server-snippets",
        "nginx.org/location-snippets",
        "haproxy-ingress.github.io/config-backend",
        "haproxy.org/backend-config-snippet",
        "nginx.ingress.kubernetes.io/configuration-snippet",
        "ingress.kubernetes.io/anything-snippet",
        "ingress.kubernetes.io/config-backend",
        "ingress.kubernetes.io/config-frontend",
        "haproxy-ingress.github.io/auth-url",
        *(
            f"nginx.ingress.kubernetes.io/{name}"
            for name in (
                *("auth-url", "auth-secret", "auth-signin", "auth-tls-match-cn", "auth-realm"),
                *("server-alias", "mirror-target", "mirror-host", "permanent-redirect"),
                *("temporal-redirect", "app-root", "rewrite-target", "upstream-vhost"),
                *("upstream-hash-by", "default-backend", "proxy-ssl-secret", "x-forwarded-prefix"),
            )
        ),
        "alb.ingress.kubernetes.io/actions.forward",
        "alb.ingress.kubernetes.io/group.name",
        "alb.ingress.kubernetes.io/load-balancer-attributes",
        "cert-manager.io/common-name",
        "external-dns.alpha.kubernetes.io/target",
        "traefik.ingress.kubernetes.io/router.middlewares",
        "team",
    ],
)
def test_an_annotation_that_is_not_on_the_list_is_refused(key: str) -> None:
    expose = {**_EXPOSE, "ingress": {"annotations": {key: "x"}}}
    with pytest.raises(InvalidResource, match="unsafeAnnotations"):
        layer({**EMBEDDED, "expose": expose})


@pytest.mark.parametrize("value", ["8m; }", "8m\nreturn 200", "$http_x", "#", "a'b", 'a"b', "{%"])
def test_the_value_of_a_listed_annotation_is_plain(value: str) -> None:
    """Some controllers write a value into their configuration as it is."""
    annotations = {"nginx.ingress.kubernetes.io/proxy-buffer-size": value}
    with pytest.raises(InvalidResource, match="letters, digits"):
        layer({**EMBEDDED, "expose": {**_EXPOSE, "ingress": {"annotations": annotations}}})


def test_dns_may_answer_elsewhere_and_egress_may_be_udp() -> None:
    dns = {"namespace": "openshift-dns", "ports": [53, 5353], "cidrs": ["169.254.25.10/32"]}
    extra = [
        {"cidr": "10.1.0.0/16", "ports": [123], "protocols": ["UDP"]},
        {"cidr": "10.2.0.0/16", "protocols": ["TCP", "SCTP"]},
        {"cidr": "10.3.0.0/16", "ports": [1]},
    ]
    rules = policy({**EMBEDDED, "networkPolicy": {"dns": dns, "extraEgress": extra}})["egress"]
    names = {"kubernetes.io/metadata.name": "openshift-dns"}

    assert rules[0]["to"] == [
        {"namespaceSelector": {"matchLabels": names}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
        {"ipBlock": {"cidr": "169.254.25.10/32"}},
    ]
    assert [(item["protocol"], item["port"]) for item in rules[0]["ports"]] == [
        ("UDP", 53),
        ("TCP", 53),
        ("UDP", 5353),
        ("TCP", 5353),
    ]
    assert [rule.get("ports") for rule in rules[-3:]] == [
        [{"protocol": "UDP", "port": 123}],
        [{"protocol": "TCP"}, {"protocol": "SCTP"}],
        [{"protocol": "TCP", "port": 1}],
    ]
