"""What every tier shares: the cluster harness, and how the tests spread over workers.

Everything that uses the whole cluster stays on one worker, in order, for there is one cluster;
other tests stay together by file, so that a session's servers are started once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["support.cluster_fixtures"]

TESTS = Path(__file__).parent
ONE_CLUSTER = "real_cluster"
LONG = (  # first, so that none ends alone
    ONE_CLUSTER,
    "integration/operator/test_crashes.py",
    "integration/operator/test_steady_state.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups: dict[str, str] = {}
    for item in items:
        whole = isinstance(item, pytest.Function) and ONE_CLUSTER in item.fixturenames
        if whole or item.path.is_relative_to(TESTS / "e2e"):
            group = ONE_CLUSTER
        else:
            group = str(item.path.relative_to(TESTS))
        groups[item.nodeid] = group
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: LONG.index(g) if (g := groups[item.nodeid]) in LONG else len(LONG))
