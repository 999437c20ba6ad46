"""The pages that people read at night name what the code has: reasons, metrics, commands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from support import generated_pages

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OPERATOR = ROOT / "operator" / "servicelayer_operator"
CONDITIONS = DOCS / "reference" / "conditions.md"
# Words in the same form that are no reasons: kinds of objects, statuses, steps, Kubernetes' own.
NO_REASONS = {
    "Always", "Apply", "Burst", "Condition", "Event", "Completed", "ContainerCannotRun",
    "CrashLoopBackOff",
    "CreateContainerConfigError", "CreateContainerError", "DeadlineExceeded", "Deployment",
    "ErrImageNeverPull", "ErrImagePull", "Failed", "False", "Generate", "ImagePullBackOff",
    "Ingress", "InvalidImageName", "Job", "Never", "None", "Normal", "OOMKilled", "Pending",
    "PersistentVolumeClaim", "Plan", "PostDeployment", "PreDeployment", "Reconcile",
    "RegistryUnavailable", "RunContainerError", "Running", "Secret", "Serve", "Service",
    "StartError",
    "StatefulSet", "Succeeded", "True", "Unknown", "Validate", "Warning",
}  # fmt: skip
FILES = (
    "checks", "domain_checks", "failures", "happenings", "ownership", "refusals", "retries",
    "rollout_checks", "status",
)  # fmt: skip


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {word for word in found if re.fullmatch(r"[A-Z]+[a-z]+([A-Z][A-Za-z]*)*", word)}


def in_backticks(page: Path) -> set[str]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return set(re.findall(r"`([^`]+)`", prose))


def test_every_condition_and_reason_of_the_operator_is_on_the_page() -> None:
    used = set[str]().union(*(literals(OPERATOR / f"{name}.py") for name in FILES))
    assert len(used - NO_REASONS) > 50

    assert used - NO_REASONS - in_backticks(CONDITIONS) == set()


def test_the_page_names_no_reason_that_the_operator_has_not() -> None:
    code = "\n".join(path.read_text() for path in OPERATOR.rglob("*.py"))
    rows = re.findall(r"^\| ((?:`[A-Za-z]+`(?:, )?)+) \|", CONDITIONS.read_text(), re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row)}
    assert len(named) > 50

    assert [word for word in sorted(named) if f'"{word}"' not in code] == []


def test_alerts_ask_for_metrics_that_there_are() -> None:
    pages = generated_pages.api_metrics() + generated_pages.operator_metrics()
    known = set(re.findall(r"^\| `(\w+)`", pages, re.MULTILINE))
    rows = re.findall(r"^\| `(.+?)`[ |]", (DOCS / "how-to" / "alerts.md").read_text(), re.MULTILINE)
    asked = {
        word.removesuffix("_bucket")
        for row in rows
        for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", row)
        if word != "histogram_quantile"
    }
    assert len(asked) > 12

    assert asked - known == set()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_into_a_page_find_their_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
    targets = [((page.parent / name).resolve() if name else page, anchor) for name, anchor in links]

    broken = [
        f"{target.name}#{anchor}"
        for target, anchor in targets
        if target.suffix == ".md" and anchor not in anchors(target)
    ]
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
