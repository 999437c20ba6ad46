"""What is handed out: pushed to a real registry, and as files in `dist/`."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cluster.helm import OPERATOR_CHART, Helm
from cluster.host import ensure_packages
from cluster.images import publish, release
from cluster.images.catalog import ROOT, version
from cluster.images.reading import image_digest
from cluster.progress import wait_until
from support.patience import patience

# The first run of a machine builds the images.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry of its own on the loopback: Debian's build of the CNCF's distribution."""
    ensure_packages(["docker-registry"])
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    settings = folder / "config.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "store")}}
    settings.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["/usr/bin/docker-registry", "serve", str(settings)], stdout=log, stderr=log
        )
    try:
        assert wait_until(lambda: answers(address), seconds=patience(20)), (
            folder / "log"
        ).read_text()
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/").status_code == 200
    except httpx.TransportError:
        return False


def inspect(reference: str, *options: str) -> dict[str, Any]:
    return json.loads(publish.skopeo("inspect", *options, reference))


def test_images_are_pushed_and_the_charts_values_name_them(registry: str) -> None:
    # The documented command, whole: what `make` prints before the values would break the file.
    done = subprocess.run(
        ["make", "-s", "images", f"REGISTRY={registry}/team", "TAG=1.2.3-test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    values = yaml.safe_load(done.stdout)
    assert values["defaults"]["apiImage"].startswith(
        f"{registry}/team/servicelayer-api:1.2.3-test@"
    )
    (deployment,) = (
        item for item in Helm().template(OPERATOR_CHART, values) if item["kind"] == "Deployment"
    )
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.startswith(f"{registry}/team/servicelayer-operator@sha256:")
    identities = {item.key: image_digest(item.image.tar) for item in publish.releases()}
    named = {"operator": image, "api": values["defaults"]["apiImage"]}
    named["postgres"] = values["defaults"]["postgresImage"]
    for key, reference in named.items():
        by_digest = re.sub(r":[\w.-]+@", "@", reference)
        manifest = inspect(f"docker://{by_digest}", "--raw", "--tls-verify=false")
        assert manifest["config"]["digest"] == identities[key]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "REGISTRY is ''"),
        ("https://registry.internal", "REGISTRY is 'https://registry.internal'"),
        ("127.0.0.1:1/team", "connection refused"),
    ],
)
def test_a_registry_that_cannot_be_used_is_told(address: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster.images", "push"],
        env={**os.environ, "REGISTRY": address},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_release_holds_images_charts_components_and_sums(tmp_path: Path) -> None:
    target = tmp_path / "dist"

    names = release.make(target)

    assert {re.sub(r"(amd64|arm64)", "ARCH", name) for name in names} == {
        f"servicelayer-api-{version()}-linux-ARCH.oci.tar",
        f"servicelayer-api-{version()}-linux-ARCH.cdx.json",
        f"servicelayer-operator-{version()}-linux-ARCH.oci.tar",
        f"servicelayer-operator-{version()}-linux-ARCH.cdx.json",
        "postgres-17-linux-ARCH.oci.tar",
        "postgres-17-linux-ARCH.cdx.json",
        f"servicelayer-operator-{version()}.tgz",
        f"servicelayer-operator-crds-{version()}.tgz",
        f"servicelayer-crds-{version()}.yaml",
        "SHA256SUMS",
    }
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=target, check=True
    )
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]
    for archive in target.glob("*.oci.tar"):
        assert inspect(f"oci-archive:{archive}")["Os"] == "linux"
    (packed,) = target.glob("servicelayer-operator-0*.tgz")
    assert any(item["kind"] == "Deployment" for item in Helm().template(packed))
    for program in ("api", "operator"):
        (listed,) = target.glob(f"servicelayer-{program}-*.cdx.json")
        assert purls(listed, "pypi") == pinned(program) | {f"pkg:pypi/servicelayer@{version()}"}
        assert any(purl.startswith("pkg:deb/debian/python3@") for purl in purls(listed, "deb"))
    (database,) = target.glob("postgres-*.cdx.json")
    assert any(
        purl.startswith("pkg:deb/debian/postgresql-17@17.") for purl in purls(database, "deb")
    )


def purls(listed: Path, kind: str) -> set[str]:
    found = {item["purl"] for item in json.loads(listed.read_text())["components"]}
    return {purl for purl in found if purl.startswith(f"pkg:{kind}/")}


def pinned(program: str) -> set[str]:
    """The pins of the lock that hold on Linux with the image's Python."""
    lock = (ROOT / "requirements" / f"{program}.lock").read_text()
    pins = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\$", lock, re.MULTILINE)
    return {f"pkg:pypi/{name}@{version}" for name, version, marker in pins if holds(marker)}


def holds(marker: str) -> bool:
    return "win32" not in marker.replace("!= 'win32'", "")
