"""One thing of each kind that an account holds, and a valid request for each operation on it.

`Items` makes what an operation needs when it is first asked for, so that the same operation can be
sent for an account that has everything, and with the items of one account under another.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from support.gas import run_sql
from support.neo_wallet import NeoWallet
from support.openapi_operations import NOWHERE
from support.signers import EdSigner, signed_update

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from support.openapi_operations import Operation

GAS_WALLET: Final = "0x" + "ab" * 20
SIGNER: Final = EdSigner()
_PRICE_FEED: Final = {"base_asset": "neo", "quote_asset": "usd", "deviation_percent": 2}
_DATA_FEED: Final = {
    "pair": "neo/usd",
    "decimals": 8,
    "heartbeat_seconds": 3600,
    "signer_set": [SIGNER.name],
}


class Items:
    """An account and what it holds; everything is made by `client`, the platform's."""

    def __init__(self, client: httpx.Client, dsn: str, tenant: str, account: str = "") -> None:
        self._client = client
        self._dsn = dsn
        self._headers = {"x-tenant-id": tenant}
        self.account = account or self._make("/accounts", {"owner": "o"}, "ID")

    def _make(self, path: str, body: object, key: str) -> str:
        answer = self._client.post(path, json=body, headers=self._headers)
        assert answer.is_success, (path, answer.text)
        return str(answer.json()[key])

    def _own(self, path: str, body: object, key: str = "ID") -> str:
        return self._make(f"/accounts/{self.account}/{path}", body, key)

    @cached_property
    def wallet(self) -> str:
        """Id of a registered wallet."""
        return self._own("workspace-wallets", {"wallet_address": NeoWallet().address})

    @cached_property
    def api_key(self) -> str:
        """Id of an API key."""
        return self._own("api-keys", {"name": "item"}, "id")

    @cached_property
    def secret(self) -> str:
        """Name of a secret; another account's of the same name would not be a foreign one."""
        name = f"item-{self.account}"
        self._own("secrets", {"name": name, "value": "v"}, "name")
        return name

    @cached_property
    def draw(self) -> str:
        """Id of a verifiable draw."""
        name = f"draw-{self.account}"
        self._own("random", {"length": 8, "request_id": name, "client_seed": "s"}, "RequestID")
        return name

    @cached_property
    def price_feed(self) -> str:
        """Id of a price feed."""
        return self._own("pricefeeds", _PRICE_FEED)

    @cached_property
    def source(self) -> str:
        """Id of an oracle's source."""
        return self._own("oracle/sources", {"name": "item", "url": "https://example.com/"})

    @cached_property
    def disabled_source(self) -> str:
        """Id of an oracle's source that may be deleted."""
        made = self._own("oracle/sources", {"name": "off", "url": "https://example.com/"})
        run_sql(self._dsn, "UPDATE oracle_sources SET enabled = false WHERE id = $1::uuid", made)
        return made

    @cached_property
    def request(self) -> str:
        """Id of an oracle's request that failed and may be retried."""
        return self._failed_request("NULL")

    @cached_property
    def dead_request(self) -> str:
        """Id of an oracle's dead letter."""
        return self._failed_request("'attempts'")

    def _failed_request(self, reason: str) -> str:
        made = self._own("oracle/requests", {"data_source_id": self.source})
        run_sql(
            self._dsn,
            "UPDATE oracle_requests SET status = 'failed', completed_at = now(), "  # noqa: S608 - fixed
            f"dead_reason = {reason} WHERE id = $1::uuid",
            made,
        )
        return made

    @cached_property
    def gas(self) -> str:
        """Id of the gas account, with gas in it, whose withdrawals need two approvals."""
        made = self._own("gasbank", {"required_approvals": 2})
        body = {"gas_account_id": made, "amount": 100}
        answer = self._client.post(
            f"/accounts/{self.account}/gasbank/deposit", json=body, headers=self._headers
        )
        assert answer.is_success, answer.text
        return made

    @cached_property
    def withdrawal(self) -> str:
        """Id of a withdrawal that has one approval and waits for another."""
        body = {"gas_account_id": self.gas, "amount": 1, "to_address": GAS_WALLET}
        answer = self._client.post(
            f"/accounts/{self.account}/gasbank/withdraw", json=body, headers=self._headers
        )
        assert answer.is_success, answer.text
        made = str(answer.json()["transaction"]["ID"])
        decided = self._client.post(
            f"/accounts/{self.account}/gasbank/approvals/{made}",
            json={"approver": "first", "approve": True},
            headers=self._headers,
        )
        assert decided.is_success, decided.text
        return made

    @cached_property
    def dead_withdrawal(self) -> str:
        """Id of a withdrawal that settlement gave up."""
        made = Items(self._client, self._dsn, self._headers["x-tenant-id"], self.account)
        made.__dict__["gas"] = self.gas
        run_sql(
            self._dsn,
            "UPDATE gas_transactions SET status = 'dead_letter', dead_letter_at = now() "
            "WHERE id = $1::uuid",
            made.withdrawal,
        )
        return made.withdrawal

    @cached_property
    def data_feed(self) -> str:
        """Id of a data feed with an accepted round, number 1."""
        made = self._own("datafeeds", _DATA_FEED, "id")
        self._own(f"datafeeds/{made}/updates", _update(made, 1), "id")
        return made

    def make_all(self) -> None:
        """Make one of each, while the account still takes changes."""
        for name, made in vars(type(self)).items():
            if isinstance(made, cached_property):
                getattr(self, name)

    def target(self, operation: Operation, account: str = "") -> str:
        """Path and query of an operation on these items, under an account."""
        path = operation.path.replace("{account_id}", account or self.account)
        for parameter, item in _PLACES.get(operation.id, {}).items():
            path = path.replace(f"{{{parameter}}}", quote(item(self), safe=""))
        query = _QUERIES.get(operation.id)
        path = f"{path}?{query(self)}" if query else path
        assert "{" not in path, (operation.id, "names no item for its path")
        return path

    def body(self, operation: Operation) -> Any:
        """A body that the operation takes for these items."""
        if "requestBody" not in operation.described:
            return None
        return _BODIES[operation.id](self)


