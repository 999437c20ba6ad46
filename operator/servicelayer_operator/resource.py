"""The ServiceLayer resource as typed, frozen structs, and the one function that decodes it.

Invariant: a value of type `ServiceLayer` has passed every rule that the CRD states, also when the
object reached the cluster around the schema (an old CRD, a restored etcd). Defaults, bounds and
allowed values are the CRD's; a contract test compares the two. Pure: no I/O, no clock. Status is
kept as the plain object it came as, for only the operator writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, ValidationError, convert, field
from msgspec.structs import replace

from servicelayer_operator.pod_settings import (
    Affinity,
    Annotations,
    Labels,
    NamespaceName,
    ResourceAmounts,
    Resources,
    Toleration,
    TopologySpread,
)
from servicelayer_operator.spec_rules import violations
from servicelayer_operator.unknown_fields import unknown_fields

GROUP: Final = "servicelayer.r3e.network"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "ServiceLayer"
PLURAL: Final = "servicelayers"
RESERVED_NAMES: Final = frozenset({"default", "kubernetes"})

_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_OCTET: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_CIDR: Final = (
    rf"^(({_OCTET}\.){{3}}{_OCTET}/(3[0-2]|[12]?[0-9])"
    r"|[0-9a-f:]{2,39}/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
)

type ObjectName = Annotated[str, Meta(min_length=1, max_length=253, pattern=_SUBDOMAIN)]
type SecretKey = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
type EnvName = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
]
type ImageReference = Annotated[
    str, Meta(min_length=1, max_length=512, pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._/:@]*$")
]
type Cidr = Annotated[str, Meta(min_length=4, max_length=43, pattern=_CIDR)]
type Port = Annotated[int, Meta(ge=1, le=65535)]


class InvalidResource(Exception):
    """The spec breaks a rule; no retry mends it, only an edit.

    Attributes:
        field: path of the offending member, such as `spec.expose.host`.
        message: what to write instead; holds no value that could be a secret.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class _SpecPart(Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the spec; members that this version does not know are in `ServiceLayer.unknown`."""


class LocalReference(_SpecPart, frozen=True):
    """The name of an object in the ServiceLayer's own namespace."""

    name: ObjectName


class ImageSpec(_SpecPart, frozen=True):
    """Where the API's image comes from; empty members fall back to the operator's default image."""

    repository: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                pattern=r"^[a-z0-9][-a-z0-9._]*(:[0-9]{1,5})?(/[a-z0-9][-a-z0-9._]*)*$",
            ),
        ]
        | None
    ) = None
    tag: (
        Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][-.A-Za-z0-9_]*$")]
        | None
    ) = None
    digest: (
        Annotated[str, Meta(min_length=71, max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")] | None
    ) = None
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: Annotated[tuple[LocalReference, ...], Meta(max_length=8)] = ()

    def reference(self, default: str) -> str:
        """Return the image to run, given the operator's default as a full reference.

        A digest wins over a tag. Without a repository the default's is used; without a tag and a
        digest the default as it stands (a repository alone is refused).
        """
        if self.tag is None and self.digest is None:
            return default
        repository = self.repository or _without_tag(default)
        return f"{repository}@{self.digest}" if self.digest else f"{repository}:{self.tag}"


class KeyReference(_SpecPart, frozen=True):
    """One key of a Secret or ConfigMap in the same namespace."""

    name: ObjectName
    key: SecretKey


class EnvSource(_SpecPart, frozen=True):
    """Where the value of a variable is read from; exactly one member is set."""

    secret_key_ref: KeyReference | None = None
    config_map_key_ref: KeyReference | None = None


class EnvVar(_SpecPart, frozen=True):
    """A further environment variable of the API container: a value or where to read it."""

    name: EnvName
    value: Annotated[str, Meta(max_length=4096)] | None = None
    value_from: EnvSource | None = None


class PodTemplateSpec(_SpecPart, frozen=True):
    """What the API pods carry beside what the operator gives them, and where they run."""

    labels: Labels = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)
    node_selector: Labels = field(default_factory=dict)
    tolerations: Annotated[tuple[Toleration, ...], Meta(max_length=16)] = ()
    affinity: Affinity | None = None
    topology_spread_constraints: Annotated[tuple[TopologySpread, ...], Meta(max_length=8)] = ()
    priority_class_name: ObjectName | None = None
    termination_grace_period_seconds: Annotated[int, Meta(ge=15, le=3600)] = 45


_DEFAULT_RESOURCES: Final = Resources(
    requests=ResourceAmounts(cpu="100m", memory="256Mi"), limits=ResourceAmounts(memory="512Mi")
)


class ApiSpec(_SpecPart, frozen=True):
    """The API's Deployment."""

    replicas: Annotated[int, Meta(ge=1, le=100)] = 2
    resources: Resources = _DEFAULT_RESOURCES
    pod_template: PodTemplateSpec = PodTemplateSpec()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    module_slow_ms: Annotated[int, Meta(ge=1, le=600_000)] = 1000
    extra_env: Annotated[tuple[EnvVar, ...], Meta(max_length=64)] = ()


class SecretRef(_SpecPart, frozen=True):
    """The Secret that holds the connection string of the user's own PostgreSQL."""

    name: ObjectName
    key: SecretKey = "DATABASE_URL"


class PodMarks(_SpecPart, frozen=True):
    """Labels and annotations of pods whose shape is the operator's."""

    labels: Labels = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)


