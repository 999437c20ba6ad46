"""Refusals of the configuration and of the quotas."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Forbidden, NotFound, RateLimited


class PlatformAdminOnly(Forbidden):
    """The configuration concerns all tenants, so an admin who is bound to one may not touch it."""

    code = "platform-admin-only"
    title = "Platform admins only"


class ItemNotFound(NotFound):
    """The configuration has no such item."""

    code = "config-not-found"
    title = "Configuration item not found"


class ItemExists(Conflict):
    """The configuration has an item of this name already: change it by PUT or PATCH."""

    code = "config-exists"
    title = "Configuration item exists"


class QuotaExceeded(Forbidden):
    """The tenant has as many as its quota allows; `quota` names it and `limit` says how many."""

    code = "quota-exceeded"
    title = "Quota exceeded"

    def __init__(self, quota: str, limit: int) -> None:
        """Refuse one more.

        Args:
            quota: Name of the quota, as in `/admin/config/quotas`.
            limit: What it allows.
        """
        self.quota = quota
        self.limit = limit
        super().__init__(f"the tenant's quota {quota} is {limit}")

    def members(self) -> dict[str, object]:
        """Name the quota and its limit."""
        return {"quota": self.quota, "limit": self.limit}


class RequestQuotaExceeded(RateLimited):
    """The tenant has used up its requests of this minute or day; `Retry-After` says until when."""

    code = "request-quota-exceeded"
    title = "Request quota exceeded"

    def __init__(self, quota: str, limit: int, *, retry_after: int) -> None:
        """Refuse until the period ends.

        Args:
            quota: Name of the quota.
            limit: Requests it allows in a period.
            retry_after: Seconds until the next period.
        """
        self.quota = quota
        self.limit = limit
        super().__init__(f"the tenant's quota {quota} is {limit}", retry_after=retry_after)

    def members(self) -> dict[str, object]:
        """Name the quota and its limit."""
        return {"quota": self.quota, "limit": self.limit}
