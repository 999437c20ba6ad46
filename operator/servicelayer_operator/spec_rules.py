"""The rules between fields of a ServiceLayer, in the order in which they are reported.

Every rule here is also a CEL rule of the CRD with the same words, so that the API server refuses a
bad spec at once; these catch what came in around it. Only what a 1.28 API server cannot express
(comparing quantities, networks inside networks) stands here alone. Pure: structs in, sentences out.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

from servicelayer_operator.quantities import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from servicelayer_operator.pod_settings import Resources
    from servicelayer_operator.resource import (
        ApiSpec,
        DatabaseSpec,
        EgressRule,
        EnvVar,
        ExposeSpec,
        ImageSpec,
        PodMarks,
        PodTemplateSpec,
        SecretsSpec,
        Spec,
    )

SECRET_VARIABLES: Final = frozenset(
    name + suffix
    for name in (
        "API_TOKENS",
        "AUTH_JWT_SECRET",
        "AUTH_USERS",
        "RANDOM_SIGNING_KEY",
        "SECRET_ENCRYPTION_KEY",
    )
    for suffix in ("", "_FILE")
)
DATABASE_VARIABLES: Final = frozenset({"DATABASE_URL", "DATABASE_URL_FILE"})
FIELD_VARIABLES: Final = frozenset({"LOG_LEVEL", "LOG_FORMAT", "MODULE_SLOW_MS"})
FIXED_VARIABLES: Final = frozenset(
    {
        *("CONFIG_FILE", "LISTEN_ADDR", "MIGRATE", "PROBE_ADDR", "TERMINATION_LOG"),
    }
)

_OWN_LABELS: Final = ("app.kubernetes.io/", "servicelayer.r3e.network/")
OWN_ANNOTATIONS: Final = {
    "cert-manager.io/issuer": "use spec.expose.tls.issuerRef instead",
    "cert-manager.io/cluster-issuer": "use spec.expose.tls.issuerRef instead",
    "nginx.ingress.kubernetes.io/limit-rps": "use spec.expose.rateLimit instead",
    "nginx.ingress.kubernetes.io/limit-burst-multiplier": "use spec.expose.rateLimit instead",
    "kubernetes.io/ingress.class": "use spec.expose.ingress.className instead",
}


_MILLIBYTES: Final = "m is a thousandth of a byte: write Mi for memory and disk, such as 512Mi"
_NO_NETWORK: Final = "is no network, write one such as 10.20.0.0/16"
_NOT_LISTED: Final = (
    "only settings known to be harmless are taken here, by their whole names; put others into "
    "unsafeAnnotations if whoever edits this resource may configure the controller"
)
_NOT_PLAIN: Final = (
    "values here are letters, digits, blanks and the signs , . : / * _ + -; put others into "
    "unsafeAnnotations if whoever edits this resource may configure the controller"
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.:/*_+-]*")
_LISTED: Final = {
    "nginx.ingress.kubernetes.io/": """
        affinity affinity-mode allowlist-source-range backend-protocol
        client-body-buffer-size cors-allow-credentials cors-allow-headers cors-allow-methods
        cors-allow-origin cors-max-age denylist-source-range enable-access-log enable-cors
        enable-opentelemetry force-ssl-redirect limit-allowlist limit-connections limit-rate
        limit-rate-after limit-rpm limit-whitelist load-balance proxy-body-size
        proxy-buffer-size proxy-buffering proxy-buffers-number proxy-busy-buffers-size
        proxy-connect-timeout proxy-http-version proxy-max-temp-file-size
        proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries
        proxy-read-timeout proxy-request-buffering proxy-send-timeout service-upstream
        session-cookie-change-on-failure session-cookie-expires session-cookie-max-age
        session-cookie-name session-cookie-samesite session-cookie-secure ssl-redirect
        whitelist-source-range
    """,
    "haproxy-ingress.github.io/": """
        affinity allowlist-source-range balance-algorithm hsts hsts-include-subdomains
        hsts-max-age limit-connections limit-rps maxconn-server proxy-body-size
        session-cookie-name ssl-redirect timeout-client timeout-connect timeout-http-request
        timeout-keep-alive timeout-queue timeout-server timeout-tunnel
        whitelist-source-range
    """,
    "alb.ingress.kubernetes.io/": """
        backend-protocol certificate-arn healthcheck-interval-seconds healthcheck-path
        healthcheck-port healthcheck-protocol healthcheck-timeout-seconds
        healthy-threshold-count inbound-cidrs ip-address-type scheme ssl-policy ssl-redirect
        success-codes target-type unhealthy-threshold-count
    """,
    "cert-manager.io/": """
        duration issuer-group issuer-kind private-key-algorithm private-key-encoding
        private-key-rotation-policy private-key-size renew-before revision-history-limit
        usages
    """,
    "acme.cert-manager.io/": """
        http01-edit-in-place http01-ingress-class http01-ingress-ingressclassname
    """,
    "external-dns.alpha.kubernetes.io/": """
        cloudflare-proxied exclude hostname ttl
    """,
    "kubernetes.io/": """
        ingress.allow-http ingress.global-static-ip-name ingress.regional-static-ip-name
        tls-acme
    """,
    "networking.gke.io/": """
        managed-certificates v1beta1.FrontendConfig
    """,
    "traefik.ingress.kubernetes.io/": """
        router.entrypoints router.priority router.tls router.tls.certresolver
    """,
}
LISTED_ANNOTATIONS: Final = frozenset(
    prefix + name for prefix, names in _LISTED.items() for name in names.split()
)
"""What a user may set without leave to configure the controller: numbers, times, switches, names.

