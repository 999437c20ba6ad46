"""Writing the archive that carries an image: one tar that Docker, buildah and containerd all read.

An archive is written whole or not at all. Layers stay uncompressed, so that the digest of a layer
is the digest of its bytes and loading needs no work; an image's identity is its config's digest.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image starts; `environment` is in order and ends up as NAME=value."""

    user: str = ""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    stop_signal: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def document(self, layer_digest: str) -> bytes:
        """Return the config document of an image that has the one layer `layer_digest`."""
        run: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "WorkingDir": "/",
            "User": self.user,
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "StopSignal": self.stop_signal,
            "Labels": dict(self.labels),
        }
        machine = os.uname().machine
        document = {
            "architecture": ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {name: value for name, value in run.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created_by": "Debian packages"}],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write_archive(target: Path, *, name: str, layer: Path, config: ImageConfig) -> None:
    """Write the image `name` with one uncompressed `layer` to `target`."""
    digest = _digest(layer)
    document = config.document(f"sha256:{digest}")
    config_name = f"{hashlib.sha256(document).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]
    with replacing(target) as partial, tarfile.open(partial, "w") as tar:
        _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())
        _add_bytes(tar, config_name, document)
        member = tarfile.TarInfo(layer_name)
        member.size = layer.stat().st_size
        with layer.open("rb") as source:
            tar.addfile(member, source)


class replacing:  # noqa: N801 - a context manager that reads as a word
    """Give a path beside `target` to write to; it becomes `target` only if the block succeeds."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.partial = target.with_name(f".{target.name}.partial")

    def __enter__(self) -> Path:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.partial.unlink(missing_ok=True)
        return self.partial

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.partial.replace(self.target)
        else:
            self.partial.unlink(missing_ok=True)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