class EmbeddedDatabase(_SpecPart, frozen=True):
    """A single PostgreSQL beside the API, for trials."""

    storage: Annotated[
        str, Meta(min_length=3, max_length=9, pattern=r"^[1-9][0-9]{0,6}(Mi|Gi|Ti)$")
    ] = "1Gi"
    storage_class_name: ObjectName | None = None
    image: ImageReference | None = None
    resources: Resources = _DEFAULT_RESOURCES
    pod_template: PodMarks = PodMarks()


class MigrationsSpec(_SpecPart, frozen=True):
    """How long the migration Job may take and how often it is tried."""

    timeout_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 600
    max_retries: Annotated[int, Meta(ge=0, le=10)] = 3
    pod_template: PodMarks = PodMarks()


class DatabaseSpec(_SpecPart, frozen=True):
    """The PostgreSQL to use: exactly one of `secret_ref` and `embedded`."""

    secret_ref: SecretRef | None = None
    embedded: EmbeddedDatabase | None = None
    migrations: MigrationsSpec = MigrationsSpec()


class SecretsSpec(_SpecPart, frozen=True):
    """The API's keys and tokens: made by the operator, or read from the user's own Secret."""

    mode: Literal["Generate", "Existing"] = "Generate"
    existing: LocalReference | None = None


class IngressSpec(_SpecPart, frozen=True):
    """The Ingress controller to use and what to tell it."""

    class_name: ObjectName = "nginx"
    annotations: Annotations = field(default_factory=dict)
    unsafe_annotations: Annotations = field(default_factory=dict)


class IssuerRef(_SpecPart, frozen=True):
    """The cert-manager issuer that signs the certificate."""

    name: ObjectName
    kind: Literal["Issuer", "ClusterIssuer"] = "ClusterIssuer"


class TlsSpec(_SpecPart, frozen=True):
    """The certificate of the host: exactly one of `issuer_ref` and `secret_name`."""

    issuer_ref: IssuerRef | None = None
    secret_name: ObjectName | None = None


class RateLimitSpec(_SpecPart, frozen=True):
    """How many requests a second the Ingress controller lets one client address make."""

    requests_per_second: Annotated[int, Meta(ge=1, le=100_000)]
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class ExposeSpec(_SpecPart, frozen=True):
    """How the API is reached from outside; `host` is set when mode is not None."""

    mode: Literal["None", "Ingress"] = "None"
    host: Annotated[str, Meta(min_length=1, max_length=253, pattern=_SUBDOMAIN)] | None = None
    ingress: IngressSpec = IngressSpec()
    tls: TlsSpec | None = None
    rate_limit: RateLimitSpec | None = None


