"""What the end-to-end tests stand on: a cluster with an operator, and databases of their own."""

from dataclasses import dataclass

from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.provision import Provided
from support.layers import Layer

SYSTEM = "servicelayer-e2e-system"
SERVED = "servicelayer-e2e"
BROKEN = "servicelayer-e2e-broken"
OPERATOR_PODS = "app.kubernetes.io/component=operator"


@dataclass(frozen=True)
class Stage:
    """What a session of tests stands on."""

    cluster: Cluster
    provided: Provided

    def layer(self, namespace: str, name: str) -> Layer:
        """Name a ServiceLayer; nothing is made yet."""
        return Layer(self.cluster, namespace, name)

    def operators(self) -> list[str]:
        """Return the names of the operator's running pods."""
        pods = self.cluster.kubectl.json("-n", SYSTEM, "get", "pods", "-l", OPERATOR_PODS)["items"]
        return [
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        ]

    def scale_operator(self, replicas: int) -> None:
        """Stop or start the operator, and wait until that is so."""
        kubectl = self.cluster.kubectl
        kubectl("-n", SYSTEM, "scale", "deployment/servicelayer-operator", f"--replicas={replicas}")
        if replicas:
            kubectl(
                *("-n", SYSTEM, "rollout", "status", "deployment/servicelayer-operator"),
                "--timeout=90s",
            )
        else:
            kubectl(
                *("-n", SYSTEM, "wait", "--for=delete", "pod", "-l", OPERATOR_PODS),
                "--timeout=90s",
            )


@dataclass(frozen=True)
class Database:
    """A database on the embedded server of another ServiceLayer, reached by a name in DNS."""

    server: Layer
    name: str

    def url(self, *, password: str | None = None, host: str | None = None) -> str:
        """Return the connection string, right or with one thing wrong."""
        secret = f"{self.server.name}-postgres"
        user = self.server.secret(secret, "POSTGRES_USER")
        word = password or self.server.secret(secret, "POSTGRES_PASSWORD")
        where = host or f"{secret}.{self.server.namespace}.svc"
        return f"postgres://{user}:{word}@{where}:5432/{self.name}?sslmode=disable"

    def run(self, statement: str) -> str:
        """Run SQL in it."""
        return self._psql(self.name, statement)

    def admin(self, statement: str) -> str:
        """Run SQL beside it."""
        return self._psql("postgres", statement)

    def _psql(self, database: str, statement: str) -> str:
        pod = f"{self.server.name}-postgres-0"
        user = self.server.secret(f"{self.server.name}-postgres", "POSTGRES_USER")
        command = ("psql", "-X", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-U", user)
        try:
            return self.server.call(
                "exec", pod, "-c", "postgres", "--", *command, "-d", database, "-c", statement
            )
        except ClusterError as exc:
            raise AssertionError(f"SQL did not run: {exc}") from exc
