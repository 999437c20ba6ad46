"""The stage of the end-to-end tests: a real cluster, the images of this checkout, an operator.

The operator has a release and namespaces of its own, so that it never meets that of `make demo`.
All its namespaces enforce the restricted Pod Security Standard. What a test makes it takes away;
the end of the run takes the namespaces away.
"""

import fcntl
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import pytest

from cluster import release
from cluster.handle import Cluster
from cluster.helm import Helm
from cluster.images.ensure import ensure_images
from cluster.paths import cache_dir
from cluster.progress import say
from cluster.provision import provide
from support.layers import Layer
from support.stage import BROKEN, SERVED, SYSTEM, Database, Stage

HERE = Path(__file__).parent
TEST_SECONDS = 420
_LOCK = pytest.StashKey[TextIO]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Do before the first test what outlasts every test's limit: wait for others, build images."""
    own = any(item.path.is_relative_to(HERE) for item in session.items)
    if session.config.option.collectonly or not own:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        # Workers of one run must all get through here before the first of them starts.
        if not hasattr(session.config, "workerinput"):
            session.config.stash[_LOCK] = hold_lock()
        ensure_images()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LOCK in config.stash:
        config.stash[_LOCK].close()


def hold_lock() -> TextIO:
    """Let one run at a time use the namespaces; another one waits for its end."""
    path = cache_dir().parent / "e2e.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another run of the end-to-end tests is under way; waiting for its end ...")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


@pytest.fixture(scope="session")
def stage(real_cluster: Cluster) -> Iterator[Stage]:
    """Images and operator in the cluster; what a killed run left behind is swept first."""
    cluster = real_cluster
    provided = provide(cluster)
    release.install_definition(cluster)
    for namespace in (SERVED, BROKEN):
        release.ensure_namespace(cluster.kubectl, namespace)
        cluster.kubectl("-n", namespace, "delete", "resourcequotas,sl", "--all")
    values = release.operator_values(provided.names, namespaces=[SERVED, BROKEN])
    values["rbac"] = {"aggregate": False}
    release.install_operator(cluster, values, namespace=SYSTEM)
    yield Stage(cluster, provided)
    for namespace in (SERVED, BROKEN):
        cluster.kubectl("-n", namespace, "delete", "resourcequotas,sl", "--all")
    Helm(cluster.kubeconfig)("uninstall", "servicelayer-operator", "--namespace", SYSTEM)
    for namespace in (SERVED, BROKEN, SYSTEM):
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def served_once(stage: Stage) -> Layer:
    """One ServiceLayer with an embedded database, for all tests that leave it whole."""
    layer = stage.layer(SERVED, "neo")
    layer.apply(
        {
            "database": {"embedded": {}},
            "api": {"replicas": 2},
            "expose": {"mode": "Ingress", "host": "neo.e2e.test"},
        }
    )
    layer.wait_ready()
    return layer


@pytest.fixture(scope="session")
def served_spec(served_once: Layer) -> dict[str, Any]:
    """The spec of the common ServiceLayer with all defaults, as it is between the tests."""
    return served_once.read()["spec"]


@pytest.fixture
def served(served_once: Layer, served_spec: dict[str, Any]) -> Layer:
    """The common ServiceLayer, ready at the start of the test, whatever the one before left."""
    served_once.restore(served_spec)
    served_once.wait_ready()
    return served_once


@pytest.fixture
def broken(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Layer]:
    """A ServiceLayer of the test's own, not made yet; gone at the end."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:30]
    layer = stage.layer(BROKEN, name.strip("-"))
    yield layer
    layer.delete()


@pytest.fixture
def database(served: Layer, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of the test's own on the common ServiceLayer's server."""
    name = f"t_{abs(hash(request.node.nodeid)):x}"
    database = Database(served, name)
    database.admin(f"CREATE DATABASE {name}")
    yield database
    database.admin(f"DROP DATABASE {name} WITH (FORCE)")
