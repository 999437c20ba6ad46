"""Every object of a ServiceLayer, in apply order: one line a kind."""

from typing import Any

from servicelayer_operator.manifests.config_map import build_config_map
from servicelayer_operator.manifests.deployment import build_deployment
from servicelayer_operator.manifests.ingress import build_ingress
from servicelayer_operator.manifests.manifest import BuildInputs, Gate, Manifest
from servicelayer_operator.manifests.metadata import seal
from servicelayer_operator.manifests.migration_job import build_migration_job, is_migrated
from servicelayer_operator.manifests.names import api_image, image_version, postgres_image
from servicelayer_operator.manifests.network_policy import (
    build_network_policy,
    build_postgres_network_policy,
)
from servicelayer_operator.manifests.pod_disruption_budget import build_pod_disruption_budget
from servicelayer_operator.manifests.postgres import build_postgres, build_postgres_service
from servicelayer_operator.manifests.service import build_service
from servicelayer_operator.manifests.service_account import build_service_account
from servicelayer_operator.resource import ServiceLayer


def build_all(resource: ServiceLayer, inputs: BuildInputs) -> list[Manifest]:
    """Build all desired objects of the resource, in the order in which they are to be applied."""
    version = image_version(api_image(resource, inputs.api_image))
    database = image_version(postgres_image(resource, inputs.postgres_image))
    return [
        *_plain(
            build_service_account(resource, version),
            build_network_policy(resource, version, inputs.operator_namespace),
            build_postgres_network_policy(resource, database),
            build_config_map(resource, version),
            build_postgres_service(resource, database),
        ),
        # Not before its Secret: a volume without the password in it looks like one that lost it.
        *_plain(
            build_postgres(resource, inputs),
            gate=None if resource.spec.suspend else Gate.SECRETS_READY,
        ),
        *_plain(
            build_service(resource, version),
            build_pod_disruption_budget(resource, version),
        ),
        build_migration_job(resource, inputs),
        seal(build_deployment(resource, inputs), gate=_deployment_gate(resource, inputs)),
        *_plain(build_ingress(resource, version)),
    ]


def _plain(*bodies: dict[str, Any] | None, gate: Gate | None = None) -> list[Manifest]:
    return [seal(body, gate=gate) for body in bodies if body is not None]


def _deployment_gate(resource: ServiceLayer, inputs: BuildInputs) -> Gate | None:
    """Scaling to zero never waits; an unchanged migration hash waits for the Secrets alone."""
    if resource.spec.suspend:
        return None
    return Gate.SECRETS_READY if is_migrated(resource, inputs) else Gate.MIGRATED
