"""Data feeds: prices that a quorum of signers agreed on, as records that anybody can recompute.

Promise: a round is accepted by over half of the feed's signers, each by a verified signature; its
record names every price, what proves it and why it was used or not; the record is signed, and
`servicelayer-api verify round FILE` needs nothing else. The latest price is an accepted one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.datafeeds.configuration import Defaults
from servicelayer_api.datafeeds.metrics import FeedMetrics
from servicelayer_api.datafeeds.routes import ROUTES
from servicelayer_api.datafeeds.service import DataFeeds
from servicelayer_api.datafeeds.signing import round_keys
from servicelayer_api.datafeeds.worker import watch
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.web.feature import Core

__all__ = ["DataFeeds", "build"]


def build(core: Core, audit: AuditLog, accounts: Accounts) -> Feature:
    """Put the feature together.

    Raises:
        SettingsError: `RANDOM_SIGNING_KEY` is no key.
    """
    settings = core.settings
    metrics = FeedMetrics(core.metrics)
    defaults = Defaults(
        aggregation=settings.datafeeds_aggregation,
        min_signers=settings.datafeeds_min_signers,
        verify_signatures=settings.datafeeds_verify_signatures,
    )
    keys = round_keys(settings)
    service = DataFeeds(core.database, core.clock, audit, accounts, metrics, keys, defaults)
    return Feature(
        name="datafeeds",
        routes=ROUTES,
        dependencies={"datafeeds": service},
        workers=[Worker("datafeeds-watch", watch(core.database, metrics))],
        modules=[
            Module(
                name="datafeeds",
                domain="datafeeds",
                capabilities=("datafeeds",),
                depends_on=("store",),
                requires_apis=("store", "account"),
            )
        ],
    )
