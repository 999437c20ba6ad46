"""`make setup` for somebody whose home, cache and checkout are new, and what a second run reuses.

The long half of a first run, building Kubernetes and the images into a new cache, is run by hand
before a release; its times stand in the README.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("a clone needs a repository, and this is an unpacked archive")
    return clone_to(tmp_path / "checkout")


def clone_to(folder: Path) -> Path:
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(folder)],
        check=True,
        timeout=60,
        env={**os.environ, "GIT_CONFIG_COUNT": "1", **SAFE},
    )
    return folder


SAFE = {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def setup(checkout: Path, home: Path) -> str:
    """Run `make setup` with nothing of this user's but the interpreter and the index settings."""
    mine = {"HOME", "XDG_CACHE_HOME", "VIRTUAL_ENV", "PYTHONPATH", "UV_CACHE_DIR"}
    kept = {name: text for name, text in os.environ.items() if name not in mine}
    interpreter = str(Path(sys.base_prefix) / "bin")
    done = subprocess.run(
        ["make", "--no-print-directory", "setup"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**kept, "HOME": str(home), "PATH": f"{interpreter}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_setup_works_in_a_new_home_and_a_second_run_says_what_it_reuses(
    clone: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()

    first = setup(clone, home)

    assert ".venv ready" in first
    assert "reusing" not in first
    assert "requirements unchanged, .venv reused" in setup(clone, home)
    assert (clone / ".venv" / "bin" / "servicelayer-operator").is_file()
    assert "reusing the wheel cache" in setup(clone_to(tmp_path / "another"), home)
    assert (home / ".cache" / "servicelayer").is_dir()
