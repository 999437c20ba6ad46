"""Pure decisions about who may approve a withdrawal, and whom an approval counts for.

Invariant: approvals count people. A user counts as themselves; a key or a wallet's session as the
person at the root of what made it; what the body names counts for a platform token only. Refused:
an API key that approves what it or another key of its person asked for, a credential whose person
is not known, a key that takes limits away without being an approver, and a deposit by anybody but
the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank.errors import ApproverUnknown, DepositUnproven, OwnWithdrawal
from servicelayer_api.gasbank.rules import LONGEST_NOTE, check_text
from servicelayer_api.web.principal import CredentialKind, person_of
from servicelayer_api.web.scopes import InsufficientScope

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.gasbank.models import GasAccount, NewDecision, Transaction
    from servicelayer_api.gasbank.rules import Faults
    from servicelayer_api.web.principal import Principal

APPROVE: Final = "gasbank:approve"


class Approver(msgspec.Struct, frozen=True):
    """Whose decision it is.

    Attributes:
        identity: The credential; a later decision of it takes the place of its earlier one.
        person: Whom an approval counts for; empty when that is not known.
        shown: The name that is written down.
    """

    identity: str
    person: str
    shown: str


def identity_of(principal: Principal) -> str:
    """Which credential asks: its kind and user, or key over rotations.

    For a platform token this is the token; the people it speaks for are named in its decisions.
    """
    credential = principal.credential
    return f"{credential.kind}:{credential.holder or credential.user}"


def person_at(principal: Principal, account_id: UUID | None) -> str:
    """Who stands behind a credential where an account is concerned; empty when not known."""
    grant = None if account_id is None else principal.find_grant(account_id)
    return "" if grant is None else grant.person


def check_decision(new: NewDecision, principal: Principal, account_id: UUID | None) -> Approver:
    """Check what is sent to approve or reject.

    A platform token speaks for people whom its holder has authenticated, so it names them. Of all
    others the credential is written down, whatever `approver` says.

    Args:
        new: as sent.
        principal: who asks.
        account_id: the account that the withdrawal is of; `None` for none that can exist.

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
        return Approver(f"{credential.kind}:{name}", person_of(name), name)
    shown = credential.user
    if credential.kind is CredentialKind.KEY:
        shown = f"{shown} ({credential.subject})"  # keys may have the same name
    return Approver(identity_of(principal), person_at(principal, account_id), shown)


def check_may_approve(principal: Principal, approver: Approver, withdrawal: Transaction) -> None:
    """Refuse an API key that would approve what it, or another key of its person, asked for.

    Args:
        principal: who approves.
        approver: the same, as it is counted.
        withdrawal: what is approved.

    Raises:
        OwnWithdrawal: it is the same key or person.
        ApproverUnknown: nobody is known to have made the key or registered the wallet.
    """
    if not approver.person:
        raise ApproverUnknown("it is not known who made this credential")
    if principal.credential.kind is not CredentialKind.KEY:
        return
    if approver.identity == withdrawal.requested_by or (
        withdrawal.requested_by.startswith(f"{CredentialKind.KEY}:")
        and approver.person == withdrawal.requested_person
    ):
        raise OwnWithdrawal("this API key, or another of the same maker, asked for the withdrawal")


def check_may_loosen(principal: Principal, before: GasAccount, after: GasAccount) -> None:
    """Refuse an API key that would take away what holds payments back, and may not approve any.

    A daily limit that is set is not changed either way: 0 is none, and more is less of a limit.

    Args:
        principal: who changes the gas account.
        before: as it is.
        after: as it would be.

    Raises:
        InsufficientScope: it would, and the key lacks `gasbank:approve`.
    """
    scopes = principal.credential.scopes
    looser = (
        after.required_approvals < before.required_approvals
        or after.min_balance < before.min_balance
        or (before.daily_limit > 0 and after.daily_limit != before.daily_limit)
    )
    if looser and scopes is not None and APPROVE not in scopes:
        raise InsufficientScope(APPROVE)


def check_may_deposit(principal: Principal) -> None:
    """Refuse a deposit that nobody can vouch for: it is gas that may be withdrawn.

    Raises:
        DepositUnproven: by others than the platform; nothing here reads the chain.
    """
    if principal.credential.tenant is not None:
        raise DepositUnproven("a deposit is credited by the platform, which has seen the transfer")
