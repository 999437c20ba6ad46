"""Pure decisions about who may approve a withdrawal, and whom an approval counts for.

Invariant: whoever is counted is the credential that was shown; what the body names counts for a
platform token only. A key and those that rotations made of it have one holder, so they are one.
Refused: an API key that approves what it asked for itself, or that takes required approvals away
without being an approver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank.errors import OwnWithdrawal
from servicelayer_api.gasbank.rules import LONGEST_NOTE, check_text
from servicelayer_api.web.principal import CredentialKind
from servicelayer_api.web.scopes import InsufficientScope

if TYPE_CHECKING:
    from servicelayer_api.gasbank.models import NewDecision
    from servicelayer_api.gasbank.rules import Faults
    from servicelayer_api.web.principal import Principal

APPROVE: Final = "gasbank:approve"


def identity_of(principal: Principal) -> str:
    """Who asks, as approvals are counted: kind of the credential and user, or key over rotations.

    For a platform token this is the token; the people it speaks for are named in its decisions.
    """
    credential = principal.credential
    return f"{credential.kind}:{credential.holder or credential.user}"


def check_decision(new: NewDecision, principal: Principal) -> tuple[str, str]:
    """Check what is sent to approve or reject.

    A platform token speaks for people whom its holder has authenticated, so it names them. Of all
    others the credential is written down, whatever `approver` says.

    Args:
        new: as sent.
        principal: who asks.

    Returns:
        The identity that is counted and the name that is shown.

    Raises:
        Invalid: names each field at fault.
    """
    faults: Faults = []
    name = new.approver.strip()
    check_text("approver", name, faults)
    check_text("signature", new.signature, faults, LONGEST_NOTE)
    check_text("note", new.note, faults, LONGEST_NOTE)
    credential = principal.credential
    if credential.kind is CredentialKind.STATIC and not name:
        faults.append(("approver", "is required"))
    if faults:
        raise Invalid(fields=faults)
    if credential.kind is CredentialKind.STATIC:
        return f"{credential.kind}:{name}", name
    if credential.kind is CredentialKind.KEY:
        # Keys may have the same name.
        return identity_of(principal), f"{credential.user} ({credential.subject})"
    return identity_of(principal), credential.user


def check_may_approve(principal: Principal, requested_by: str) -> None:
    """Refuse an API key that would approve what it asked for.

    Args:
        principal: who approves.
        requested_by: identity of who asked for the withdrawal.

    Raises:
        OwnWithdrawal: it is the same key.
    """
    if principal.credential.kind is CredentialKind.KEY and identity_of(principal) == requested_by:
        raise OwnWithdrawal("the API key asked for this withdrawal itself")


def check_may_require(principal: Principal, before: int, after: int) -> None:
    """Refuse an API key that would take required approvals away and may not give any.

    Args:
        principal: who changes the gas account.
        before: approvals that its withdrawals need now.
        after: approvals that they would need.

    Raises:
        InsufficientScope: fewer, and the key lacks `gasbank:approve`.
    """
    scopes = principal.credential.scopes
    if after < before and scopes is not None and APPROVE not in scopes:
        raise InsufficientScope(APPROVE)
