"""The users that the API's tests configure, with their passwords."""

from __future__ import annotations

import bcrypt

PASSWORDS = {"root": "root-password", "ann": "ann-password", "ben": "ben-password"}
ROLES = {"root": "admin", "ann": "user:tenant-a", "ben": "admin:tenant-b"}


def auth_users() -> str:
    """The setting AUTH_USERS: a platform admin, a user of tenant-a, an admin of tenant-b."""
    return ",".join(
        f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}:{ROLES[name]}"
        for name, password in PASSWORDS.items()
    )
