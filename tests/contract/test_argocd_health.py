"""The health script for Argo CD, run by a real Lua: it agrees with how kstatus reads conditions."""

from pathlib import Path
from typing import Any

import pytest
from lupa import LuaRuntime

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "argocd-health.lua"


def health(status: dict[str, Any] | None, spec: dict[str, Any] | None = None) -> tuple[str, str]:
    runtime = LuaRuntime(unpack_returned_tuples=True)
    resource = {"metadata": {"generation": 3}, "spec": spec or {}}
    if status is not None:
        resource["status"] = status
    runtime.globals()["obj"] = runtime.table_from(resource, recursive=True)
    result = runtime.execute(SCRIPT.read_text())
    return result["status"], result["message"]


def status(*true: str, generation: int = 3, **messages: str) -> dict[str, Any]:
    conditions = [
        {"type": name, "status": "True" if name in true else "False", "message": text}
        for name, text in messages.items()
    ]
    return {"observedGeneration": generation, "conditions": conditions}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ("Progressing", "waiting for the operator")),
        ({"observedGeneration": -1}, ("Progressing", "waiting for the operator")),
        (
            status("Ready", generation=2, Ready="serving"),
            ("Progressing", "waiting for the operator"),
        ),
        (status("Ready", Ready="serving"), ("Healthy", "serving")),
        (status(Ready="0 of 2 pods"), ("Progressing", "0 of 2 pods")),
        (
            status("Reconciling", Ready="old pods serve", Reconciling="rolling out"),
            ("Progressing", "rolling out"),
        ),
        (
            status("Reconciling", "Stalled", Ready="x", Reconciling="y", Stalled="no such Secret"),
            ("Degraded", "no such Secret"),
        ),
        (status("Ready", Ready="serving", Stalled="no more"), ("Healthy", "serving")),
    ],
)
def test_health_follows_the_conditions(
    given: dict[str, Any] | None, expected: tuple[str, str]
) -> None:
    assert health(given) == expected


def test_suspension_is_told_whatever_the_conditions_say() -> None:
    given = status("Ready", Ready="serving")

    assert health(given, {"suspend": True}) == ("Suspended", "spec.suspend is true")