Whole names, since controllers share prefixes and give them new settings: a snippet of one is
`config-backend` of another, and much that is no snippet takes free text, other hosts or Secrets.
"""


def is_listed(annotation: str) -> bool:
    """Tell whether an annotation of the Ingress can be let through without a second thought."""
    return annotation in LISTED_ANNOTATIONS


class Violation(NamedTuple):
    """A broken rule: where, and what to write instead."""

    field: str
    message: str


def violations(spec: Spec) -> Iterator[Violation]:
    """Yield what is wrong with a spec whose fields are each right on their own."""
    yield from _image(spec.image)
    yield from _api(spec.api)
    yield from _database(spec.database)
    yield from _secrets(spec.secrets)
    yield from _expose(spec.expose)
    for index, cidr in enumerate(spec.network_policy.dns.cidrs):
        if _network(cidr) is None:
            yield Violation(f"spec.networkPolicy.dns.cidrs[{index}]", _NO_NETWORK)
    for index, rule in enumerate(spec.network_policy.extra_egress):
        yield from _egress(f"spec.networkPolicy.extraEgress[{index}]", rule)


def _image(image: ImageSpec) -> Iterator[Violation]:
    if image.repository and not (image.tag or image.digest):
        yield Violation("spec.image", "repository needs a version: set tag or digest beside it")
    yield from _twice("spec.image.pullSecrets", (secret.name for secret in image.pull_secrets))


def _api(api: ApiSpec) -> Iterator[Violation]:
    pod = api.pod_template
    yield from _resources("spec.api.resources", api.resources)
    yield from _marks("spec.api.podTemplate", pod)
    for index, variable in enumerate(api.extra_env):
        yield from _variable(f"spec.api.extraEnv[{index}]", variable)
    yield from _twice("spec.api.extraEnv", (variable.name for variable in api.extra_env))
    yield from _twice(
        "spec.api.podTemplate.topologySpreadConstraints",
        (spread.topology_key for spread in pod.topology_spread_constraints),
    )


def _marks(path: str, pod: PodTemplateSpec | PodMarks) -> Iterator[Violation]:
    yield from _own_labels(f"{path}.labels", pod.labels)
    yield from _own_labels(f"{path}.annotations", pod.annotations)


def _own_labels(path: str, entries: Mapping[str, str]) -> Iterator[Violation]:
    if any(key.startswith(_OWN_LABELS) for key in entries):
        yield Violation(
            path,
            "keys under app.kubernetes.io/ and servicelayer.r3e.network/ belong to the operator; "
            "use a prefix of your own",
        )


def _variable(path: str, variable: EnvVar) -> Iterator[Violation]:
    name, source = variable.name, variable.value_from
    if name in SECRET_VARIABLES:
        yield Violation(
            path, f"{name} is a secret of the API: put it in the Secret of spec.secrets.existing"
        )
    elif name in DATABASE_VARIABLES:
        yield Violation(path, f"{name} is set from spec.database: use spec.database.secretRef")
    elif name in FIELD_VARIABLES:
        yield Violation(
            path,
            f"{name} is a field of its own: use spec.api.logLevel, logFormat or moduleSlowMs",
        )
    elif name in FIXED_VARIABLES:
        yield Violation(path, f"{name} is set by the operator: remove it from extraEnv")
    if (variable.value is not None) == (source is not None):
        yield Violation(path, "set exactly one of value and valueFrom")
    if source and (source.secret_key_ref is None) == (source.config_map_key_ref is None):
        yield Violation(f"{path}.valueFrom", "set exactly one of secretKeyRef and configMapKeyRef")


def _resources(path: str, resources: Resources) -> Iterator[Violation]:
    for block, amounts in (("requests", resources.requests), ("limits", resources.limits)):
        # A quantity, and surely a slip for Mi: no pod starts within half a byte.
        if any(str(each).endswith("m") for each in (amounts.memory, amounts.ephemeral_storage)):
            yield Violation(f"{path}.{block}", _MILLIBYTES)
    for name in ("cpu", "memory", "ephemeral_storage"):
        request = getattr(resources.requests, name)
        limit = getattr(resources.limits, name)
        if request is None or limit is None:
            continue
        if parse_quantity(request) > parse_quantity(limit):
            shown = name.replace("_", "-")
            yield Violation(
                f"{path}.requests.{shown}",
                f"asks for more than limits.{shown} allows; raise the limit or lower the request",
            )


def _database(database: DatabaseSpec) -> Iterator[Violation]:
    if (database.secret_ref is None) == (database.embedded is None):
        yield Violation(
            "spec.database",
            "set exactly one of secretRef (your own PostgreSQL) and embedded (for trials)",
        )
    yield from _marks("spec.database.migrations.podTemplate", database.migrations.pod_template)
    if database.embedded is not None:
        yield from _marks("spec.database.embedded.podTemplate", database.embedded.pod_template)
        yield from _resources("spec.database.embedded.resources", database.embedded.resources)


def _secrets(secrets: SecretsSpec) -> Iterator[Violation]:
    if secrets.mode == "Existing" and secrets.existing is None:
        yield Violation(
            "spec.secrets", "mode Existing needs existing.name, the name of your Secret"
        )
    if secrets.mode == "Generate" and secrets.existing is not None:
        yield Violation(
            "spec.secrets", "existing is only read with mode Existing: set that mode or remove it"
        )


def _expose(expose: ExposeSpec) -> Iterator[Violation]:
    if expose.mode != "None" and expose.host is None:
        yield Violation("spec.expose", "mode Ingress needs host, the public DNS name of the API")
    if expose.host and expose.host.replace(".", "").isdigit():
        yield Violation("spec.expose.host", "must be a DNS name, not an IP address")
    if expose.tls and (expose.tls.issuer_ref is None) == (expose.tls.secret_name is None):
        yield Violation(
            "spec.expose.tls",
            "set exactly one of issuerRef (cert-manager) and secretName (a certificate you bring)",
        )
    yield from _ingress_annotations(expose.ingress.annotations, expose.ingress.unsafe_annotations)


def _ingress_annotations(
    annotations: Mapping[str, str], unsafe: Mapping[str, str]
) -> Iterator[Violation]:
    path = "spec.expose.ingress.annotations"
    for key in sorted(annotations):
        if key in OWN_ANNOTATIONS:
            yield Violation(path, f"{key}: {OWN_ANNOTATIONS[key]}")
        elif not is_listed(key):
            yield Violation(path, _NOT_LISTED)
        elif not _PLAIN.fullmatch(annotations[key]):
            yield Violation(path, f"{key}: {_NOT_PLAIN}")
    for key in sorted(unsafe):
        if key in OWN_ANNOTATIONS:
            yield Violation(
                "spec.expose.ingress.unsafeAnnotations", f"{key}: {OWN_ANNOTATIONS[key]}"
            )


def _egress(path: str, rule: EgressRule) -> Iterator[Violation]:
    outer = _network(rule.cidr)
    if outer is None:
        yield Violation(f"{path}.cidr", _NO_NETWORK)
        return
    for index, text in enumerate(rule.except_):
        inner = _network(text)
        inside = (
            inner is not None
            and inner.version == outer.version
            and inner.prefixlen > outer.prefixlen
            and int(inner.network_address) >> (inner.max_prefixlen - outer.prefixlen)
            == int(outer.network_address) >> (outer.max_prefixlen - outer.prefixlen)
        )
        if not inside:
            yield Violation(f"{path}.except[{index}]", "must be a smaller network inside cidr")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _twice(path: str, names: Iterable[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Violation(path, f"{name} is listed twice; keep one")
        seen.add(name)
