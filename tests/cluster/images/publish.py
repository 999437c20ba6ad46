"""The images under the names of a release: pushed to a registry, or as OCI archives.

skopeo carries them, so that it works with and without a container engine. Credentials are those
that `skopeo login` or `docker login` left; none is read or written here.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.host import ensure_packages
from cluster.images.catalog import POSTGRES_VERSION, Image, version
from cluster.images.ensure import ensure_images
from cluster.progress import timed

_NAMES = {
    "api": "servicelayer-api",
    "operator": "servicelayer-operator",
    "postgres": "postgres",
}
_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True)
class Release:
    """An image as it is shipped: `name:tag`, and the archive that holds it."""

    key: str
    name: str
    tag: str
    image: Image


@dataclass(frozen=True)
class Pushed:
    """An image that a registry has: `reference` names its tag, `digest` its manifest."""

    key: str
    reference: str
    digest: str

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.rpartition(":")[0]


def releases(tag: str = "") -> list[Release]:
    """Return every image under the name it is shipped as, built where need be.

    Args:
        tag: of the two programs; the checkout's version when empty.
    """
    keys = list(_NAMES)
    tags = {key: tag or version() for key in keys} | {"postgres": str(POSTGRES_VERSION)}
    pairs = zip(keys, ensure_images(keys), strict=True)
    return [Release(key, _NAMES[key], tags[key], image) for key, image in pairs]


def push(registry: str, *, tag: str = "") -> list[Pushed]:
    """Push every image to `registry`, e.g. `registry.internal/team`.

    Raises:
        ClusterError: the registry refuses or does not answer, in its own words.
    """
    place = registry.removeprefix("docker://").rstrip("/")
    if not place or "://" in place or any(char.isspace() for char in place):
        raise ClusterError(
            f"REGISTRY is {registry!r}; write a host and a path, as registry.internal/team"
        )
    pushed: list[Pushed] = []
    for release in releases(tag):
        reference = f"{place}/{release.name}:{release.tag}"
        with timed(f"{reference} pushed", doing=f"pushing {reference}"):
            digest = _push(release, reference)
        pushed.append(Pushed(release.key, reference, digest))
    return pushed


def _push(release: Release, reference: str) -> str:
    # A registry on this machine speaks plain HTTP, as container engines take for granted too.
    plain = reference.startswith(_LOOPBACK)
    with tempfile.NamedTemporaryFile("r") as digest:
        skopeo(
            *("copy", "--quiet", f"--dest-tls-verify={str(not plain).lower()}"),
            *("--digestfile", digest.name),
            *(f"docker-archive:{release.image.tar}", f"docker://{reference}"),
        )
        return digest.read().strip()


def write_oci(release: Release, target: Path) -> None:
    """Write an image as an OCI archive."""
    skopeo(
        *("copy", "--quiet", f"docker-archive:{release.image.tar}"),
        f"oci-archive:{target}:{release.name}:{release.tag}",
    )


def skopeo(*arguments: str) -> str:
    """Run skopeo, installed where it is missing; return what it printed."""
    if shutil.which("skopeo") is None:
        ensure_packages(["skopeo"])
    command = ["skopeo", "--insecure-policy", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ClusterError(f"skopeo {arguments[0]} failed: {' '.join(text)}")
    return done.stdout


def values(pushed: Sequence[Pushed]) -> str:
    """Return the chart's values that run what was pushed, by digest, as YAML."""
    by_key = {item.key: item for item in pushed}
    operator = by_key["operator"]
    words = {
        "image": {"repository": operator.repository, "digest": operator.digest},
        "defaults": {
            "apiImage": f"{by_key['api'].reference}@{by_key['api'].digest}",
            "postgresImage": f"{by_key['postgres'].reference}@{by_key['postgres'].digest}",
        },
    }
    lines = [
        f"{section}:\n" + "\n".join(f"  {name}: {json.dumps(word)}" for name, word in inner.items())
        for section, inner in words.items()
    ]
    return "\n".join(lines) + "\n"
