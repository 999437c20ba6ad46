"""The operator's settings: one frozen struct, decoded once from the environment.

Invariant: a `Settings` that exists is valid. A wrong value stops the start with one line that
names the variable and what to write instead. Nothing else in the package reads the environment,
except the Kubernetes client libraries (`KUBECONFIG`, the service account's files).
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LogFormat = Literal["json", "text"]

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_LEVELS = ("debug", "info", "warning", "error")
_SERVICE_ACCOUNT_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_HIGHEST_PORT = 65535


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message is one line for a person."""


class Address(msgspec.Struct, frozen=True):
    """A host and a port to listen on; an empty host is every interface."""

    host: str
    port: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set about the operator (times in seconds).

    Attributes:
        watch_namespaces: What to watch; empty for the whole cluster.
        identity: Who this process is, in the Lease and in events.
        watch_server_timeout: How long the API server keeps a watch open.
        watch_stall_seconds: How long a watch may be silent before liveness fails.
        api_qps: The most calls a second to the API server; 0 for no limit of its own, since the
            server has priority and fairness, and its 429 is honoured.
        api_url: Pattern of the operand's base URL with `{name}`, `{namespace}` and the `{address}`
            of one of its pods; empty for that address inside the cluster, and for the API server's
            proxy outside of it. The platform token is sent there.
    """

    watch_namespaces: tuple[str, ...] = ()
    leader_election: bool = True
    operator_namespace: str = "default"
    lease_namespace: str = "default"
    lease_name: str = "servicelayer-operator"
    identity: str = "servicelayer-operator"
    default_api_image: str = "servicelayer-api:latest"
    default_postgres_image: str = "postgres:17"
    metrics_addr: Address = Address("", 8080)
    health_addr: Address = Address("", 8081)
    log_level: str = "info"
    log_format: LogFormat = "json"
    resync_seconds: float = 600.0
    workers: int = 8
    watch_server_timeout: int = 300
    watch_stall_seconds: float = 180.0
    api_qps: float = 0.0
    api_url: str = ""

    @property
    def installation(self) -> str:
        """What all replicas of this operator share, and no other installation has."""
        return f"{self.lease_namespace or self.operator_namespace}/{self.lease_name}"

    @property
    def namespaces(self) -> tuple[str | None, ...]:
        """What to list and watch: each namespace, or `None` once for the whole cluster."""
        return self.watch_namespaces or (None,)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Decode the settings from the environment.

    Raises:
        SettingsError: A variable has a value that cannot be used.
    """
    env = os.environ if environ is None else environ
    read = _Reader(env)
    host = env.get("POD_NAME") or socket.gethostname()
    defaults = Settings()
    own = env.get("POD_NAMESPACE") or _own_namespace() or defaults.operator_namespace
    return Settings(
        watch_namespaces=read.namespaces("WATCH_NAMESPACES"),
        leader_election=read.flag("LEADER_ELECTION", defaults.leader_election),
        operator_namespace=own,
        lease_namespace=env.get("LEASE_NAMESPACE") or own,
        lease_name=env.get("LEASE_NAME") or defaults.lease_name,
        # The process id sets two operators of one machine apart; in a pod it is always the same.
        identity=f"{host}_{os.getpid()}",
        default_api_image=env.get("DEFAULT_API_IMAGE") or defaults.default_api_image,
        default_postgres_image=env.get("DEFAULT_POSTGRES_IMAGE") or defaults.default_postgres_image,
        metrics_addr=read.address("METRICS_ADDR", defaults.metrics_addr),
        health_addr=read.address("HEALTH_ADDR", defaults.health_addr),
        log_level=read.choice("LOG_LEVEL", _LEVELS, defaults.log_level),
        log_format="text"
        if read.choice("LOG_FORMAT", ("json", "text"), "json") == "text"
        else "json",
        resync_seconds=read.number("RESYNC_SECONDS", defaults.resync_seconds, least=5.0),
        workers=int(read.number("WORKERS", defaults.workers, least=1, most=64)),
        watch_server_timeout=int(
            read.number("WATCH_SERVER_TIMEOUT", defaults.watch_server_timeout, least=5)
        ),
        watch_stall_seconds=read.number(
            "WATCH_STALL_SECONDS", defaults.watch_stall_seconds, least=5.0
        ),
        api_qps=read.number("API_QPS", defaults.api_qps, least=0.0),
        api_url=read.pattern("API_URL", defaults.api_url),
    )


def namespace_list(source: str, raw: Iterable[str]) -> tuple[str, ...]:
    """Namespace names, each once, in the given order.

    Raises:
        SettingsError: One is not a namespace name; it names the source.
    """
    found = tuple(dict.fromkeys(part.strip() for part in raw if part.strip()))
    for namespace in found:
        if not _NAMESPACE.fullmatch(namespace):
            raise SettingsError(
                f"{source}: {namespace!r} is not a namespace name; "
                "write names separated by commas, or leave it empty for all namespaces"
            )
    return found


class _Reader:
    """Reads typed values out of the environment; every refusal names the variable."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def namespaces(self, name: str) -> tuple[str, ...]:
        return namespace_list(name, self._env.get(name, "").split(","))

    def flag(self, name: str, default: bool) -> bool:
        raw = self._env.get(name, "").strip().lower()
        if not raw:
            return default
        if raw in _TRUE:
            return True
        if raw in _FALSE:
            return False
        raise SettingsError(f"{name}: {raw!r} is not a switch; write true or false")

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        raw = self._env.get(name, "").strip().lower() or default
        if raw not in allowed:
            raise SettingsError(f"{name}: {raw!r} is unknown; write one of {', '.join(allowed)}")
        return raw

    def number(
        self, name: str, default: float, *, least: float, most: float | None = None
    ) -> float:
        raw = self._env.get(name, "").strip()
        try:
            value = float(raw) if raw else float(default)
        except ValueError:
            raise SettingsError(f"{name}: {raw!r} is not a number") from None
        # Written so that NaN, which compares false with everything, is refused too.
        if not (value >= least and (most is None or value <= most)):
            limit = f"at least {least:g}" if most is None else f"between {least:g} and {most:g}"
            raise SettingsError(f"{name}: {raw} is out of range; write a number {limit}")
        return value

    def pattern(self, name: str, default: str) -> str:
        raw = self._env.get(name, "").strip().rstrip("/") or default
        try:
            raw.format(name="name", namespace="namespace", address="address")
        except (KeyError, IndexError, ValueError):
            raise SettingsError(
                f"{name}: {raw!r} may hold {{name}}, {{namespace}} and {{address}}, and no other "
                "braces"
            ) from None
        return raw

    def address(self, name: str, default: Address) -> Address:
        raw = self._env.get(name, "").strip()
        if not raw:
            return default
        host, separator, port = raw.rpartition(":")
        if not separator or not port.isdecimal() or int(port) > _HIGHEST_PORT:
            raise SettingsError(f"{name}: {raw!r} is not an address; write host:port or :port")
        return Address(host.strip("[]"), int(port))


def _own_namespace() -> str | None:
    """The namespace of the pod we run in, where there is one."""
    try:
        with open(_SERVICE_ACCOUNT_NAMESPACE, encoding="utf-8") as file:  # noqa: PTH123 - one line read
            return file.read().strip() or None
    except OSError:
        return None
