"""What bodies look like: the examples of the OpenAPI document, which `/docs` fills its forms with.

Invariant: a body here is taken as it stands, but for the ids in it; tests send each of them. Bodies
that answers have are put together from the values of their fields.
"""

from __future__ import annotations

from typing import Any, Final

type Object = dict[str, Any]

ACCOUNT: Final = "01909a5e-3c1b-7a52-9d0e-2f6a41c0b7d1"
ITEM: Final = "01909a5e-4f7d-7c08-8a3b-91d2e5f6a7b8"
ADDRESS: Final = "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"
SCRIPT_HASH: Final = "0x5b7074e873973a6ed3708862f219a6fbf4d1c411"
PUBLIC_KEY: Final = "03b209fd4f53a7170ea4444e0cb0a6bb6a53c2bd016926989cf85f9b0fba17a70c"
MOMENT: Final = "2026-01-02T03:04:05Z"
_SIGNATURE: Final = "9f" * 64
_KEY: Final = "dGhpcnR5LXR3byBieXRlcyBvZiBhIHB1YmxpYyBrZXk="

_FEED: Final[Object] = {
    "pair": "NEO/USD",
    "description": "NEO in US dollars, from three desks",
    "decimals": 8,
    "heartbeat_seconds": 3600,
    "threshold_ppm": 5000,
    "signer_set": [f"ed25519:{'d7' * 32}"],
    "aggregation": "median",
}

BODIES: Final[dict[str, Object]] = {
    "LoginRequest": {"username": "alice", "password": "correct horse battery staple"},
    "ChallengeRequest": {"wallet": ADDRESS},
    "WalletLoginRequest": {"wallet": ADDRESS, "signature": _SIGNATURE, "pubkey": PUBLIC_KEY},
    "NewAccount": {"owner": "payments-team", "metadata": {"env": "production"}},
    "AccountChange": {"owner": "payments-team", "metadata": {"env": "staging", "old": None}},
    "NewWallet": {"wallet_address": SCRIPT_HASH, "label": "treasury", "status": "active"},
    "NewApiKey": {
        "name": "ci",
        "expires_in_seconds": 2592000,
        "scopes": ["secrets:read", "random:write"],
    },
    "KeyReplacement": {"overlap_seconds": 3600},
    "NewSecret": {"name": "database-password", "value": "s3cr3t", "acl": 0},
    "SecretChange": {"value": "s3cr3t-2"},
    "RollbackRequest": {"version": 1},
    "RotationRequest": {"data_keys": False},
    "NewDraw": {"length": 32, "request_id": "lottery-2026-01", "client_seed": "ticket-4711"},
    "NewFeed": {
        "base_asset": "NEO",
        "quote_asset": "USD",
        "update_interval": "@every 1m",
        "heartbeat_interval": "@every 10m",
        "deviation_percent": 0.5,
    },
    "FeedChange": {"deviation_percent": 1.25, "active": True},
    "NewObservation": {"price": 12.5, "source": "desk-1"},
    "NewSource": {
        "name": "spot-price",
        "url": "https://api.example.com/price",
        "method": "GET",
        "result_path": "data.price",
    },
    "SourceChange": {"description": "Spot price of NEO", "enabled": True},
    "NewRequest": {"data_source_id": ITEM, "payload": '{"symbol":"NEO"}'},
    "RequestChange": {"status": "retry"},
    "RedriveRequest": {"reason": "attempts", "limit": 100, "dry_run": True},
    "GasAccountChange": {"wallet_address": ADDRESS, "daily_limit": 100, "required_approvals": 1},
    "NewDeposit": {"gas_account_id": ITEM, "amount": 10.5, "tx_id": f"0x{'a7' * 32}"},
    "NewWithdrawal": {"gas_account_id": ITEM, "amount": 2.5, "to_address": ADDRESS},
    "WithdrawalChange": {"action": "cancel", "reason": "wrong amount"},
    "NewDecision": {"approver": "bob", "approve": True, "note": "checked against invoice 17"},
    "FeedRequest": _FEED,
    "UpdateRequest": {
        "round_id": 1,
        "price": "12.5",
        "signer": f"ed25519:{'d7' * 32}",
        "timestamp": MOMENT,
        "signature": _SIGNATURE,
    },
    "ChainChange": {
        "chain_id": "neo-n3",
        "name": "Neo N3 main net",
        "rpc_url": "https://rpc.example.com:10331",
        "chain_type": "neo",
        "enabled": True,
    },
    "ProviderChange": {
        "name": "quotes",
        "type": "market-data",
        "base_url": "https://quotes.example.com",
        "enabled": True,
    },
    "SettingChange": {"key": "support.email", "value": "help@example.com", "category": "contact"},
    "FeatureFlagChange": {"key": "new-dashboard", "enabled": True, "rollout": 25},
    "QuotaChange": {"tenant_id": "acme", "max_accounts": 100, "max_requests_per_min": 600},
    "MethodListChange": {"chain_id": "neo-n3", "methods": ["getversion", "getblockcount"]},
}

