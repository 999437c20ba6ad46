"""Fills `Settings`: the environment over the configuration file over the defaults.

Every refusal is one line that names the variable and says what to write instead; a secret's value
is never repeated. The file is YAML whose keys are the variables in lower case; sections may be used
for their parts (`oracle: {ttl_seconds: 300}` is `ORACLE_TTL_SECONDS`). Unknown keys are refused
with their path.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin, get_type_hints

import msgspec
import yaml
from msgspec import Meta

from servicelayer_api.settings import Address, Duration, Secret, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT_CONFIG_FILE = "/app/configs/config.yaml"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_HIGHEST_PORT = 65535
_LARGEST_FILE = 1024 * 1024


@dataclass(frozen=True)
class Field:
    """A setting: the variable, what it is, and how its text is read."""

    variable: str
    name: str
    kind: str
    description: str
    default: Any
    choices: tuple[str, ...]
    least: float | None
    above: float | None
    most: float | None

    @property
    def secret(self) -> bool:
        """Whether the value must not be seen."""
        return self.kind == "secret"


def fields() -> tuple[Field, ...]:
    """List all settings in the order of the struct; the settings reference is made from this."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = {f.name: f.default for f in msgspec.structs.fields(Settings)}
    return tuple(
        _describe(name, hints[name], defaults[name]) for name in Settings.__struct_fields__
    )


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; the process's own when left out.

    Raises:
        SettingsError: A value cannot be used.
    """
    env = os.environ if environ is None else environ
    known = {field.name: field for field in fields()}
    values: dict[str, Any] = {}
    for path, name, text in _from_file(env, known):
        values[name] = read(known[name], text, shown=path)
    for field in known.values():
        text = _from_environment(env, field)
        if text is not None:
            values[field.name] = read(field, text, shown=field.variable)
    return Settings(**values)


def read(field: Field, text: str, *, shown: str) -> Any:
    """Read one value from its text.

    Args:
        field: What it is.
        text: What was written.
        shown: How to name it in a refusal.

    Raises:
        SettingsError: It cannot be used.
    """
    try:
        value = _READERS[field.kind](text.strip(), field)
    except _Refused as exc:
        raise SettingsError(f"{shown}: {exc}") from None
    return value


class _Refused(Exception):
    """Why a text cannot be read, without the name."""


def _describe(name: str, hint: Any, default: Any) -> Field:
    base, metas = _unwrap(hint)
    kind = next((str(m.extra["kind"]) for m in metas if m.extra), None) or _kind_of(base)
    choices = tuple(str(choice) for choice in get_args(base)) if kind == "choice" else ()
    return Field(
        variable=name.upper(),
        name=name,
        kind=kind,
        description=next((m.description for m in metas if m.description), ""),
        default=default,
        choices=choices,
        least=next((m.ge for m in metas if m.ge is not None), None),
        above=next((m.gt for m in metas if m.gt is not None), None),
        most=next((m.le for m in metas if m.le is not None), None),
    )


def _unwrap(hint: Any) -> tuple[Any, list[Meta]]:
    """Take annotations and type aliases off a hint."""
    metas: list[Meta] = []
    while True:
        if hint is Duration or hasattr(hint, "__value__"):
            hint = hint.__value__
        elif hasattr(hint, "__metadata__"):
            metas += [meta for meta in hint.__metadata__ if isinstance(meta, Meta)]
            hint = get_args(hint)[0]
        else:
            return hint, metas


def _kind_of(base: Any) -> str:
    kinds = {Secret: "secret", Address: "address", bool: "flag", int: "integer", float: "number"}
    if base in kinds:
        return kinds[base]
    if get_origin(base) is tuple:
        return "list"
    return "text" if base is str else "choice"


def _from_environment(env: Mapping[str, str], field: Field) -> str | None:
    text = env.get(field.variable)
    pointed = env.get(f"{field.variable}_FILE") if field.secret else None
    if text and text.strip():
        if pointed:
            raise SettingsError(
                f"{field.variable} and {field.variable}_FILE are both set; set one of them"
            )
        return text
    if not pointed:
        return None
    return _read_file(Path(pointed), f"{field.variable}_FILE")


def _read_file(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise SettingsError(f"{shown}: the file {path} is too large")
        return path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise SettingsError(f"{shown}: the file {path} cannot be read ({reason})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{shown}: the file {path} is not UTF-8 text") from None


def _from_file(
    env: Mapping[str, str], known: Mapping[str, Field]
) -> Iterator[tuple[str, str, str]]:
    """Walk the configuration file; yields the path, the setting's name and the text."""
    named = env.get("CONFIG_FILE", "").strip()
    path = Path(named or DEFAULT_CONFIG_FILE)
    if not named and not path.is_file():
        return
    text = _read_file(path, "CONFIG_FILE")
    try:
        document: object = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"CONFIG_FILE: {path} is not valid YAML{where}") from None
    if document is None:
        return
    if not isinstance(document, dict):
        raise SettingsError(f"CONFIG_FILE: {path} must hold a mapping of settings")
    for parts, value in _leaves(cast("dict[object, object]", document), ()):
        shown = f"CONFIG_FILE {path}: {'.'.join(parts)}"
        name = "_".join(parts).lower()
        if name not in known:
            raise SettingsError(f"{shown}: there is no such setting")
        yield shown, name, _as_text(value, shown)


