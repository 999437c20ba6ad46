"""The API's Deployment: rolls without a dip, under the restricted standard, secrets by reference.

The invariant: the pod template depends on the spec, the image and the fingerprints alone, never on
the operator's version, so upgrading the operator restarts nothing. Every variable name occurs once
(server-side apply refuses doubles): the operator's own win, the rest may be set by `extraEnv`.
"""

from typing import Any, Final

from servicelayer_operator.manifests.config_map import (
    CONFIG_DIRECTORY,
    CONFIG_FILE,
    LISTEN_ADDR,
    PROBE_ADDR,
    PROBE_PORT,
    config_data,
)
from servicelayer_operator.manifests.labels import (
    API,
    CONFIG_HASH,
    PREFIX,
    SECRET_FINGERPRINT,
    TEMPLATE_HASH,
    labels,
    selector,
)
from servicelayer_operator.manifests.manifest import BuildInputs, digest, digest10
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.manifests.names import DATABASE_URL, api_image, image_version, names_of
from servicelayer_operator.manifests.pod import (
    API_UID,
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    placement,
    pod_security,
    pull_secrets,
    resources,
    secret_env,
)
from servicelayer_operator.pod_settings import TopologySpread, as_manifest
from servicelayer_operator.resource import EnvVar, PodTemplateSpec, ServiceLayer

CONTAINER: Final = "appserver"
PROBES: Final = "probes"
REQUIRED_KEYS: Final = ("API_TOKENS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY")
GENERATED_KEYS: Final = ("AUTH_USERS", "RANDOM_SIGNING_KEY")
OPTIONAL_KEYS: Final = ("GASBANK_RESOLVER_KEY", "ORACLE_RUNNER_TOKENS", "PRICEFEED_FETCH_KEY")

_SPREAD_OVER: Final = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
_PRE_STOP_SECONDS: Final = 5
# The grace period must hold the preStop sleep, the API's own draining and a margin.
_NOT_DRAINING_SECONDS: Final = 20
_MIN_DRAINING_SECONDS: Final = 5


def build_deployment(resource: ServiceLayer, inputs: BuildInputs) -> dict[str, Any]:
    """Build the Deployment of the API."""
    image = api_image(resource, inputs.api_image)
    name, version = resource.metadata.name, image_version(image)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(resource, name, API, version),
        "spec": {
            "replicas": wanted_replicas(resource),
            "revisionHistoryLimit": 5,
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": selector(name, API)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": _template(resource, inputs, image),
        },
    }


def wanted_replicas(resource: ServiceLayer) -> int:
    """Return how many API pods are wanted: none while suspended."""
    return 0 if resource.spec.suspend else resource.spec.api.replicas


def _template(resource: ServiceLayer, inputs: BuildInputs, image: str) -> dict[str, Any]:
    wanted = resource.spec.api.pod_template
    ours = {CONFIG_HASH: digest10(config_data(resource))}
    if inputs.secret_fingerprint or inputs.database_fingerprint:
        ours[SECRET_FINGERPRINT] = digest([inputs.secret_fingerprint, inputs.database_fingerprint])
    theirs = {key: text for key, text in wanted.annotations.items() if not key.startswith(PREFIX)}
    template: dict[str, Any] = {
        "metadata": {
            "labels": {
                **wanted.labels,
                **labels(resource.metadata.name, API, image_version(image)),
            },
            "annotations": {**theirs, **ours},
        },
        "spec": _pod_spec(resource, image),
    }
    template["metadata"]["annotations"][TEMPLATE_HASH] = digest10(template)
    return template


def _pod_spec(resource: ServiceLayer, image: str) -> dict[str, Any]:
    names, spec = names_of(resource), resource.spec
    wanted = spec.api.pod_template
    built: dict[str, Any] = {
        "serviceAccountName": names.base,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": wanted.termination_grace_period_seconds,
        "securityContext": pod_security(API_UID),
        "containers": [_container(resource, image)],
        "volumes": [{"name": "config", "configMap": {"name": names.config_map}}, TMP_VOLUME],
        "topologySpreadConstraints": _spread(resource.metadata.name, wanted),
        **placement(wanted),
        **pull_secrets(spec.image),
    }
    if wanted.affinity is not None:
        built["affinity"] = as_manifest(wanted.affinity)
    return built


