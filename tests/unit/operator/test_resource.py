"""Decoding: everything good comes through whole, everything odd is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from servicelayer_operator import resource
from servicelayer_operator.pod_settings import as_manifest
from servicelayer_operator.quantities import parse_quantity
from servicelayer_operator.resource import ImageSpec, InvalidResource, ServiceLayer, decode
from support.bad_specs import BAD_SPECS, BadSpec
from support.crd import ROOT, closed, root_schema
from support.good_specs import DIGEST, GOOD_SPECS
from support.specs import MINIMAL, egress, minimal

SPEC_SCHEMA = root_schema()["properties"]["spec"]
VALIDATOR = Draft202012Validator(closed(SPEC_SCHEMA))
# A member that this version does not know is passed over and told.
LENIENT_VALIDATOR = Draft202012Validator(SPEC_SCHEMA)


def body(spec: object, **metadata: object) -> dict[str, Any]:
    return {
        "apiVersion": resource.API_VERSION,
        "kind": resource.KIND,
        "metadata": {
            "name": "demo",
            "namespace": "apps",
            "uid": "7d0c",
            "generation": 3,
            "resourceVersion": "71",
            "managedFields": [],
            "creationTimestamp": "2026-01-01",
            **metadata,
        },
        "spec": spec,
    }


@pytest.mark.parametrize("spec", GOOD_SPECS.values(), ids=GOOD_SPECS)
def test_good_specs_decode(spec: dict[str, Any]) -> None:
    decoded = decode(body(spec, labels={"team": "a"}, deletionTimestamp="2026-01-02T00:00:00Z"))

    assert decoded.metadata.name == "demo"
    assert decoded.metadata.generation == 3
    assert decoded.metadata.labels == {"team": "a"}
    assert decoded.metadata.deletion_timestamp == "2026-01-02T00:00:00Z"


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.fault)
def test_bad_specs_that_came_around_the_schema_are_refused(bad: BadSpec) -> None:
    with pytest.raises(InvalidResource) as refusal:
        decode(body(bad.spec))

    words = bad.says if bad.decoder_says is None else bad.decoder_says
    assert words in str(refusal.value)
    assert refusal.value.field.startswith("spec.")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (
            minimal(api={"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}),
            "spec.api.resources.requests.cpu",
        ),
        (
            {
                "database": {
                    "embedded": {
                        "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1000M"}}
                    }
                }
            },
            "spec.database.embedded.resources.requests.memory",
        ),
        (
            egress(cidr="10.0.0.0/8", **{"except": ["10.1.0.0/16", "11.0.0.0/16"]}),
            "spec.networkPolicy.extraEgress[0].except[1]",
        ),
        (
            egress(cidr="10.0.0.0/8", **{"except": ["2001:db8::/32"]}),
            "spec.networkPolicy.extraEgress[0].except[0]",
        ),
        (egress(cidr=":::::/32"), "spec.networkPolicy.extraEgress[0].cidr"),
    ],
)
def test_what_the_schema_cannot_express_is_refused_here(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidResource) as refusal:
        decode(body(spec))

    assert refusal.value.field == field


def test_what_a_newer_definition_added_is_passed_over_and_told() -> None:
    spec = minimal(autoscaling={"min": 1}, api={"replicas": 3, "threads": 4})
    spec["networkPolicy"] = {"extraEgress": [{"cidr": "10.0.0.0/8", "via": "x"}]}
    spec["api"]["podTemplate"] = {"tolerations": [{"operator": "Exists", "since": "x"}]}
    decoded = decode(body(spec))

    assert decoded.spec.api.replicas == 3
    assert set(decoded.unknown) == {
        "spec.autoscaling",
        "spec.api.threads",
        "spec.networkPolicy.extraEgress[0].via",
        "spec.api.podTemplate.tolerations[0].since",
    }
    assert decode(body(minimal())).unknown == ()


def test_a_refusal_never_repeats_a_value_that_could_be_a_secret() -> None:
    canary = "canary-5d1f"
    for variable in ({"name": "API_TOKENS", "value": canary}, {"name": "A", "value": [canary]}):
        with pytest.raises(InvalidResource) as refusal:
            decode(body(minimal(api={"extraEnv": [variable]})))
        assert canary not in str(refusal.value)


@pytest.mark.parametrize("name", ["a" * 41, "1api", "my.api", "API", ""])
def test_names_that_cannot_name_a_service_are_refused(name: str) -> None:
    with pytest.raises(InvalidResource) as refusal:
        decode(body(MINIMAL, name=name))

    assert refusal.value.field == "metadata.name"


def test_quantities_compare_by_value() -> None:
    assert parse_quantity("1Gi") == 1024 * parse_quantity("1Mi")
    assert parse_quantity("0.5") == parse_quantity("500m")
    assert parse_quantity(2) == parse_quantity("2e0")
    assert parse_quantity("1k") < parse_quantity("1Ki")
    for odd in ("", "-1", "1 Gi", "1gi", "Gi", "1..2"):
        with pytest.raises(ValueError, match="is no quantity"):
            parse_quantity(odd)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (ImageSpec(), "localhost:5000/team/api:1.0"),
        (ImageSpec(tag="2.0"), "localhost:5000/team/api:2.0"),
        (ImageSpec(repository="a/b", tag="2.0"), "a/b:2.0"),
        (ImageSpec(repository="a/b", tag="2.0", digest=DIGEST), f"a/b@{DIGEST}"),
        (ImageSpec(digest=DIGEST), f"localhost:5000/team/api@{DIGEST}"),
    ],
)
def test_an_image_is_completed_from_the_default(image: ImageSpec, expected: str) -> None:
    assert image.reference("localhost:5000/team/api:1.0") == expected


def test_a_default_by_digest_gives_its_repository() -> None:
    assert ImageSpec(tag="2").reference(f"api:1.0@{DIGEST}") == "api:2"


def test_pod_settings_come_back_as_they_were_written() -> None:
    affinity = {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "labelSelector": {}}
            ]
        }
    }
    spread = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    spec = minimal(
        api={
            "resources": {"requests": {"cpu": 1}, "limits": {"ephemeral-storage": "1Gi"}},
            "podTemplate": {"affinity": affinity, "topologySpreadConstraints": [spread]},
        }
    )

    api = decode(body(spec)).spec.api

    assert api.pod_template.affinity is not None
    assert as_manifest(api.pod_template.affinity) == affinity
    assert as_manifest(api.pod_template.topology_spread_constraints[0]) == spread
    assert as_manifest(api.resources) == spec["api"]["resources"]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_examples_decode(path: Any) -> None:
    document = yaml.safe_load(path.read_text())

    decoded = decode(body(document["spec"], name=document["metadata"]["name"]))

    assert decoded.metadata.name == document["metadata"]["name"]


def valid(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Build values that the schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 10**6) | st.from_regex(schema["pattern"], fullmatch=True)
    builders = {
        "array": valid_array,
        "boolean": lambda _: st.booleans(),
        "integer": lambda schema: st.integers(schema["minimum"], schema["maximum"]),
        "object": valid_object,
        "string": valid_string,
    }
    return builders[schema["type"]](schema)


def valid_array(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = schema.get("minItems", 0), min(schema["maxItems"], 3)
    return st.lists(valid(schema["items"]), min_size=low, max_size=high)


def valid_object(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        keys = st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True)
        return st.dictionaries(keys, valid(schema["additionalProperties"]), max_size=2)
    required = schema.get("required", [])
    parts = {name: valid(part) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: parts[name] for name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def valid_string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    low, high = schema.get("minLength", 0), schema["maxLength"]
    if "pattern" not in schema:
        return st.text(st.characters(codec="utf-8"), min_size=low, max_size=min(high, 20))
    texts = st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
    return texts.filter(lambda text: low <= len(text) <= high)


RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@RELAXED
@given(spec=valid(SPEC_SCHEMA))
def test_every_spec_that_the_schema_allows_has_the_structs_shape(spec: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(spec)
    words = refusal_of(body(spec))

    # Only rules between fields are left to refuse it, and they speak in sentences of their own.
    assert not any(shape in words for shape in ("expected `", "wrong form", "unknown"))


def refusal_of(whole: Any) -> str:
    """Return what the decoder says against an object; nothing when it takes it."""
    try:
        decoded = decode(whole)
    except InvalidResource as exc:
        assert exc.field  # noqa: PT017 - both outcomes are right; this is the shape of one
        return exc.message
    assert isinstance(decoded, ServiceLayer)
    return ""


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@RELAXED
@given(anything=JUNK, where=st.sampled_from(["body", "metadata", "spec", "status"]))
def test_nothing_makes_decoding_fail_in_another_way(anything: Any, where: str) -> None:
    whole = body(MINIMAL) | {where: anything}
    if where == "body" and isinstance(anything, dict):
        whole = anything
    assert isinstance(refusal_of(whole), str)


@RELAXED
@given(data=st.data(), spec=valid(SPEC_SCHEMA), junk=JUNK)
def test_a_spec_that_the_schema_refuses_is_refused(
    data: st.DataObject, spec: dict[str, Any], junk: Any
) -> None:
    broken = msgspec.json.decode(msgspec.json.encode(spec))
    holder, key = data.draw(st.sampled_from(list(places(broken))))
    holder[key] = junk
    if junk is None or LENIENT_VALIDATOR.is_valid(broken):
        return  # a null is an absent member, as everywhere in Kubernetes

    with pytest.raises(InvalidResource):
        decode(body(broken))


def places(node: Any) -> Any:
    """Yield every place of a document that can be written to."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(pairs):
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)
