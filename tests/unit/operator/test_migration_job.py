"""The migration Job: what makes a new one, when it is run, and what waits for it."""

from typing import Any

import msgspec
import pytest

from servicelayer_operator.manifests import BuildInputs, Gate, Manifest, build_all
from support.good_specs import DIGEST
from support.situations import EMBEDDED, EMBEDDED_INPUTS, find, layer, migrated_status


def migration(
    spec: dict[str, Any], inputs: BuildInputs = EMBEDDED_INPUTS, **parts: Any
) -> Manifest:
    return find(build_all(layer(spec, **parts), inputs), "Job")


@pytest.mark.parametrize(
    "part",
    [
        {"image": {"tag": "2.0"}},
        {"image": {"digest": DIGEST}},
        {"database": {"embedded": {}, "migrations": {"timeoutSeconds": 60}}},
        {"database": {"secretRef": {"name": "dsn"}}},
        {"api": {"podTemplate": {"nodeSelector": {"disk": "ssd"}}}},
    ],
)
def test_what_a_migration_depends_on_makes_a_new_job(part: dict[str, Any]) -> None:
    assert migration({**EMBEDDED, **part}).key != migration(EMBEDDED).key


@pytest.mark.parametrize(
    "part",
    [
        {"api": {"replicas": 9, "logLevel": "debug", "resources": {"limits": {"cpu": 1}}}},
        {"expose": {"mode": "Ingress", "host": "a.example.com"}},
        {"database": {"embedded": {"storage": "9Gi"}}},
    ],
)
def test_what_a_migration_does_not_depend_on_keeps_its_job(part: dict[str, Any]) -> None:
    assert migration({**EMBEDDED, **part}).key == migration(EMBEDDED).key


@pytest.mark.parametrize(
    "change", [{"database_fingerprint": "mended"}, {"database_identity": "another"}]
)
def test_another_connection_string_or_volume_makes_a_new_job(change: dict[str, Any]) -> None:
    changed = msgspec.structs.replace(EMBEDDED_INPUTS, **change)

    assert migration(EMBEDDED, changed).key != migration(EMBEDDED).key


def test_the_retry_annotation_makes_a_new_job() -> None:
    annotations = {"servicelayer.r3e.network/retry-migration": "2026-11-24"}

    assert migration(EMBEDDED, annotations=annotations).key != migration(EMBEDDED).key


def test_a_completed_migration_no_longer_gates_and_is_not_run_again() -> None:
    resource = layer(EMBEDDED, status=migrated_status(layer(EMBEDDED)))
    desired = build_all(resource, EMBEDDED_INPUTS)

    assert find(desired, "Job").only_if_present
    assert find(desired, "Deployment").gate is Gate.SECRETS_READY


def test_a_new_image_waits_for_its_migration() -> None:
    status = migrated_status(layer(EMBEDDED))
    desired = build_all(layer({**EMBEDDED, "image": {"tag": "2"}}, status=status), EMBEDDED_INPUTS)

    assert not find(desired, "Job").only_if_present
    assert find(desired, "Job").gate is Gate.DATABASE_READY
    assert find(desired, "Deployment").gate is Gate.MIGRATED


def test_each_attempt_has_a_job_of_its_own() -> None:
    first = migration(EMBEDDED)
    key = first.body["metadata"]["annotations"]["servicelayer.r3e.network/migration-hash"]
    status = {"migration": {"hash": key, "attempts": 2}}

    second = migration(EMBEDDED, status=status)

    assert second.key != first.key
    annotations = second.body["metadata"]["annotations"]
    assert annotations["servicelayer.r3e.network/migration-attempt"] == "2"
    assert annotations["servicelayer.r3e.network/migration-hash"] == key


def test_an_unreadable_record_counts_as_none() -> None:
    assert migration(EMBEDDED, status={"migration": {"attempts": "two"}}) == migration(EMBEDDED)
