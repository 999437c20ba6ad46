"""The house's layout: what must never be there, and what must stay the same in two places."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    *(".ci", ".dockerignore", ".editorconfig", ".github", ".gitignore", "CHANGELOG.md", "LICENSE"),
    *("Dockerfile.api", "Dockerfile.operator", "Makefile", "README.md", "pyproject.toml"),
    *("api", "charts", "crds", "docs", "examples", "migrations", "operator", "requirements"),
    "tests",
}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("folder", ["operator", "api", "tests"])
def test_folders_that_are_no_packages_stay_none(folder: str) -> None:
    forbidden = [p for p in tracked() if p.name == "__init__.py" and p.parts[0] == folder]
    inside_packages = [p for p in forbidden if len(p.parts) > 2 and folder != "tests"]

    assert forbidden == inside_packages


def test_nothing_new_stands_at_the_top_without_a_reason() -> None:
    assert {p.parts[0] for p in tracked()} <= TOP


def test_locks_are_hashed_and_name_no_index() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))

    assert [lock.stem for lock in locks] == ["api", "bench", "clients", "dev", "operator"]
    for lock in locks:
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z,]+\])?==", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "--index-url" not in text


def test_images_and_development_run_the_same_versions() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        found = re.findall(
            r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==([^ ;\\]+)", text, re.MULTILINE
        )
        return dict(found)

    dev = pins("dev")
    for name in ("api", "operator"):
        assert pins(name).items() <= dev.items()


def test_make_help_names_every_target_that_people_call() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE))
    described = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, re.MULTILINE))

    assert phony == described


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page in tracked()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
        if not (ROOT / page.parent / target).exists()
    ]

    assert broken == []
