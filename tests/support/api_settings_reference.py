"""The reference page of the API's settings, generated from the settings struct.

`python -m support.api_settings_reference` writes docs/reference/api-settings.md; a contract test
fails when the page and the struct differ.
"""

from __future__ import annotations

from pathlib import Path

from servicelayer_api.settings_loader import Field, fields

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api-settings.md"

HEAD = """\
# API settings

The environment of `servicelayer-api`, generated from the program's settings struct by `make docs`.

- The environment wins over the configuration file: `CONFIG_FILE`, else `/app/configs/config.yaml`
  when it exists. The file's keys are the variables in lower case; `oracle: {ttl_seconds: 300}` is
  `ORACLE_TTL_SECONDS`. Unknown keys are refused with their path.
- A setting marked *secret* is also read from the file that `<NAME>_FILE` names, and never logged.
- Durations are written `15s`, `1h30m` or `250ms`; a plain number is seconds.
- Settings of Neo and RocketMQ are read and checked, and have no effect in this version; the log
  says so when one is set. A variable that looks like a misspelt setting is named in the log, too.

| variable | kind | default | meaning |
| --- | --- | --- | --- |
"""


def render() -> str:
    """Return the page."""
    return HEAD + "".join(_row(field) for field in fields())


def _row(field: Field) -> str:
    kind = " or ".join(f"`{choice}`" for choice in field.choices) or field.kind
    default = "" if field.secret or field.default in ("", ()) else f"`{_shown(field)}`"
    return f"| `{field.variable}` | {kind} | {default} | {field.description} |\n"


def _shown(field: Field) -> str:
    if isinstance(field.default, bool):
        return "true" if field.default else "false"
    if isinstance(field.default, tuple):
        return ",".join(map(str, field.default))
    if field.kind == "duration":
        return f"{field.default:g}s"
    return str(field.default)


if __name__ == "__main__":
    PAGE.write_text(render())
