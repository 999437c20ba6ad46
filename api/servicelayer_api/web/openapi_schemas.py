"""The schemas of the OpenAPI document: what msgspec itself says of the structs that it reads.

Invariant: a schema holds for what the decoder takes and the encoder writes, since both are made
from the same struct. A struct's docstring describes it, and the entries under `Attributes:` its
fields; a field that has no entry is described by that of another struct of its feature, then by
`COMMON`. What is sent without exception is required; so is what the rules ask for although the
decoder could do without (`wire.NEEDED`).
"""

from __future__ import annotations

import json
import re
import sys
from copy import deepcopy
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import msgspec
from msgspec import inspect

from servicelayer_api.web.openapi_texts import COMMON
from servicelayer_api.web.texts import MAX_MAPPING, MAX_TEXT
from servicelayer_api.wire import IS_NEEDED, plain_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from litestar.handlers import HTTPRouteHandler

type Object = dict[str, Any]
type Kind = type[msgspec.Struct]

_REF: Final = "#/components/schemas/{name}"
_ENTRY: Final = re.compile(r"^    (?P<name>\w+): (?P<text>.*(?:\n {8,}.*)*)", re.MULTILINE)
_ATTRIBUTES: Final = "\nAttributes:\n"


def find_structs(handlers: Iterable[HTTPRouteHandler]) -> tuple[set[Kind], set[Kind]]:
    """Find the structs that handlers take and those that they give, the inner ones among them."""
    taken, given = set[Kind](), set[Kind]()
    for handler in handlers:
        signature = handler.parsed_fn_signature
        given.update(_within(signature.return_type.annotation))
        for more in (handler.responses or {}).values():
            given.update(_within(cast("Any", more).data_container))
        if (body := signature.parameters.get("data")) is not None:
            taken.update(_within(body.annotation))
    return taken, given


def build_schemas(taken: set[Kind], given: set[Kind]) -> Object:
    """Describe structs.

    Args:
        taken: Those that are read.
        given: Those that are written.

    Returns:
        Schemas by the name of the struct.
    """
    kinds = sorted(taken | given, key=lambda kind: kind.__name__)
    _, made = msgspec.json.schema_components(kinds, ref_template=_REF)
    schemas: Object = made
    for kind in kinds:
        schema = schemas[kind.__name__]
        schema["title"] = kind.__name__
        schema["description"] = _summary(kind)
        _describe_fields(schema, kind)
        _type_loose(schema, kind)
        _settle_required(schema, kind, is_read=kind in taken)
        _bound_texts(schema, MAX_TEXT if kind in taken else MAX_MAPPING)
    return schemas


def demand(schemas: Object, reference: Object, needed: Iterable[str]) -> Object:
    """Describe the body that makes something, where the same struct also changes it.

    Args:
        schemas: By name; one is added.
        reference: To the struct's, whose name ends in `Change`.
        needed: What must be sent to make one.

    Returns:
        A reference to the added one.
    """
    changes = str(reference["$ref"]).rpartition("/")[2]
    name = f"New{changes.removesuffix('Change')}"
    schemas[name] = {**deepcopy(schemas[changes]), "title": name, "required": list(needed)}
    return {"$ref": _REF.format(name=name)}


def _within(annotation: Any) -> Iterator[Kind]:
    """The structs in a type, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield from _reached(annotation)
    for argument in get_args(annotation):
        yield from _within(argument)


@cache
def _reached(kind: Kind) -> frozenset[Kind]:
    found, waiting = set[Kind](), [inspect.type_info(kind)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, inspect.StructType):
            if one.cls in found:
                continue
            found.add(one.cls)
            waiting += [field.type for field in one.fields]
        elif isinstance(one, inspect.UnionType):
            waiting += one.types
        else:
            waiting += [
                inner
                for name in ("type", "item_type", "value_type")
                if isinstance(inner := getattr(one, name, None), inspect.Type)
            ]
    return frozenset(found)


def _summary(kind: Kind) -> str:
    return cleandoc(kind.__doc__ or "").partition(_ATTRIBUTES)[0].strip()


@cache
def _entries(kind: Kind) -> dict[str, str]:
    """What the docstring of a struct says of its fields, by their names in Python."""
    _, found, text = cleandoc(kind.__doc__ or "").partition(_ATTRIBUTES)
    if not found:
        return {}
    return {each["name"]: " ".join(each["text"].split()) for each in _ENTRY.finditer(text)}


@cache
def _entries_near(package: str) -> dict[str, str]:
    """What all structs of a feature say of their fields; of several entries the first."""
    found: dict[str, str] = {}
    for module in ("models", "answers"):
        room = sys.modules.get(f"{package}.{module}")
        for kind in vars(room).values() if room else ():
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                found = {**_entries(kind), **found}
    return found


def _describe_fields(schema: Object, kind: Kind) -> None:
    near = _entries_near(kind.__module__.rpartition(".")[0])
    for name, wire in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        told = _entries(kind).get(name) or near.get(name) or COMMON.get(name)
        if told:
            field: Object = schema["properties"][wire]
            if "$ref" in field:
                field = {"allOf": [field]}
            schema["properties"][wire] = {**field, "description": told}


def _type_loose(schema: Object, kind: Kind) -> None:
    """Give a type or a format to what msgspec leaves open: times, and sets of texts."""
    info = cast("inspect.StructType", inspect.type_info(kind))
    for field in info.fields:
        whole: Object = schema["properties"][field.encode_name]
        several: list[Object] = whole.get("anyOf", [])
        found: list[Object] = [whole, *several]
        is_time = any(isinstance(one, inspect.DateTimeType) for one in plain_kinds(field.type))
        for one in found:
            if is_time and one.get("type") == "string":
                one["format"] = "date-time"
            if all(isinstance(text, str) for text in one.get("enum", [None])):
                one["type"] = "string"


def _settle_required(schema: Object, kind: Kind, *, is_read: bool) -> None:
    """Say what is always there.

    What stands for a field that is left out is said in words: some generators take a field with a
    default for one that must be sent.
    """
    always = not is_read and not kind.__struct_config__.omit_defaults
    properties: Object = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if always:
        fields = cast("inspect.StructType", inspect.type_info(kind)).fields
        # One that is unset is left out, and has neither here.
        required |= {
            each.encode_name
            for each in fields
            if (each.default, each.default_factory) != (msgspec.NODEFAULT, msgspec.NODEFAULT)
        }
    for name, field in properties.items():
        if field.pop(IS_NEEDED, False):
            required.add(name)
        default = field.pop("default", None)
        if is_read and name not in required and default not in ("", None, {}, []):
            field["description"] += f" {json.dumps(default)} when left out."
    schema["required"] = [name for name in properties if name in required]


def _bound_texts(node: object, longest: int) -> None:
    """Bound the texts that nothing else bounds, as the reader of bodies does."""
    if isinstance(node, list):
        for item in cast("list[object]", node):
            _bound_texts(item, longest)
    elif isinstance(node, dict):
        schema = cast("Object", node)
        if schema.get("type") == "string" and not {"enum", "const", "format"} & schema.keys():
            schema.setdefault("maxLength", longest)
        for name, item in schema.items():
            _bound_texts(item, MAX_MAPPING if name == "additionalProperties" else longest)
