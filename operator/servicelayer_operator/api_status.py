"""Asking the API itself how it is: GET /system/status of the operand; the only user of httpx.

In a cluster a ready pod is asked at its own address: whoever may make Services or namespaces can
stand at a name, and the token must not go there. A pod that is not ready is asked why at its
listener for probes, without a credential. Out of a cluster a pod has no address that can be
reached, so the API server's proxy is asked instead; it drops the Authorization header, so that only
the public /readyz can be read there, which still tells whether the database answers. Invariants:
every question has a timeout over all of it and a largest size, and no answer is unpacked; the token
is sent and never logged; an unusable answer is a fact, never an exception. What is kept of it is
bounded and cleaned too: the operand may be any program.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import httpx
import msgspec

from servicelayer_operator.errors import ClusterError
from servicelayer_operator.failures import clean
from servicelayer_operator.manifests.config_map import API_PORT, PROBE_PORT
from servicelayer_operator.observed import ApiFact, ModuleFact
from servicelayer_operator.serving import read_readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.observed import PodFact, UnreadyFact
    from servicelayer_operator.work_queue import Key

IN_CLUSTER_URL = f"http://{{address}}:{API_PORT}"
_TIMEOUT = httpx.Timeout(4.0, connect=2.0)
ANSWER_SECONDS = 5.0
_LARGEST = 256 * 1024
_MAX_MODULES = 128
_MOST_READ = 1024
_LONGEST_NAME = 63
_STORE = "store"


class ApiProbe:
    """Asks APIs for their status and remembers the answers for a moment.

    Args:
        cluster: For the way through the API server.
        url: Pattern of the API's base URL, or empty for the way through the API server.
        clock: Monotonic seconds.
    """

    def __init__(self, cluster: Cluster, url: str, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._url = url
        self._clock = clock
        self._answers: dict[Key, tuple[float, Hashable, ApiFact]] = {}
        self._reasons: dict[Key, tuple[float, str, UnreadyFact | None]] = {}
        # The environment's proxies are for the world outside, not for the cluster's Services.
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self, key: Key, pod: PodFact, token: str | None, *, max_age: float, stamp: Hashable = None
    ) -> ApiFact:
        """The API's state.

        Args:
            key: Whose API.
            pod: The pod that answers for all.
            token: What to log in with; never logged.
            max_age: How old a remembered answer may be.
            stamp: A remembered answer is of use only under the same stamp (the pods' state).
        """
        known = self._answers.get(key)
        if known is not None and known[1] == stamp and self._clock() - known[0] < max_age:
            return known[2]
        fact = await (self._direct(key, pod, token) if self._url else self._proxied(key))
        self._answers[key] = (self._clock(), stamp, fact)
        return fact

    async def ask_pod(self, key: Key, pod: PodFact, *, max_age: float) -> UnreadyFact | None:
        """Why a pod is not ready; None when it does not say.

        Args:
            key: Whose pod.
            pod: The pod.
            max_age: How old a remembered answer may be.
        """
        if not self._url:
            return None
        known = self._reasons.get(key)
        if known is not None and known[1] == pod.name and self._clock() - known[0] < max_age:
            return known[2]
        answer = await self._fetch(f"http://{_host(pod)}:{PROBE_PORT}", "/readyz", {})
        unready = answer.status == HTTPStatus.SERVICE_UNAVAILABLE and not answer.error
        fact = read_readiness(pod, answer.content) if unready else None
        self._reasons[key] = (self._clock(), pod.name, fact)
        return fact

    def forget(self, key: Key) -> None:
        """Drop what is remembered."""
        self._answers.pop(key, None)
        self._reasons.pop(key, None)

    async def _direct(self, key: Key, pod: PodFact, token: str | None) -> ApiFact:
        base = self._url.format(name=key.name, namespace=key.namespace, address=_host(pod))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await self._fetch(base, "/system/status", headers)
        reachable = answer.status is not None
        if answer.error:
            return ApiFact(reachable=reachable, error=answer.error)
        if answer.status != HTTPStatus.OK:
            return ApiFact(reachable=True, error=f"/system/status answered {answer.status}")
        return parse_status(answer.content)

    async def _fetch(self, base: str, path: str, headers: dict[str, str]) -> _Answer:
        """Read an answer to its end or to the limits, as it came: nothing is unpacked."""
        headers = {"Accept-Encoding": "identity", **headers}
        try:
            # The client's own limits are for each read: one byte every few seconds passes them.
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._http.stream("GET", base + path, headers=headers) as response,
            ):
                return await _read(response, path)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return _Answer(error=f"{path}: {type(error).__name__}")

    async def _proxied(self, key: Key) -> ApiFact:
        path = f"/api/v1/namespaces/{key.namespace}/services/{key.name}:http/proxy/readyz"
        try:
            await self._cluster.call("GET", path, attempts=1, timeout=4.0, largest=_LARGEST)
        except ClusterError as error:
            return ApiFact(error=f"/readyz through the API server: {error.status or 'no answer'}")
        return ApiFact(reachable=True, store_ready=True)


def _host(pod: PodFact) -> str:
    return f"[{pod.address}]" if ":" in pod.address else pod.address


class _Answer(NamedTuple):
    """An answer, or why there is none that can be used."""

    status: int | None = None
    content: bytes = b""
    error: str = ""


async def _read(response: httpx.Response, path: str) -> _Answer:
    status = response.status_code
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return _Answer(status, error=f"{path} answered compressed")
    content = bytearray()
    async for chunk in response.aiter_raw(_LARGEST):
        content += chunk
        if len(content) > _LARGEST:
            return _Answer(status, error=f"{path} is larger than {_LARGEST} bytes")
    return _Answer(status, bytes(content))


class _Module(msgspec.Struct, frozen=True):
    name: str
    status: str = ""
    ready_status: str = ""


class _Version(msgspec.Struct, frozen=True):
    version: str = ""


class _Migrations(msgspec.Struct, frozen=True):
    current: int | None = None
    latest: int | None = None


class _Status(msgspec.Struct, frozen=True):
    """The part of the answer that the operator looks at."""

    modules: tuple[_Module, ...] = ()
    migrations: _Migrations | None = None
    version: _Version | None = None


def parse_status(content: bytes) -> ApiFact:
    """Read the facts off the answer of /system/status; what is missing stays unknown."""
    try:
        answer = msgspec.json.decode(content, type=_Status)
    except (msgspec.MsgspecError, RecursionError):
        return ApiFact(reachable=True, error="/system/status has an unknown shape")
    # Of two of one name the first counts: the status is a map by name.
    named = {_short(module.name): module for module in reversed(answer.modules[:_MOST_READ])}
    named.pop("", None)
    modules = tuple(
        ModuleFact(
            name=name,
            status=_short(module.status),
            ready=module.ready_status == "ready",
        )
        for name, module in list(reversed(named.items()))[:_MAX_MODULES]
    )
    migrations = answer.migrations or _Migrations()
    return ApiFact(
        reachable=True,
        store_ready=next((module.ready for module in modules if module.name == _STORE), None),
        schema_current=migrations.current,
        schema_latest=migrations.latest,
        version=_short(answer.version.version) if answer.version else "",
        modules=modules,
    )


def _short(text: str) -> str:
    """A name for the status: the operand may be any program."""
    return clean(text)[:_LONGEST_NAME].rstrip()
