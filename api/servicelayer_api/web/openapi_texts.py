"""What is said in the OpenAPI document of things that have one meaning wherever they stand."""

from __future__ import annotations

from typing import Final

# Fields, by their names in Python, that neither their struct nor another of its feature describes.
COMMON: Final = {"id": "UUID.", "created_at": "UTC.", "updated_at": "UTC."}

PARAMETERS: Final = {
    "account_id": "UUID of the account.",
    "chain": "Id of the chain.",
    "code": "Code of the problem, the last part of its `type`.",
    "feed_id": "UUID of the feed.",
    "item_id": "UUID of the item.",
    "key": "Its key.",
    "key_id": "UUID of the API key.",
    "name": "Name of the secret.",
    "request_id": "Id of the request.",
    "round_id": "Number of the round.",
    "source_id": "UUID of the data source.",
    "tenant": "Name of the tenant.",
    "wallet_id": "UUID of the wallet.",
    "withdrawal_id": "UUID of the withdrawal.",
}

SUCCESSES: Final = {
    "200": "What was asked for, or the state after the change.",
    "201": "What was made.",
    "202": "The work has begun.",
    "204": "Done; there is nothing to show.",
}

TAGS: Final = {
    "accounts": "Accounts of a tenant: everything else belongs to one of them.",
    "admin": "Configuration of the installation, for admins.",
    "api-keys": "Credentials that act for one account, within scopes.",
    "audit": "The log of all changes, sealed into a Merkle tree with signed checkpoints.",
    "auth": "Logging in by password or Neo wallet.",
    "datafeeds": "Prices that signers submit, aggregated into signed rounds.",
    "gasbank": "Prepaid gas: deposits, withdrawals with limits and approvals.",
    "keys": "Changing the key that secrets are encrypted with.",
    "oracle": "Calls to data sources outside, with retries and dead letters.",
    "pricefeeds": "Prices that are fetched from sources and published.",
    "probes": "Whether the program lives and serves.",
    "problems": "What each kind of refusal means.",
    "random": "Random bytes, signed, and on demand verifiable.",
    "secrets": "Encrypted values with versions and expiry.",
    "system": "Version and state of the program and its modules.",
    "workspace-wallets": "Neo wallets that belong to an account.",
}
