"""The Kubernetes API, as the operator uses it; the only module that imports `kubernetes.aio`.

Invariants: every call has a timeout; what a retry can mend (409, 429 with its Retry-After, 5xx, a
cut connection) is retried here with jitter before the caller hears of it; what it cannot is raised
as one of `errors.py`. Refuses to show a request's body in an error or a log, since a body may hold
a secret. Credentials come from the pod's service account or from the kubeconfig, and the token
file is read again for every call that needs it, because it rotates. They are shown to the API
server alone: no redirect is followed, since an operand behind its proxy may answer with one.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from kubernetes.aio import client as client_module
from kubernetes.aio import config as config_module

from servicelayer_operator import observability
from servicelayer_operator.answers import error_of, retry_delay
from servicelayer_operator.errors import ClusterError, ConfigurationError, UnavailableError
from servicelayer_operator.kinds import Kind, find_kind
from servicelayer_operator.limiter import TokenBucket
from servicelayer_operator.manifests.labels import FIELD_MANAGER
from servicelayer_operator.watching import ObservedResponse, WatchActivity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LIST_CHUNK = 500

# The library is half annotated: through Any it is one border, checked by the tests of this module.
kubernetes_client: Any = client_module
kubernetes_config: Any = config_module

_ATTEMPTS = 6
_CALL_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"

_log = observability.get_logger(__name__)


class Listing(NamedTuple):
    """All objects of one LIST, and the resourceVersion that the list was taken at."""

    items: list[dict[str, Any]]
    resource_version: str


class Cluster:
    """A connection to one API server.

    Args:
        configuration: Where it is and how to log in.
        qps: The most calls a second that this process makes, with bursts of twice as many; 0 for
            as many as the API server takes.
    """

    def __init__(self, configuration: Any, *, qps: float = 0.0) -> None:
        self._configuration = configuration
        self._client = kubernetes_client.ApiClient(configuration)
        self._session: aiohttp.ClientSession | None = None
        self._bucket = TokenBucket(rate=qps, burst=2 * qps) if qps else None
        self.in_cluster = configuration.refresh_api_key_hook is not None

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._configuration.host

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
        await self._client.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        """Read one object.

        Raises:
            NotFoundError: It does not exist.
        """
        return await self.call("GET", kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str | None, *, label_selector: str = "") -> Listing:
        """Read all objects of a kind, in chunks."""
        items: list[dict[str, Any]] = []
        version = ""
        async for chunk, version in self._chunks(kind, namespace, label_selector):  # noqa: B007 - the last one counts
            items.extend(chunk)
        for item in items:
            # A list's items lack what the list itself says about them.
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return Listing(items, version)

    async def _chunks(
        self, kind: Kind, namespace: str | None, label_selector: str
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        query = {"limit": str(LIST_CHUNK)}
        if label_selector:
            query["labelSelector"] = label_selector
        while True:
            answer = await self.call("GET", kind.path(namespace), query=query)
            metadata: dict[str, Any] = answer.get("metadata") or {}
            yield answer.get("items") or [], str(metadata.get("resourceVersion", ""))
            token = metadata.get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST an object that must not exist yet.

        Raises:
            AlreadyExistsError: It does.
        """
        kind = find_kind(body["apiVersion"], body["kind"])
        path = kind.path(body["metadata"].get("namespace"))
        return await self.call("POST", path, body=body, query={"fieldManager": FIELD_MANAGER})

    async def apply(self, body: Mapping[str, Any], *, force: bool) -> dict[str, Any]:
        """Server-side apply one object under the operator's field manager.

        Raises:
            FieldConflictError: Without `force`: another manager owns a field that is set here.
        """
        kind = find_kind(body["apiVersion"], body["kind"])
        metadata = body["metadata"]
        query = {"fieldManager": FIELD_MANAGER}
        if force:
            query["force"] = "true"
        return await self.call(
            "PATCH",
            kind.path(metadata.get("namespace"), metadata["name"]),
            body=body,
            query=query,
            content_type=_APPLY,
        )

    async def merge_patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Mapping[str, Any],
        *,
        subresource: str = "",
    ) -> dict[str, Any]:
        """Merge-patch an object or one of its subresources.

        A patch that names the resourceVersion it was made for is sent once: to repeat it is of no
        use when another has written.

        Raises:
            ConflictError: Another has written meanwhile.
        """
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": FIELD_MANAGER}
        bound = "resourceVersion" in (patch.get("metadata") or {})
        return await self.call(
            "PATCH",
            path,
            body=patch,
            query=query,
            content_type=_MERGE,
            attempts=1 if bound else _ATTEMPTS,
        )

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete one object if it is still the one that was meant.

        Raises:
            PreconditionError: Its uid is another one.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        await self.call("DELETE", kind.path(namespace, name), body=body)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        attempts: int = _ATTEMPTS,
        timeout: float = _CALL_SECONDS,  # noqa: ASYNC109 - of one attempt, kept by the HTTP client
        largest: int | None = None,
    ) -> dict[str, Any]:
        """Make one call, retrying in place what a retry can mend.

        Args:
            method: The HTTP method.
            path: From the server's root.
            body: What is sent, as JSON.
            query: The query's parameters.
            content_type: Of the body.
            attempts: How often it is tried.
            timeout: Seconds for one attempt.
            largest: Bytes that the answer may have, where it is not the API server's own.

        Raises:
            ClusterError: The last attempt's failure.
        """
        request: dict[str, Any] = {
            "url": self.server + quote(path),
            "params": query,
            "headers": {"Accept": "application/json", "Content-Type": content_type},
            "data": None if body is None else msgspec.json.encode(body),
            # The API server's proxy passes on what an operand answers, and that may be any program.
            "allow_redirects": False,
            "timeout": aiohttp.ClientTimeout(
                total=timeout, sock_connect=min(timeout, _CONNECT_SECONDS)
            ),
        }
        for attempt in range(1, attempts + 1):
            if self._bucket is not None:
                await self._bucket.take()
            try:
                return await self._attempt(method, path, request, largest)
            except ClusterError as error:
                if not error.retriable or attempt == attempts:
                    raise
                delay = retry_delay(error, attempt, random.random())  # noqa: S311 - jitter
                _log.debug(
                    "api_call_retried",
                    method=method,
                    path=path,
                    status=error.status,
                    attempt=attempt,
                    delay=round(delay, 2),
                )
            await asyncio.sleep(delay)
        raise AssertionError("at least one attempt is made")

    async def _attempt(
        self, method: str, path: str, request: Mapping[str, Any], largest: int | None
    ) -> dict[str, Any]:
        if self._session is None:
            self._session = self._open_session(self._configuration.connection_pool_maxsize)
        try:
            async with self._session.request(
                method,
                **request,
                server_hostname=self._configuration.tls_server_name,
                proxy_headers=self._configuration.proxy_headers,
            ) as response:
                data = await _content(response, largest)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            observability.REST_CLIENT_REQUESTS.labels("<error>", method).inc()
            what = f"{method} {path}: {type(error).__name__}"
            raise UnavailableError(f"{what}: the API server cannot be reached") from error
        status = response.status
        observability.REST_CLIENT_REQUESTS.labels(str(status), method).inc()
        if status >= 300:  # noqa: PLR2004 - where HTTP's answers without what was asked for begin
            raise error_of(method, path, status, data, response.headers)
        try:
            return cast("dict[str, Any]", msgspec.json.decode(data)) if data else {}
        except ValueError as error:
            what = f"{method} {path}: the answer is not JSON"
            raise UnavailableError(what, status=status) from error

    def watch_session(self, activity: WatchActivity) -> aiohttp.ClientSession:
        """An HTTP session for the watches, logged in as this connection is.

        Every chunk of a watch is noted in `activity`; the token is asked for at each request.
        """

        async def count(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            response = await handler(request)
            observability.REST_CLIENT_REQUESTS.labels(str(response.status), request.method).inc()
            return response

        class Response(ObservedResponse):
            watch_activity = activity

        return self._open_session(0, count, response_class=Response)

    def _open_session(
        self, limit: int, *middlewares: aiohttp.ClientMiddlewareType, **options: Any
    ) -> aiohttp.ClientSession:
        """Open an HTTP session that is logged in as this connection is.

        Not the library's: that one reads the environment anew in a thread at every call, and copies
        every body before it encodes it.
        """
        configuration, server = self._configuration, urlsplit(self.server)
        place = (server.hostname, server.port or _PORTS[server.scheme])

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            # This is asked at each step of a redirect; the credential is for one server alone.
            if (request.url.host, request.url.port) == place:
                for setting in (await configuration.auth_settings()).values():
                    if setting["value"]:
                        request.headers["Authorization"] = setting["value"]
            return await handler(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._client.rest_client.ssl_context),
            middlewares=(*middlewares, authorize),
            proxy=configuration.proxy,
            headers={"User-Agent": FIELD_MANAGER},
            **options,
        )


