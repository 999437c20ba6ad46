"""Refusals of price feeds."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, NotFound


class PriceFeedNotFound(NotFound):
    """The account has no price feed of this id."""

    code = "price-feed-not-found"
    title = "Price feed not found"


class NoPriceYet(NotFound):
    """The feed has not published a price yet."""

    code = "no-price-yet"
    title = "No price yet"


class PriceFeedExists(Conflict):
    """The account has a price feed of this pair."""

    code = "price-feed-exists"
    title = "Price feed exists"


class PriceFeedInactive(Conflict):
    """The feed takes no prices: set `active` to true first."""

    code = "price-feed-inactive"
    title = "Price feed inactive"


class ObservationOutOfOrder(Conflict):
    """The price is older than what the feed has of this source, or has published.

    Prices are taken in the order in which they were collected; a late one changes nothing.
    """

    code = "observation-out-of-order"
    title = "Price out of order"
