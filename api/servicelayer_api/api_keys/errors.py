"""Refusals of account API keys."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, NotFound


class ApiKeyNotFound(NotFound):
    """The account has no such API key, or it was revoked."""

    code = "api-key-not-found"
    title = "API key not found"


class TooManyApiKeys(Conflict):
    """The account has as many API keys as it may: revoke one that is not used any more."""

    code = "too-many-api-keys"
    title = "Too many API keys"


class ApiKeyReplaced(Conflict):
    """The API key was rotated or has expired already: rotate the one that replaced it."""

    code = "api-key-replaced"
    title = "API key replaced"