async def _content(response: aiohttp.ClientResponse, largest: int | None) -> bytes:
    if largest is None:
        return await response.read()
    content = bytearray()
    async for chunk in response.content.iter_chunked(largest):
        content += chunk
        if len(content) > largest:
            response.close()
            raise UnavailableError(f"the answer is larger than {largest} bytes")
    return bytes(content)


async def connect(*, qps: float = 0.0) -> Cluster:
    """Connect as the pod's service account, else by `KUBECONFIG` or `~/.kube/config`.

    Raises:
        ConfigurationError: Neither is there, or the file cannot be used.
    """
    configuration = kubernetes_client.Configuration()
    try:
        # An explicit KUBECONFIG wins, also in a pod: whoever sets it means it.
        if not os.environ.get("KUBECONFIG") and os.environ.get("KUBERNETES_SERVICE_HOST"):
            kubernetes_config.load_incluster_config(configuration)
        else:
            await kubernetes_config.load_kube_config(
                config_file=_kubeconfig_path(),
                client_configuration=configuration,
                persist_config=False,
            )
    except (kubernetes_config.ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(
            f"no cluster to connect to: {error}; set KUBECONFIG to a kubeconfig file"
        ) from error
    return Cluster(configuration, qps=qps)


def _kubeconfig_path() -> str:
    # Read now and not when the library was imported, as its own default is.
    return os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")  # noqa: PTH111 - a path list
