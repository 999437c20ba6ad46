"""The users that the API's tests configure, with their passwords, and how they log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt
import httpx

if TYPE_CHECKING:
    from support.api_server import ApiProcess

PASSWORDS = {"root": "root-password", "ann": "ann-password", "ben": "ben-password"}
ROLES = {"root": "admin", "ann": "user:tenant-a", "ben": "admin:tenant-b"}


def auth_users() -> str:
    """The setting AUTH_USERS: a platform admin, a user of tenant-a, an admin of tenant-b."""
    return ",".join(
        f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}:{ROLES[name]}"
        for name, password in PASSWORDS.items()
    )


def token_of(server: ApiProcess, name: str = "root") -> str:
    """Log in with the password; gives the session's token."""
    body = {"username": name, "password": PASSWORDS[name]}
    return httpx.post(f"{server.url}/auth/login", json=body, trust_env=False).json()["token"]


def logged_in(server: ApiProcess, name: str = "root", **headers: str) -> httpx.Client:
    """Make a client of a user: without a tenant, unless a header names one."""
    known = {"authorization": f"Bearer {token_of(server, name)}"}
    return httpx.Client(
        base_url=server.url, headers={**known, **headers}, timeout=10, trust_env=False
    )
