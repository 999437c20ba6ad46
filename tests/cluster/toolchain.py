"""Builds pinned programs once and keeps them by content: change a version, get a new folder.

An entry of the cache is complete or absent: each is made in a temporary folder and renamed, under
a lock that lets a second run wait for the first instead of building the same thing again.
"""

import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.estimate import Estimate, told
from cluster.families import FAMILIES, PROGRAMS, Family, Source
from cluster.golang import find_go, go_environment, go_version
from cluster.host import ensure_packages
from cluster.paths import TOOLS, cache_dir
from cluster.progress import say, timed
from cluster.wheels import install_wheel

HEARTBEAT_SECONDS = 30


@dataclass(frozen=True)
class Build:
    """What one entry of the cache is made from; `key` names it."""

    family: Family
    sources: dict[str, bytes]
    flags: tuple[str, ...]
    compiler: str

    @property
    def key(self) -> str:
        """Return a digest that changes with any source file, flag or compiler version."""
        digest = hashlib.sha256()
        for name in sorted(self.sources):
            digest.update(f"{name}\0{len(self.sources[name])}\0".encode())
            digest.update(self.sources[name])
        digest.update("\0".join([*self.flags, self.compiler]).encode())
        return digest.hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Return where the entry lies, whether it is there yet or not."""
        return cache_dir() / f"{self.family.name}-{self.key}"


def program(name: str) -> Path:
    """Return the path of one program, building its family when the cache has none."""
    if name not in PROGRAMS:
        raise ClusterError(f"unknown program {name!r}; known: {', '.join(sorted(PROGRAMS))}")
    return ensure(PROGRAMS[name].name) / name


def ensure_all(names: Iterable[str]) -> dict[str, Path]:
    """Return the cache folder of each family by name, building what is missing.

    What has to be built is told at the start with an estimate, and the rest at each step.
    """
    wanted = list(names)
    missing = [name for name in wanted if not describe(FAMILIES[name]).folder.is_dir()]
    estimate = Estimate({name: FAMILIES[name].seconds for name in missing})
    if missing:
        say(
            f"{len(missing)} of {len(wanted)} programs have to be built, once for this machine: "
            f"{', '.join(missing)}. About {told(estimate.total)} on two idle cores, "
            f"{told(estimate.left())} as busy as this machine is."
        )
    return {name: ensure(name, estimate) for name in wanted}


@functools.cache
def ensure(name: str, estimate: Estimate | None = None) -> Path:
    """Return the cache folder of one family, building it when it is missing.

    Args:
        name: of the family.
        estimate: of the run that this is a step of; of its own when there is none.
    """
    family = FAMILIES[name]
    build = describe(family)
    if build.folder.is_dir():
        return build.folder
    build.folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(build.folder.parent / f"{name}.lock", name):
        if not build.folder.is_dir():
            _make(build, estimate or Estimate({name: family.seconds}))
    return build.folder


def describe(family: Family, tools: Path = TOOLS) -> Build:
    """Read what the family is made from; builds nothing."""
    folder = tools / family.name
    sources = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    if family.source is Source.WHEEL:
        return Build(family, sources, tuple(family.programs.values()), os.uname().machine)
    flags = _build_flags(family, sources.get("go.mod", b"").decode())
    return Build(family, sources, flags, go_version())


def _build_flags(family: Family, go_mod: str) -> tuple[str, ...]:
    if family.source is Source.GO_MODULE_FILES:
        return tuple(family.programs.values())
    variables = ""
    if family.module:
        version = module_version(go_mod, family.module)
        major, minor = version.split(".")[:2]
        variables = "".join(
            f" -X {name}={value.format(version=version, major=major, minor=minor)}"
            for name, value in family.version_variables.items()
        )
    flags = ["-trimpath", "-ldflags", f"-s -w{variables}"]
    if family.tags:
        flags += ["-tags", family.tags]
    return (*flags, f"CGO_ENABLED={int(family.cgo)}")


def module_version(go_mod: str, module: str) -> str:
    """Return the version that a go.mod requires of `module`, without its leading v."""
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} v(\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ClusterError(f"go.mod requires no {module}")
    return found[1]


def _make(build: Build, estimate: Estimate) -> None:
    family = build.family
    estimate.begin(family.name)
    ensure_packages(family.apt)
    scratch = Path(tempfile.mkdtemp(prefix=f".{family.name}-", dir=build.folder.parent))
    try:
        doing = f"{family.name}: {family.source.value}, {estimate.line()}"
        with timed(f"{family.name} {_verb(family)}", doing=doing):
            _MAKERS[family.source](build, scratch, estimate)
        scratch.chmod(0o755)
        scratch.rename(build.folder)
        estimate.end()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _verb(family: Family) -> str:
    return "built" if family.source is Source.GO_BUILD else "fetched"


def _go_build(build: Build, target: Path, estimate: Estimate) -> None:
    family = build.family
    flags = [flag for flag in build.flags if not flag.startswith("CGO_ENABLED=")]
    environment = go_environment(cgo=family.cgo)
    # One program: name it here, because Go would call `server/v3` "server".
    single = next(iter(family.programs)) if len(family.programs) == 1 else ""
    output = str(target / single) if single else f"{target}/"
    command = [find_go(), "build", *flags, "-o", output, *family.programs.values()]
    _run_with_heartbeat(family.name, command, environment, estimate)


def _run_with_heartbeat(
    name: str, command: list[str], env: dict[str, str], estimate: Estimate
) -> None:
    started = time.monotonic()
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command, cwd=TOOLS / name, env=env, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        while True:
            try:
                code = process.wait(timeout=HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - started
                say(f"{name}: still building, {seconds:.0f} s, {estimate.line()}")
        if code != 0:
            output.seek(0)
            text = output.read().decode(errors="replace").strip().splitlines()[-20:]
            raise ClusterError(f"{name} does not build:\n" + "\n".join(text))


def _go_module_files(build: Build, target: Path, _estimate: Estimate) -> None:
    family = build.family
    done = subprocess.run(
        [find_go(), "mod", "download", "-json", family.module],
        cwd=TOOLS / family.name,
        env=go_environment(cgo=False),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ClusterError(f"{family.module} cannot be fetched: {done.stdout}{done.stderr}")
    root = Path(json.loads(done.stdout)["Dir"])
    for name, inside in family.programs.items():
        shutil.copytree(root / inside, target / name, copy_function=shutil.copyfile)
        # Go keeps its module cache read-only; a cache entry must be removable.
        for folder in (target / name, *(p for p in (target / name).rglob("*") if p.is_dir())):
            folder.chmod(0o755)


def _wheel(build: Build, target: Path, _estimate: Estimate) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        install_wheel(TOOLS / build.family.name / "requirements.txt", Path(scratch))
        for name, inside in build.family.programs.items():
            shutil.move(Path(scratch) / inside, target / name)
            (target / name).chmod(0o755)


_MAKERS = {
    Source.GO_BUILD: _go_build,
    Source.GO_MODULE_FILES: _go_module_files,
    Source.WHEEL: _wheel,
}


@contextmanager
def _locked(path: Path, name: str) -> Generator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another run is building it, waiting for that")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
