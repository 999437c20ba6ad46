"""The charts: what they render, what they refuse, and that their settings are told in one way."""

import json
import re
from pathlib import Path

import pytest
import yaml

from cluster.helm import CRDS_CHART, OPERATOR_CHART
from support.chart_objects import HELM, Object, container, environment, one, render

ROOT = Path(__file__).resolve().parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize("chart", [OPERATOR_CHART, CRDS_CHART], ids=lambda chart: chart.name)
def test_chart_passes_strict_lint(chart: Path) -> None:
    done = HELM("lint", "--strict", str(chart), check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("chart", [OPERATOR_CHART, CRDS_CHART], ids=lambda chart: chart.name)
def test_chart_is_fully_described(chart: Path) -> None:
    meta = yaml.safe_load((chart / "Chart.yaml").read_text())

    assert meta["kubeVersion"] == ">=1.28.0-0"
    assert isinstance(meta["appVersion"], str)
    assert meta["version"] == meta["appVersion"]
    assert meta["maintainers"]
    assert meta["sources"]
    assert (chart / "README.md").is_file()
    assert (chart / "templates" / "NOTES.txt").is_file()


def test_charts_carry_the_version_of_the_distribution() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)

    assert version is not None
    for chart in (OPERATOR_CHART, CRDS_CHART):
        assert yaml.safe_load((chart / "Chart.yaml").read_text())["version"] == version[1]


def test_crd_chart_holds_the_same_bytes_as_the_repository() -> None:
    copies = {path.name: path.read_bytes() for path in (CRDS_CHART / "files").iterdir()}

    assert CRDS
    assert copies == {path.name: path.read_bytes() for path in CRDS}


@pytest.mark.parametrize("keep", [True, False])
def test_crd_chart_prints_the_definition_unchanged_and_keeps_it_only_when_told(keep: bool) -> None:
    (rendered,) = HELM.template(CRDS_CHART, {"keep": keep, "labels": {"team": "neo"}})
    source = yaml.load(CRDS[0].read_text(), yaml.CSafeLoader)
    policy = rendered["metadata"].get("annotations", {}).get("helm.sh/resource-policy")

    assert rendered["spec"] == source["spec"]
    assert rendered["metadata"]["name"] == source["metadata"]["name"]
    assert rendered["metadata"]["labels"]["team"] == "neo"
    assert policy == ("keep" if keep else None)


def test_pods_obey_the_restricted_standard() -> None:
    pod = one(render(), "Deployment")["spec"]["template"]["spec"]
    security = container(render())["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all("emptyDir" in volume for volume in pod["volumes"])


def test_user_ids_can_be_left_to_the_cluster() -> None:
    nothing = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    objects = render({"podSecurityContext": nothing})
    security = one(objects, "Deployment")["spec"]["template"]["spec"]["securityContext"]

    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_only_the_operator_s_pods_mount_a_token() -> None:
    objects = render()
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]

    assert pod["automountServiceAccountToken"] is True
    assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def test_probes_ask_the_health_port() -> None:
    ports = {port["name"]: port["containerPort"] for port in container(render())["ports"]}
    probed = {
        name: container(render())[name]["httpGet"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert ports == {"metrics": 8080, "health": 8081}
    assert probed["livenessProbe"] == {"path": "/healthz", "port": "health"}
    assert probed["readinessProbe"] == {"path": "/readyz", "port": "health"}
    assert probed["startupProbe"] == {"path": "/healthz", "port": "health"}


def test_two_pods_elect_a_leader_spread_and_survive_a_drain() -> None:
    objects = render()
    deployment = one(objects, "Deployment")
    labels = deployment["spec"]["selector"]["matchLabels"]
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]

    assert deployment["spec"]["replicas"] == 2
    assert environment(objects)["LEADER_ELECTION"] == "true"
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"] == labels
    assert one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_a_single_pod_gets_no_disruption_budget() -> None:
    kinds = [item["kind"] for item in render({"replicas": 1})]

    assert "PodDisruptionBudget" not in kinds


def test_several_pods_without_leader_election_are_refused() -> None:
    done = HELM(
        *("template", "x", str(OPERATOR_CHART), "--set", "leaderElection.enabled=false"),
        check=False,
    )

    assert done.returncode != 0
    assert "replicas above 1 need leaderElection.enabled=true" in done.stderr


def test_settings_reach_the_operator_by_the_environment() -> None:
    objects = render(
        {
            "resyncSeconds": 1000000 // 25,
            "workers": 3,
            "log": {"level": "debug", "format": "text"},
            "defaults": {"apiImage": "mirror/api:1", "postgresImage": "mirror/pg:17"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "proxy:3128"}],
        }
    )
    environ = environment(objects)

    assert container(objects)["args"] == ["run"]
    assert environ == {
        "POD_NAME": None,
        "POD_NAMESPACE": None,
        "LEASE_NAMESPACE": "servicelayer-system",
        "WATCH_NAMESPACES": "",
        "LEADER_ELECTION": "true",
        "DEFAULT_API_IMAGE": "mirror/api:1",
        "DEFAULT_POSTGRES_IMAGE": "mirror/pg:17",
        "METRICS_ADDR": ":8080",
        "HEALTH_ADDR": ":8081",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "text",
        "RESYNC_SECONDS": "40000",
        "WORKERS": "3",
        "HTTPS_PROXY": "proxy:3128",
    }


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "ghcr.io/r3e-network/service_layer-operator:0.1.0"),
        ({"repository": "mirror/op", "tag": "7"}, "mirror/op:7"),
        ({"repository": "mirror/op", "tag": "7", "digest": DIGEST}, f"mirror/op@{DIGEST}"),
    ],
)
def test_digest_wins_over_tag_and_tag_over_version(image: Object, expected: str) -> None:
    assert container(render({"image": image}))["image"] == expected


