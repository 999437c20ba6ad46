"""Gives a cluster the images of this checkout, under names that say what is in them.

The tag is made from the content, so that a changed image is another name: pods that run the old one
are replaced, and a node that lists the name has the right bytes. The plain name is loaded as well,
for whoever asks for `postgres:17`.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.images.ensure import ensure_images
from cluster.progress import timed
from cluster.release import ImageNames

_KEYS = ("operator", "api", "postgres")
_MANIFEST = "manifest.json"
# Where both forms of the same image stand in an archive, the names would be read from these.
_OTHER_FORM = {"index.json", "oci-layout", "repositories"}


@dataclass(frozen=True)
class Provided:
    """What a cluster has now.

    Attributes:
        names: reference of each image.
        archives: archive of each image by its key: operator, api, postgres.
        loaded: the references that had to be loaded.
    """

    names: ImageNames
    archives: dict[str, Path]
    loaded: frozenset[str]

    @property
    def all(self) -> tuple[str, ...]:
        """Return every reference."""
        return (self.names.operator, self.names.api, self.names.postgres)


def provide(cluster: Cluster) -> Provided:
    """Build what is not built, load what the cluster lacks."""
    archives: dict[str, Path] = {}
    names: dict[str, str] = {}
    loaded: set[str] = set()
    present = images_of(cluster)
    for key, image in zip(_KEYS, ensure_images(_KEYS), strict=True):
        content = image.digest.removeprefix("sha256:")[:12]
        names[key], archives[key] = f"{image.name}-{content}", image.tar
        if names[key] not in present:
            with timed(f"image {names[key]} loaded"):
                load_as(cluster, image.tar, [image.name, names[key]])
            loaded.add(names[key])
    return Provided(ImageNames(**names), archives, frozenset(loaded))


def images_of(cluster: Cluster) -> set[str]:
    """Return the image names that every node lists; what is not listed is loaded once more."""
    nodes = cluster.kubectl.json("get", "nodes")["items"]
    listed = [
        {name for image in node["status"].get("images", ()) for name in image.get("names") or ()}
        for node in nodes
    ]
    return set.intersection(*listed) if listed else set()


def load_as(cluster: Cluster, archive: Path, names: Sequence[str]) -> None:
    """Load an image under other names than its archive gives it."""
    with tempfile.TemporaryDirectory() as folder:
        renamed = Path(folder) / archive.name
        rename(archive, names, renamed)
        cluster.load_image(renamed)


def rename(archive: Path, names: Sequence[str], target: Path) -> None:
    """Write the archive anew with `names` for its image."""
    with tarfile.open(archive) as source, tarfile.open(target, "w") as sink:
        for member in source:
            if member.name in _OTHER_FORM:
                continue
            stream = source.extractfile(member) if member.isfile() else None
            if stream is not None and member.name == _MANIFEST:
                stream, member.size = _renamed(json.load(stream), names)
            sink.addfile(member, stream)


def _renamed(manifest: list[dict[str, object]], names: Sequence[str]) -> tuple[io.BytesIO, int]:
    if len(manifest) != 1:
        raise ClusterError(f"an archive with {len(manifest)} images cannot be renamed")
    body = json.dumps([{**manifest[0], "RepoTags": list(names)}]).encode()
    return io.BytesIO(body), len(body)
