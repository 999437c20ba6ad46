"""A Neo wallet for tests: a key, its address, and signatures in the forms that wallets use."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicelayer_api.crypto import neo

SALT = "0123456789abcdef0123456789abcdef"


class NeoWallet:
    """One key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key()
        self.public_key = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self._hash = neo.public_key_to_hash(self.public_key)

    @property
    def address(self) -> str:
        """As people write it: N..."""
        return neo.hash_to_address(self._hash)

    @property
    def script_hash(self) -> str:
        """As the product keeps it: 0x..."""
        return neo.hash_to_text(self._hash)

    def sign(self, message: str, version: int = 2) -> bytes:
        """Sign a message as wallets of version 1 (with `SALT`), 2 or 3 do."""
        default, framed, salted = neo.signed_forms(message.encode(), SALT)
        form = {1: salted, 2: default, 3: framed}[version]
        r, s = decode_dss_signature(self._key.sign(form, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def proof(self, message: str, version: int = 2) -> dict[str, str]:
        """The body of a login."""
        body = {
            "wallet": self.address,
            "signature": self.sign(message, version).hex(),
            "pubkey": self.public_key.hex(),
        }
        return {**body, "salt": SALT} if version == 1 else body
