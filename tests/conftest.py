"""What every tier shares: the cluster harness, which builds before the first test."""

pytest_plugins = ["support.cluster_fixtures"]
