"""The CRD, the operator's structs and the reference page say the same."""

from __future__ import annotations

import re
import types
import typing
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import yaml

from servicelayer_operator import resource, spec_rules
from support.crd import CRD_FILE, Field, load_crd, root_schema, served_version, walk
from support.crd_reference import PAGE, render

FIELDS = list(walk(root_schema()))
SPEC = [field for field in FIELDS if field.path == "spec" or field.path.startswith("spec.")]


ABSENT: tuple[object, ...] = (msgspec.NODEFAULT, None, msgspec.UNSET, (), {})


class Member(NamedTuple):
    """A field of the structs, in the CRD's terms."""

    required: bool
    default: object
    enum: tuple[str, ...] | None
    bounds: dict[str, Any]


def plain(kind: Any) -> tuple[Any, dict[str, Any]]:
    """Take aliases, annotations and `| None` off a type; return it with its bounds."""
    if isinstance(kind, typing.TypeAliasType):
        return plain(kind.__value__)
    if typing.get_origin(kind) is Annotated:
        inner, bounds = plain(kind.__origin__)
        for meta in kind.__metadata__:
            bounds |= {key: value for key in BOUNDS if (value := getattr(meta, key)) is not None}
        return inner, bounds
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        parts = [part for part in kind.__args__ if part not in {types.NoneType, msgspec.UnsetType}]
        decoded = [plain(part) for part in parts]
        bounds = {key: value for _, one in decoded for key, value in one.items()}
        return (decoded[0][0] if len(parts) == 1 else tuple(part for part, _ in decoded)), bounds
    return kind, {}


BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
}


def members(kind: Any, path: str) -> dict[str, Member]:
    """Walk a type as `walk` walks a schema: path -> what the structs say of it."""
    inner, _ = plain(kind)
    origin = typing.get_origin(inner)
    if origin is tuple:
        return item(inner.__args__[0], f"{path}[]")
    if origin is dict:
        return item(inner.__args__[1], f"{path}{{}}")
    found: dict[str, Member] = {}
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        for field in msgspec.structs.fields(inner):
            under = f"{path}.{field.encode_name}"
            found[under] = member(field.type, field.default, field.default_factory)
            found |= members(field.type, under)
    return found


def item(kind: Any, path: str) -> dict[str, Member]:
    return {path: member(kind, msgspec.NODEFAULT, msgspec.NODEFAULT)} | members(kind, path)


def member(kind: Any, default: object, factory: Any) -> Member:
    required = default is msgspec.NODEFAULT and factory is msgspec.NODEFAULT
    if factory is not msgspec.NODEFAULT:
        default = factory()
    inner, bounds = plain(kind)
    enum = typing.get_args(inner) if typing.get_origin(inner) is Literal else None
    if typing.get_origin(inner) is tuple:
        bounds = {key.replace("length", "items"): value for key, value in bounds.items()}
    if typing.get_origin(inner) is dict:
        bounds = {key.replace("length", "properties"): value for key, value in bounds.items()}
    return Member(required, default, enum, bounds)


STRUCTS = {"spec": Member(True, msgspec.NODEFAULT, None, {})} | members(resource.Spec, "spec")


def test_every_spec_field_is_a_struct_field_and_no_other() -> None:
    assert {field.path for field in SPEC} == set(STRUCTS)


def test_structs_demand_allow_and_bound_what_the_crd_does() -> None:
    assert [field.path for field in SPEC if not same_rules(field, STRUCTS[field.path])] == []


def same_rules(field: Field, declared: Member) -> bool:
    spelled = {**BOUNDS, "min_items": "minItems", "max_items": "maxItems"}
    spelled["max_properties"] = "maxProperties"
    expected = {
        ours: field.schema[theirs] for ours, theirs in spelled.items() if theirs in field.schema
    }
    enum = tuple(field.schema["enum"]) if "enum" in field.schema else None
    member_of_a_list = field.path.endswith(("[]", "{}"))
    return (
        (member_of_a_list or declared.required == field.required)
        and declared.enum == enum
        and declared.bounds == expected
    )


def test_structs_default_to_what_the_crd_does() -> None:
    assert [field.path for field in SPEC if not same_default(field, STRUCTS[field.path])] == []


def same_default(field: Field, declared: Member) -> bool:
    default = field.schema.get("default")
    if isinstance(declared.default, msgspec.Struct):
        # An object's default is completed by the defaults of its fields, as the API server does it.
        return declared.default == msgspec.convert(default or {}, type(declared.default))
    if default is None:
        return declared.default in ABSENT
    return declared.default == (tuple(default) if isinstance(default, list) else default)


