"""Installs a hash-pinned wheel into a folder, with whichever Python installer the machine has."""

import shutil
import subprocess
import sys
from pathlib import Path

from cluster.errors import ClusterError


def install_wheel(requirements: Path, target: Path) -> None:
    """Unpack the wheels of a hashed requirements file into `target`; builds nothing from source."""
    options = [
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--target",
        str(target),
        "-r",
        str(requirements),
    ]
    tried: list[str] = []
    for installer in _installers():
        done = subprocess.run(
            [*installer, "install", *options], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        tried.append(f"{' '.join(installer)}: {done.stderr.strip()[-400:]}")
    raise ClusterError(f"{requirements.parent.name} cannot be installed: " + "; ".join(tried))


def _installers() -> list[list[str]]:
    """Return the installers to try; a virtual environment made by uv has no pip of its own."""
    found = [[sys.executable, "-m", "pip"]]
    if uv := shutil.which("uv") or _beside_python("uv"):
        found.append([uv, "pip"])
    found += [
        [python, "-m", "pip"] for name in ("python3", "python") if (python := shutil.which(name))
    ]
    return found


def _beside_python(name: str) -> str | None:
    path = Path(sys.executable).with_name(name)
    return str(path) if path.exists() else None
