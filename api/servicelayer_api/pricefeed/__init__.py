"""Price feeds: prices fetched at their interval, published by heartbeat and deviation.

Promise: each fetch that is due is written once, however many replicas there are; prices are exact;
what is published says what it is worth (`fresh`, `stale`, `frozen`, `no_quorum`), judged by when
the sources gave their prices.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from servicelayer_api.pricefeed.fetching import Fetching, Source
from servicelayer_api.pricefeed.metrics import FeedMetrics
from servicelayer_api.pricefeed.routes import ROUTES
from servicelayer_api.pricefeed.service import PriceFeeds
from servicelayer_api.pricefeed.worker import fetcher, forgetting, watch
from servicelayer_api.settings import SettingsError
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.egress import Egress
    from servicelayer_api.web.feature import Core

__all__ = ["PriceFeeds", "build"]

_BETWEEN_URLS: Final = re.compile(r"[\s,]+(?=https?://)")


def build(core: Core, audit: AuditLog, accounts: Accounts, egress: Egress) -> Feature:
    """Put the feature together.

    Raises:
        SettingsError: `PRICEFEED_FETCH_URL` is no URL.
    """
    settings = core.settings
    key = settings.pricefeed_fetch_key.reveal()
    sources = [Source(egress, url, key) for url in _urls(settings.pricefeed_fetch_url)]
    metrics = FeedMetrics(core.metrics)
    frozen_rounds = settings.pricefeed_frozen_rounds
    service = PriceFeeds(
        core.database,
        core.clock,
        audit,
        accounts,
        metrics,
        fetched_sources=len(sources),
        frozen_rounds=frozen_rounds,
    )
    workers = [Worker("pricefeed-watch", watch(core.database, metrics, frozen_rounds))]
    if days := settings.pricefeed_retention_days:
        retention = forgetting(core.database, audit, metrics, days)
        workers.append(Worker("pricefeed-retention", retention.run))
    if sources:
        fetching = Fetching(core.database, core.clock, audit, accounts, metrics, sources)
        workers.append(Worker("pricefeed-fetcher", fetcher(fetching)))
    return Feature(
        name="pricefeed",
        routes=ROUTES,
        dependencies={"pricefeeds": service},
        workers=workers,
        modules=[
            Module(
                name="pricefeed",
                domain="pricefeed",
                capabilities=("pricefeed",),
                depends_on=("store",),
                requires_apis=("store", "account"),
            )
        ],
    )


def _urls(text: str) -> list[str]:
    urls = [url for url in _BETWEEN_URLS.split(text.strip().strip(",")) if url]
    for url in urls:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise SettingsError(
                "PRICEFEED_FETCH_URL is not an http or https URL, or several separated by commas"
            )
    return urls
