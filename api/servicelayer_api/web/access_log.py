"""What the log says of a request: who asked for what, as whom, and how it ended.

Every request but the probes has a line, readings too. Nothing that a body, a query or a credential
holds is in it: the path is as it was asked for, and the credential is named by whom it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from servicelayer_api.web.gate import noted_caller
from servicelayer_api.web.problems import PROBLEM_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import Scope

_LONGEST_PATH = 2048


def facts_of(
    scope: Mapping[str, Any], method: str, status: int, seconds: float
) -> dict[str, object]:
    """Give the members of the line about a request.

    Args:
        scope: Of the request, after it was answered.
        method: As it was asked with.
        status: Of the answer.
        seconds: That it took.

    Returns:
        Only those that are known; `code` is that of the problem, when it was refused.
    """
    facts: dict[str, object] = {
        "method": method,
        "path": scope["path"][:_LONGEST_PATH],
        "status": status,
        "ms": round(seconds * 1000, 1),
    }
    route, code, client = scope.get("path_template"), scope.get(PROBLEM_CODE), scope.get("client")
    if route:
        facts["route"] = route
    if code:
        facts["code"] = code
    if client:
        facts["address"] = client[0]
    caller = noted_caller(cast("Scope", scope))
    principal = caller.principal if caller is not None else None
    parameters: Mapping[str, object] = scope.get("path_params") or {}
    account = parameters.get("account_id")
    if principal is not None:
        facts["caller"] = principal.user
        facts["credential"] = principal.credential.kind.value
        if principal.tenant:
            facts["tenant"] = principal.tenant
        bounds = principal.bounds
        account = account or (bounds[0] if bounds and len(bounds) == 1 else None)
    if account is not None:
        facts["account"] = str(account)
    return facts
