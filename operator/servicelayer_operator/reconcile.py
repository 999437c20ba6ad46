"""One round for one ServiceLayer: gather, build, plan, apply, check, tell.

The only module that strings the others together; it decides nothing itself. Level-triggered: the
round reads the resource afresh and compares all that is wanted with all that is there, whatever
woke it, so that a lost event, a crash or a second leader costs time and never correctness. Every
write is idempotent (server-side apply, create-once, a deletion by uid, a status computed anew).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from servicelayer_operator import observability
from servicelayer_operator.apply import CONTESTED
from servicelayer_operator.checks import Condition, run_checks
from servicelayer_operator.claims import HOLD_SECONDS, Standing
from servicelayer_operator.errors import ClusterError, NotFoundError
from servicelayer_operator.happenings import on_contested, on_invalid, transitions
from servicelayer_operator.kinds import SERVICE_LAYER
from servicelayer_operator.manifests import BuildInputs, Manifest, ObjectKey, build_all
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.observed import (
    ApiFact,
    ApplyError,
    Observed,
    SecretFact,
    UnreadyFact,
)
from servicelayer_operator.ownership import companions
from servicelayer_operator.plan import Change, Plan, build_plan
from servicelayer_operator.refusals import refused_pods
from servicelayer_operator.resource import InvalidResource, ServiceLayer, decode
from servicelayer_operator.secret_keeper import SecretKeeper, SecretState
from servicelayer_operator.serving import pod_to_ask, pod_to_log_in
from servicelayer_operator.status import build_status, invalid_status, requeue_after, status_patch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from servicelayer_operator.apply import Applier
    from servicelayer_operator.runtime import Runtime
    from servicelayer_operator.secret_reader import SecretView
    from servicelayer_operator.work_queue import Key

_WITH_PODS = frozenset({"Deployment", "Job", "StatefulSet"})
POLL_READY = 20.0
POLL_UNREADY = 10.0
_API_AGE_READY = 15.0
_API_AGE_UNREADY = 4.0
_SECRET_AGE_READY = 30.0
_SECRET_AGE_UNREADY = 9.0
_TRY_UNKEPT_AFTER = 600.0

_log = observability.get_logger(__name__)


class RoundFailedError(Exception):
    """Some writes were refused; the status says which, and the key comes back after its backoff."""


class _Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """All that one round knows before it acts."""

    desired: list[Manifest]
    observed: Observed
    migration: ObjectKey | None


class Reconciler:
    """Brings the cluster towards what ServiceLayers ask for.

    Args:
        runtime: The parts it strings together.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._keeper = SecretKeeper(runtime)
        self._unkept: dict[Key, tuple[dict[str, Any], datetime]] = {}

    @property
    def _applier(self) -> Applier:
        return self._runtime.applier

    async def reconcile(self, key: Key) -> float | None:
        """Run one round.

        Returns:
            Seconds until the next round is due though nothing happens; None for the resync only.

        Raises:
            ClusterError: The API server could not be asked.
            RoundFailedError: A write was refused.
        """
        body = await self._read(key)
        if body is None:
            return None
        try:
            resource = decode(body)
        except InvalidResource as refusal:
            await self._refuse(key, body, refusal)
            return None
        standing = await self._stand(resource, key)
        if standing is not Standing.SERVE:
            return HOLD_SECONDS
        acting = resource.spec.mode == "Apply"
        kept = await self._keeper.ensure(resource, key, acting=acting)
        gathered = await self._gather(resource, key, kept)
        gathered, plan = await self._survey(resource, key, gathered)
        errors = list(kept.errors)
        if acting and (plan.apply or plan.prune):
            errors += await self._act(resource, key, gathered.observed, plan)
            gathered = self._look_again(key, gathered, errors)
            plan = self._plan(resource, key, gathered)
        if not acting:
            changed = [m for m in plan.apply if plan.reasons[m.key] is not Change.CREATE]
            told = await self._applier.differences(key, changed)
            plan = msgspec.structs.replace(plan, fields=told)
        delay = await self._tell(resource, key, gathered, plan)
        if errors:
            raise RoundFailedError(f"{len(errors)} writes refused, first: {errors[0].message}")
        return delay

    async def _read(self, key: Key) -> dict[str, Any] | None:
        """The resource as it is now; None when it is gone or going, and all about it forgotten."""
        try:
            body = await self._runtime.cluster.get(SERVICE_LAYER, key.namespace, key.name)
        except NotFoundError:
            self._runtime.forget(key)
            self._unkept.pop(key, None)
            return None
        if body["metadata"].get("deletionTimestamp"):
            # Owner references do the rest; writing now would only delay the garbage collector.
            return None
        self._runtime.know(key, body["metadata"]["uid"])
        return body

    async def _stand(self, resource: ServiceLayer, key: Key) -> Standing:
        """Tell whether the resource is ours to serve; another operator's mark is told and asked."""
        claims, mark = self._runtime.claims, str(resource.status.get("servedBy") or "")
        standing = claims.stand(key, mark)
        if mark in {"", claims.name} or standing is Standing.CONTESTED:
            return standing
        _log.warning("contested", namespace=key.namespace, name=key.name, marked=mark)
        await self._runtime.recorder.record(resource.metadata, on_contested(mark, claims.name))
        if standing is Standing.CLAIM:
            wanted = {**resource.status, "servedBy": claims.name}
            await self._write_status(key, resource.status, wanted)
        return standing

    async def _refuse(self, key: Key, body: Mapping[str, Any], refusal: InvalidResource) -> None:
        """Say that the resource cannot be worked with; only an edit can mend it."""
        generation = int(body["metadata"].get("generation") or 0)
        old: dict[str, Any] = body.get("status") or {}
        new = invalid_status(old, generation, refusal.field, refusal.message, self._runtime.now())
        if await self._write_status(key, old, new) is not None:
            await self._runtime.record(body["metadata"], on_invalid(refusal))

    async def _gather(self, resource: ServiceLayer, key: Key, kept: SecretState) -> _Gathered:
        """Collect what the builders, the plan and the checks need to know."""
        runtime, names = self._runtime, names_of(resource)
        ready = _is_ready(resource.status)
        api_secret = await self._secret(key, names.api_secret, ready=ready)
        database = await self._secret(key, names.database_secret, ready=ready)
        tls = await self._secret(key, names.tls_secret, ready=ready) if names.tls_secret else None
        before = runtime.facts.observed(key, None)
        embedded = before.postgres if resource.spec.database.embedded else None
        secret_key = api_secret.key()
        desired = build_all(
            resource,
            BuildInputs(
                api_image=runtime.settings.default_api_image,
                postgres_image=runtime.settings.default_postgres_image,
                operator_namespace=runtime.settings.operator_namespace,
                secret_fingerprint=api_secret.fingerprint(secret_key),
                database_fingerprint=database.fingerprint(secret_key, names.database_key),
                database_identity=embedded.uid if embedded else None,
                claim=embedded.claim if embedded else None,
            ),
        )
        await self._applier.verify(key, desired, before.children)
        migration = next((m.key for m in desired if m.key.kind == "Job"), None)
        api, unready = await asyncio.gather(
            self._ask_api(resource, key, before, api_secret), self._ask_pod(key, before)
        )
        observed = msgspec.structs.replace(
            runtime.facts.observed(key, migration),
            strangers=kept.strangers,
            lost=kept.lost,
            errors=kept.errors,
            key=api_secret.key_fingerprint(),
            secrets=_usable(api_secret, kept),
            database_secret=_usable(database, kept),
            tls_secret=tls.fact if tls else None,
            api=api,
            unready=unready,
        )
        refused = await refused_pods(
            runtime.cluster, key.namespace, observed, names.postgres, runtime.now()
        )
        observed = msgspec.structs.replace(observed, refused=refused)
        return _Gathered(desired=desired, observed=observed, migration=migration)

    async def _secret(self, key: Key, name: str, *, ready: bool) -> SecretView:
        child = self._runtime.facts.child(key.namespace, _core_key("Secret", name))
        return await self._runtime.secrets.read(
            key.namespace,
            name,
            version=child.resource_version if child else None,
            max_age=_SECRET_AGE_READY if ready else _SECRET_AGE_UNREADY,
        )

    async def _ask_api(
        self, resource: ServiceLayer, key: Key, before: Observed, secret: SecretView
    ) -> ApiFact | None:
        """Ask the API how it is, if it has a pod that could answer, and its Service is its own.

        Without API_URL the pod itself is asked. Other ways may lead through the Service's name.
        """
        deployment = before.deployment
        service = before.children.get(_core_key("Service", key.name))
        if deployment is None or service is None or service.owner_uid != resource.metadata.uid:
            return None
        pod = pod_to_log_in(before.pods, deployment.template)
        if pod is None:
            return None
        return await self._runtime.probe.ask(
            key,
            pod,
            secret.token(),
            max_age=_API_AGE_READY if _is_ready(resource.status) else _API_AGE_UNREADY,
            stamp=(deployment.ready, deployment.updated, deployment.template),
        )

    async def _ask_pod(self, key: Key, before: Observed) -> UnreadyFact | None:
        """Ask a new pod that is not ready why, if there is one."""
        template = before.deployment.template if before.deployment else ""
        pod = pod_to_ask(before.pods, template)
        if pod is None:
            return None
        return await self._runtime.probe.ask_pod(key, pod, max_age=_API_AGE_UNREADY)

    async def _survey(
        self, resource: ServiceLayer, key: Key, gathered: _Gathered
    ) -> tuple[_Gathered, Plan]:
        """Plan, and look what stands at the names of all that is to be made."""
        plan = self._plan(resource, key, gathered)
        made = [item for item in plan.apply if plan.reasons[item.key] is Change.CREATE]
        names = names_of(resource)
        wanted = [name for item in made for name in (item.key, *companions(item, names))]
        found = await self._applier.survey(key, wanted) if wanted else {}
        if not found:
            return gathered, plan
        observed = msgspec.structs.replace(
            gathered.observed, strangers={**gathered.observed.strangers, **found}
        )
        gathered = msgspec.structs.replace(gathered, observed=observed)
        return gathered, self._plan(resource, key, gathered)

    def _plan(self, resource: ServiceLayer, key: Key, gathered: _Gathered) -> Plan:
        memory = self._applier.memory(key)
        return build_plan(gathered.desired, gathered.observed, memory, resource)

    async def _act(
        self, resource: ServiceLayer, key: Key, observed: Observed, plan: Plan
    ) -> list[ApplyError]:
        """Carry the plan out; one refused object does not keep the others back.

        What pods need and what keeps strangers from them comes first, then what has pods; within
        each the objects know nothing of each other and are written side by side.
        """
        results: list[ApplyError | None] = []
        with_pods = [item for item in plan.apply if item.key.kind in _WITH_PODS]
        first = [item for item in plan.apply if item.key.kind not in _WITH_PODS]
        for together in (first, with_pods):
            results += await asyncio.gather(
                *(self._apply(resource, key, observed, plan, item) for item in together)
            )
        errors = [result for result in results if result is not None]
        if any(error.reason == CONTESTED for error in errors):
            # What seems to be of no use here is what the other operator wants.
            return errors
        pruned = [await self._applier.prune(key, child) for child in plan.prune]
        return [*errors, *(error for error in pruned if error is not None)]

    async def _apply(
        self,
        resource: ServiceLayer,
        key: Key,
        observed: Observed,
        plan: Plan,
        manifest: Manifest,
    ) -> ApplyError | None:
        there = observed.children.get(manifest.key) or observed.strangers.get(manifest.key)
        reason, uid = plan.reasons[manifest.key], there.uid if there else None
        return await self._applier.apply(resource, key, manifest, reason=reason, uid=uid)

    def _look_again(self, key: Key, gathered: _Gathered, errors: list[ApplyError]) -> _Gathered:
        """The facts after the writes: the answers are already in the cache."""
        fresh = self._runtime.facts.observed(key, gathered.migration)
        observed = msgspec.structs.replace(
            gathered.observed,
            children=fresh.children,
            deployment=fresh.deployment,
            postgres=fresh.postgres,
            migration=fresh.migration,
            pods=fresh.pods,
            ingress=fresh.ingress,
            endpoints=fresh.endpoints,
            errors=tuple(errors),
        )
        return msgspec.structs.replace(gathered, observed=observed)

    async def _tell(
        self, resource: ServiceLayer, key: Key, gathered: _Gathered, plan: Plan
    ) -> float:
        """Write the status and the events, and say when to look again."""
        now = self._runtime.now()
        observed, desired = gathered.observed, gathered.desired
        conditions = run_checks(resource, desired, observed, plan, now)
        if _is_contested(resource.status) and any(item.reason == CONTESTED for item in conditions):
            # It is told; the other operator's words are not overwritten by ours for ever.
            return POLL_UNREADY
        status = build_status(resource, desired, conditions, observed, plan, now)
        status["servedBy"] = self._runtime.claims.name
        patch = await self._write_status(key, resource.status, status)
        if patch is not None:
            for happening in transitions(resource.status, conditions):
                tell = _log.warning if happening.type == "Warning" else _log.info
                tell("condition_changed", reason=happening.reason, note=happening.note)
                await self._runtime.recorder.record(resource.metadata, happening)
        self._runtime.conditions.set(key, {item.type: item.status for item in conditions})
        if patch is not None and "migration" in patch["status"]:
            # The next attempt's Job follows from what was just written down.
            return 0.0
        return self._delay(resource, observed, conditions, now)

    def _delay(
        self,
        resource: ServiceLayer,
        observed: Observed,
        conditions: list[Condition],
        now: datetime,
    ) -> float:
        wanted = requeue_after(resource, observed, conditions, now)
        ready = any(item.type == "Ready" and item.status == "True" for item in conditions)
        poll = POLL_READY if ready else POLL_UNREADY
        return poll if wanted is None else min(wanted, poll)

    async def _write_status(
        self, key: Key, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Patch the status if it says something new; the patch that was sent, else None."""
        patch = status_patch(old, new)
        if patch is None or self._is_unkept(key, patch):
            return None
        try:
            written = await self._runtime.cluster.merge_patch(
                SERVICE_LAYER, key.namespace, key.name, patch, subresource="status"
            )
        except NotFoundError:
            return None
        except ClusterError:
            _log.warning("status_not_written", namespace=key.namespace, name=key.name)
            raise
        self._runtime.intake.wrote(key, str(written["metadata"]["resourceVersion"]))
        rest = status_patch(written.get("status") or {}, new)
        if rest is None:
            self._unkept.pop(key, None)
        else:
            self._unkept[key] = (rest, self._runtime.now())
        return patch

    def _is_unkept(self, key: Key, patch: Mapping[str, Any]) -> bool:
        """Whether the API server lately dropped just this: a definition before ours prunes it."""
        rest, when = self._unkept.get(key, (None, None))
        if when is None or rest != patch:
            return False
        return (self._runtime.now() - when).total_seconds() < _TRY_UNKEPT_AFTER


def _core_key(kind: str, name: str) -> ObjectKey:
    return ObjectKey(api_version="v1", kind=kind, name=name)


def _usable(secret: SecretView, kept: SecretState) -> SecretFact | None:
    """The Secret's fact; None when it is missing or a stranger's."""
    taken = secret.child is not None and secret.child.key in kept.strangers
    return secret.fact if secret.fact.exists and not taken else None


def _is_contested(status: Mapping[str, Any]) -> bool:
    return any(item.get("reason") == CONTESTED for item in status.get("conditions") or ())


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(
        item.get("type") == "Ready" and item.get("status") == "True"
        for item in status.get("conditions") or ()
    )
