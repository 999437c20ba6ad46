"""Data feeds and updates to them, made up for tests of the rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from servicelayer_api.datafeeds import configuration
from servicelayer_api.datafeeds.models import (
    PLACES,
    StoredFeed,
    StoredUpdate,
)
from servicelayer_api.ids import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNIT = 10**PLACES


def a_feed(**changes: Any) -> StoredFeed:
    feed = configuration.blank_feed(new_id(), "t", NOW)
    return replace(feed, pair="NEO/USD", decimals=8, heartbeat_seconds=600, **changes)


def an_update(signer: str = "", **changes: Any) -> StoredUpdate:
    update = StoredUpdate(
        id=new_id(),
        account_id=new_id(),
        feed_id=new_id(),
        round_id=5,
        price=UNIT,
        signer=signer,
        submitted_for=NOW,
        signature="",
        public_key="",
        salt="",
        scheme="none",
        status="pending",
        error="",
        metadata={},
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(update, **changes)
