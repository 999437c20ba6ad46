"""The reference page of the ServiceLayer resource, generated from the CRD.

`python -m support.crd_reference` writes docs/reference/servicelayer.md; a contract test fails when
the page and the CRD differ. Nothing is said here that the CRD does not say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from support.crd import ROOT, Field, root_schema, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "reference" / "servicelayer.md"

HEAD = """\
# ServiceLayer

`apiVersion: servicelayer.r3e.network/v1alpha1`, `kind: ServiceLayer`, namespaced, short name `sl`,
category `r3e`.

This page is generated from `crds/servicelayers.servicelayer.r3e.network.yaml` by
`PYTHONPATH=tests python -m support.crd_reference`; `kubectl explain sl.spec` shows the same text.
`[]` stands for the members of a list, `{}` for the values of a map.

"""


def render() -> str:
    """Return the page."""
    parts = [HEAD, _prose(root_schema()["description"]), "\n"]
    for field in walk(root_schema()):
        if field.schema.get("properties"):
            parts.extend(_section(field))
    return "".join(parts)


def _section(field: Field) -> Iterator[str]:
    if field.path:
        yield f"\n## {field.path}\n\n{_prose(field.schema['description'])}\n"
    else:
        yield "\n## The whole object\n"
    yield "\n| Field | Type | Default | What it is |\n| --- | --- | --- | --- |\n"
    for name, child in field.schema["properties"].items():
        need = " (required)" if name in field.schema.get("required", []) else ""
        inner = f"{field.path}.{name}".lstrip(".")
        text = _prose(child.get("description", "Standard object metadata.")).replace("|", "\\|")
        yield f"| `{name}`{need} | {_kind(inner, child)} | {_default(child)} | {text} |\n"
    rules = list(_rules(field))
    if rules:
        yield "\nRules:\n\n"
        yield from rules


def _rules(field: Field) -> Iterator[str]:
    for rule in field.schema.get("x-kubernetes-validations", []):
        yield f"- {rule['message']}\n"
    for name, child in field.schema["properties"].items():
        if not child.get("properties"):
            found = child.get("x-kubernetes-validations", [])
            answered = {
                key for rule in found for key in re.findall(r"'(\S+)' in self", rule["rule"])
            }
            for rule in found:
                yield f"- `{name}`: {rule['message']}\n"
                if "key in [" in rule["rule"]:
                    taken = set(re.findall(r"'(\S+)'", rule["rule"])) - answered
                    yield f"  The list: {', '.join(f'`{key}`' for key in sorted(taken))}\n"


def _kind(path: str, schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema.get("type") == "array":
        size = f"{schema['minItems']} to " if "minItems" in schema else "at most "
        return f"list of {_kind(f'{path}[]', schema['items'])}, {size}{schema['maxItems']}"
    if "additionalProperties" in schema:
        return f"map of strings, at most {schema['maxProperties']}"
    if schema.get("properties"):
        return f"[object](#{_anchor(path)})"
    return schema["type"] + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {low} or more"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def _default(schema: dict[str, Any]) -> str:
    value: Any = schema.get("default")
    if value is None or value == {}:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return "see its fields" if isinstance(value, dict) else f"`{value}`"


def _anchor(path: str) -> str:
    return "".join(char for char in path.lower() if char.isalnum() or char in "-_")


def _prose(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render())
