"""What a ServiceLayer says about its pods in Kubernetes' own words: resources, placement, spread.

These structs mirror the parts of the core API that the schema lets through, field for field, so
that `as_manifest` gives back exactly what the user wrote. They refuse what a pod spec could not
hold, in the CRD's words, so that the Deployment is never the first to complain.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field, json

from servicelayer_operator import quantities

type Quantity = (
    Annotated[str, Meta(max_length=32, pattern=quantities.PATTERN)] | Annotated[int, Meta(ge=0)]
)
type LabelKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=317,
        pattern=r"^([-a-z0-9.]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]
type LabelValue = Annotated[
    str, Meta(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
type LabelValues = Annotated[tuple[LabelValue, ...], Meta(min_length=1, max_length=16)]
type NamespaceName = Annotated[
    str, Meta(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
type Labels = Annotated[dict[LabelKey, LabelValue], Meta(max_length=32)]
type Annotations = Annotated[
    dict[LabelKey, Annotated[str, Meta(max_length=4096)]], Meta(max_length=32)
]
type Weight = Annotated[int, Meta(ge=1, le=100)]


class _PodSetting(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
):
    """A piece of a pod spec, written back without the members that were never given."""


def as_manifest(value: _PodSetting) -> dict[str, Any]:
    """Return a setting as the plain object that goes into a Kubernetes manifest."""
    return json.decode(json.encode(value), type=dict[str, Any])


def _check_values(operator: str, values: tuple[str, ...]) -> None:
    if (operator in {"Exists", "DoesNotExist"}) == bool(values):
        raise ValueError(
            "operators Exists and DoesNotExist take no values; every other operator needs values"
        )


class ResourceAmounts(_PodSetting, frozen=True):
    """Amounts of the three resources a container can ask for."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = field(default=None, name="ephemeral-storage")


class Resources(_PodSetting, frozen=True):
    """What a container is guaranteed (requests) and where it is stopped (limits)."""

    requests: ResourceAmounts = ResourceAmounts()
    limits: ResourceAmounts = ResourceAmounts()


class Toleration(_PodSetting, frozen=True):
    """A taint the pods put up with."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None

    def __post_init__(self) -> None:
        """Refuse combinations that no pod spec may hold."""
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value: remove value or use operator Equal")
        if self.key is None and self.operator != "Exists":
            raise ValueError(
                "without a key every taint is meant: set operator: Exists, or name the key"
            )
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError(
                "tolerationSeconds only counts with effect: NoExecute; set that effect or remove it"
            )


class NodeRequirement(_PodSetting, frozen=True):
    """One condition on a node's labels."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: LabelValues = ()

    def __post_init__(self) -> None:
        """Refuse a condition that compares with nothing, or with what is not compared."""
        _check_values(self.operator, self.values)


class NodeTerm(_PodSetting, frozen=True):
    """Conditions on labels that a node must meet together."""

    match_expressions: Annotated[tuple[NodeRequirement, ...], Meta(max_length=8)] = ()


class NodeSelector(_PodSetting, frozen=True):
    """Alternatives, one of which a node must meet."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Meta(min_length=1, max_length=8)]


class PreferredNodeTerm(_PodSetting, frozen=True):
    """A wish about nodes and how much it counts."""

    weight: Weight
    preference: NodeTerm


class NodeAffinity(_PodSetting, frozen=True):
    """Which nodes the pods must or should run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodeTerm, ...], Meta(max_length=8)
    ] = ()


class LabelRequirement(_PodSetting, frozen=True):
    """One condition on a pod's labels."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: LabelValues = ()

    def __post_init__(self) -> None:
        """Refuse a condition that compares with nothing, or with what is not compared."""
        _check_values(self.operator, self.values)


class LabelSelector(_PodSetting, frozen=True):
    """Which pods are meant; all conditions count together."""

    match_labels: Labels = field(default_factory=dict)
    match_expressions: Annotated[tuple[LabelRequirement, ...], Meta(max_length=8)] = ()


class PodTerm(_PodSetting, frozen=True):
    """Pods to be near to, or away from, within one topology domain."""

    topology_key: LabelKey
    label_selector: LabelSelector | None = None
    namespaces: Annotated[tuple[NamespaceName, ...], Meta(max_length=16)] = ()


class WeightedPodTerm(_PodSetting, frozen=True):
    """A wish about other pods and how much it counts."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(_PodSetting, frozen=True):
    """Which pods to be near to; as anti-affinity, which to keep away from."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodTerm, ...], Meta(max_length=8)
    ] = ()
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[WeightedPodTerm, ...], Meta(max_length=8)
    ] = ()


class Affinity(_PodSetting, frozen=True):
    """Placement of the pods relative to nodes and to other pods."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpread(_PodSetting, frozen=True, omit_defaults=False):
    """How evenly the pods spread over nodes or zones; the operator fills in the pod selector."""

    topology_key: LabelKey
    max_skew: Annotated[int, Meta(ge=1, le=100)] = 1
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    min_domains: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse a number of domains that would not count."""
        if self.min_domains is not UNSET and self.when_unsatisfiable != "DoNotSchedule":
            raise ValueError(
                "minDomains only counts with whenUnsatisfiable: DoNotSchedule; "
                "set that or remove it"
            )