def _container(resource: ServiceLayer, image: str) -> dict[str, Any]:
    spec = resource.spec
    sleep = f"import time; time.sleep({_PRE_STOP_SECONDS})"
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": spec.image.pull_policy,
        "args": ["serve"],
        "env": _environment(resource),
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": PROBES, "containerPort": PROBE_PORT, "protocol": "TCP"},
        ],
        "resources": resources(spec.api.resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "File",
        "startupProbe": {**_probe("/livez"), "periodSeconds": 1, "failureThreshold": 120},
        "livenessProbe": {**_probe("/livez"), "initialDelaySeconds": 10, "periodSeconds": 10},
        "readinessProbe": {
            **_probe("/readyz"),
            "initialDelaySeconds": 5,
            "periodSeconds": 5,
            "failureThreshold": 2,
        },
        # Load balancers need a moment to forget the pod; the image has Python and no shell.
        "lifecycle": {"preStop": {"exec": {"command": ["python3", "-c", sleep]}}},
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            TMP_MOUNT,
        ],
    }


def _probe(path: str) -> dict[str, Any]:
    # A listener of its own, which answers whatever clients do to the one for everybody.
    return {"httpGet": {"path": path, "port": PROBES}, "timeoutSeconds": 5}


def _environment(resource: ServiceLayer) -> list[dict[str, Any]]:
    owned = [*_settings(resource), *_secrets(resource)]
    names = {item["name"] for item in owned}
    extra = {
        item.name: _extra(item) for item in resource.spec.api.extra_env if item.name not in names
    }
    tunable = [item for item in _tunables(resource) if item["name"] not in extra]
    return [*owned, *tunable, *extra.values()]


def _settings(resource: ServiceLayer) -> list[dict[str, Any]]:
    api = resource.spec.api
    values = {
        "CONFIG_FILE": f"{CONFIG_DIRECTORY}/{CONFIG_FILE}",
        "LISTEN_ADDR": LISTEN_ADDR,
        "PROBE_ADDR": PROBE_ADDR,
        "MIGRATE": "false",
        "LOG_FORMAT": api.log_format,
        "LOG_LEVEL": api.log_level,
        "MODULE_SLOW_MS": str(api.module_slow_ms),
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _secrets(resource: ServiceLayer) -> list[dict[str, Any]]:
    names = names_of(resource)
    existing = resource.spec.secrets.mode == "Existing"
    return [
        secret_env(DATABASE_URL, names.database_secret, names.database_key),
        *(secret_env(key, names.api_secret, key) for key in REQUIRED_KEYS),
        *(secret_env(key, names.api_secret, key, optional=existing) for key in GENERATED_KEYS),
    ]


def _tunables(resource: ServiceLayer) -> list[dict[str, Any]]:
    grace = resource.spec.api.pod_template.termination_grace_period_seconds
    draining = max(_MIN_DRAINING_SECONDS, grace - _NOT_DRAINING_SECONDS)
    secret = names_of(resource).api_secret
    return [
        {"name": "SHUTDOWN_GRACE_SECONDS", "value": str(draining)},
        *(secret_env(key, secret, key, optional=True) for key in OPTIONAL_KEYS),
    ]


def _extra(variable: EnvVar) -> dict[str, Any]:
    if variable.value_from is None:
        return {"name": variable.name, "value": variable.value or ""}
    secret, config = variable.value_from.secret_key_ref, variable.value_from.config_map_key_ref
    if secret is not None:
        return secret_env(variable.name, secret.name, secret.key)
    reference = {} if config is None else {"name": config.name, "key": config.key}
    return {"name": variable.name, "valueFrom": {"configMapKeyRef": reference}}


def _spread(name: str, wanted: PodTemplateSpec) -> list[dict[str, Any]]:
    chosen = wanted.topology_spread_constraints or tuple(
        TopologySpread(topology_key=key) for key in _SPREAD_OVER
    )
    pods = {"labelSelector": {"matchLabels": selector(name, API)}}
    return [
        {
            "maxSkew": item.max_skew,
            "whenUnsatisfiable": item.when_unsatisfiable,
            **as_manifest(item),
            **pods,
            "matchLabelKeys": ["pod-template-hash"],
        }
        for item in chosen
    ]
