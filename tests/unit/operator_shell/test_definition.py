from __future__ import annotations

import copy
from typing import Any

from servicelayer_operator.definition import built_for, missing_fields


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_the_definition_that_travels_with_the_program_lacks_nothing_of_itself() -> None:
    assert missing_fields(built_for(), built_for()) == []


def test_a_field_that_an_older_definition_lacks_is_named_by_its_path() -> None:
    served = copy.deepcopy(built_for())
    spec = schema(served)["properties"]["spec"]["properties"]
    del spec["networkPolicy"]
    del spec["database"]["properties"]["embedded"]["properties"]["storage"]
    del spec["image"]["properties"]["pullSecrets"]["items"]["properties"]["name"]

    assert missing_fields(served, built_for()) == [
        "spec.image.pullSecrets[].name",
        "spec.database.embedded.storage",
        "spec.networkPolicy",
    ]


def test_fields_of_a_newer_definition_are_no_concern() -> None:
    served = copy.deepcopy(built_for())
    schema(served)["properties"]["spec"]["properties"]["later"] = {"type": "string"}

    assert missing_fields(served, built_for()) == []


def test_a_version_that_is_not_served_lacks_everything() -> None:
    served = copy.deepcopy(built_for())
    served["spec"]["versions"][0]["served"] = False

    assert "spec" in missing_fields(served, built_for())
