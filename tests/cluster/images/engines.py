"""The two programs that can carry out a Dockerfile: Docker where an engine answers, else buildah.

Both take a base image from an archive, so a host that can pull nothing builds all the same.
buildah keeps its layers in a folder of ours, in file systems that are mounted only while it runs.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cluster.errors import ClusterError
from cluster.host import ensure_packages
from cluster.images.archive import replacing
from cluster.images.clients import write_secrets
from cluster.images.isolation import isolated

ANSWER_SECONDS = 5
LAYERS_LIMIT = 4_000_000_000
_ERROR_LINES = 25
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


@dataclass(frozen=True)
class Build:
    """One Dockerfile to carry out; `arguments` are build arguments."""

    name: str
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])

    def words(self, secrets: Mapping[str, Path]) -> list[str]:
        """Return the options that docker and buildah share."""
        words = ["--file", str(self.dockerfile), "--tag", self.name]
        for name, value in self.arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        for name, path in secrets.items():
            words += ["--secret", f"id={name},src={path}"]
        return words


class Engine(Protocol):
    """What the builder asks of an engine."""

    name: str

    def take(self, archive: Path, name: str) -> None:
        """Have the image `name` of `archive` at hand for later builds."""
        ...

    def build(self, build: Build) -> None:
        """Carry out a Dockerfile; raises ClusterError with the last lines when it fails."""
        ...

    def save(self, name: str, target: Path) -> None:
        """Write the image `name` to the archive `target`."""
        ...

    def pull(self, name: str) -> bool:
        """Fetch `name` from its registry; False where that is not to be had."""
        ...

    def tidy(self) -> None:
        """Keep what speeds up the next build, within bounds."""
        ...


def docker_answers() -> bool:
    """Tell whether a Docker engine answers on this host, within 5 seconds."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info"], capture_output=True, check=False, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Docker:
    """A Docker engine; its build cache and images stay where the user keeps them."""

    name = "docker"

    def take(self, archive: Path, name: str) -> None:
        """Load the archive, unless the engine has the image."""
        if not self._has(name):
            _run(["docker", "load", "--quiet", "--input", str(archive)], f"docker load {name}")

    def build(self, build: Build) -> None:
        """Build with BuildKit, which knows secrets."""
        with tempfile.TemporaryDirectory() as folder:
            secrets = write_secrets(Path(folder)).files
            command = ["docker", "build", "--network", "host", *build.words(secrets)]
            command.append(str(build.context))
            _run(command, f"docker build of {build.name}", env={"DOCKER_BUILDKIT": "1"})

    def save(self, name: str, target: Path) -> None:
        """Write the archive; the engine keeps the image too."""
        with replacing(target) as partial:
            _run(["docker", "save", "--output", str(partial), name], f"docker save {name}")

    def pull(self, name: str) -> bool:
        """Pull, unless the engine has the image."""
        done = subprocess.run(["docker", "pull", "--quiet", name], capture_output=True, check=False)
        return done.returncode == 0 or self._has(name)

    def tidy(self) -> None:
        """Leave the user's engine alone."""

    def _has(self, name: str) -> bool:
        done = subprocess.run(
            ["docker", "image", "inspect", name], capture_output=True, check=False
        )
        return done.returncode == 0


class Buildah:
    """buildah without a daemon, its storage under `folder`."""

    name = "buildah"

    def __init__(self, folder: Path) -> None:
        ensure_packages(["buildah"])
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.policy = folder / "policy.json"
        self.policy.write_text(json.dumps(_POLICY))
        self.driver = "overlay" if _overlay_works(folder) else "vfs"

    def take(self, archive: Path, name: str) -> None:
        """Copy the archive's image into the storage, unless it is there."""
        if not self._has(name):
            self._run(["pull", *self._policy(), "--quiet", f"docker-archive:{archive}"], name)

    def build(self, build: Build) -> None:
        """Build with layers kept, so that unchanged steps are reused."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            secrets = write_secrets(Path(folder)).files
            command = ["build", *self._policy(), "--isolation", "chroot", "--network", "host"]
            command += ["--pull-never", "--layers", "--format", "docker", "--quiet"]
            self._run([*command, *build.words(secrets), str(build.context)], build.name)

    def save(self, name: str, target: Path) -> None:
        """Write the archive."""
        with replacing(target) as partial:
            where = f"docker-archive:{partial}:{name}"
            self._run(["push", *self._policy(), "--quiet", name, where], name)

    def pull(self, name: str) -> bool:  # noqa: ARG002 - the engine's interface
        """Fetch nothing: without a container engine a base comes from packages."""
        return False

    def tidy(self) -> None:
        """Remove what failed builds left; begin anew when the layers kept have grown too large.

        Old steps cannot be told from those that the next build reuses, so it is all or nothing.
        """
        self._run(["rm", "--all"], "working containers")
        used = subprocess.run(
            ["du", "--summarize", "--bytes", str(self.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if int(used.stdout.split()[0]) > LAYERS_LIMIT:
            shutil.rmtree(self.folder)

    def _has(self, name: str) -> bool:
        command = isolated(self._words(["inspect", "--type", "image", name]))
        done = subprocess.run(command, capture_output=True, check=False, env=self._environment())
        return done.returncode == 0

    def _policy(self) -> list[str]:
        return ["--signature-policy", str(self.policy)]

    def _words(self, arguments: Sequence[str]) -> list[str]:
        storage = ["--root", str(self.folder / self.driver), "--runroot", str(self.folder / "run")]
        return ["buildah", *storage, "--storage-driver", self.driver, *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.folder)}

    def _run(self, arguments: Sequence[str], what: str) -> str:
        command = isolated(self._words(arguments))
        return _run(command, f"buildah {arguments[0]} of {what}", env=self._environment())


def _overlay_works(folder: Path) -> bool:
    """Try a mount of the kind that buildah needs, in a namespace of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        options = f"lowerdir={scratch}/l,upperdir={scratch}/u,workdir={scratch}/w"
        for part in "luwm":
            Path(scratch, part).mkdir()
        command = ["mount", "-t", "overlay", "overlay", "-o", options, f"{scratch}/m"]
        return subprocess.run(isolated(command), capture_output=True, check=False).returncode == 0


def _run(command: Sequence[str], what: str, *, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()[-_ERROR_LINES:]
        raise ClusterError("\n".join([f"{what} failed:", *(f"  | {line}" for line in lines)]))
    return done.stdout