def test_every_field_is_described_for_a_reader() -> None:
    def described(field: Field) -> bool:
        if field.path == "metadata":  # the API server forbids a description there
            return field.schema == {"type": "object"}
        text = field.schema.get("description", "")
        opening = text[:1].isupper() or text.startswith(("json", "metadata", "true"))
        return len(text) >= 10 and opening and text.endswith(".")

    assert [field.path for field in FIELDS if not described(field)] == []


def test_every_list_string_number_and_map_is_bounded() -> None:
    standard = {"apiVersion", "kind", "metadata"}

    assert [f.path for f in FIELDS if f.path not in standard and not bounded(f)] == []


def bounded(field: Field) -> bool:
    schema = field.schema
    if schema.get("type") == "array":
        return "maxItems" in schema and "x-kubernetes-list-type" in schema
    if schema.get("type") == "object":
        return bool(schema.get("properties")) or "maxProperties" in schema
    if schema.get("type") == "integer" and field.path.startswith("spec"):
        return {"minimum", "maximum"} <= schema.keys()
    if schema.get("type") == "string" or "x-kubernetes-int-or-string" in schema:
        return "enum" in schema or "maxLength" in schema
    return schema["type"] in {"boolean", "integer"}


def test_the_schema_is_closed() -> None:
    assert "preserve-unknown-fields" not in CRD_FILE.read_text()


def test_the_crd_fits_client_side_apply() -> None:
    assert len(CRD_FILE.read_bytes()) < 200_000


def test_the_names_are_the_promised_ones() -> None:
    crd = load_crd()

    assert crd["metadata"]["name"] == f"{resource.PLURAL}.{resource.GROUP}"
    assert crd["spec"]["names"] == {
        "kind": resource.KIND,
        "listKind": "ServiceLayerList",
        "plural": resource.PLURAL,
        "singular": "servicelayer",
        "shortNames": ["sl"],
        "categories": ["r3e"],
    }
    assert served_version()["name"] == resource.VERSION


def test_printer_columns_and_subresources_are_the_promised_ones() -> None:
    version = served_version()
    columns = {
        column["name"]: column.get("priority", 0) for column in version["additionalPrinterColumns"]
    }

    assert columns == {
        "Ready": 0,
        "Reason": 0,
        "Version": 0,
        "Replicas": 0,
        "URL": 1,
        "Age": 0,
    }
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.api.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def cel_rules() -> list[tuple[str, dict[str, str]]]:
    return [
        (field.path, rule)
        for field in FIELDS
        for rule in field.schema.get("x-kubernetes-validations", [])
    ]


def test_both_lists_of_harmless_annotations_hold_the_same() -> None:
    (listed,) = [
        set(re.findall(r"'([^']+)'", rule["rule"]))
        for path, rule in cel_rules()
        if path == "spec.expose.ingress.annotations" and "key in [" in rule["rule"]
    ]
    assert listed == spec_rules.LISTED_ANNOTATIONS | spec_rules.OWN_ANNOTATIONS.keys()


def test_every_rule_has_words_and_no_young_function() -> None:
    young = re.compile(r"\b(quantity|isQuantity|ip|isIP|cidr|isCIDR|format|optional|sets|quote)\(")
    rules = cel_rules()

    assert len(rules) > 40
    for path, rule in rules:
        assert len(rule["message"]) > 20, path
        assert not young.search(rule["rule"]), path
        assert ".?" not in rule["rule"], path


def test_variables_of_the_operator_are_the_same_in_cel_and_in_code() -> None:
    (listed,) = [
        [set(re.findall(r"'([A-Z_]+)'", rule["rule"])) for path, rule in cel_rules() if path == at]
        for at in ["spec.api.extraEnv[]"]
    ]

    assert [names for names in listed if names] == [
        spec_rules.SECRET_VARIABLES,
        spec_rules.DATABASE_VARIABLES,
        spec_rules.FIELD_VARIABLES,
        spec_rules.FIXED_VARIABLES,
    ]


def test_the_file_is_written_out_without_anchors() -> None:
    tokens = {type(token) for token in yaml.scan(CRD_FILE.read_text())}

    assert not tokens & {yaml.AnchorToken, yaml.AliasToken}


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run: PYTHONPATH=tests python -m support.crd_reference"
