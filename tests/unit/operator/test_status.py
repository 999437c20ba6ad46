"""The status: transition times, the smallest patch, and what the schema allows."""

from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from servicelayer_operator.checks import run_checks
from servicelayer_operator.manifests.labels import selector_text
from servicelayer_operator.observed import ApiFact, Observed
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.status import build_status, invalid_status, requeue_after, status_patch
from support.crd import closed, root_schema
from support.situations import (
    EMBEDDED,
    NOW,
    OWN_DATABASE,
    converged,
    desired_of,
    judge,
    layer,
    plan_of,
    rolled_out,
)
from support.troubles import DATA_TROUBLES, EXPOSED, ISSUED, Trouble
from support.workload_troubles import WORKLOAD_TROUBLES

VALIDATOR = Draft202012Validator(closed(root_schema()["properties"]["status"]))


def status_of(
    resource: ServiceLayer, observed: Observed | None = None, seconds: float = 0
) -> dict[str, Any]:
    observed = observed or converged(resource)
    now = NOW + timedelta(seconds=seconds)
    desired, plan = desired_of(resource), plan_of(resource, observed)
    conditions = run_checks(resource, desired, observed, plan, now)
    return build_status(resource, desired, conditions, observed, plan, now)


def times(status: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["lastTransitionTime"] for item in status["conditions"]}


def test_a_steady_resource_is_never_written() -> None:
    first = status_of(layer(EXPOSED))
    second = status_of(layer(EXPOSED, status=first), seconds=3600)

    assert status_patch({}, first) == {"status": first}
    assert status_patch(first, second) is None


def test_transition_times_move_only_with_the_status() -> None:
    before = status_of(layer(EMBEDDED))
    resource = layer(EMBEDDED, status=before)
    down = rolled_out(resource, desired_of(resource), ready=0, available=0)

    after = status_of(resource, converged(resource, deployment=down), seconds=60)

    assert times(after)["Ready"] == "2026-11-24T12:01:00Z"
    assert times(after)["SecretsReady"] == "2026-11-24T12:00:00Z"


def test_a_new_reason_of_the_same_status_keeps_the_time() -> None:
    resource = layer(EMBEDDED)
    two = rolled_out(resource, desired_of(resource), updated=1)
    none = rolled_out(resource, desired_of(resource), ready=1, available=1)
    first = status_of(resource, converged(resource, deployment=two))

    second = status_of(
        layer(EMBEDDED, status=first), converged(resource, deployment=none), seconds=9
    )

    assert first["conditions"][0]["reason"] != second["conditions"][0]["reason"]
    assert times(first)["Ready"] == times(second)["Ready"]


def test_every_condition_speaks_of_the_generation_that_was_judged() -> None:
    status = status_of(layer(EXPOSED, generation=11))

    assert status["observedGeneration"] == 11
    assert {item["observedGeneration"] for item in status["conditions"]} == {11}


@pytest.mark.parametrize(
    "trouble", [*DATA_TROUBLES, *WORKLOAD_TROUBLES], ids=lambda trouble: trouble.name
)
def test_every_status_keeps_to_the_schema(trouble: Trouble) -> None:
    resource = layer(trouble.spec)
    observed = converged(resource, **trouble.facts(resource, desired_of(resource)))

    errors = [error.message for error in VALIDATOR.iter_errors(status_of(resource, observed))]

    assert errors == []


@pytest.mark.parametrize(
    ("spec", "url"),
    [
        (EMBEDDED, "http://shop.market.svc"),
        (EXPOSED, "http://a.example.com"),
        (ISSUED, "https://a.example.com"),
    ],
)
def test_the_url_is_where_the_api_answers(spec: dict[str, Any], url: str) -> None:
    assert status_of(layer(spec))["url"] == url


def test_the_scale_subresource_finds_what_it_needs() -> None:
    resource = layer(EMBEDDED)
    status = status_of(resource)

    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    selector = desired_of(resource)
    assert status["selector"] == selector_text("shop", "api")
    assert len(selector) > 1


