"""The guide's checklist: Passed only for what the operator itself knows."""

from typing import Any

import pytest

from servicelayer_operator.checklist import checklist
from servicelayer_operator.checks import run_checks
from servicelayer_operator.observed import ApiFact, ModuleFact, SecretFact
from support.situations import (
    EMBEDDED,
    NOW,
    OWN_DATABASE,
    converged,
    desired_of,
    layer,
    plan_of,
)
from support.troubles import CERTIFICATE, EXISTING, EXPOSED


def lines(spec: dict[str, Any], **facts: Any) -> dict[str, tuple[str, str]]:
    resource = layer(spec)
    observed = converged(resource, **facts)
    conditions = run_checks(
        resource, desired_of(resource), observed, plan_of(resource, observed), NOW
    )
    items = checklist(resource, observed, conditions)
    assert len({item.name for item in items}) == len(items)
    return {item.name: (item.status, item.message) for item in items}


@pytest.mark.parametrize(
    ("line", "spec", "status"),
    [
        ("TLS certificates configured", EMBEDDED, "NotApplicable"),
        ("TLS certificates configured", EXPOSED, "Failed"),
        ("TLS certificates configured", CERTIFICATE, "Passed"),
        ("Strong passwords generated", EMBEDDED, "Passed"),
        ("Strong passwords generated", EXISTING, "Unknown"),
        ("Secrets in secure storage", EMBEDDED, "Passed"),
        ("Database backups configured", EMBEDDED, "NotApplicable"),
        ("Database backups configured", OWN_DATABASE, "NotApplicable"),
        ("Monitoring/alerting set up", EMBEDDED, "Unknown"),
        ("Network policies applied", EMBEDDED, "Passed"),
        ("Network policies applied", {**EMBEDDED, "networkPolicy": {"enabled": False}}, "Failed"),
        ("Rate limiting configured", EMBEDDED, "NotApplicable"),
        ("Rate limiting configured", EXPOSED, "Passed"),
        (
            "Rate limiting configured",
            {**EXPOSED, "api": {"extraEnv": [{"name": "RATE_LIMIT", "value": "off"}]}},
            "Failed",
        ),
        ("Health checks passing", EMBEDDED, "Passed"),
        ("All modules started", EMBEDDED, "Passed"),
    ],
)
def test_the_checklist_judges_what_the_operator_knows(
    line: str, spec: dict[str, Any], status: str
) -> None:
    assert lines(spec)[line][0] == status


def test_the_checklist_passes_no_certificate_that_is_not_there() -> None:
    missing = SecretFact(name="mine", exists=False)

    assert lines(CERTIFICATE, tls_secret=missing)["TLS certificates configured"][0] == "Failed"


def test_the_checklist_names_the_modules_that_are_not_ready() -> None:
    modules = (
        ModuleFact(name="store", status="started", ready=False),
        ModuleFact(name="oracle", status="failed", ready=False),
        ModuleFact(name="audit", status="started", ready=True),
    )

    status, message = lines(EMBEDDED, api=ApiFact(reachable=True, modules=modules))[
        "All modules started"
    ]

    assert status == "Failed"
    assert "store, oracle." in message


def test_the_checklist_passes_no_health_check_of_a_service_that_is_down() -> None:
    assert lines(EMBEDDED, deployment=None)["Health checks passing"][0] == "Failed"
