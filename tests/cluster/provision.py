"""Gives a cluster the images of this checkout, under names that say what is in them.

The tag is made from the content, so that a changed image is another name: pods that run the old one
are replaced, and a node that lists the name has the right bytes. The plain name is loaded as well,
for whoever asks for `postgres:17`.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
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


def load_as(
    cluster: Cluster,
    archive: Path,
    names: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Load an image under other names than its archive gives it.

    Args:
        cluster: Where it is loaded.
        archive: The image.
        names: Its names there.
        labels: Added to its configuration: the same content becomes an image of another digest.
    """
    with tempfile.TemporaryDirectory() as folder:
        renamed = Path(folder) / archive.name
        rename(archive, names, renamed, labels or {})
        cluster.load_image(renamed)


def rename(archive: Path, names: Sequence[str], target: Path, labels: Mapping[str, str]) -> None:
    """Write the archive anew with `names` for its image, and with further labels."""
    with tarfile.open(archive) as source, tarfile.open(target, "w") as sink:
        manifest = _only_image(json.loads(_content(source, _MANIFEST)))
        known = str(manifest["Config"])
        document = _content(source, known)
        if labels:
            document = _labelled(document, labels)
            manifest["Config"] = f"{hashlib.sha256(document).hexdigest()}.json"
        manifest["RepoTags"] = list(names)
        for member in source:
            if member.name not in {*_OTHER_FORM, _MANIFEST, known}:
                sink.addfile(member, source.extractfile(member) if member.isfile() else None)
        _add(sink, str(manifest["Config"]), document)
        _add(sink, _MANIFEST, json.dumps([manifest]).encode())


def _only_image(manifest: list[dict[str, object]]) -> dict[str, object]:
    if len(manifest) != 1:
        raise ClusterError(f"an archive with {len(manifest)} images cannot be renamed")
    return manifest[0]


def _labelled(document: bytes, labels: Mapping[str, str]) -> bytes:
    config = json.loads(document)
    run = config.setdefault("config", {})
    run["Labels"] = {**(run.get("Labels") or {}), **labels}
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    if found is None:
        raise ClusterError(f"an archive without {name} holds no image")
    return found.read()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
