"""Reading the Secrets that a ServiceLayer uses, as rarely as may be, and what may be known of them.

Invariants: only key names and keyed hashes leave this module for the status, the plan or a log; the
values stay inside `SecretView`, whose representation hides them. A Secret of the operator's own is
read again only when the watch says that it changed; a user's Secret is not watched, so it is read
again after a while (10 s while something is wrong with it, 30 s afterwards).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from servicelayer_operator.errors import NotFoundError
from servicelayer_operator.kinds import SECRET
from servicelayer_operator.observed import ChildFact, SecretFact, observe_child, observe_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servicelayer_operator.cluster import Cluster

ENCRYPTION_KEY = "SECRET_ENCRYPTION_KEY"
API_TOKENS = "API_TOKENS"
_NOT_FOR_PODS = frozenset({"ADMIN_PASSWORD"})


class SecretView:
    """One Secret as it was last read; shows its values to nobody but `value`.

    Attributes:
        fact: Its key names.
        child: Whose it is; None when it is missing.
        resource_version: The version read.
        read_at: When, in monotonic seconds.
    """

    __slots__ = ("_data", "child", "fact", "read_at", "resource_version")

    def __init__(
        self,
        fact: SecretFact,
        data: Mapping[str, bytes],
        resource_version: str,
        read_at: float,
        child: ChildFact | None = None,
    ) -> None:
        self.fact = fact
        self.child = child
        self.resource_version = resource_version
        self.read_at = read_at
        self._data = dict(data)

    def __repr__(self) -> str:
        return f"SecretView({self.fact.name!r})"

    def value(self, key: str) -> str | None:
        """One value, or None when it is missing, empty or not text."""
        raw = self._data.get(key)
        try:
            return raw.decode() if raw else None
        except UnicodeDecodeError:
            return None

    def token(self) -> str | None:
        """The first API token that the API accepts."""
        tokens = [part.strip() for part in (self.value(API_TOKENS) or "").split(",")]
        return next((token for token in tokens if token), None)

    def fingerprint(self, key: bytes | None, *names: str) -> str | None:
        """Keyed hash of the named values (of all that pods read when none is named).

        A plain hash of a short secret could be guessed from the pod's annotation; the key is in
        the Secret itself and so stays the same across restarts of the operator.
        """
        if not key or not self.fact.exists:
            return None
        chosen = names or tuple(sorted(self._data.keys() - _NOT_FOR_PODS))
        if any(name not in self._data for name in chosen):
            return None
        digest = hmac.new(key, digestmod=hashlib.sha256)
        for name in chosen:
            value = self._data[name]
            # Lengths first, so that moving a byte from one value to the next changes the hash.
            digest.update(f"{name}:{len(value)}:".encode())
            digest.update(value)
        return digest.hexdigest()

    def key_fingerprint(self) -> str:
        """Eight digits that tell whether the encryption key is still the same; empty without one.

        So few that they say nothing about a key, and enough to see that it is another one.
        """
        key = self.key()
        if not key:
            return ""
        return hmac.new(key, b"servicelayer: is it the same key", hashlib.sha256).hexdigest()[:8]

    def key(self) -> bytes | None:
        """The key of the fingerprints."""
        return self._data.get(ENCRYPTION_KEY) or None


class SecretReader:
    """Reads Secrets by name and remembers them.

    Args:
        cluster: The API.
        clock: Monotonic seconds.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._views: dict[tuple[str, str], SecretView] = {}

    async def read(
        self, namespace: str, name: str, *, version: str | None = None, max_age: float = 0.0
    ) -> SecretView:
        """Read one Secret; a missing one is a view whose fact says `exists=False`.

        Args:
            namespace: Its namespace.
            name: Its name.
            version: The resourceVersion that the watch knows, for the operator's own Secrets.
            max_age: How old an answer may be, for all others.
        """
        known = self._views.get((namespace, name))
        if known is not None:
            fresh = self._clock() - known.read_at < max_age
            if known.fact.exists and version is not None and known.resource_version == version:
                return known
            if version is None and fresh:
                return known
        try:
            view = self._view(await self._cluster.get(SECRET, namespace, name))
        except NotFoundError:
            view = SecretView(SecretFact(name=name, exists=False), {}, "", self._clock())
        self._views[namespace, name] = view
        return view

    def know(self, live: Mapping[str, Any]) -> None:
        """Take a Secret as the API server has just answered it."""
        metadata = live["metadata"]
        self._views[metadata["namespace"], metadata["name"]] = self._view(live)

    def forget(self, namespace: str, *names: str) -> None:
        """Drop what is remembered."""
        for name in names:
            self._views.pop((namespace, name), None)

    def _view(self, obj: Mapping[str, Any]) -> SecretView:
        data: dict[str, bytes] = {}
        encoded: Mapping[str, str] = obj.get("data") or {}
        for key, value in encoded.items():
            try:
                data[key] = base64.b64decode(value)
            except binascii.Error:
                data[key] = b""
        version = str(obj["metadata"].get("resourceVersion", ""))
        child = observe_child({**obj, "apiVersion": SECRET.api_version, "kind": SECRET.kind})
        return SecretView(observe_secret(obj), data, version, self._clock(), child)
