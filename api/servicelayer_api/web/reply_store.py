"""The answers that are kept for repeated requests: their rows, and the seal on them.

Invariant: a row holds no text of the request or its answer in clear. Each has a key of its own,
derived from its identity, so that neither a row nor a part of it opens in the place of another.
Times are the database's.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from servicelayer_api.errors import Conflict

if TYPE_CHECKING:
    from servicelayer_api.db import Connection

RETENTION: Final = "24 hours"
_NONCE_BYTES: Final = 12


class AnswerLost(Conflict):
    """The request was carried out before, but its answer can no longer be read.

    The server's encryption key was changed since, and the one before is not named any more. Look
    the result up; send the request with another key only if it must be carried out again.
    """

    code = "idempotent-answer-lost"
    title = "Answer lost"


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """An answer: the status, the headers the routes gave, and the body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Kept(msgspec.Struct, frozen=True):
    """A row: what the request was, and the sealed answer."""

    fingerprint: bytes
    sealed: bytes


class ReplySeal:
    """Seals answers with AES-256-GCM."""

    def __init__(self, root: bytes, *previous: bytes) -> None:
        """Derive the keys of rows from a root of 32 bytes; open what previous ones sealed."""
        self._roots = (root, *previous)
        self._decoder = msgspec.msgpack.Decoder(Reply)

    def fingerprints(self, digest: bytes) -> tuple[bytes, ...]:
        """What a request is known by: under the present root, then under the previous ones.

        Keyed, so that nobody who reads the rows can find a small secret by trying bodies.
        """
        return tuple(hmac.digest(root, b"fingerprint" + digest, "sha256") for root in self._roots)

    def seal(self, reply: Reply, key: bytes, fingerprint: bytes) -> bytes:
        """Seal the answer of a row."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = msgspec.msgpack.encode(reply)
        return nonce + _cipher(self._roots[0], key, fingerprint).encrypt(nonce, plain, None)

    def open(self, kept: Kept, key: bytes) -> Reply:
        """Open the answer of a row.

        Raises:
            AnswerLost: It was sealed with another root, or is not what was sealed.
        """
        nonce, sealed = kept.sealed[:_NONCE_BYTES], kept.sealed[_NONCE_BYTES:]
        for root in self._roots:
            try:
                plain = _cipher(root, key, kept.fingerprint).decrypt(nonce, sealed, None)
            except (InvalidTag, ValueError):
                continue
            return self._decoder.decode(plain)
        raise AnswerLost("the request was carried out; its answer cannot be read")


def _cipher(root: bytes, key: bytes, fingerprint: bytes) -> AESGCM:
    return AESGCM(hmac.digest(root, key + fingerprint, "sha256"))


async def lock_key(connection: Connection, key: bytes) -> bool:
    """Take a key until the transaction ends; tell whether nobody else has it."""
    number = int.from_bytes(key[:8], signed=True)
    return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", number))


async def find_reply(connection: Connection, key: bytes) -> Kept | None:
    """Find what is kept under a key."""
    row = await connection.fetchrow(
        "SELECT fingerprint, sealed FROM request_replies "
        "WHERE key = $1 AND expires_at > clock_timestamp()",
        key,
    )
    return None if row is None else Kept(row["fingerprint"], row["sealed"])


async def insert_reply(connection: Connection, key: bytes, kept: Kept) -> None:
    """Keep an answer under a key that is locked; one that expired gives way."""
    await connection.execute(
        "INSERT INTO request_replies (key, fingerprint, sealed, expires_at) "  # noqa: S608 - fixed
        f"VALUES ($1, $2, $3, clock_timestamp() + interval '{RETENTION}') "
        "ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, "
        "sealed = excluded.sealed, expires_at = excluded.expires_at",
        key,
        kept.fingerprint,
        kept.sealed,
    )


async def delete_expired_replies(connection: Connection, most: int) -> int:
    """Delete answers that are past their time, `most` at once; give how many it were."""
    rows = await connection.fetch(
        "DELETE FROM request_replies WHERE key IN (SELECT key FROM request_replies "
        "WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1 "
        "FOR UPDATE SKIP LOCKED) RETURNING 1",
        most,
    )
    return len(rows)
