"""The operator's settings are told in the same way by the code, the page and the chart."""

import re
from pathlib import Path

from cluster.helm import OPERATOR_CHART, Helm

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "operator-settings.md"
CODE = ROOT / "operator" / "servicelayer_operator"
READ = re.compile(r"(?:read\.\w+|env\.get)\(\s*\"([A-Z_]+)\"")


def read_by_the_code() -> set[str]:
    return set(READ.findall((CODE / "settings.py").read_text()))


def rows() -> dict[str, list[str]]:
    cells = [line.strip("| ").split("|") for line in PAGE.read_text().splitlines()]
    return {
        row[0].strip().strip("`"): [cell.strip() for cell in row[1:]]
        for row in cells
        if row[0].strip().startswith("`")
    }


def test_page_names_every_setting_that_the_code_reads_and_no_other() -> None:
    assert set(rows()) == read_by_the_code()


def test_chart_sets_only_what_the_code_reads() -> None:
    objects = Helm().template(OPERATOR_CHART)
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert {item["name"] for item in container["env"]} <= read_by_the_code()


def test_page_names_the_chart_value_of_each_setting() -> None:
    named = {row[1].strip("`") for row in rows().values()} - {"", "extraEnv"}
    values = (OPERATOR_CHART / "README.md").read_text()

    assert named
    for key in named:
        assert f"| `{key}` |" in values
