"""Which members of a spec this version does not know: told, and otherwise passed over. Pure.

A definition newer than the operator is the documented order of an upgrade. What it adds must not
keep the operator from all that it does know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from msgspec import inspect


@cache
def _shape(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def unknown_fields(value: object, kind: Any, path: str) -> Iterator[str]:
    """Yield the paths of members that a struct type has no field for.

    Args:
        value: A JSON value that decodes as the type.
        kind: The struct type.
        path: What to put before each path.
    """
    yield from _walk(value, _shape(kind), path)


def _walk(value: object, shape: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(shape, inspect.UnionType):
        for option in shape.types:
            yield from _walk(value, option, path)
    elif isinstance(shape, inspect.StructType) and isinstance(value, Mapping):
        fields = {field.encode_name: field.type for field in shape.fields}
        for name, below in cast("Mapping[str, object]", value).items():
            if name in fields:
                yield from _walk(below, fields[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(shape, inspect.VarTupleType) and isinstance(value, list):
        for index, item in enumerate(cast("Sequence[object]", value)):
            yield from _walk(item, shape.item_type, f"{path}[{index}]")
