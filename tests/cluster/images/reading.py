"""Reading an image archive: its identity, how it starts, and the files a container would see."""

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cluster.errors import ClusterError

WHITEOUT = ".wh."


def image_digest(archive: Path) -> str:
    """Return the image's identity, `sha256:...` of its config."""
    with tarfile.open(archive) as tar:
        manifest = _manifest(tar, archive)
        document = _read(tar, str(manifest["Config"]))
    return f"sha256:{hashlib.sha256(document).hexdigest()}"


def image_config(archive: Path) -> dict[str, Any]:
    """Return the whole config document: how it starts, its labels and its history."""
    with tarfile.open(archive) as tar:
        return json.loads(_read(tar, str(_manifest(tar, archive)["Config"])))


def layer_sizes(archive: Path) -> list[int]:
    """Return the size of each layer in bytes, lowest first."""
    with tarfile.open(archive) as tar:
        return [tar.getmember(name).size for name in _manifest(tar, archive)["Layers"]]


def unpack(archive: Path, root: Path) -> None:
    """Lay the layers over each other in the empty folder `root`, as a container would see them."""
    with tarfile.open(archive) as tar:
        for name in _manifest(tar, archive)["Layers"]:
            source = tar.extractfile(name)
            if source is None:
                raise ClusterError(f"{archive}: {name} is not a file")
            with source, tempfile.SpooledTemporaryFile(max_size=1 << 20) as spool:
                shutil.copyfileobj(source, spool)
                spool.seek(0)
                _apply(spool, root)


def _apply(layer: IO[bytes], root: Path) -> None:
    with tarfile.open(fileobj=layer) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.name.startswith(WHITEOUT):
                _remove(root / path.parent / path.name.removeprefix(WHITEOUT))
                continue
            place = root / path
            if place.is_symlink() or (place.exists() and not member.isdir()):
                _remove(place)
            tar.extract(member, root, filter="fully_trusted")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _manifest(tar: tarfile.TarFile, archive: Path) -> dict[str, Any]:
    try:
        images = json.loads(_read(tar, "manifest.json"))
    except KeyError as exc:
        raise ClusterError(f"{archive} is not an image archive: no manifest.json in it") from exc
    if len(images) != 1:
        raise ClusterError(f"{archive} holds {len(images)} images; one is expected")
    return images[0]


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    source = tar.extractfile(name)
    if source is None:
        raise KeyError(name)
    with source:
        return source.read()
