"""Makes a folder and a PersistentVolume for each claim of the default storage class.

It runs as a process of the cluster, watches claims and volumes, and keeps one invariant: a volume
whose claim is gone loses its folder, then itself. It never touches volumes of other classes.

Folders are open to everybody (0777): a pod that runs as any user and sets no fsGroup must be able
to write, as it can on kind; where a pod sets fsGroup, the kubelet applies it to these volumes.
"""

import http.client
import json
import shutil
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.addons import PROVISIONER, STORAGE_CLASS
from cluster.certificates import KeyPair
from cluster.kubeconfig import client_context, load
from cluster.layout import NODE, Layout
from cluster.progress import say

_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_SELECTED = "volume.kubernetes.io/selected-node"
_MADE_BY = "pv.kubernetes.io/provisioned-by"
_RETRY_SECONDS = 1.0
_WATCH_SECONDS = 300


def volume_for(claim: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Return the volume that a claim waits for, or None when it waits for nothing of ours. PURE.

    A claim is served once the scheduler has chosen the node for its first pod.
    """
    metadata, spec = claim["metadata"], claim["spec"]
    waiting = claim.get("status", {}).get("phase", "Pending") == "Pending"
    selected = metadata.get("annotations", {}).get(_SELECTED)
    if spec.get("storageClassName") != STORAGE_CLASS or not waiting or not selected:
        return None
    if spec.get("volumeName") or metadata.get("deletionTimestamp"):
        return None
    name = f"pvc-{metadata['uid']}"
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_MADE_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            # `local`, not `hostPath`: the kubelet applies fsGroup to the first only.
            "local": {"path": str(folder / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
        },
    }


def abandoned(volume: dict[str, Any]) -> bool:
    """Tell whether this volume is one of ours whose claim is gone. PURE."""
    ours = volume["metadata"].get("annotations", {}).get(_MADE_BY) == PROVISIONER
    reclaim = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    return ours and reclaim and volume.get("status", {}).get("phase") == "Released"


class Provisioner:
    """Serves claims from one API server into one folder."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.volumes
        cluster = load(layout.kubeconfig)["clusters"][0]["cluster"]
        server = urllib.parse.urlsplit(cluster["server"])
        self._address = (server.hostname or "", server.port or 443)
        pki = layout.pki
        own = KeyPair(pki / "provisioner.crt", pki / "provisioner.key")
        self._context = client_context(pki / "ca.crt", own)

    def watch(self, path: str) -> None:
        """Follow one kind for ever; every break of the connection begins with a fresh list."""
        while True:
            try:
                for item in self._follow(path):
                    self._handle(path, item)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as exc:
                say(f"{path}: {exc!r}, again in {_RETRY_SECONDS} s")
            time.sleep(_RETRY_SECONDS)

    def _handle(self, path: str, item: dict[str, Any]) -> None:
        if path == _VOLUMES:
            if abandoned(item):
                self._remove(item)
        elif (volume := volume_for(item, self._folder)) is not None:
            self._make(volume)

    def _make(self, volume: dict[str, Any]) -> None:
        folder = Path(volume["spec"]["local"]["path"])
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        status, answer = self._call("POST", _VOLUMES, volume)
        if status not in {http.client.CREATED, http.client.CONFLICT}:
            raise ValueError(f"volume not made: {status} {answer.get('message')}")
        say(f"made {volume['metadata']['name']} for {volume['spec']['claimRef']['name']}")

    def _remove(self, volume: dict[str, Any]) -> None:
        name = volume["metadata"]["name"]
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._call("DELETE", f"{_VOLUMES}/{name}", None)
        say(f"removed {name}")

    def _follow(self, path: str) -> Iterator[dict[str, Any]]:
        status, listed = self._call("GET", path, None)
        if status != http.client.OK:
            raise ValueError(f"list refused: {status} {listed.get('message')}")
        yield from listed["items"]
        query = urllib.parse.urlencode(
            {
                "watch": "1",
                "resourceVersion": listed["metadata"]["resourceVersion"],
                "timeoutSeconds": _WATCH_SECONDS,
            }
        )
        connection = self._connect(_WATCH_SECONDS + 30)
        try:
            connection.request("GET", f"{path}?{query}")
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif event["type"] == "ERROR":
                    return
        finally:
            connection.close()

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any]]:
        connection = self._connect(30)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        host, port = self._address
        return http.client.HTTPSConnection(host, port, context=self._context, timeout=timeout)


def run(folder: Path) -> int:
    """Serve claims of the cluster whose state lies in `folder`, until killed."""
    provisioner = Provisioner(Layout(folder))
    for path in (_CLAIMS, _VOLUMES):
        threading.Thread(target=provisioner.watch, args=(path,), daemon=True).start()
    say("watching claims and volumes")
    threading.Event().wait()
    return 0
