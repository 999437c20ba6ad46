"""What the log can show about itself: its latest checkpoint, its key, and proofs against it.

A proof costs O(log n) hashes and at most a few hundred rows, whatever the size of the log. An admin
who is bound to a tenant gets proofs for that tenant's entries only; sizes and roots say nothing of
others' entries and are shown to every admin.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from servicelayer_api.audit import rules, seal_store
from servicelayer_api.audit.errors import EntryNotFound, NoSuchTree, NotSealedYet
from servicelayer_api.audit.models import (
    ConsistencyProof,
    InclusionProof,
    PublicKey,
    SignedCheckpoint,
)
from servicelayer_api.crypto import merkle
from servicelayer_api.crypto.signed_note import split_note
from servicelayer_api.ids import parse_id

if TYPE_CHECKING:
    from servicelayer_api.audit.signing import SigningKey
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.principal import Caller


class Proofs:
    """What the routes call."""

    def __init__(self, database: Database, key: SigningKey) -> None:
        """Prove about the log of this database."""
        self._database = database
        self._key = key

    async def show_key(self, caller: Caller) -> PublicKey:
        """The key that checkpoints are signed with.

        Raises:
            AdminOnly: another role.
        """
        caller.require_admin()
        async with self._database.connection() as connection:
            tree = await seal_store.get_tree(connection)
        verifier = self._key.signer(rules.origin(tree.log_id)).verifier
        return PublicKey(
            name=verifier.name,
            public_key=base64.b64encode(verifier.public_key).decode(),
            verifier_key=str(verifier),
        )

    async def show_checkpoint(self, caller: Caller, size: int | None = None) -> SignedCheckpoint:
        """The checkpoint of a size, or the latest.

        Raises:
            AdminOnly: another role.
            NotSealedYet: there is none yet.
            NoSuchTree: there is none of that size.
        """
        caller.require_admin()
        async with self._database.connection() as connection:
            note = await seal_store.find_note(connection, size)
        if note is None and size is not None:
            raise NoSuchTree(fields=[("size", "there is no checkpoint of this size")])
        if note is None:
            raise NotSealedYet("nothing has been sealed yet")
        checkpoint = rules.read_checkpoint(split_note(note)[0])
        return SignedCheckpoint(
            **msgspec.structs.asdict(checkpoint),
            note=note,
            key=str(self._key.signer(checkpoint.origin).verifier),
        )

    async def prove_entry(self, caller: Caller, entry_id: str) -> InclusionProof:
        """Prove that an entry is in the log of the latest checkpoint.

        Raises:
            AdminOnly: another role.
            EntryNotFound: there is no such entry, or it is another tenant's.
            NotSealedYet: the entry is too new.
        """
        bound_to, found_id = caller.require_admin().only_tenant, parse_id(entry_id)
        async with self._database.connection() as connection:
            found = (
                None
                if found_id is None
                else await seal_store.find_leaf(connection, found_id, only_tenant=bound_to)
            )
            if found is None:
                raise EntryNotFound("there is no such audit entry")
            leaf, entry = found
            note = await seal_store.find_note(connection)
            if leaf is None or note is None:
                raise NotSealedYet("the entry has not been sealed yet; try again in a second")
            size = rules.read_checkpoint(split_note(note)[0]).size
            ranges = [merkle.Range(leaf, leaf + 1), *merkle.inclusion_ranges(leaf, size)]
            own, *hashes = await self._hashes(connection, ranges)
        return InclusionProof(
            entry=entry, leaf=leaf, size=size, leaf_hash=own, hashes=hashes, checkpoint=note
        )

    async def prove_growth(self, caller: Caller, old: int, new: int | None) -> ConsistencyProof:
        """Prove that the log of a size grew from the one of a smaller size.

        Raises:
            AdminOnly: another role.
            NoSuchTree: the sizes are not 1 <= old <= new <= size of the log.
        """
        caller.require_admin()
        async with self._database.connection() as connection:
            size = (await seal_store.get_tree(connection)).size
            end = size if new is None else new
            if not 0 < old <= end <= size:
                raise NoSuchTree(f"write 1 <= old <= new <= {size}")
            hashes = await self._hashes(connection, merkle.consistency_ranges(old, end))
        return ConsistencyProof(old=old, new=end, hashes=hashes)

    @staticmethod
    async def _hashes(connection: Connection, ranges: list[merkle.Range]) -> list[str]:
        parts = [merkle.spans(leaves) for leaves in ranges]
        kept = await seal_store.list_hashes(connection, (span for part in parts for span in part))
        return [
            base64.b64encode(
                merkle.hash_range(
                    [
                        [kept[span.level, span.first + place] for place in range(span.width)]
                        for span in part
                    ]
                )
            ).decode()
            for part in parts
        ]
