"""Cryptography: Neo wallets and login tokens."""
