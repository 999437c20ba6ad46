"""Use cases of randomness: draw, look up, prove, publish keys.

Invariant: what a draw answers follows from its committed row and from the key that row names, and
from nothing else. So it is computed only after the commitment, and a crash in between changes
nothing: whoever asks next gets the same answer. Answers are kept by a background writer, for the
day on which the key is gone.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from servicelayer_api.crypto import ecvrf
from servicelayer_api.ids import new_id, parse_id
from servicelayer_api.random import proof, rules, store
from servicelayer_api.random.commits import Asked, GroupCommit
from servicelayer_api.random.errors import RandomKeyRetired, RandomRequestNotFound
from servicelayer_api.random.models import PublicKeys, RandomResult, VrfResult
from servicelayer_api.web.pagination import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Database
    from servicelayer_api.random.models import (
        Draw,
        NewDraw,
        ProofDocument,
        PublishedKey,
    )
    from servicelayer_api.random.rules import DrawKey
    from servicelayer_api.web.pagination import PageRequest
    from servicelayer_api.web.principal import Caller

type Answer = tuple[int, bytes, bytes | None]
"""Counter, signature, and proof if one was made."""

# Dropped answers are computed again when they are asked for.
_BACKLOG: Final = 20_000


class Randomness:
    """What the routes and the background writer call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        keys: Sequence[DrawKey],
    ) -> None:
        """Answer with the first key; finish with the others what was committed under them."""
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._current = keys[0]
        self._keys = {key.id: key for key in keys}
        self._public: dict[str, PublicKeys] = {key.id: key.public for key in keys}
        self._commits = GroupCommit(database, audit, accounts, self._current.public)
        self.answers: deque[Answer] = deque(maxlen=_BACKLOG)

    async def draw(self, caller: Caller, account_id: str, new: NewDraw) -> RandomResult:
        """Draw, or give again what was drawn under the same request id.

        Raises:
            Invalid: Names each field at fault.
            AccountNotFound: Not in this tenant, or not the key's own.
            AccountSuspended: The account is suspended.
            RandomRequestDiffers: The request id stands for a draw with other parameters.
            RandomKeyRetired: It was committed under a key that is gone, and never answered.
        """
        caller.require_tenant()
        asked = Asked(
            caller=caller,
            account_id=account_id,
            draw_id=new_id(),
            created_at_ns=rules.to_nanoseconds(self._clock.now()),
            new=rules.check_new(new),
        )
        draw = await self._commits.commit(asked)
        public = await self._find_public(draw.key_id)
        signature, vrf_proof = self._answer(draw, prove=bool(draw.client_seed))
        vrf = None if not draw.client_seed else _show_vrf(draw, public, vrf_proof)
        return _show(draw, public, signature, vrf)

    async def list_draws(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[RandomResult]:
        """List the draws of an account, newest first, without their proofs.

        Raises:
            AccountNotFound: As `draw`.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            draws = await store.list_draws(connection, account.id, page.rows, page.number())
        found = page.cut(draws, lambda draw: (draw.counter,))
        return Slice([await self._show_kept(draw) for draw in found.items], found.after)

    async def get_proof(self, caller: Caller, account_id: str, request_id: str) -> ProofDocument:
        """Give everything that is needed to check a draw.

        Args:
            caller: Who asks.
            account_id: As it stands in the path.
            request_id: The caller's name for the draw, or the draw's own id.

        Raises:
            AccountNotFound: As `draw`.
            RandomRequestNotFound: The account has no such draw.
            RandomKeyRetired: No proof was made while the key was there.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            draw = await store.find_draw(connection, account.id, request_id, parse_id(request_id))
        if draw is None:
            raise RandomRequestNotFound("random request not found")
        public = await self._find_public(draw.key_id)
        signature, vrf_proof = self._answer(draw, prove=True)
        return proof.build_document(draw, public, signature, vrf_proof)

    async def list_keys(self) -> list[PublishedKey]:
        """List the public keys of all draws, the newest first; the current one is among them."""
        async with self._database.transaction() as connection:
            await self._commits.keep_key(connection)
            return await store.list_keys(connection, self._current.id)

    async def store_answers(self, answers: Sequence[Answer]) -> None:
        """Keep answers; called by the background writer."""
        async with self._database.transaction() as connection:
            await store.update_answers(connection, answers)

    def _answer(self, draw: Draw, *, prove: bool) -> tuple[bytes, bytes]:
        """Signature and proof of a draw, as kept or as its key makes them; no proof is empty."""
        signature, vrf_proof = draw.signature, draw.vrf_proof
        if signature is not None and (vrf_proof is not None or not prove):
            return signature, vrf_proof or b""
        key = self._keys.get(draw.key_id)
        if key is None:
            raise RandomKeyRetired(f"the key {draw.key_id} is not held any more")
        signature = signature or key.sign(draw)
        if prove and vrf_proof is None:
            vrf_proof = key.prove(draw)
        self.answers.append((draw.counter, signature, vrf_proof))
        return signature, vrf_proof or b""

    async def _show_kept(self, draw: Draw) -> RandomResult:
        public = await self._find_public(draw.key_id)
        if draw.signature is None and draw.key_id not in self._keys:
            return _show(draw, public, b"")
        signature, _ = self._answer(draw, prove=False)
        return _show(draw, public, signature)

    async def _find_public(self, key_id: str) -> PublicKeys:
        known = self._public.get(key_id)
        if known is None:
            async with self._database.connection() as connection:
                keys = await store.list_keys(connection, self._current.id)
            known = next(_bare(key) for key in keys if key.id == key_id)
            self._public[key_id] = known
        return known


def make_keys(seeds: Sequence[bytes]) -> list[DrawKey]:
    """Expand seeds, the current one first."""
    return [rules.DrawKey(seed) for seed in seeds]


def _bare(key: PublishedKey) -> PublicKeys:
    return PublicKeys(
        id=key.id,
        public_key=key.public_key,
        vrf_public_key=key.vrf_public_key,
        vrf_key_signature=key.vrf_key_signature,
    )


def _show(
    draw: Draw, public: PublicKeys, signature: bytes, vrf: VrfResult | None = None
) -> RandomResult:
    message = rules.contract_message(draw)
    value = rules.derive_value(signature, message, draw.length) if signature else b""
    return RandomResult(
        id=draw.id,
        account_id=draw.account_id,
        length=draw.length,
        value=value,
        created_at=rules.format_moment(draw.created_at_ns),
        request_id=draw.request_id,
        counter=draw.counter,
        signature=signature,
        public_key=public.public_key,
        key_id=draw.key_id,
        client_seed=draw.client_seed,
        vrf=vrf,
    )


def _show_vrf(draw: Draw, public: PublicKeys, vrf_proof: bytes) -> VrfResult:
    output = ecvrf.proof_to_hash(vrf_proof)
    return VrfResult(
        suite=ecvrf.SUITE,
        alpha=rules.alpha_of(draw),
        proof=vrf_proof,
        output=output,
        value=rules.expand(output, draw.length),
        public_key=public.vrf_public_key,
    )
