"""The deployment guide's checklist, judged line by line on every round.

The invariant: a line is Passed only for what the operator itself knows. What the guide asks for and
this resource cannot tell is NotApplicable or Unknown, with a sentence that says what is left to do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from servicelayer_operator.conditions import Condition
from servicelayer_operator.manifests.ingress import is_rate_limited_by_ingress
from servicelayer_operator.observed import Observed
from servicelayer_operator.resource import ServiceLayer

_PRE: Final = "PreDeployment"
_POST: Final = "PostDeployment"


class ChecklistItem(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the guide's checklist, judged."""

    name: str
    phase: str
    status: str
    message: str


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    resource: ServiceLayer
    observed: Observed
    conditions: Mapping[str, Condition]


def checklist(
    resource: ServiceLayer, observed: Observed, conditions: Sequence[Condition]
) -> list[ChecklistItem]:
    """Judge the guide's pre- and post-deployment checklist."""
    facts = _Facts(
        resource=resource,
        observed=observed,
        conditions={condition.type: condition for condition in conditions},
    )
    return [
        ChecklistItem(name=name, phase=phase, status=verdict[0], message=verdict[1])
        for name, phase, judge in _LINES
        for verdict in (judge(facts),)
    ]


type _Judgement = tuple[str, str]


def _tls(facts: _Facts) -> _Judgement:
    expose = facts.resource.spec.expose
    if expose.mode == "None":
        return "NotApplicable", "Not exposed outside the cluster."
    if expose.tls is None:
        return "Failed", "Traffic from outside is not encrypted: set spec.expose.tls."
    exposed = facts.conditions.get("Exposed")
    if exposed and exposed.reason in {"TLSSecretMissing", "CertificatePending"}:
        return "Failed", exposed.message
    return "Passed", "The Ingress has a certificate and redirects HTTP to HTTPS."


def _passwords(facts: _Facts) -> _Judgement:
    if facts.resource.spec.secrets.mode == "Generate":
        return "Passed", "Tokens, keys and passwords are random, of 128 bits or more each."
    return "Unknown", "They are yours: the API refuses known defaults and short JWT secrets only."


def _storage(facts: _Facts) -> _Judgement:
    ready = facts.conditions.get("SecretsReady")
    if ready is None or ready.status != "True":
        return "Failed", ready.message if ready else "Not looked at yet."
    return "Passed", (
        "They are in Secrets, read by reference. Encrypt Secrets at rest in the API server."
    )


def _backups(facts: _Facts) -> _Judgement:
    if facts.resource.spec.database.embedded is not None:
        return "NotApplicable", (
            "The embedded database has no backups and is for trials. Use spec.database.secretRef "
            "with a backed-up PostgreSQL."
        )
    return "NotApplicable", (
        "The operator makes no backups of your own database: set them up where it runs."
    )


def _monitoring(facts: _Facts) -> _Judgement:
    return "Unknown", (
        f"Service {facts.resource.metadata.name} serves /metrics on port 8081. Whether somebody "
        "scrapes it and is alerted is not known here."
    )


def _policies(facts: _Facts) -> _Judgement:
    if facts.resource.spec.network_policy.enabled:
        return "Passed", "Applied. They work if the cluster's network plugin enforces them."
    return "Failed", "Switched off: set spec.networkPolicy.enabled to true."


def _rate_limit(facts: _Facts) -> _Judgement:
    expose = facts.resource.spec.expose
    if expose.mode == "None":
        return "NotApplicable", "Not exposed outside the cluster."
    limit, by_ingress = expose.rate_limit, is_rate_limited_by_ingress(expose)
    if limit is not None and by_ingress:
        return "Passed", (
            f"{limit.requests_per_second} requests a second for each client address, at each "
            "replica of the Ingress controller."
        )
    extra = {item.name: item.value or "" for item in facts.resource.spec.api.extra_env}
    pace = extra.get("RATE_LIMIT") or (f"{limit.requests_per_second}/s" if limit else "100/s")
    if pace.strip().lower() == "off":
        return "Failed", "RATE_LIMIT in spec.api.extraEnv is off, and nothing else limits."
    return "Passed", f"The API lets {pace} pass for each credential and address."


def _health(facts: _Facts) -> _Judgement:
    available = facts.conditions.get("WorkloadsAvailable")
    if available is None:
        return "Unknown", "Not looked at yet."
    return ("Passed" if available.status == "True" else "Failed"), available.message


def _modules(facts: _Facts) -> _Judgement:
    api = facts.observed.api
    if api is None or not api.modules:
        return "Unknown", "/system/status was not readable."
    wrong = [item.name for item in api.modules if item.status != "started" or not item.ready]
    if wrong:
        return "Failed", f"Not started or not ready: {', '.join(wrong)}. See /system/status."
    return "Passed", f"All {len(api.modules)} modules are started and ready."


def _collected(_facts: _Facts) -> _Judgement:
    return "Unknown", "Whether a Prometheus scrapes /metrics is not known here."


def _logs(facts: _Facts) -> _Judgement:
    form = "one JSON object a line" if facts.resource.spec.api.log_format == "json" else "text"
    return "Unknown", f"Pods log {form} to standard output. Collecting it is the cluster's task."


def _alerts(_facts: _Facts) -> _Judgement:
    return "NotApplicable", "Alerts are configured where the metrics are collected."


def _documentation(_facts: _Facts) -> _Judgement:
    return "NotApplicable", "For people to do."


_LINES: Final[tuple[tuple[str, str, Callable[[_Facts], _Judgement]], ...]] = (
    ("TLS certificates configured", _PRE, _tls),
    ("Strong passwords generated", _PRE, _passwords),
    ("Secrets in secure storage", _PRE, _storage),
    ("Database backups configured", _PRE, _backups),
    ("Monitoring/alerting set up", _PRE, _monitoring),
    ("Network policies applied", _PRE, _policies),
    ("Rate limiting configured", _PRE, _rate_limit),
    ("Health checks passing", _POST, _health),
    ("All modules started", _POST, _modules),
    ("Metrics being collected", _POST, _collected),
    ("Logs being aggregated", _POST, _logs),
    ("Alerts configured", _POST, _alerts),
    ("Documentation updated", _POST, _documentation),
)
