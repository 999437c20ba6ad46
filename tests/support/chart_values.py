"""The values of a chart as its values.yaml tells them, and the README tables made from that.

values.yaml is the only place where a value is described; run this module to write the tables anew.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).resolve().parents[2] / "charts"
START = "<!-- values: made from values.yaml -->"
END = "<!-- /values -->"


@dataclass(frozen=True)
class Value:
    """One documented value: its dotted key, what it is by default and what it does."""

    key: str
    default: Any
    text: str


def documented_values(chart: Path) -> list[Value]:
    """Return every value that stands below a `# --` comment, in the order of the file."""
    text = (chart / "values.yaml").read_text()
    tree = yaml.safe_load(text)
    found: list[Value] = []
    parents: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("#").strip())
        elif key := re.match(r"( *)([A-Za-z]+):", line):
            parents = [*parents[: len(key[1]) // 2], key[2]]
            if comment and comment[0].startswith("-- "):
                default = _at(tree, parents)
                found.append(Value(".".join(parents), default, " ".join(comment)[3:]))
            comment = []
        else:
            comment = []
    return found


def table(chart: Path) -> str:
    """Return the README's table of the chart's values."""
    rows = [
        f"| `{value.key}` | `{json.dumps(value.default)}` | {value.text} |"
        for value in documented_values(chart)
    ]
    return "\n".join(
        [START, "| Value | Default | What it does |", "| --- | --- | --- |", *rows, END]
    )


def with_table(chart: Path) -> str:
    """Return the README with the table as it should be."""
    text = (chart / "README.md").read_text()
    before, _, rest = text.partition(START)
    return before + table(chart) + rest.partition(END)[2]


def _at(tree: Any, path: list[str]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


if __name__ == "__main__":
    for readme in sorted(CHARTS.glob("*/README.md")):
        readme.write_text(with_table(readme.parent))