def names_items(operation: Operation) -> bool:
    """Whether a request for the operation names something that the account holds."""
    return bool(
        _PLACES.get(operation.id) or operation.id in _QUERIES or operation.id in _ITEMS_IN_BODIES
    )


def _update(feed: str, round_id: int) -> dict[str, Any]:
    moment = (datetime.now(UTC) - timedelta(hours=2 - round_id)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return signed_update(SIGNER, feed, round_id, f"{round_id}.5", moment)


type _Item = Callable[[Items], str]
type _Body = Callable[[Items], Any]

_WALLET: Final[dict[str, _Item]] = {"wallet_id": lambda i: i.wallet}
_KEY: Final[dict[str, _Item]] = {"key_id": lambda i: i.api_key}
_SECRET: Final[dict[str, _Item]] = {"name": lambda i: i.secret}
_PRICE: Final[dict[str, _Item]] = {"feed_id": lambda i: i.price_feed}
_SOURCE: Final[dict[str, _Item]] = {"source_id": lambda i: i.source}
_REQUEST: Final[dict[str, _Item]] = {"request_id": lambda i: i.request}
_DEAD: Final[dict[str, _Item]] = {"request_id": lambda i: i.dead_request}
_WITHDRAWAL: Final[dict[str, _Item]] = {"withdrawal_id": lambda i: i.withdrawal}
_GAS_DEAD: Final[dict[str, _Item]] = {"withdrawal_id": lambda i: i.dead_withdrawal}
_DATA: Final[dict[str, _Item]] = {"feed_id": lambda i: i.data_feed}

_CONFIGURED: Final[dict[str, _Item]] = {"item_id": lambda _: NOWHERE}
_KEYED: Final[dict[str, _Item]] = {"key": lambda _: "item"}
_QUOTA: Final[dict[str, _Item]] = {"tenant": lambda _: "item"}
_METHODS: Final[dict[str, _Item]] = {"chain": lambda _: "item"}

_PLACES: Final[dict[str, dict[str, _Item]]] = {
    **dict.fromkeys(("getWorkspaceWallet", "deleteWorkspaceWallet"), _WALLET),
    **dict.fromkeys(("rotateApiKey", "revokeApiKey"), _KEY),
    **dict.fromkeys(
        ("getSecret", "changeSecret", "deleteSecret", "listSecretVersions", "rollBackSecret"),
        _SECRET,
    ),
    "proveRandomRequest": {"request_id": lambda i: i.draw},
    **dict.fromkeys(
        (
            *("getPriceFeed", "changePriceFeed", "deletePriceFeed", "getLatestPrice"),
            *("listPriceSnapshots", "submitPrice", "listPriceRounds", "listPriceObservations"),
        ),
        _PRICE,
    ),
    **dict.fromkeys(("getOracleSource", "changeOracleSource"), _SOURCE),
    "deleteOracleSource": {"source_id": lambda i: i.disabled_source},
    **dict.fromkeys(("getOracleRequest", "changeOracleRequest"), _REQUEST),
    **dict.fromkeys(("redriveOracleDeadLetter", "deleteOracleDeadLetter"), _DEAD),
    **dict.fromkeys(
        (
            *("getGasWithdrawal", "changeGasWithdrawal", "listGasSettlementAttempts"),
            *("listGasApprovals", "decideGasWithdrawal"),
        ),
        _WITHDRAWAL,
    ),
    **dict.fromkeys(("retryGasDeadLetter", "deleteGasDeadLetter"), _GAS_DEAD),
    **dict.fromkeys(
        (
            *("getDataFeed", "replaceDataFeed", "deleteDataFeed", "listDataFeedUpdates"),
            *("submitDataFeedUpdate", "getLatestRound", "listDataFeedRounds"),
        ),
        _DATA,
    ),
    "getDataFeedRound": {**_DATA, "round_id": lambda _: "1"},
    # Of the installation, not of an account: what matters here is who may ask.
    "proveAuditEntry": {"entry_id": lambda _: NOWHERE},
    "getProblem": {"code": lambda _: "account-not-found"},
    **dict.fromkeys(
        (
            *("getChain", "replaceChain", "changeChain", "deleteChain"),
            *("getProvider", "replaceProvider", "changeProvider", "deleteProvider"),
        ),
        _CONFIGURED,
    ),
    **dict.fromkeys(
        (
            *("getSetting", "replaceSetting", "changeSetting", "deleteSetting"),
            *("getFeatureFlag", "replaceFeatureFlag", "changeFeatureFlag"),
        ),
        _KEYED,
    ),
    **dict.fromkeys(("getQuota", "replaceQuota", "changeQuota", "deleteQuota"), _QUOTA),
    **dict.fromkeys(("getMethods", "replaceMethods", "changeMethods"), _METHODS),
}
_GAS_QUERY: Final[_Item] = lambda i: f"gas_account_id={i.gas}"  # noqa: E731 - a row of the table
_QUERIES: Final[dict[str, _Item]] = {
    "listGasTransactions": _GAS_QUERY,
    "listGasDeposits": _GAS_QUERY,
    "listGasWithdrawals": _GAS_QUERY,
    "listGasAccounts": _GAS_QUERY,
    "deleteSecretByName": lambda i: f"name={i.secret}",
    "deleteSettingByName": lambda _: "key=item",
    "deleteQuotaByName": lambda _: "tenant_id=item",
    "proveAuditGrowth": lambda _: "old=1",
}
_ITEMS_IN_BODIES: Final = frozenset({"depositGas", "withdrawGas", "createOracleRequest"})
_CHAIN: Final = {"chain_id": "item", "name": "item", "rpc_url": "https://example.com"}
_PROVIDER: Final = {"name": "item", "type": "item", "base_url": "https://example.com"}
_BODIES: Final[dict[str, _Body]] = {
    "login": lambda _: {"username": "nobody", "password": "wrong"},
    "walletChallenge": lambda _: {"wallet": GAS_WALLET},
    "walletLogin": lambda _: {"wallet": GAS_WALLET, "signature": "", "pubkey": ""},
    **dict.fromkeys(("createChain", "replaceChain", "changeChain"), lambda _: _CHAIN),
    **dict.fromkeys(("createProvider", "replaceProvider", "changeProvider"), lambda _: _PROVIDER),
    **dict.fromkeys(
        ("createSetting", "replaceSetting", "changeSetting"),
        lambda _: {"key": "item", "value": "v"},
    ),
    **dict.fromkeys(
        ("createFeatureFlag", "replaceFeatureFlag", "changeFeatureFlag"),
        lambda _: {"key": "item", "enabled": True},
    ),
    **dict.fromkeys(
        ("createQuota", "replaceQuota", "changeQuota"),
        lambda _: {"tenant_id": "item", "max_accounts": 9},
    ),
    **dict.fromkeys(
        ("createMethods", "replaceMethods", "changeMethods"),
        lambda _: {"chain_id": "item", "methods": ["getversion"]},
    ),
    "rotateKeys": lambda _: {},
    "createAccount": lambda _: {"owner": "o"},
    "changeAccount": lambda _: {"owner": "changed"},
    "createWorkspaceWallet": lambda _: {"wallet_address": NeoWallet().address},
    "createApiKey": lambda _: {"name": "k", "expires_in_seconds": 1},
    "rotateApiKey": lambda _: {"overlap_seconds": 0},
    "createSecret": lambda _: {"name": f"new-{NeoWallet().address}", "value": "v"},
    "changeSecret": lambda _: {"value": "w"},
    "rollBackSecret": lambda _: {"version": 1},
    "drawRandom": lambda _: {"length": 8},
    "createPriceFeed": lambda _: {**_PRICE_FEED, "base_asset": NeoWallet().address[:32]},
    "changePriceFeed": lambda _: {"active": False},
    "submitPrice": lambda _: {"price": 1},
    "createOracleSource": lambda _: {
        "name": NeoWallet().address,
        "url": "https://example.com/",
    },
    "changeOracleSource": lambda _: {"description": "changed"},
    "createOracleRequest": lambda i: {"data_source_id": i.source},
    "changeOracleRequest": lambda _: {"status": "retry"},
    "redriveOracleDeadLetters": lambda _: {},
    "ensureGasAccount": lambda _: {"notification_threshold": 1},
    "depositGas": lambda i: {"gas_account_id": i.gas, "amount": 1},
    "withdrawGas": lambda i: {
        "gas_account_id": i.gas,
        "amount": 1,
        "to_address": GAS_WALLET,
    },
    "changeGasWithdrawal": lambda _: {"action": "cancel"},
    "decideGasWithdrawal": lambda _: {"approver": "somebody", "approve": True},
    "createDataFeed": lambda _: _DATA_FEED,
    "replaceDataFeed": lambda _: {**_DATA_FEED, "description": "changed"},
    "submitDataFeedUpdate": lambda i: _update(i.data_feed, 2),
}