def _leaves(
    mapping: dict[object, object], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in mapping.items():
        parts = (*above, str(key))
        if isinstance(value, dict):
            yield from _leaves(cast("dict[object, object]", value), parts)
        else:
            yield parts, value


def _as_text(value: object, shown: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, list):
        return ",".join(_as_text(item, shown) for item in cast("list[object]", value))
    if value is None:
        return ""
    raise SettingsError(f"{shown}: write text, a number, true or false, or a list of these")


def _read_secret(text: str, _: Field) -> Secret:
    return Secret(text)


def _read_text(text: str, _: Field) -> str:
    return text


def _read_list(text: str, field: Field) -> tuple[str, ...]:
    items = tuple(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    if field.name == "trusted_proxies":
        for item in items:
            try:
                ip_network(item, strict=False)
            except ValueError:
                raise _Refused(
                    f"{item!r} is not a network; write CIDR such as 10.0.0.0/8"
                ) from None
    return items


def _read_flag(text: str, field: Field) -> bool:
    if not text:
        return bool(field.default)
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise _Refused(f"{text!r} is not a switch; write true or false")


def _read_choice(text: str, field: Field) -> str:
    if not text:
        return str(field.default)
    # YAML reads a plain on or off as a boolean, and other switches take these words too.
    switch = "on" if text.lower() in _TRUE else "off" if text.lower() in _FALSE else ""
    if switch in field.choices:
        return switch
    if text.lower() not in field.choices:
        raise _Refused(f"{text!r} is unknown; write one of {', '.join(field.choices)}")
    return text.lower()


def _read_integer(text: str, field: Field) -> int:
    if not text:
        return int(field.default)
    try:
        value = int(text)
    except ValueError:
        raise _Refused(f"{text!r} is not a whole number{_unit(field)}") from None
    return int(_within(value, text, field))


def _unit(field: Field) -> str:
    """What a number counts where the name says it: who writes 24h learns what to write."""
    unit = field.variable.rpartition("_")[2].lower()
    unit = {"ms": "milliseconds"}.get(unit, unit)
    return f" of {unit}" if unit in {"seconds", "milliseconds", "days", "bytes"} else ""


def _read_number(text: str, field: Field) -> float:
    if not text:
        return float(field.default)
    try:
        value = float(text)
    except ValueError:
        raise _Refused(f"{text!r} is not a number{_unit(field)}") from None
    return _within(value, text, field)


def _read_duration(text: str, field: Field) -> float:
    if not text:
        return float(field.default)
    return _within(parse_duration(text), text, field)


def _within(value: float, text: str, field: Field) -> float:
    # Written so that NaN, which compares false with everything, is refused too.
    if field.least is not None and not value >= field.least:
        raise _Refused(f"{text!r} is too small; write {field.least:g} or more")
    if field.above is not None and not value > field.above:
        raise _Refused(f"{text!r} is too small; write more than {field.above:g}")
    if field.most is not None and not value <= field.most:
        raise _Refused(f"{text!r} is too large; write {field.most:g} or less")
    return value


def parse_duration(text: str) -> float:
    """Read a duration as Go writes it (`1h30m`, `15s`, `250ms`) or as seconds; gives seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise _Refused(f"{text!r} is not a duration; write for example 15s, 2m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _read_address(text: str, field: Field) -> Address:
    if not text:
        return cast("Address", field.default)
    host, colon, port = text.rpartition(":")
    if (
        not colon
        or not port.isdigit()
        or int(port) > _HIGHEST_PORT
        or (":" in host.strip("[]") and host[:1] != "[")
    ):
        raise _Refused(f"{text!r} is not an address; write host:port, or :8080 for every interface")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


_READERS: dict[str, Callable[[str, Field], Any]] = {
    "secret": _read_secret,
    "text": _read_text,
    "list": _read_list,
    "flag": _read_flag,
    "choice": _read_choice,
    "integer": _read_integer,
    "number": _read_number,
    "duration": _read_duration,
    "address": _read_address,
}
