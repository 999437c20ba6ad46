"""Refusals of strict readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence


class QuoteNotFit(Conflict):
    """The latest price does not meet what the request demands of it.

    The query parameters `max_age`, `min_sources` and `max_conf_bps` say what a price must be to be
    used; the member `unmet` lists those it does not meet. Without them the price is given with its
    state, whatever that is.
    """

    code = "quote-not-fit"
    title = "Price not fit for use"

    def __init__(self, unmet: Sequence[str]) -> None:
        """Refuse to give a price; `unmet` names the demands."""
        self.unmet = tuple(unmet)
        super().__init__(f"the latest price does not meet: {', '.join(self.unmet)}")

    def members(self) -> dict[str, object]:
        """List the demands that are not met."""
        return {"unmet": list(self.unmet)}
