"""The API's settings: one frozen struct, which `settings_loader` fills.

Invariant: a field is named as its environment variable in lower case, and a `Settings` that exists
is valid. Secrets are `Secret` objects, which show themselves only when asked (`reveal`). This table
is also the source of the settings reference: each field carries its description.

Refused: defaults for anything that guards access, and values that are published anywhere as
examples.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class SettingsError(Exception):
    """A setting is missing or cannot be used; the message is one line for a person."""


class Secret(msgspec.Struct, frozen=True):
    """A value that must not be seen: its text form is a mask."""

    value: str

    def reveal(self) -> str:
        """Give the value to the code that needs it."""
        return self.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return "Secret(***)" if self.value else "Secret()"

    __str__ = __repr__


NO_SECRET = Secret("")


class Address(msgspec.Struct, frozen=True):
    """A host and a port to listen on; an empty host is every interface, port 0 any free one."""

    host: str
    port: int

    def __bool__(self) -> bool:
        """Tell whether there is anything to listen on."""
        return self.port >= 0

    def __str__(self) -> str:
        if not self:
            return ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


NO_ADDRESS = Address("", -1)

type Duration = Annotated[float, Meta(extra={"kind": "duration"})]
"""Seconds inside; written `15s`, `1h30m`, `250ms` outside, or as a plain number of seconds."""

type LogLevel = Literal["debug", "info", "warning", "error"]
type LogFormat = Literal["json", "text"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set about the API."""

    # Database
    database_url: Annotated[
        Secret,
        Meta(description="PostgreSQL: postgres://user:password@host:5432/name?sslmode=require"),
    ] = NO_SECRET
    database_pool_size: Annotated[
        int, Meta(ge=1, le=200, description="Connections a process keeps open at most")
    ] = 8
    database_statement_cache: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Prepared statements; auto asks whether a pooler in between keeps them "
            "(PgBouncer does from 1.21 on, with max_prepared_statements)"
        ),
    ] = "auto"
    database_timeout: Annotated[
        Duration,
        Meta(
            gt=0,
            description="Longest time a single statement may take, and the wait for a connection "
            "(half of it, 5 s at most) and a lock together; behind a pooler a lock may take it all",
        ),
    ] = 10.0
    migrate: Annotated[
        bool, Meta(description="Run pending migrations when serving starts; off under the operator")
    ] = True
    migrate_lock_timeout: Annotated[
        Duration, Meta(gt=0, description="How long to wait for another process that is migrating")
    ] = 300.0

    # Authentication
    api_tokens: Annotated[Secret, Meta(description="Platform tokens, separated by commas")] = (
        NO_SECRET
    )
    auth_users: Annotated[
        Secret, Meta(description="user:bcrypt-hash:role[:tenant], separated by commas")
    ] = NO_SECRET
    auth_jwt_secret: Annotated[
        Secret, Meta(description="Key that signs login tokens, 32 characters or more")
    ] = NO_SECRET
    auth_token_ttl: Annotated[
        Duration, Meta(gt=0, description="How long a login token is valid")
    ] = 86400.0
    auth_max_failures: Annotated[
        int,
        Meta(ge=1, description="Failed logins of one name from one address before both are locked"),
    ] = 10
    auth_lockout: Annotated[
        Duration,
        Meta(gt=0, description="How long a lock-out lasts, and the window failures count in"),
    ] = 900.0
    wallet_login: Annotated[
        Literal["registered", "off"], Meta(description="Who may log in with a Neo wallet")
    ] = "registered"
    public_url: Annotated[
        str,
        Meta(
            max_length=255,
            description="Where clients reach the server, such as https://api.example.com; wallets "
            "sign it when they log in, and do so without it on a loopback address only",
        ),
    ] = ""
    default_tenant: Annotated[
        str, Meta(max_length=128, description="Tenant of a platform token that names none")
    ] = ""

    # Cryptography
    secret_encryption_key: Annotated[
        Secret, Meta(description="32 bytes, as 64 hex digits or base64")
    ] = NO_SECRET
    secret_encryption_key_previous: Annotated[
        Secret,
        Meta(
            description="Older encryption keys, separated by commas, until "
            "`servicelayer-api keys rotate` has retired them"
        ),
    ] = NO_SECRET
    random_signing_key: Annotated[
        Secret, Meta(description="Ed25519 private key, base64 of 32 or 64 bytes")
    ] = NO_SECRET
    audit_signing_key: Annotated[
        Secret,
        Meta(description="Ed25519 key of audit checkpoints, base64; derived when left out"),
    ] = NO_SECRET
    random_previous_keys: Annotated[
        Secret,
        Meta(description="Former values of RANDOM_SIGNING_KEY that still prove their own draws"),
    ] = NO_SECRET

    # Secrets
    secrets_max_per_account: Annotated[
        int, Meta(ge=1, le=100_000, description="Secrets an account may have")
    ] = 500
    secrets_audit_reads: Annotated[
        bool,
        Meta(
            description="Give a secret's value out only once the audit log says to whom; off saves "
            "a row a reading, and readings then leave no trace but the access log"
        ),
    ] = True

    # Server
    listen_addr: Annotated[
        Address, Meta(description="host:port to listen on; :8080 is every interface")
    ] = Address("", 8080)
    web_workers: Annotated[int, Meta(ge=1, le=64, description="Server processes")] = 1
    shutdown_grace_seconds: Annotated[
        float, Meta(gt=0, description="Longest time for a clean stop")
    ] = 25.0
    shutdown_delay_seconds: Annotated[
        float, Meta(ge=0, description="How long to go on taking requests after readiness went down")
    ] = 3.0
    probe_addr: Annotated[
        Address,
        Meta(
            description="host:port of a listener for /livez, /readyz, /healthz and /metrics alone, "
            "which needs no credential and must not be reachable from outside; none when left out"
        ),
    ] = NO_ADDRESS
    max_connections: Annotated[
        int,
        Meta(
            ge=16,
            le=1_000_000,
            description="Connections open at the same time; beyond it the one that has waited "
            "longest for a request is closed",
        ),
    ] = 4096
    max_connections_per_address: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Connections of one client address, and its requests at the same time; the "
            "connections of TRUSTED_PROXIES are not counted, the requests of those behind them are",
        ),
    ] = 256
    header_timeout: Annotated[
        Duration, Meta(gt=0, description="Longest time for the head of a request to arrive")
    ] = 10.0
    body_timeout: Annotated[
        Duration,
        Meta(gt=0, description="Longest time for a body to arrive, and for a client to read on"),
    ] = 30.0
    idle_timeout: Annotated[
        Duration,
        Meta(gt=0, description="How long a connection may wait for its next request"),
    ] = 75.0
    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="Largest request body; of requests without a credential 8 KiB at most",
        ),
    ] = 4 * 1024 * 1024
    max_buffered_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="Bodies held in memory at the same time, all together; beyond it 503",
        ),
    ] = 32 * 1024 * 1024
    rate_limit: Annotated[
        str,
        Meta(
            description="Requests a caller or address may make, probes aside: 100/s, 6000/m, "
            "or off where a proxy in front limits"
        ),
    ] = "100/s"
    rate_limit_burst: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Requests beyond the rate that may come at once")
    ] = 50
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Networks (CIDR) whose X-Forwarded-* headers are believed"),
    ] = ()
    api_docs: Annotated[
        Literal["private", "public"],
        Meta(
            description="Who may see /docs and /openapi.json: everybody, or whoever shows a valid "
            "credential; `servicelayer-api dev` shows them to everybody"
        ),
    ] = "private"
    cors_allowed_origins: Annotated[
        tuple[str, ...], Meta(description="Origins a browser may call from; * is any")
    ] = ("*",)

    # Observability
    log_level: Annotated[LogLevel, Meta(description="Least level that is logged")] = "info"
    log_format: Annotated[LogFormat, Meta(description="json for machines, text for people")] = (
        "json"
    )
    module_slow_ms: Annotated[
        int,
        Meta(ge=0, description="A module that took this long to start or stop is listed as slow"),
    ] = 1000
    audit_log_path: Annotated[
        str, Meta(description="File for the audit log, one JSON object a line")
    ] = ""

    # Egress
    egress_allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Targets that may be called although they are not public: networks (CIDR) "
            "and host names, with a dot in front for all names below; on every port"
        ),
    ] = ()
    egress_ports: Annotated[
        tuple[str, ...], Meta(description="Ports of public addresses that may be called")
    ] = ("80", "443")
    egress_ca_file: Annotated[
        str,
        Meta(description="Certificates (PEM) of authorities to trust beside the public ones"),
    ] = ""

    # Oracle
    oracle_ttl_seconds: Annotated[int, Meta(ge=0, description="Age at which a request expires")] = 0
    oracle_max_attempts: Annotated[int, Meta(ge=1, description="Attempts of an oracle request")] = 3
    oracle_dlq_enabled: Annotated[
        bool, Meta(description="Keep exhausted requests as dead letters")
    ] = False
    oracle_runner_tokens: Annotated[
        Secret, Meta(description="Tokens of oracle runners, separated by commas")
    ] = NO_SECRET
    oracle_runner_lease: Annotated[
        Duration,
        Meta(gt=0, description="How long a request stays with a runner that does not complete it"),
    ] = 900.0
    oracle_dispatch: Annotated[
        bool, Meta(description="Ask sources here; off leaves the work to runners")
    ] = True
    oracle_concurrency: Annotated[
        int, Meta(ge=1, le=512, description="Oracle requests a process asks at the same time")
    ] = 64
    oracle_backoff: Annotated[
        Duration, Meta(gt=0, description="Least pause before an oracle attempt is repeated")
    ] = 10.0
    oracle_timeout: Annotated[
        Duration, Meta(gt=0, le=300, description="Longest time for one oracle attempt")
    ] = 10.0
    oracle_max_response_bytes: Annotated[
        int, Meta(ge=1, le=64 * 1024 * 1024, description="Largest answer of an oracle source")
    ] = 1024 * 1024
    oracle_retention_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36_500,
            description="Days after which a completed oracle request is deleted, a dead letter "
            "too unless it was put back; 0 keeps them for ever",
        ),
    ] = 90
    oracle_max_redirects: Annotated[
        int, Meta(ge=0, le=10, description="Redirects that are followed for an oracle source")
    ] = 2

    # Gas bank
    gasbank_resolver_url: Annotated[str, Meta(description="Settlement resolver")] = ""
    gasbank_resolver_key: Annotated[Secret, Meta(description="Key for the resolver")] = NO_SECRET
    gasbank_poll_interval: Annotated[
        Duration, Meta(gt=0, description="Pace of settlement polls")
    ] = 15.0
    gasbank_max_attempts: Annotated[
        int, Meta(ge=1, description="Errors in a row after which a withdrawal is a dead letter")
    ] = 5
    gasbank_resolver_timeout: Annotated[
        Duration, Meta(gt=0, description="Longest time the resolver may take to answer")
    ] = 10.0
    gasbank_validate_addresses: Annotated[
        bool,
        Meta(description="Take only Neo addresses and script hashes as wallets and destinations"),
    ] = True
    gasbank_check_interval: Annotated[
        Duration, Meta(gt=0, description="How often the ledger is compared with the balances")
    ] = 60.0

    # Feeds
    pricefeed_fetch_url: Annotated[
        str, Meta(description="Source of prices; several are separated by commas")
    ] = ""
    pricefeed_fetch_key: Annotated[Secret, Meta(description="Key for the source of prices")] = (
        NO_SECRET
    )
    pricefeed_frozen_rounds: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Published rounds without any change after which a price counts as frozen; "
            "0 for never",
        ),
    ] = 10
    pricefeed_retention_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36_500,
            description="Days after which the single observations behind a published price are "
            "deleted; 0 keeps them for ever. Rounds and published prices always stay",
        ),
    ] = 90
    datafeeds_aggregation: Annotated[
        Literal["median", "mean", "min", "max", "trimmed", "weighted"],
        Meta(description="Default aggregation of data feeds"),
    ] = "median"
    datafeeds_min_signers: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Signers a round needs at least; over half of a feed's signers are needed "
            "anyway",
        ),
    ] = 0
    datafeeds_verify_signatures: Annotated[
        bool,
        Meta(
            description="Verify the signatures of data feed updates; false takes any text, as the "
            "reference server did, and marks the rounds as unverified"
        ),
    ] = True

    # Neo
    neo_rpc_url: Annotated[str, Meta(description="JSON-RPC address of a Neo N3 node")] = ""
    neo_snapshot_dir: Annotated[str, Meta(description="Folder of state snapshots")] = "./snapshots"
    neo_stable_buffer: Annotated[
        int, Meta(ge=0, description="Blocks behind the tip that count as stable")
    ] = 12

    # RocketMQ
    rocketmq_nameserver: Annotated[str, Meta(description="host:port of the name server")] = ""
    rocketmq_topic_prefix: Annotated[str, Meta(description="Prefix of topics")] = "sl"
    rocketmq_consumer_group: Annotated[str, Meta(description="Consumer group")] = ""

    @property
    def keeps_statements(self) -> bool | None:
        """Whether prepared statements are kept by name; `None` when the database is to be asked."""
        return {"on": True, "off": False}.get(self.database_statement_cache)

    def secrets(self) -> tuple[str, ...]:
        """List the values that must never be logged, longest first."""
        found: set[str] = set()
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Secret) and value:
                found.add(value.value)
        return tuple(sorted(found, key=len, reverse=True))