class EgressRule(_SpecPart, frozen=True):
    """A further network the pods may reach, on the given ports (none means every port).

    Without protocols TCP is meant.
    """

    cidr: Cidr
    except_: Annotated[tuple[Cidr, ...], Meta(max_length=16)] = field(default=(), name="except")
    ports: Annotated[tuple[Port, ...], Meta(max_length=16)] = ()
    protocols: Annotated[tuple[Literal["TCP", "UDP", "SCTP"], ...], Meta(max_length=3)] = ()


class DnsSpec(_SpecPart, frozen=True):
    """Where the cluster's DNS answers; without a namespace, `dns_namespace` is meant."""

    namespace: NamespaceName | None = None
    ports: Annotated[tuple[Port, ...], Meta(min_length=1, max_length=8)] = (53,)
    cidrs: Annotated[tuple[Cidr, ...], Meta(max_length=8)] = ()


class NetworkPolicySpec(_SpecPart, frozen=True):
    """Who may reach the pods, and what they may reach."""

    enabled: bool = True
    ingress_namespaces: Annotated[tuple[NamespaceName, ...], Meta(max_length=16)] = (
        "ingress-nginx",
        "traefik",
    )
    monitoring_namespaces: Annotated[tuple[NamespaceName, ...], Meta(max_length=16)] = (
        "monitoring",
    )
    dns_namespace: NamespaceName = "kube-system"
    dns: DnsSpec = DnsSpec()
    extra_egress: Annotated[tuple[EgressRule, ...], Meta(max_length=32)] = ()


class Spec(_SpecPart, frozen=True):
    """What the user asks for."""

    database: DatabaseSpec
    image: ImageSpec = ImageSpec()
    api: ApiSpec = ApiSpec()
    secrets: SecretsSpec = SecretsSpec()
    expose: ExposeSpec = ExposeSpec()
    network_policy: NetworkPolicySpec = NetworkPolicySpec()
    suspend: bool = False
    mode: Literal["Apply", "Plan"] = "Apply"
    deletion_policy: Literal["Delete", "Retain"] = "Delete"


class Metadata(Struct, frozen=True, kw_only=True, rename="camel"):
    """The part of the object's metadata that the operator looks at."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    namespace: Annotated[str, Meta(min_length=1, max_length=63, pattern=_LABEL)]
    uid: Annotated[str, Meta(min_length=1)]
    generation: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    deletion_timestamp: str | None = None


class ServiceLayer(Struct, frozen=True, kw_only=True):
    """One ServiceLayer as it was last read.

    `unknown`: members of the spec that this version passes over.
    """

    metadata: Metadata
    spec: Spec
    status: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def decode(body: Mapping[str, Any]) -> ServiceLayer:
    """Return the resource of an object as the API server hands it out.

    Raises:
        InvalidResource: a rule is broken; it names the first offending field.
    """
    try:
        resource = convert({**body, "unknown": ()}, ServiceLayer)
    except ValidationError as exc:
        raise _refusal(str(exc)) from None
    if resource.metadata.name in RESERVED_NAMES:
        raise InvalidResource(
            "metadata.name",
            "belongs to Kubernetes: every namespace has a ServiceAccount default, and namespace "
            "default a Service kubernetes; choose another name",
        )
    for violation in violations(resource.spec):
        raise InvalidResource(violation.field, violation.message)
    unknown = tuple(unknown_fields(body["spec"], Spec, "spec"))
    return replace(resource, unknown=unknown) if unknown else resource


def _refusal(text: str) -> InvalidResource:
    """Translate the decoder's sentence, which ends in the path where it stopped."""
    what, _, where = text.partition(" - at ")
    path = where.removeprefix("`key` in ").strip("`").removeprefix("$").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(.+)`", what)
    if missing:
        return InvalidResource(f"{path}.{missing[1]}".lstrip("."), "is required")
    if "matching regex" in what:
        place = re.sub(r"\[[^\]]*\]", "", path)
        return InvalidResource(
            path, f"has the wrong form; `kubectl explain sl.{place}` shows examples"
        )
    return InvalidResource(path or "object", what[:1].lower() + what[1:])


def _without_tag(reference: str) -> str:
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