def test_the_version_is_the_apis_own_word_once_it_is_ready() -> None:
    resource = layer(EMBEDDED)
    newer = ApiFact(reachable=True, store_ready=True, version="1.5.0")
    rolling = rolled_out(resource, desired_of(resource), updated=1)

    ready = status_of(resource, converged(resource, api=newer))
    not_ready = status_of(
        layer(EMBEDDED, status={"version": "1.3.0"}),
        converged(resource, api=newer, deployment=rolling),
    )
    first = status_of(resource, converged(resource, api=None, deployment=None))

    assert ready["version"] == "1.5.0"
    assert not_ready["version"] == "1.3.0"
    assert first["version"] == "1.4.0"


def test_modules_are_remembered_while_pods_serve_and_forgotten_when_none_does() -> None:
    known = status_of(layer(EMBEDDED))
    resource = layer(EMBEDDED, status=known)
    down = rolled_out(resource, desired_of(resource), ready=0, available=0)
    silent = ApiFact(error="timeout")

    kept = status_of(resource, converged(resource, api=silent))
    gone = status_of(resource, converged(resource, api=silent, deployment=down))

    assert kept["modules"] == known["modules"] != []
    assert gone["modules"] == []


def test_the_plan_is_shown_in_plan_mode_and_taken_away_afterwards() -> None:
    planning = layer({**EMBEDDED, "mode": "Plan"})
    shown = status_of(planning, converged(planning, children={}))
    applied = status_of(layer(EMBEDDED, status=shown))

    assert "create Service/shop" in shown["plan"]["changes"]
    assert shown["plan"]["summary"] == f"{len(shown['plan']['changes'])} changes"
    assert "plan" not in applied
    patch = status_patch(shown, applied)
    assert patch is not None
    assert patch["status"]["plan"] is None


def test_the_inventory_lists_our_own_objects_only() -> None:
    resource = layer(EMBEDDED)
    children = dict(converged(resource).children)
    kept = len(children)
    key, fact = next(iter(children.items()))
    children[key] = type(fact)(key=key, uid="x", owner_uid="another")

    status = status_of(resource, converged(resource, children=children))

    assert len(status["inventory"]) == kept - 1


def test_a_patch_removes_what_is_gone_and_repeats_nothing() -> None:
    old = {"url": "a", "plan": {"summary": "x", "changes": []}, "migration": {"a": 1, "b": 2}}
    new = {"url": "a", "migration": {"a": 1, "b": 3, "c": [1]}}

    assert status_patch(old, new) == {"status": {"plan": None, "migration": {"b": 3, "c": [1]}}}


@pytest.mark.parametrize("spec", [EMBEDDED, OWN_DATABASE])
def test_a_ready_resource_needs_no_timer(spec: dict[str, Any]) -> None:
    resource = layer(spec)
    observed = converged(resource)

    assert requeue_after(resource, observed, list(judge(resource, observed).values()), NOW) is None


def test_an_unready_resource_is_looked_at_again() -> None:
    resource = layer(EMBEDDED)
    observed = converged(resource, deployment=None)
    after = requeue_after(resource, observed, list(judge(resource, observed).values()), NOW)

    assert after is not None
    assert 0 < after <= 30


def test_a_spec_that_cannot_be_read_stalls_and_leaves_the_rest() -> None:
    before = status_of(layer(EXPOSED))
    status = invalid_status(before, 12, "spec.expose.host", "is missing", NOW)

    found = {item["type"]: item for item in status["conditions"]}
    assert (found["Ready"]["status"], found["Stalled"]["status"]) == ("False", "True")
    assert found["Ready"]["message"] == "spec.expose.host: is missing"
    assert found["Ready"]["observedGeneration"] == 12
    assert found["Exposed"] in before["conditions"]
    assert status["inventory"] == before["inventory"]
    again = invalid_status(status, 12, "spec.expose.host", "is missing", NOW + timedelta(hours=1))
    assert status_patch(status, again) is None
    assert list(VALIDATOR.iter_errors(status)) == []
