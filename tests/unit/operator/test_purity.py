"""The core reads no clock, draws no randomness and speaks to nobody: held by reading its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "operator" / "servicelayer_operator"
CORE = sorted(
    [
        *(PACKAGE / "manifests").glob("*.py"),
        *(
            PACKAGE / f"{name}.py"
            for name in (
                "checklist",
                "checks",
                "conditions",
                "domain_checks",
                "failures",
                "fields",
                "live",
                "observed",
                "ownership",
                "plan",
                "retries",
                "status",
            )
        ),
    ]
)
ALLOWED = {
    "__future__",
    "collections",
    "datetime",
    "enum",
    "hashlib",
    "json",
    "math",
    "msgspec",
    "re",
    "typing",
}
SHELL = {"apply", "cluster", "facts", "generate", "handlers", "leader", "reconcile", "recorder"}
CLOCKS = {"now", "utcnow", "today"}


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_the_core_does_no_input_or_output_and_knows_no_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = list(imported(tree))
    own = {name.split(".")[1] for name in names if name.startswith("servicelayer_operator.")}
    foreign = {name.split(".")[0] for name in names} - {"servicelayer_operator"}
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert foreign <= ALLOWED
    assert not own & SHELL
    assert not called & CLOCKS
