from pathlib import Path
from typing import Any

import pytest

from cluster.provisioner import abandoned, volume_for

FOLDER = Path("/volumes")


def claim(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "metadata": {
            "name": "data-db-0",
            "namespace": "shop",
            "uid": "u-1",
            "annotations": {"volume.kubernetes.io/selected-node": "servicelayer-node"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "standard",
        },
        "status": {"phase": "Pending"},
    }
    for path, value in changes.items():
        section, key = path.split("__")
        made[section][key] = value
    return made


def test_a_claim_whose_pod_has_a_node_gets_a_volume_bound_to_it_alone() -> None:
    volume = volume_for(claim(), FOLDER)
    assert volume is not None
    assert volume["spec"]["claimRef"]["uid"] == "u-1"
    assert volume["spec"]["claimRef"]["namespace"] == "shop"
    assert volume["spec"]["capacity"] == {"storage": "1Gi"}
    assert volume["spec"]["local"]["path"] == "/volumes/pvc-u-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"spec__storageClassName": "other"},
        {"status__phase": "Bound"},
        {"metadata__annotations": {}},
        {"spec__volumeName": "pvc-u-1"},
        {"metadata__deletionTimestamp": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_claim_that_waits_for_nothing_of_ours_gets_no_volume(changes: dict[str, Any]) -> None:
    assert volume_for(claim(**changes), FOLDER) is None


def test_only_a_released_volume_of_ours_is_abandoned() -> None:
    volume = volume_for(claim(), FOLDER)
    assert volume is not None
    assert abandoned({**volume, "status": {"phase": "Released"}})
    assert not abandoned({**volume, "status": {"phase": "Bound"}})
    foreign = {**volume, "metadata": {"name": "pv"}, "status": {"phase": "Released"}}
    assert not abandoned(foreign)


def test_a_volume_whose_owner_asked_to_retain_it_is_kept() -> None:
    volume = volume_for(claim(), FOLDER)
    assert volume is not None
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    assert not abandoned({**volume, "status": {"phase": "Released"}})
