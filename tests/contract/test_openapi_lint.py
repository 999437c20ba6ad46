"""The OpenAPI document before two linters: Spectral with OWASP's rules for APIs, and Redocly."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from support.openapi_operations import document
from support.openapi_tools import LINT, node, node_modules

if TYPE_CHECKING:
    from pathlib import Path

# A warning that is no fault: free text has no pattern, and what is public has no 401.
TOLD_AND_LEFT = {
    "owasp:api2:2023-read-restricted",
    "owasp:api4:2023-string-restricted",
    "owasp:api8:2023-define-error-responses-401",
    "owasp:api8:2023-define-error-validation",
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "openapi.json").write_text(json.dumps(document()))
    shutil.copy(LINT / "ruleset.yaml", folder)
    (folder / "node_modules").symlink_to(node_modules())
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


@pytest.mark.timeout(240)
def test_redocly_finds_nothing(tmp_path: Path) -> None:
    """All rules that it recommends are on, and none is left out (`redocly.yaml`)."""
    (tmp_path / "openapi.json").write_text(json.dumps(document()))
    shutil.copy(LINT / "redocly.yaml", tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules())
    program = "node_modules/@redocly/cli/bin/cli.js"
    done = node(program, "lint", "openapi.json", "--format=json", cwd=tmp_path, check=False)

    problems = json.loads(done.stdout)["problems"]
    assert [(each["ruleId"], each["message"]) for each in problems] == []
