"""What must hold before the program may serve: nothing required is missing or widely known.

A refusal names the variable and how to make a good value; it never repeats what was written.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from servicelayer_api.crypto.signing import KeyFormatError, parse_private_key
from servicelayer_api.db.address import parse_dsn
from servicelayer_api.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.settings import Secret, Settings

_LEAST_JWT_SECRET = 32
_LEAST_TOKEN = 8
_LEAST_LETTERS = 5
_GOOD_TOKEN = 24
_KEY_BYTES = 32
_PUBLIC_URL = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.ASCII)
_KNOWN = frozenset({
    *("admin", "adminadmin", "change-me", "change-this", "changeit", "changeme", "default"),
    *("dev", "dev-token", "devtoken", "example", "password", "secret", "test", "test-token"),
    *("token", "your-32-byte-key", "your-jwt-secret", "your-password", "your-secret"),
    *("your-secure-token", "your-token"),
})  # fmt: skip


def check_database(settings: Settings) -> None:
    """Check what every command that touches the database needs.

    Raises:
        SettingsError: It is missing or malformed.
    """
    dsn = settings.database_url.reveal()
    if not dsn:
        raise SettingsError(
            "DATABASE_URL is not set; write postgres://user:password@host:5432/name?sslmode=require"
        )
    fault = parse_dsn(dsn)
    if fault is not None:
        raise SettingsError(f"DATABASE_URL: {fault}")


def only_database(settings: Settings) -> bool:
    """Whether nothing is set of what serving needs beside the database."""
    return not any(
        (
            settings.api_tokens,
            settings.auth_users,
            settings.auth_jwt_secret,
            settings.secret_encryption_key,
        )
    )


def check_serve(settings: Settings) -> None:
    """Check what serving needs.

    Raises:
        SettingsError: A setting is missing, malformed, or a value that everybody knows.
    """
    check_database(settings)
    _check_credentials(settings)
    _check_public_url(settings.public_url)
    _check_keys(settings)


def _check_public_url(url: str) -> None:
    if url and not _PUBLIC_URL.fullmatch(url):
        raise SettingsError(
            "PUBLIC_URL is not the address of a server; write it without a path and in lower case, "
            "for instance https://api.example.com"
        )


def check_keys(settings: Settings) -> None:
    """Check what the commands about encryption keys need.

    Raises:
        SettingsError: The database or a key is missing or malformed.
    """
    check_database(settings)
    _check_keys(settings)


def _check_credentials(settings: Settings) -> None:
    if not settings.api_tokens and not (settings.auth_users and settings.auth_jwt_secret):
        raise SettingsError(
            "API_TOKENS is not set, nor are AUTH_USERS and AUTH_JWT_SECRET: nobody could call; "
            "set API_TOKENS to the output of: openssl rand -hex 32"
        )
    if settings.auth_users and not settings.auth_jwt_secret:
        raise SettingsError(
            "AUTH_JWT_SECRET is not set but AUTH_USERS is: nobody could log in; "
            "set it to the output of: openssl rand -hex 32"
        )
    for name in ("api_tokens", "oracle_runner_tokens"):
        secret: Secret = getattr(settings, name)
        for token in secret.reveal().split(","):
            _refuse_known(name.upper(), token)
        for place, token in enumerate(split_tokens(name, secret), 1):
            _refuse_weak(name.upper(), place, token)
    secret = settings.auth_jwt_secret
    _refuse_known("AUTH_JWT_SECRET", secret.reveal())
    if secret and len(secret.reveal()) < _LEAST_JWT_SECRET:
        raise SettingsError(
            f"AUTH_JWT_SECRET is shorter than {_LEAST_JWT_SECRET} characters; "
            "set it to the output of: openssl rand -hex 32"
        )


def _check_keys(settings: Settings) -> None:
    key = settings.secret_encryption_key.reveal()
    if not key:
        raise SettingsError(
            "SECRET_ENCRYPTION_KEY is not set; set it to the output of: openssl rand -hex 32"
        )
    _refuse_known("SECRET_ENCRYPTION_KEY", key)
    if len(key.encode()) != _KEY_BYTES and _decoded_length(key) != _KEY_BYTES:
        raise SettingsError(
            "SECRET_ENCRYPTION_KEY is not 32 bytes in hex or base64; "
            "set it to the output of: openssl rand -hex 32"
        )
    for place, text in enumerate(settings.secret_encryption_key_previous.reveal().split(","), 1):
        old = text.strip()
        if old and len(old.encode()) != _KEY_BYTES and _decoded_length(old) != _KEY_BYTES:
            raise SettingsError(
                f"SECRET_ENCRYPTION_KEY_PREVIOUS: key {place} is not 32 bytes in hex or base64; "
                "write the keys as they stood in SECRET_ENCRYPTION_KEY, separated by commas"
            )
    _check_signing_keys(settings)


def _check_signing_keys(settings: Settings) -> None:
    for name, several in (
        ("random_signing_key", False),
        ("random_previous_keys", True),
        ("audit_signing_key", False),
    ):
        secret: Secret = getattr(settings, name)
        text = secret.reveal()
        for key in filter(str.strip, text.split(",") if several else [text]):
            try:
                parse_private_key(key)
            except KeyFormatError as exc:
                raise SettingsError(
                    f"{name.upper()} {exc}; it must be an Ed25519 private key, set it to the "
                    "output of: openssl rand -base64 32"
                ) from None


def split_tokens(name: str, tokens: Secret) -> list[str]:
    """The tokens of a setting; those of runners may be separated by semicolons as well."""
    text = tokens.reveal()
    text = text.replace(";", ",") if name == "oracle_runner_tokens" else text
    return [token.strip() for token in text.split(",") if token.strip()]


def _refuse_weak(variable: str, place: int, token: str) -> None:
    if len(token) < _LEAST_TOKEN or len(set(token)) < _LEAST_LETTERS:
        raise SettingsError(
            f"{variable}: token {place} can be guessed: it has fewer than {_LEAST_TOKEN} "
            f"characters, or fewer than {_LEAST_LETTERS} different ones; "
            "set it to the output of: openssl rand -hex 32"
        )


def find_short_tokens(settings: Settings) -> Iterator[str]:
    """Give one sentence for each token that may be used and should be longer."""
    for name in ("api_tokens", "oracle_runner_tokens"):
        for place, token in enumerate(split_tokens(name, getattr(settings, name)), 1):
            if len(token) < _GOOD_TOKEN:
                yield (
                    f"{name.upper()}: token {place} is shorter than {_GOOD_TOKEN} characters; "
                    "make a new one with: openssl rand -hex 32"
                )


def _refuse_known(variable: str, value: str) -> None:
    text = value.strip()
    if text.lower() in _KNOWN or (text.startswith("<") and text.endswith(">")):
        raise SettingsError(
            f"{variable} holds a value that stands in documentation, so everybody knows it; "
            "set it to the output of: openssl rand -hex 32"
        )


def _decoded_length(text: str) -> int:
    """Tell how many bytes a text stands for, in hex or in either base64; -1 when it is neither."""
    try:
        return len(bytes.fromhex(text))
    except ValueError:
        pass
    try:
        plain = text.replace("-", "+").replace("_", "/")
        return len(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        return -1
