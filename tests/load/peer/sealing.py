"""AES-GCM for secrets, Ed25519 and HMAC for random bytes."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from load.peer.database import now

_NONCE = 12
_cipher = AESGCM(bytes.fromhex(os.environ["PEER_KEY"]))
_signing = Ed25519PrivateKey.generate()
PUBLIC_KEY = _signing.public_key().public_bytes_raw()
_counter = itertools.count(1)


def seal(value: str, context: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _cipher.encrypt(nonce, value.encode(), context.encode())


def unseal(sealed: bytes, context: str) -> str:
    return _cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode()


@dataclass(frozen=True)
class Drawn:
    value: bytes
    signature: bytes
    counter: int
    created_at: datetime


def draw(length: int, request_id: str) -> Drawn:
    counter, at = next(_counter), now()
    message = (
        request_id.encode()
        + b"\0"
        + counter.to_bytes(8)
        + (int(at.timestamp() * 1_000_000) * 1000).to_bytes(8)
        + length.to_bytes(4)
    )
    signature = _signing.sign(message)
    block, value = b"", b""
    for number in range(1, -(-length // 64) + 1):
        block = hmac.digest(
            signature,
            (block + message if number > 1 else message) + bytes([number]),
            hashlib.sha512,
        )
        value += block
    return Drawn(value=value[:length], signature=signature, counter=counter, created_at=at)
