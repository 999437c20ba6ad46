"""How long the texts of a body may be, where nothing else is said.

Invariant: every text that comes in is bounded. A field that needs more than `MAX_TEXT` declares its
own bound (`Meta(max_length=...)`), which the decoder holds; features that need less refuse sooner,
in their rules. A field that nobody thought of is bounded here.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from msgspec import inspect

from servicelayer_api.errors import Invalid

MAX_TEXT: Final = 16 * 1024
# Keys and values of one mapping together.
MAX_MAPPING: Final = 64 * 1024


class Texts:
    """The texts of one type of body."""

    def __init__(self, annotation: Any) -> None:
        """Find the fields of the type, and of those inside of it, that declare a bound."""
        self._declared: dict[type, set[str]] = {}
        self._look(inspect.type_info(annotation))

    def check(self, raw: bytes, value: object) -> None:
        """Refuse a text that is too long.

        Args:
            raw: The body; no text can be longer than it.
            value: What was decoded from it.

        Raises:
            Invalid: Names the field.
        """
        if len(raw) > MAX_TEXT:
            self._check("", value)

    def _check(self, path: str, value: object) -> None:
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                message = f"must not be longer than {MAX_TEXT} characters"
                raise Invalid(fields=[(path or "body", message)])
        elif isinstance(value, msgspec.Struct):
            declared = self._declared.get(type(value), set())
            wire = dict(zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True))
            for name, shown in wire.items():
                if name not in declared:
                    self._check(f"{path}.{shown}".lstrip("."), getattr(value, name))
        elif isinstance(value, dict):
            mapping = cast("dict[object, object]", value)
            if sum(len(str(key)) + len(str(text)) for key, text in mapping.items()) > MAX_MAPPING:
                message = f"must not hold more than {MAX_MAPPING} characters"
                raise Invalid(fields=[(path or "body", message)])
        elif isinstance(value, (list, tuple)):
            for item in cast("list[object]", value):
                self._check(path, item)

    def _look(self, kind: inspect.Type) -> None:
        if isinstance(kind, inspect.StructType):
            if kind.cls in self._declared:
                return
            names = self._declared[kind.cls] = set[str]()
            for field in kind.fields:
                if _declares(field.type):
                    names.add(field.name)
                self._look(field.type)
        for part in _parts(kind):
            self._look(part)


def _parts(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.UnionType):
        return kind.types
    if isinstance(kind, inspect.Metadata):
        return (kind.type,)
    if isinstance(kind, inspect.ListType):
        return (kind.item_type,)
    if isinstance(kind, inspect.DictType):
        return (kind.key_type, kind.value_type)
    return ()


def _declares(kind: inspect.Type) -> bool:
    """Tell whether a text's type says how long it may be."""
    if isinstance(kind, inspect.StrType):
        return kind.max_length is not None
    return any(
        _declares(part) for part in _parts(kind) if not isinstance(kind, inspect.ListType)
    ) and not isinstance(kind, inspect.DictType)
