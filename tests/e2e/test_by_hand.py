"""The deployment guide's objects without the operator: they come up and serve as they stand."""

import base64
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import way_in
from cluster.kubectl import Kubectl
from support.patience import patience
from support.stage import Stage

FOLDER = Path(__file__).parents[2] / "examples" / "by-hand"
NAMESPACE = "service-layer"
HOST = "api.service-layer.example.com"
DATABASE = "postgres://serviceuser:for-trials-only@postgres:5432/service_layer?sslmode=disable"
MIGRATED = "nothing to do, the schema is at"
OBJECTS = ("configmap", "deployment", "service", "ingress", "networkpolicy")


@pytest.fixture
def kubectl(stage: Stage) -> Iterator[Kubectl]:
    kubectl = stage.cluster.kubectl
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=120)
    yield kubectl
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def apply(kubectl: Kubectl, stage: Stage, name: str) -> None:
    """Apply a file as it stands, but for the images, which are those of this checkout."""
    text = (FOLDER / f"{name}.yaml").read_text()
    names = stage.provided.names
    text = text.replace("ghcr.io/r3e-network/service_layer:latest", names.api)
    text = text.replace("docker.io/library/postgres:17", names.postgres)
    kubectl("apply", "-f", "-", stdin=text)


def test_the_guide_s_objects_come_up_and_serve(
    stage: Stage, kubectl: Kubectl, tmp_path: Path
) -> None:
    apply(kubectl, stage, "namespace")
    secrets = subprocess.run(
        [str(FOLDER / "make-secrets.sh"), DATABASE], capture_output=True, check=True, text=True
    ).stdout
    kubectl("apply", "-f", "-", stdin=secrets)
    issue_certificate(kubectl, tmp_path)
    apply(kubectl, stage, "postgres-for-trials")
    for name in OBJECTS:
        apply(kubectl, stage, name)
    in_namespace = ("-n", NAMESPACE)
    kubectl(
        *(*in_namespace, "rollout", "status", "deployment/service-layer", "--timeout=240s"),
        timeout=250,
    )

    secret = kubectl.json(*in_namespace, "get", "secret", "service-layer-secrets")["data"]
    token = base64.b64decode(secret["API_TOKENS"]).decode()
    with way_in.client(stage.cluster, HOST, token=token, tenant="hand", tls=True) as http:
        deadline = time.monotonic() + patience(60)
        while http.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline, http.get("/readyz").text
            time.sleep(0.2)
        account = http.post("/accounts", json={"owner": "me"}).json()["ID"]
        assert http.get(f"/accounts/{account}").json()["Owner"] == "me"

    pod = kubectl.json(*in_namespace, "get", "pods", "-l", "app=service-layer")["items"][0]
    inside = (*in_namespace, "exec", pod["metadata"]["name"], "--")
    assert "/readyz at :8081: 200" in kubectl(*inside, "servicelayer-api", "health").stdout
    migrated = kubectl(*inside, "./bin/appserver", "-dsn", DATABASE, "-migrate-only").stdout
    assert MIGRATED in migrated


def issue_certificate(kubectl: Kubectl, folder: Path) -> None:
    """Do what cert-manager would: this cluster has none."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={HOST}",
                "-addext",
                f"subjectAltName=DNS:{HOST}",
            ),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    kubectl(
        *("-n", NAMESPACE, "create", "secret", "tls", "service-layer-tls"),
        *(f"--cert={certificate}", f"--key={key}"),
    )
