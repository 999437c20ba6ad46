"""Image archives: made from a single program, and imported into the node's containerd."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

from cluster.errors import ClusterError
from cluster.layout import PAUSE_IMAGE, PROBE_IMAGE, Layout
from cluster.progress import timed
from cluster.toolchain import ensure, program

_NOBODY = "65532:65532"
# What `ctr` says of each image: "unpacking NAME (DIGEST)...done".
_IMPORTED = re.compile(r"^unpacking (\S+) \(sha256:", re.MULTILINE)


def scratch_image(binary: Path, name: str, target: Path) -> Path:
    """Write a docker archive whose only file is one static program, run as a non-root user.

    Args:
        binary: the static program; it becomes `/<its name>` and the entry point.
        name: the image's full name with tag.
        target: the archive to write.
    """
    layer = _tar({binary.name: (binary.read_bytes(), 0o755)})
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Entrypoint": [f"/{binary.name}"], "User": _NOBODY},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "servicelayer test cluster"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    target.write_bytes(
        _tar(
            {
                "layer.tar": (layer, 0o644),
                "config.json": (json.dumps(config).encode(), 0o644),
                "manifest.json": (json.dumps(manifest).encode(), 0o644),
            }
        )
    )
    return target


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """Pack files without times and owners, so that the same content gives the same image."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _architecture() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def import_archive(layout: Layout, archive: Path) -> list[str]:
    """Import a docker or OCI archive into the node; return the names it brought."""
    if not archive.is_file():
        raise ClusterError(f"no such image archive: {archive}")
    done = _ctr(layout, "images", "import", "--local", str(archive.resolve()))
    names = sorted(set(_IMPORTED.findall(done)))
    if not names:
        raise ClusterError(f"{archive} holds no named image: {done.strip()}")
    return names


def image_names(layout: Layout) -> set[str]:
    """Return the names of the images that pods of the node can use."""
    return set(_ctr(layout, "images", "list", "--quiet").split())


def _ctr(layout: Layout, *arguments: str) -> str:
    done = subprocess.run(
        [program("ctr"), "--address", layout.containerd_socket, "-n", "k8s.io", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "level=warning" not in line]
        raise ClusterError(f"ctr {' '.join(arguments)} failed: {' '.join(said)}")
    return done.stdout


def import_own_images(layout: Layout) -> None:
    """Import the pause image, without which no pod starts, and the probe image of the tests."""
    present = image_names(layout)
    for image, name in ((PAUSE_IMAGE, "pause"), (PROBE_IMAGE, "probe")):
        if image in present:
            continue
        with timed(f"image {image} imported"):
            archive = scratch_image(ensure("guest") / name, image, layout.root / f"{name}.tar")
            import_archive(layout, archive)
            archive.unlink()
