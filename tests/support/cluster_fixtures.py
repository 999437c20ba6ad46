"""pytest fixtures over the cluster harness: a light control plane, and a whole real cluster.

Programs are built and the real cluster is brought up after collection, before the first test, so
that a first build of many minutes neither counts against a test's timeout nor goes on unseen. Runs
that use neither fixture start nothing.

A real cluster that was up before the run stays up. One that the run brought up is taken down at
its end, unless SERVICELAYER_KEEP_CLUSTER=1 says otherwise.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster import choice
from cluster.control_plane import ControlPlane
from cluster.families import CONTROL_PLANE
from cluster.handle import Cluster
from cluster.kubectl import Kubectl
from cluster.toolchain import ensure_all

type NamespaceFactory = Callable[..., str]

KEEP = "SERVICELAYER_KEEP_CLUSTER"
_STARTED_HERE = pytest.StashKey[bool]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare what the collected tests ask for, with the progress lines on the terminal."""
    if session.config.option.collectonly:
        return
    wanted = {
        name
        for item in session.items
        if isinstance(item, pytest.Function)
        for name in item.fixturenames
    }
    if not wanted & {"control_plane", "real_cluster"}:
        return
    capture: Any = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if "control_plane" in wanted:
            ensure_all(CONTROL_PLANE)
        if "real_cluster" in wanted:
            session.config.stash[_STARTED_HERE] = choice.current() is None
            choice.up()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """etcd, API server and controller manager of this run's own; pods are never scheduled."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def make_namespace(control_plane: ControlPlane) -> Iterator[NamespaceFactory]:
    """Return a function that makes a fresh namespace in the light control plane."""
    yield from _namespaces(control_plane.kubectl)


@pytest.fixture
def namespace(make_namespace: NamespaceFactory) -> str:
    """Return the name of a fresh namespace in the light control plane."""
    return make_namespace()


@pytest.fixture(scope="session")
def real_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """A cluster where pods run: the named one, kind, or the one assembled on this host."""
    started_here = pytestconfig.stash.get(_STARTED_HERE, choice.current() is None)
    yield choice.up()
    if started_here and os.environ.get(KEEP) != "1":
        choice.down()


@pytest.fixture
def make_cluster_namespace(real_cluster: Cluster) -> Iterator[NamespaceFactory]:
    """Return a function that makes a fresh namespace in the real cluster."""
    yield from _namespaces(real_cluster.kubectl)


def _namespaces(kubectl: Kubectl) -> Iterator[NamespaceFactory]:
    made: list[str] = []

    def make(prefix: str = "test", *, enforce: str = "restricted") -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        labels = {"pod-security.kubernetes.io/enforce": enforce}
        kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": labels},
            }
        )
        made.append(name)
        return name

    yield make
    for name in made:
        # Not waited for: names are never used twice, and the next test need not stand still.
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
