"""Refusals of secrets. None repeats a value."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Forbidden, Gone, NotFound, PreconditionFailed


class SecretNotFound(NotFound):
    """The account has no secret of this name, or not this version of it."""

    code = "secret-not-found"
    title = "Secret not found"


class SecretExists(Conflict):
    """The account has a secret of this name; names are told apart without regard to case."""

    code = "secret-exists"
    title = "Secret exists"


class SecretExpired(Gone):
    """The secret, or the version that was asked for, has expired.

    Set a new `expires_at`, or a new value, to use it again.
    """

    code = "secret-expired"
    title = "Secret expired"


class SecretAccessDenied(Forbidden):
    """The secret's `acl` does not let this credential have its value, or grant it to others.

    The bits are: 1 oracle, 2 automation, 4 functions, 8 JAM, 16 account keys. An account key reads
    a value if bit 16 is set, and cannot add bits to a secret that is there.
    """

    code = "secret-access-denied"
    title = "Access to the secret denied"


class SecretChanged(PreconditionFailed):
    """The secret is not at the version that `If-Match` names: read it again and decide anew."""

    code = "secret-changed"
    title = "Secret changed"


class TooManySecrets(Conflict):
    """The account has as many secrets as it may: delete one that is not used any more."""

    code = "too-many-secrets"
    title = "Too many secrets"
