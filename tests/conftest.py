"""What every tier shares: the cluster harness, and how the tests spread over workers.

Everything that uses the whole cluster stays on one worker, in order, for there is one cluster;
other tests stay together by file, so that a session's servers are started once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, override

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

pytest_plugins = ["support.cluster_fixtures"]

# A property holds or does not, however busy the machine is: no example is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

TESTS = Path(__file__).parent
ONE_CLUSTER = "the one cluster"
ON_THE_CLUSTER = ("tests/e2e/", "tests/integration/test_cluster_harness.py")
LONG = (  # first, so that none ends alone
    ONE_CLUSTER,
    "tests/integration/operator/test_crashes.py",
    "tests/integration/operator/test_steady_state.py",
)


def group_of(nodeid: str) -> str:
    """Return what a test is scheduled with: the one cluster's tests, or its file."""
    file = nodeid.partition("::")[0]
    return ONE_CLUSTER if file.startswith(ON_THE_CLUSTER) else file


class ByGroup(LoadScopeScheduling):
    """One unit of work a group; with pytest 9.2 the mark xdist_group is ignored (xdist #1386)."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup:
    return ByGroup(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups = {item.nodeid: group_of(item.nodeid) for item in items}
    items.sort(key=lambda item: LONG.index(g) if (g := groups[item.nodeid]) in LONG else len(LONG))
    astray = {
        item.nodeid
        for item in items
        if isinstance(item, pytest.Function)
        and "real_cluster" in item.fixturenames
        and groups[item.nodeid] != ONE_CLUSTER
    }
    if astray:
        raise pytest.UsageError(f"name these files in ON_THE_CLUSTER of {__file__}: {astray}")
