"""Refusals of the audit log."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Invalid, NotFound, Unavailable


class AuditUnavailable(Unavailable):
    """The audit log cannot be written, so the change was not made: no audit, no change."""

    code = "audit-unavailable"
    title = "Audit log unavailable"


class EntryNotFound(NotFound):
    """There is no such audit entry, or it belongs to another tenant."""

    code = "audit-entry-not-found"
    title = "Audit entry not found"


class NotSealedYet(Conflict):
    """The entry or the log has not been sealed yet; it is within seconds, so ask again."""

    code = "audit-not-sealed"
    title = "Not sealed yet"


class NoSuchTree(Invalid):
    """The sizes asked for name no tree: they run from 1 to the size of the latest checkpoint."""

    code = "audit-no-such-tree"
    title = "No such tree"
