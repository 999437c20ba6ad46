"""Running an image without a container engine, as strictly as a restricted pod would.

The unpacked image is mounted read-only, with a private /proc, a bare /dev and an empty folder for
each writable mount. The process has the numeric user of the image, no capability, no way to gain
one, and only the environment that the image and the caller give. Nothing is left mounted: the
mounts live in a namespace that ends with the process.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cluster.errors import ClusterError
from cluster.images.isolation import isolated
from cluster.images.reading import image_config, unpack

_GENERATIONS = 2
# Places in the image, not on this machine.
_TMP = "/tmp"  # noqa: S108 - the image's own
_SHM = "/dev/shm"  # noqa: S108 - the image's own
_DEVICES = ("null", "zero", "full", "random", "urandom")


class Sandbox:
    """An image unpacked at `root`, ready to be started as often as wanted."""

    def __init__(self, archive: Path, root: Path) -> None:
        unpack(archive, root)
        for folder in ("proc", "dev", "tmp"):
            (root / folder).mkdir(exist_ok=True)
        self.archive = archive
        self.root = root
        self.config: dict[str, Any] = image_config(archive)["config"]

    @property
    def user(self) -> str:
        """The numeric `uid:gid` that the image runs as."""
        user = str(self.config.get("User", ""))
        if not user.replace(":", "").isdigit():
            raise ClusterError(f"the image's user is {user!r}; a pod can only check a number")
        return user if ":" in user else f"{user}:{user}"

    def command(
        self,
        arguments: Sequence[str] | None = None,
        *,
        entrypoint: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[str, Path] | None = None,
    ) -> list[str]:
        """Return the words that start a process in the image.

        Args:
            arguments: instead of the image's own; an empty list gives none.
            entrypoint: instead of the image's own.
            environment: on top of the image's.
            mounts: folders of the host that are writable in the image, by their place there. /tmp
                and /run/postgresql are empty and writable in any case, as emptyDirs would be.
        """
        words = list(self.config.get("Entrypoint") or []) if entrypoint is None else entrypoint
        more = list(self.config.get("Cmd") or []) if arguments is None else arguments
        variables = [*self.config.get("Env", []), "HOME=/"]
        variables += [f"{name}={value}" for name, value in (environment or {}).items()]
        uid, gid = self.user.split(":")
        # Leaving uid 0 takes the capabilities away, and without new privileges none come back.
        start = ["setpriv", "--no-new-privs", "--inh-caps=-all"]
        start += ["chroot", f"--userspec={uid}:{gid}", "--groups=", str(self.root)]
        start += ["/usr/bin/env", "-i", *variables, *words, *more]
        # The shell stays as the first process: the kernel forgets to end a process with its parent
        # once that process has changed its user.
        lines = [*self._mounts(mounts or {}), "code=0", f"{shlex.join(start)} || code=$?"]
        script = "\n".join([*lines, "exit $code"])
        return isolated(["sh", "-euc", script])

    def run(
        self, *arguments: str, entrypoint: Sequence[str] | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and return what it said; the caller judges the exit code."""
        return subprocess.run(
            self.command(arguments, entrypoint=entrypoint),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )

    def start(
        self, *, environment: Mapping[str, str], mounts: Mapping[str, Path], log: Path
    ) -> "Running":
        """Start the image as it is meant to run, its output in `log`."""
        with log.open("ab") as sink:
            process = subprocess.Popen(
                self.command(environment=environment, mounts=mounts),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        return Running(process, log)

    def _mounts(self, mounts: Mapping[str, Path]) -> list[str]:
        root = shlex.quote(str(self.root))
        lines = [
            f"mount --bind {root} {root}",
            f"mount -t tmpfs -o mode=0755 tmpfs {root}/dev",
            *(f"touch {root}/dev/{name}" for name in _DEVICES),
            *(f"mount --bind /dev/{name} {root}/dev/{name}" for name in _DEVICES),
            f"mkdir -m 1777 {root}{_SHM}",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}{_TMP}",
        ]
        if (self.root / "run/postgresql").is_dir():
            lines.append(f"mount -t tmpfs -o mode=1777 tmpfs {root}/run/postgresql")
        lines += [
            f"mount --bind {shlex.quote(str(source))} {root}{shlex.quote(place)}"
            for place, source in mounts.items()
        ]
        return [*lines, f"mount -o remount,bind,ro {root}"]


class Running:
    """A started image; leaving the block kills what is left of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the image's own first process, as a kubelet would."""
        pid = self.process.pid
        for _ in range(_GENERATIONS):
            # unshare, the shell that mounted, then the program of the image.
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not children:
                raise ClusterError(f"nothing runs any more:\n{self.log.read_text()}")
            pid = int(children[0])
        os.kill(pid, number)

    def wait(self, seconds: float = 30) -> int:
        """Return the exit code, within `seconds`."""
        return self.process.wait(seconds)