# By the names of fields, whatever case they are written in and with underscores or without.
VALUES: Final[Object] = {
    "accountid": ACCOUNT,
    "account": ACCOUNT,
    "owner": "payments-team",
    "metadata": {"tenant": "acme", "env": "production"},
    "walletaddress": SCRIPT_HASH,
    "wallet": ADDRESS,
    "toaddress": ADDRESS,
    "fromaddress": ADDRESS,
    "publickey": _KEY,
    "signature": _KEY,
    "createdby": "alice",
    "user": "alice",
    "approver": "bob",
    "decidedby": "user:bob",
    "tenant": "acme",
    "tenantid": "acme",
    "role": "user",
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    "prefix": "slk_Xq3v",
    "key": "slk_Xq3vT0nLkz8uYw2rBd6mHc1sFa9pGe4jVi7oQx5tNy0",
    "name": "database-password",
    "value": "s3cr3t",
    "pair": "NEO/USD",
    "baseasset": "NEO",
    "quoteasset": "USD",
    "updateinterval": "@every 1m",
    "heartbeat": "@every 10m",
    "heartbeatinterval": "@every 10m",
    "price": 12.5,
    "deviationpercent": 0.5,
    "confidence": 0.25,
    "url": "https://api.example.com/price",
    "rpcurl": "https://rpc.example.com:10331",
    "wsurl": "wss://rpc.example.com:10334/ws",
    "baseurl": "https://quotes.example.com",
    "method": "GET",
    "path": "/accounts",
    "status": "active",
    "action": "account.create",
    "remoteaddr": "203.0.113.7",
    "useragent": "curl/8.14.1",
    "error": "",
    "code": "invalid-request",
    "detail": "owner: is required",
    "title": "Invalid request",
    "version": 2,
    "nonce": "5e" * 32,
    "message": "Log in to the Neo Service Layer at https://api.example.com.",
}
_BY_KIND: Final[Object] = {
    "boolean": True,
    "integer": 1,
    "number": 12.5,
    "string": "text",
    "array": [],
    "object": {},
}
_TYPES: Final[dict[str, Any]] = {"string": str, "number": float, "integer": int, "object": dict}
_BY_FORMAT: Final[Object] = {
    "date-time": MOMENT,
    "uuid": ITEM,
    "uri-reference": f"/accounts/{ACCOUNT}",
}


def add_examples(schemas: Object) -> None:
    """Give every schema an example, and every property its part of it; changes them in place.

    Args:
        schemas: By name.
    """
    for name, schema in schemas.items():
        body = example_of(schema, schemas, name)
        schema["examples"] = [body]
        for field, described in schema.get("properties", {}).items():
            if field in body:
                described["examples"] = [body[field]]
            elif "$ref" not in described:
                described["examples"] = [_value(field, described, schemas)]


def example_of(schema: Object, schemas: Object, name: str = "") -> Any:
    """Make up a value that fits a schema, of which `name` may have one."""
    if name in BODIES:
        return BODIES[name]
    if name.startswith("New") and (changes := f"{name[3:]}Change") in BODIES:
        return BODIES[changes]
    return {
        field: _value(field, described, schemas)
        for field, described in schema.get("properties", {}).items()
    }


def _value(field: str, schema: Object, schemas: Object) -> Any:
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return example_of(schemas[name], schemas, name)
    for several in ("allOf", "anyOf", "oneOf"):
        if several in schema:
            return _value(field, schema[several][0], schemas)
    return _plain_value(field, schema, schemas)


def _plain_value(field: str, schema: Object, schemas: Object) -> Any:
    kind = str(schema.get("type", "object"))
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if listed:
        return listed[0]
    if kind == "array":
        return [_value(field, schema.get("items", {}), schemas)]
    known: Any = VALUES.get(field.replace("_", "").lower())
    if schema.get("format") in _BY_FORMAT:
        return known if known == ACCOUNT else _BY_FORMAT[schema["format"]]
    if isinstance(known, _TYPES.get(kind, ())):
        return known
    inner = schema.get("additionalProperties", True)
    if kind == "object" and not isinstance(inner, bool):
        return {"name": _value("", inner, schemas)}
    return max(1, schema.get("minimum", 1)) if kind == "integer" else _BY_KIND[kind]
