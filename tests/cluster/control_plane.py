"""A light Kubernetes for integration tests: etcd, API server and controller manager, no node.

Invariant: whatever ends the program that started it, nothing of it runs on: the context manager
and the interpreter's exit stop it, and a killed interpreter takes its children along (the kernel
does that). Folders that a killed one left are swept by the next start. Several run side by side.

It refuses to pretend: nothing schedules pods here, so workloads never become ready. Start it from
the thread that outlives it; the children end with that thread.
"""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cluster.bootstrap import ADMIN, prepare
from cluster.components import (
    ControlPlaneSettings,
    apiserver_command,
    controller_manager_command,
    etcd_command,
)
from cluster.errors import ClusterError
from cluster.kubeconfig import client_context
from cluster.kubectl import Kubectl
from cluster.probes import free_ports, http_ok, wait_ready
from cluster.processes import ProcessRecord, boot_id, log_tail, spawn, start_ticks, stop
from cluster.toolchain import ensure

PREFIX = "slcp-"
ATTEMPTS = 3
OWNER = "owner.json"


class ControlPlane:
    """One light control plane; use it as a context manager, or call `start` and `stop`.

    Attributes:
        folder: its own temporary folder: data, certificates, logs.
        kubeconfig: the administrator's (a client certificate in group system:masters).
        server: URL of the API server.
        audit_log: the API server's audit log, JSON lines.
        kubectl: callable, `cp.kubectl("get", "nodes")`; see `Kubectl`.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.kubeconfig = Path()
        self.audit_log = Path()
        self.server = ""
        self.records: list[ProcessRecord] = []
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator; raises when a part of the control plane has died."""
        self.check()
        return Kubectl(self.kubeconfig)

    def start(self) -> Self:
        """Start all parts and wait until a namespace can be used; raises with the log's end."""
        programs = ensure("kubernetes")
        etcd = ensure("etcd") / "etcd"
        sweep_stale()
        atexit.register(self.stop)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start(etcd, programs)
            except ClusterError:
                self._take_down()
                # Another program can take a port between our look and its use: look again.
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                self._take_down()
                raise
            else:
                return self
        raise AssertionError

    def stop(self) -> None:
        """Stop all parts and remove the folder; harmless when nothing runs."""
        atexit.unregister(self.stop)
        self._take_down()

    def check(self) -> None:
        """Raise when a part has died, naming it and showing the end of its log."""
        for record in self.records:
            if not record.alive():
                raise ClusterError(f"{record.name} has died\n{log_tail(Path(record.log))}")

    def _start(self, etcd: Path, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._cleanup.callback(shutil.rmtree, self.folder, ignore_errors=True)
        _write_owner(self.folder)
        etcd_port, peer_port, server_port, manager_port = free_ports(4)
        settings = ControlPlaneSettings(
            folder=self.folder,
            address="127.0.0.1",
            etcd_port=etcd_port,
            etcd_peer_port=peer_port,
            apiserver_port=server_port,
            controller_manager_port=manager_port,
        )
        self.kubeconfig = self.folder / f"{ADMIN}.kubeconfig"
        self.server, self.audit_log = settings.server, settings.audit_log
        admin = prepare(settings)
        context = client_context(settings.certificates / "ca.crt", admin)
        self._run(
            "etcd",
            etcd_command(etcd, settings),
            lambda: http_ok(f"http://127.0.0.1:{settings.etcd_port}/health"),
        )
        self._run(
            "kube-apiserver",
            apiserver_command(programs / "kube-apiserver", settings),
            lambda: http_ok(f"{settings.server}/readyz", context),
        )
        account = f"{settings.server}/api/v1/namespaces/default/serviceaccounts/default"
        self._run(
            "kube-controller-manager",
            [
                *controller_manager_command(programs / "kube-controller-manager", settings),
                # A node of a test has no kubelet that would report for it.
                "--controllers=*,-node-lifecycle-controller",
            ],
            lambda: http_ok(account, context),
        )

    def _run(self, name: str, command: Sequence[str], ready: Callable[[], bool]) -> None:
        log = self.folder / "logs" / f"{name}.log"
        record = spawn(name, command, log=log, die_with_parent=True)
        self.records.append(record)
        wait_ready(record, ready, seconds=60)

    def _take_down(self) -> None:
        # The API server first: without etcd it would fill its log before it goes.
        stop(self.records[1:], grace=0)
        stop(self.records[:1], grace=0)
        self.records.clear()
        self._cleanup.close()


def _write_owner(folder: Path) -> None:
    owner = {"pid": os.getpid(), "started": start_ticks(os.getpid()), "boot": boot_id()}
    (folder / OWNER).write_text(json.dumps(owner))


def stale_folders() -> list[Path]:
    """Return the folders of light control planes whose starter is gone."""
    found: list[Path] = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            owner = json.loads((folder / OWNER).read_text())
        except (OSError, ValueError):
            continue
        alive = owner["boot"] == boot_id() and start_ticks(owner["pid"]) == owner["started"]
        if not alive and folder.stat().st_uid == os.getuid():
            found.append(folder)
    return found


def sweep_stale() -> None:
    """Remove what killed test runs left in the temporary folder."""
    for folder in stale_folders():
        shutil.rmtree(folder, ignore_errors=True)
