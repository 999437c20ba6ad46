"""`/admin/keys/rotation`."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from servicelayer_api.vault.admin import KeyAdmin
from servicelayer_api.vault.models import KeyStatus, Rotation, RotationRequest
from servicelayer_api.web.gate import caller_of


@post(
    "/admin/keys/rotation",
    operation_id="rotateKeys",
    summary="Move all data keys to the newest key-encryption key",
    description=(
        "Starts in the background and answers at once; `GET` tells how far it is. While one is "
        "running the answer is that one. With `data_keys` every account gets a new data key and "
        "its data is sealed with it. Needs an admin who is bound to no tenant."
    ),
    tags=["keys"],
    status_code=202,
)
async def rotate_keys(
    request: Request[Any, Any, Any],
    key_admin: NamedDependency[KeyAdmin],
    data: JSONBody[RotationRequest],
) -> Rotation:
    """Start a rotation."""
    return await key_admin.rotate(caller_of(request.scope), data)


@get(
    "/admin/keys/rotation",
    operation_id="getKeyRotation",
    summary="Show the key versions and the last rotation",
    description="Keys are shown by version and fingerprint only. Needs an admin as above.",
    tags=["keys"],
)
async def get_key_rotation(
    request: Request[Any, Any, Any], key_admin: NamedDependency[KeyAdmin]
) -> KeyStatus:
    """Show keys and rotation."""
    return await key_admin.status(caller_of(request.scope))


ROUTES = [rotate_keys, get_key_rotation]
