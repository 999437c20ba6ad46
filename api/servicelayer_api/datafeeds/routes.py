"""`/accounts/{id}/datafeeds`, and the public key that signs their rounds."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.datafeeds.models import (
    DataFeed,
    DataFeedUpdate,
    FeedRequest,
    LatestRound,
    RoundKey,
    SignedRound,
    UpdateRequest,
)
from servicelayer_api.datafeeds.service import DataFeeds
from servicelayer_api.quotes.demands import parse_demands
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Cursor, Limit, Pages

_READ: Final = {"scope": "datafeeds:read"}
_WRITE: Final = {"scope": "datafeeds:write"}

_MaxAge = Annotated[
    str | None, QueryParameter(description="Refuse an older price; a duration such as 5s")
]
_MinSources = Annotated[str | None, QueryParameter(description="Refuse a price of fewer sources")]
_MaxConf = Annotated[
    str | None,
    QueryParameter(description="Refuse a price with a larger confidence, in 0.01 % of the price"),
]


@get(
    "/accounts/{account_id:str}/datafeeds",
    operation_id="listDataFeeds",
    summary="List the data feeds of an account, the newest first",
    tags=["datafeeds"],
    opt=_READ,
)
async def list_feeds(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[DataFeed]]:
    """List feeds."""
    # The contract's list has no limit: a page is as large as one may be.
    page = pages.read(request, "datafeeds", MAX_LIMIT)
    found = await datafeeds.list_feeds(caller_of(request.scope), account_id, page)
    return pages.answer(request, "datafeeds", found)


@post(
    "/accounts/{account_id:str}/datafeeds",
    operation_id="createDataFeed",
    summary="Make a data feed",
    description=(
        "Signers are Neo wallets of the account (script hash or address), compressed secp256r1 "
        "public keys in hex, or `ed25519:` and a public key in hex. Each must sign its updates."
    ),
    tags=["datafeeds"],
    opt=_WRITE,
)
async def create_feed(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    data: JSONBody[FeedRequest],
) -> Response[DataFeed]:
    """Make a feed."""
    made = await datafeeds.add(caller_of(request.scope), account_id, data)
    return created(request, made, made.id)


@get(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}",
    operation_id="getDataFeed",
    summary="Show a data feed and its state",
    tags=["datafeeds"],
    opt=_READ,
)
async def get_feed(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
) -> DataFeed:
    """Show a feed."""
    return await datafeeds.get(caller_of(request.scope), account_id, feed_id)


@put(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}",
    operation_id="replaceDataFeed",
    summary="Replace the configuration of a data feed",
    tags=["datafeeds"],
    opt=_WRITE,
)
async def replace_feed(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    data: JSONBody[FeedRequest],
) -> DataFeed:
    """Replace a configuration."""
    return await datafeeds.replace(caller_of(request.scope), account_id, feed_id, data)


@delete(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}",
    operation_id="deleteDataFeed",
    summary="Delete a data feed with its updates and rounds",
    tags=["datafeeds"],
    opt=_WRITE,
)
async def delete_feed(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
) -> None:
    """Delete a feed."""
    await datafeeds.remove(caller_of(request.scope), account_id, feed_id)


@get(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}/updates",
    operation_id="listDataFeedUpdates",
    summary="List the updates of a data feed, the highest round first",
    tags=["datafeeds"],
    opt=_READ,
)
async def list_updates(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[DataFeedUpdate]]:
    """List updates."""
    page = pages.read(request, "datafeed-updates", feed=feed_id)
    found = await datafeeds.list_updates(caller_of(request.scope), account_id, feed_id, page)
    return pages.answer(request, "datafeed-updates", found, feed=feed_id)


@post(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}/updates",
    operation_id="submitDataFeedUpdate",
    summary="Submit a signer's price for a round",
    description=(
        "The signer signs `servicelayer/datafeeds/update/1|<feed id>|<round>|<price>|<timestamp>`, "
        "as the problem type `signature-refused` describes. The answer is accepted when the update "
        "met the quorum of its round, else pending."
    ),
    tags=["datafeeds"],
    opt=_WRITE,
)
async def submit_update(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    data: JSONBody[UpdateRequest],
) -> DataFeedUpdate:
    """Take an update."""
    return await datafeeds.submit(caller_of(request.scope), account_id, feed_id, data)


@get(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}/latest",
    operation_id="getLatestRound",
    summary="Give the last accepted round and its state",
    description=(
        "`aggregated_price` is the price of the round. Strict readers say what it must be: one "
        "that does not meet `max_age`, `min_sources` or `max_conf_bps` is a problem of status 409."
    ),
    tags=["datafeeds"],
    opt=_READ,
)
async def get_latest(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    max_age: _MaxAge = None,
    min_sources: _MinSources = None,
    max_conf_bps: _MaxConf = None,
) -> LatestRound:
    """Give the last accepted round."""
    demands = parse_demands(max_age, min_sources, max_conf_bps)
    return await datafeeds.latest(caller_of(request.scope), account_id, feed_id, demands)


@get(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}/rounds",
    operation_id="listDataFeedRounds",
    summary="List the signed records of a data feed's accepted rounds, the newest first",
    tags=["datafeeds"],
    opt=_READ,
)
async def list_rounds(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[SignedRound]]:
    """List records."""
    page = pages.read(request, "datafeed-rounds", feed=feed_id)
    found = await datafeeds.list_rounds(caller_of(request.scope), account_id, feed_id, page)
    return pages.answer(request, "datafeed-rounds", found, feed=feed_id)


@get(
    "/accounts/{account_id:str}/datafeeds/{feed_id:str}/rounds/{round_id:str}",
    operation_id="getDataFeedRound",
    summary="Give the signed record of an accepted round",
    description="Kept in a file it is what `servicelayer-api verify round` checks.",
    tags=["datafeeds"],
    opt=_READ,
)
async def get_round(
    request: Request[Any, Any, Any],
    datafeeds: NamedDependency[DataFeeds],
    account_id: FromPath[str],
    feed_id: FromPath[str],
    round_id: FromPath[str],
) -> SignedRound:
    """Give a record."""
    return await datafeeds.get_round(caller_of(request.scope), account_id, feed_id, round_id)


@get(
    "/datafeeds/signing-key",
    operation_id="getRoundSigningKey",
    summary="Give the public key that signs the records of data feed rounds",
    tags=["datafeeds"],
    opt={"public": True},
)
async def get_signing_key(datafeeds: NamedDependency[DataFeeds]) -> RoundKey:
    """Give the key."""
    present, *before = [base64.b64encode(key).decode() for key in datafeeds.public_keys()]
    return RoundKey(algorithm="Ed25519", public_key=present, previous=before)


ROUTES = [
    list_feeds,
    create_feed,
    get_feed,
    replace_feed,
    delete_feed,
    list_updates,
    submit_update,
    get_latest,
    list_rounds,
    get_round,
    get_signing_key,
]
