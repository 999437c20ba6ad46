"""The API server's account of who manages what: read, and booked to us."""

from typing import Any

from servicelayer_operator.fields import intruders, is_ours_alone, take_over

OURS = {
    "manager": "servicelayer-operator",
    "operation": "Apply",
    "apiVersion": "apps/v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}}},
}
SHARED = {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:restartedAt": {}}}}}


def entry(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    by_hand = {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1"}
    return {**by_hand, "fieldsType": "FieldsV1", "fieldsV1": fields, **changes}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "metadata": {"name": "a", "managedFields": list(entries)}}


def test_what_we_alone_manage_is_ours_alone() -> None:
    status = entry({"f:status": {"f:replicas": {}}}, subresource="status")
    notes = entry({"f:metadata": {"f:annotations": {"f:team": {}}}})

    assert is_ours_alone(live(OURS, status, notes))
    assert is_ours_alone(live(OURS, entry({"f:spec": SHARED})))


def test_what_others_put_beside_is_named_with_its_manager() -> None:
    item = 'k:{"port":81,"protocol":"TCP"}'
    added = entry({"f:spec": {"f:ports": {item: {".": {}, "f:port": {}}}, **SHARED}})
    scaled = entry({"f:spec": {"f:replicas": {}}}, subresource="scale")

    assert intruders(live(OURS, added, scaled)) == [
        'spec.ports[{"port":81,"protocol":"TCP"}].port (kubectl)',
        "spec.replicas (kubectl)",
    ]


def test_an_object_that_we_never_applied_is_not_ours() -> None:
    updated = entry(OURS["fieldsV1"], manager="servicelayer-operator")

    assert not is_ours_alone(live())
    assert not is_ours_alone(live(OURS, updated))


def test_the_content_is_booked_to_us_and_the_rest_stays_with_its_manager() -> None:
    mixed = entry({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:paused": {}, **SHARED}})
    gone = entry({"f:data": {".": {}, "f:x": {}}}, manager="other")
    ours, kept = take_over(live(OURS, mixed, gone))

    assert ours == {
        **OURS,
        "fieldsV1": {
            "f:data": {".": {}, "f:x": {}},
            "f:spec": {"f:paused": {}, "f:replicas": {}, "f:selector": {}},
        },
    }
    assert kept == {
        **mixed,
        "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": SHARED},
    }
    assert is_ours_alone(live(ours, kept))


def test_an_account_is_opened_where_we_had_none() -> None:
    ours = take_over(live(entry({"f:spec": {"f:replicas": {}}})))

    assert [(item["manager"], item["operation"]) for item in ours] == [
        ("servicelayer-operator", "Apply")
    ]
    assert ours[0]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
