"""`/accounts/{id}/pricefeeds`."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.errors import Invalid
from servicelayer_api.pricefeed.models import (
    FeedChange,
    LatestPrice,
    NewFeed,
    NewObservation,
    PriceFeed,
    PriceObservation,
    PriceRound,
    PriceSnapshot,
    WithheldPrice,
)
from servicelayer_api.pricefeed.service import PriceFeeds
from servicelayer_api.quotes.demands import parse_demands
from servicelayer_api.web.answers import Answer, created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Cursor, Limit, Pages

_READ: Final = {"scope": "pricefeeds:read"}
_WRITE: Final = {"scope": "pricefeeds:write"}
_MAX_DIGITS: Final = 18


_MaxAge = Annotated[
    str | None, QueryParameter(description="Refuse an older price; a duration such as 5s")
]
_MinSources = Annotated[
    str | None, QueryParameter(description="Refuse a price of fewer groups of sources")
]
_MaxConf = Annotated[
    str | None,
    QueryParameter(description="Refuse a price with a larger confidence, in 0.01 % of the price"),
]


@get(
    "/accounts/{account_id:str}/pricefeeds",
    operation_id="listPriceFeeds",
    summary="List the price feeds of an account, oldest first",
    tags=["pricefeeds"],
    opt=_READ,
)
async def list_feeds(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[PriceFeed]]:
    """List feeds."""
    # The contract's lists of price feeds have no limit: a page is as large as one may be.
    page = pages.read(request, "pricefeeds", MAX_LIMIT)
    found = await pricefeeds.list_feeds(caller_of(request.scope), account_id, page)
    return pages.answer(request, "pricefeeds", found)


@post(
    "/accounts/{account_id:str}/pricefeeds",
    operation_id="createPriceFeed",
    summary="Make a price feed",
    tags=["pricefeeds"],
    opt=_WRITE,
)
async def create_feed(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    data: JSONBody[NewFeed],
) -> Response[PriceFeed]:
    """Make a feed."""
    made = await pricefeeds.add(caller_of(request.scope), account_id, data)
    return created(request, made, made.id)


@get(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}",
    operation_id="getPriceFeed",
    summary="Show a price feed and its state",
    tags=["pricefeeds"],
    opt=_READ,
)
async def get_feed(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
) -> PriceFeed:
    """Show a feed."""
    return await pricefeeds.get(caller_of(request.scope), account_id, feed_id)


@patch(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}",
    operation_id="changePriceFeed",
    summary="Change how a price feed fetches and publishes",
    tags=["pricefeeds"],
    opt=_WRITE,
)
async def change_feed(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    data: JSONBody[FeedChange],
) -> PriceFeed:
    """Change a feed."""
    return await pricefeeds.change(caller_of(request.scope), account_id, feed_id, data)


@delete(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}",
    operation_id="deletePriceFeed",
    summary="Delete a price feed with all its rounds and prices",
    tags=["pricefeeds"],
    opt=_WRITE,
)
async def delete_feed(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
) -> None:
    """Delete a feed."""
    await pricefeeds.remove(caller_of(request.scope), account_id, feed_id)


@get(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}/latest",
    operation_id="getLatestPrice",
    summary="Give the last published price and its state",
    description=(
        "Strict readers say what the price must be: a price that does not meet `max_age` (such as "
        "`5s`, from when its sources gave it), `min_sources` or `max_conf_bps` is a problem of "
        "status 409."
    ),
    tags=["pricefeeds"],
    opt=_READ,
)
async def get_latest(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    max_age: _MaxAge = None,
    min_sources: _MinSources = None,
    max_conf_bps: _MaxConf = None,
) -> LatestPrice:
    """Give the last price."""
    demands = parse_demands(max_age, min_sources, max_conf_bps)
    return await pricefeeds.latest(caller_of(request.scope), account_id, feed_id, demands)


@get(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}/snapshots",
    operation_id="listPriceSnapshots",
    summary="List the published prices of a feed, the newest first",
    tags=["pricefeeds"],
    opt=_READ,
)
async def list_snapshots(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[PriceSnapshot]]:
    """List snapshots."""
    page = pages.read(request, "price-snapshots", MAX_LIMIT, feed=feed_id)
    found = await pricefeeds.list_snapshots(caller_of(request.scope), account_id, feed_id, page)
    return pages.answer(request, "price-snapshots", found, feed=feed_id)


@post(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}/snapshots",
    operation_id="submitPrice",
    summary="Submit a price",
    description=(
        "The answer is the published price. When neither heartbeat nor deviation call for one, or "
        "too few sources gave a price, the round stays open: the answer is then 202, and `Outcome` "
        "says why nothing was published."
    ),
    tags=["pricefeeds"],
    responses={
        202: ResponseSpec(
            WithheldPrice, generate_examples=False, description="Taken; the round stays open"
        )
    },
    opt=_WRITE,
)
async def submit_price(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    data: JSONBody[NewObservation],
) -> Response[PriceSnapshot]:
    """Take a price."""
    shown = await pricefeeds.submit(caller_of(request.scope), account_id, feed_id, data)
    if isinstance(shown, WithheldPrice):
        return Answer(cast("Any", shown), status_code=202)
    return Answer(shown)


@get(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}/rounds",
    operation_id="listPriceRounds",
    summary="List the rounds of a price feed, the newest first",
    tags=["pricefeeds"],
    opt=_READ,
)
async def list_rounds(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[PriceRound]]:
    """List rounds."""
    page = pages.read(request, "price-rounds", feed=feed_id)
    found = await pricefeeds.list_rounds(caller_of(request.scope), account_id, feed_id, page)
    return pages.answer(request, "price-rounds", found, feed=feed_id)


@get(
    "/accounts/{account_id:str}/pricefeeds/{feed_id:str}/observations",
    operation_id="listPriceObservations",
    summary="List the prices a feed was given, the newest first",
    tags=["pricefeeds"],
    opt=_READ,
)
async def list_observations(
    request: Request[Any, Any, Any],
    pricefeeds: NamedDependency[PriceFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    round: Annotated[  # noqa: A002 - the name of the query parameter
        str | None, QueryParameter(description="Of this round only")
    ] = None,
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[PriceObservation]]:
    """List observations."""
    number = _round_number(round)
    page = pages.read(request, "price-observations", feed=feed_id, round=round)
    found = await pricefeeds.list_observations(
        caller_of(request.scope), account_id, feed_id, number, page
    )
    return pages.answer(request, "price-observations", found, feed=feed_id, round=round)


def _round_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise Invalid(fields=[("round", "must be the number of a round")])
    return int(text)


ROUTES = [
    list_feeds,
    create_feed,
    get_feed,
    change_feed,
    delete_feed,
    get_latest,
    list_snapshots,
    submit_price,
    list_rounds,
    list_observations,
]