def test_traffic_is_limited_to_what_the_operator_needs() -> None:
    spec = one(render(), "NetworkPolicy")["spec"]
    (incoming,) = spec["ingress"]
    outgoing = [sorted({port["port"] for port in rule["ports"]}) for rule in spec["egress"]]
    (names,) = incoming["from"][0]["namespaceSelector"]["matchExpressions"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert names["values"] == ["monitoring"]
    assert [port["port"] for port in incoming["ports"]] == [8080, 8081]
    assert outgoing == [[443, 6443], [53], [53], [8080, 8081]]
    assert spec["egress"][3]["to"][0]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/managed-by": "servicelayer-operator",
        "app.kubernetes.io/component": "api",
    }


def test_traffic_rules_follow_the_values() -> None:
    policy = {
        "monitoringNamespaces": [],
        "dnsNamespace": "dns",
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [16443]},
    }
    values = {"networkPolicy": policy, "watch": {"namespaces": ["neo"]}}
    spec = one(render(values), "NetworkPolicy")["spec"]
    operands = spec["egress"][3]["to"][0]["namespaceSelector"]["matchExpressions"]

    assert spec["ingress"] == []
    assert spec["egress"][0] == {
        "ports": [{"port": 16443, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
    }
    assert "dns" in json.dumps(spec["egress"][1])
    assert operands[0]["values"] == ["neo"]
    kinds = [item["kind"] for item in render({"networkPolicy": {"enabled": False}})]
    assert "NetworkPolicy" not in kinds


def test_service_monitor_needs_both_the_wish_and_the_kind() -> None:
    wish = {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prom"}}}}
    served = "monitoring.coreos.com/v1"
    objects = render(wish, served)
    monitor = one(objects, "ServiceMonitor")
    service = one(objects, "Service")

    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    labels = service["metadata"]["labels"].items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels
    for objects in (render(wish), render({}, served)):
        assert "ServiceMonitor" not in [item["kind"] for item in objects]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("resouces.limits.memory=1Gi", "'resouces' not allowed"),
        ("image.tga=1", "'/image': additional properties 'tga' not allowed"),
        ("image.digest=sha256:12", "'/image/digest'"),
        ("image.pullPolicy=Sometimes", "'/image/pullPolicy': value must be one of"),
        ("replicas=many", "'/replicas': got string, want integer"),
        ("replicas=9", "'/replicas': maximum: got 9, want 5"),
        ("log.level=verbose", "'/log/level': value must be one of"),
        ("watch.namespaces[0]=Not_A_Name", "'/watch/namespaces/0'"),
        ("watch.namespace=neo", "'/watch': additional properties 'namespace' not allowed"),
        ("resources.limits.memory=lots", "'/resources/limits/memory'"),
        ("resources.limit.memory=1Gi", "'/resources': additional properties 'limit' not allowed"),
        ("securityContext.readOnlyRootFileSystem=true", "'readOnlyRootFileSystem' not allowed"),
        ("extraEnv[0].nam=A", "'/extraEnv/0'"),
        ("tolerations[0].efect=NoExecute", "'/tolerations/0'"),
        ("networkPolicy.apiServer.ports[0]=70000", "'/networkPolicy/apiServer/ports/0'"),
        ("metrics.serviceMonitor.interval=often", "'/metrics/serviceMonitor/interval'"),
    ],
)
def test_schema_refuses_a_typo_and_says_where(setting: str, complaint: str) -> None:
    done = HELM("template", "x", str(OPERATOR_CHART), "--set", setting, check=False)

    assert done.returncode != 0
    assert complaint in done.stderr


def test_crd_chart_refuses_a_typo() -> None:
    done = HELM("template", "x", str(CRDS_CHART), "--set", "kepp=false", check=False)

    assert done.returncode != 0
    assert "'kepp' not allowed" in done.stderr
