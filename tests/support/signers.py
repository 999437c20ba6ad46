"""Signers of data feeds: Neo wallets, bare keys, and Ed25519 keys, and the updates they sign."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Protocol

from servicelayer_api.crypto.signing import SigningKey
from support.neo_wallet import SALT, NeoWallet

if TYPE_CHECKING:
    from collections.abc import Callable


class Signer(Protocol):
    """Whoever signs updates; `name` is what stands in a signer set."""

    name: str

    def sign(self, message: str) -> dict[str, str]:
        """The fields of an update that prove it."""
        ...


class WalletSigner:
    """A wallet, which signs in one of the forms that wallets have."""

    def __init__(self, version: int = 2) -> None:
        self.wallet = NeoWallet()
        self.name = self.wallet.script_hash
        self._version = version

    def sign(self, message: str) -> dict[str, str]:
        signature = self.wallet.sign(message, self._version).hex()
        proof = {"signature": signature, "pubkey": self.wallet.public_key.hex()}
        return {**proof, "salt": SALT} if self._version == 1 else proof


class KeySigner:
    """A bare secp256r1 key."""

    def __init__(self, wallet: NeoWallet | None = None) -> None:
        self._wallet = wallet or NeoWallet()
        self.name = self._wallet.public_key.hex()

    def sign(self, message: str) -> dict[str, str]:
        return {"signature": self._wallet.sign(message).hex()}


class EdSigner:
    """An Ed25519 key."""

    def __init__(self) -> None:
        self._key = SigningKey(secrets.token_bytes(32))
        self.name = f"ed25519:{self._key.public.hex()}"

    def sign(self, message: str) -> dict[str, str]:
        return {"signature": self._key.sign(message.encode()).hex()}


KINDS: dict[str, Callable[[], Signer]] = {
    "wallet, version 1": lambda: WalletSigner(1),
    "wallet, version 2": lambda: WalletSigner(2),
    "wallet, version 3": lambda: WalletSigner(3),
    "secp256r1 key": KeySigner,
    "Ed25519 key": EdSigner,
}


def signed_update(
    signer: Signer, feed_id: str, round_id: int, price: str, timestamp: str
) -> dict[str, Any]:
    """The body of an update, as the documentation says it is signed."""
    message = f"servicelayer/datafeeds/update/1|{feed_id}|{round_id}|{price}|{timestamp}"
    return {
        "round_id": round_id,
        "price": price,
        "signer": signer.name,
        "timestamp": timestamp,
        **signer.sign(message),
    }
