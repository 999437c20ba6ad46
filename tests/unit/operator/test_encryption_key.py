"""The encryption key: its fingerprint is kept, and another key changes no pod."""

from typing import Any

import msgspec
import pytest

from servicelayer_operator.checks import run_checks
from servicelayer_operator.observed import Observed, SecretFact
from servicelayer_operator.plan import build_plan
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.status import build_status
from support.situations import EMBEDDED, NOW, converged, desired_of, layer, migrated_status

ROTATING = {"name": "SECRET_ENCRYPTION_KEY_PREVIOUS", "value": "old"}


def judged(resource: ServiceLayer, observed: Observed) -> tuple[str, bool, dict[str, Any]]:
    """SecretsReady's reason, whether anything is applied, and the new status."""
    desired = desired_of(resource)
    plan = build_plan(desired, observed, {}, resource)
    conditions = run_checks(resource, desired, observed, plan, NOW)
    reason = next(item.reason for item in conditions if item.type == "SecretsReady")
    status = build_status(resource, desired, conditions, observed, plan, NOW)
    rolls = any(item.key.kind == "Deployment" for item in plan.apply)
    return reason, rolls, status


def resource(known: str, **api: Any) -> ServiceLayer:
    status = migrated_status(layer(EMBEDDED))
    if known:
        status["encryptionKey"] = known
    return layer({**EMBEDDED, "api": api}, status=status)


@pytest.mark.parametrize(
    ("known", "now", "extra", "reason", "kept"),
    [
        ("", "aaaa", [], "SecretsFound", "aaaa"),
        ("aaaa", "aaaa", [], "SecretsFound", "aaaa"),
        ("aaaa", "bbbb", [], "EncryptionKeyChanged", "aaaa"),
        ("aaaa", "bbbb", [ROTATING], "SecretsFound", "bbbb"),
        ("aaaa", "", [], "SecretsFound", "aaaa"),
    ],
)
def test_the_fingerprint_is_kept_and_compared(
    known: str, now: str, extra: list[dict[str, str]], reason: str, kept: str
) -> None:
    wanted = resource(known, extraEnv=extra)
    observed = msgspec.structs.replace(converged(wanted), key=now, children={})

    found, rolls, status = judged(wanted, observed)

    assert (found, status["encryptionKey"]) == (reason, kept)
    assert rolls == (reason == "SecretsFound")
    again = layer({**EMBEDDED, "api": {"extraEnv": extra}}, status={**wanted.status, **status})
    assert judged(again, observed)[0] == reason


def test_nothing_is_kept_before_anything_could_be_written() -> None:
    fresh = layer(EMBEDDED)
    observed = msgspec.structs.replace(converged(fresh, migration=None), key="aaaa")

    assert "encryptionKey" not in judged(fresh, observed)[2]


def test_an_encryption_key_that_is_taken_out_is_lost() -> None:
    wanted = resource("aaaa")
    keys = {"API_TOKENS", "AUTH_JWT_SECRET", "AUTH_USERS", "RANDOM_SIGNING_KEY"}
    without = SecretFact(name="shop-secrets", keys=frozenset(keys))
    observed = msgspec.structs.replace(converged(wanted), secrets=without)

    assert judged(wanted, observed)[0] == "SecretLost"
