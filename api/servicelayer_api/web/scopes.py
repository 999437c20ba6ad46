"""What an account API key may be limited to, and the hook that holds it there.

A scope is an area and `read` or `write`, but that what moves money is told apart; a route names the
one it needs in its decorator (`opt={"scope": "secrets:read"}`). A key without a list has all
scopes, and so has every other kind of credential. Below `/accounts` a route that names none is
closed to limited keys: forgetting the scope of a route must not open it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servicelayer_api.errors import Forbidden
from servicelayer_api.web.gate import noted_caller

if TYPE_CHECKING:
    from litestar import Request

AREAS: Final = (
    "accounts",
    "wallets",
    "api-keys",
    "secrets",
    "random",
    "pricefeeds",
    "datafeeds",
    "oracle",
)
SCOPES: Final = frozenset(
    [f"{area}:{verb}" for area in AREAS for verb in ("read", "write")]
    # Whoever pays out need not pay in, decide, or set what holds payments back.
    + [f"gasbank:{verb}" for verb in ("read", "deposit", "withdraw", "approve", "limits")]
)


class InsufficientScope(Forbidden):
    """The API key was made without the scope that this needs; `scope` names it."""

    code = "insufficient-scope"
    title = "Insufficient scope"

    def __init__(self, scope: str | None = None) -> None:
        """Refuse a key.

        Args:
            scope: The one it lacks; `None` when no limited key may do this.
        """
        self.scope = scope
        super().__init__(
            f"the API key lacks the scope {scope}"
            if scope
            else "an API key that is limited to scopes cannot do this"
        )

    def members(self) -> dict[str, object]:
        """Name the scope."""
        return {"scope": self.scope} if self.scope else {}


async def require_scope(request: Request[Any, Any, Any]) -> None:
    """Stand before every route.

    A hook and no guard: for each guard the router copies the route at every request, which would
    cost more than all the other layers of this program together.

    Raises:
        InsufficientScope: An account key is limited to scopes that do not hold the route's.
    """
    caller = noted_caller(request.scope)
    principal = caller.principal if caller is not None else None
    if principal is None or principal.credential.scopes is None:
        return
    needed = request.route_handler.opt.get("scope")
    if needed is None:
        if request.scope["path"].startswith("/accounts"):
            raise InsufficientScope
        return
    if needed not in principal.credential.scopes:
        raise InsufficientScope(str(needed))
