"""Single edits that a test must catch, with the tests that must.

Each is a fault that somebody could make and that would hurt: a right, a bound, a fence or a stored
format that is gone. The edits of a family stand together, and where a test once let one pass, that
edit stands here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

API: Final = "api/servicelayer_api"
OPERATOR: Final = "operator/servicelayer_operator"
UNIT: Final = "tests/unit/api"
SHELL: Final = "tests/unit/operator_shell"
PURE: Final = "tests/unit/operator"
REAL: Final = "tests/integration/api"


class Mutant(NamedTuple):
    """An edit: `before`, which stands once in the file, becomes `after`."""

    file: str
    before: str
    after: str
    tests: str


_MATRIX: Final = f"{REAL}/test_tenant_matrix.py"


def _scope(file: str, before: str, after: str) -> Mutant:
    return Mutant(f"{API}/{file}", before, after, f"{_MATRIX} -k says_what_the_table")


SCOPES: Final = (
    _scope("secrets/routes.py", '{"scope": "secrets:write"}', '{"scope": "secrets:read"}'),
    _scope("oracle/routes.py", '{"scope": "oracle:write"}', '{"scope": "oracle:read"}'),
    _scope("datafeeds/routes.py", '{"scope": "datafeeds:write"}', '{"scope": "datafeeds:read"}'),
    _scope("random/routes.py", '{"scope": "random:write"}', '{"scope": "random:read"}'),
    _scope("gasbank/routes.py", '{"scope": "gasbank:deposit"}', '{"scope": "gasbank:read"}'),
    _scope("gasbank/routes.py", '{"scope": "gasbank:limits"}', '{"scope": "gasbank:withdraw"}'),
)


def _foreign(file: str, before: str, after: str, operation: str) -> Mutant:
    return Mutant(f"{API}/{file}", before, after, f"{_MATRIX} -k '{operation}'")


FOREIGN_IDS: Final = (
    _foreign(
        "accounts/wallet_store.py",
        'FROM workspace_wallets WHERE id = $1 AND account_id = $2",',
        'FROM workspace_wallets WHERE id = $1 AND $2::uuid IS NOT NULL",',
        "another_account and workspace-wallets",
    ),
    _foreign(
        "accounts/wallet_store.py",
        "DELETE FROM workspace_wallets WHERE id = $1 AND account_id = $2",
        "DELETE FROM workspace_wallets WHERE id = $1 AND $2::uuid IS NOT NULL",
        "another_account and workspace-wallets",
    ),
    _foreign(
        "api_keys/store.py",
        "WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL FOR UPDATE",
        "WHERE id = $1 AND $2::uuid IS NOT NULL AND revoked_at IS NULL FOR UPDATE",
        "another_account and api-keys",
    ),
    _foreign(
        "oracle/store.py",
        'FROM oracle_requests WHERE id = $1 AND account_id = $2",',
        'FROM oracle_requests WHERE id = $1 AND $2::uuid IS NOT NULL",',
        "another_account and oracle",
    ),
    _foreign(
        "pricefeed/store.py",
        "FROM price_feeds WHERE id = $1 AND account_id = $2 {lock}",
        "FROM price_feeds WHERE id = $1 AND $2::uuid IS NOT NULL {lock}",
        "another_account and pricefeeds",
    ),
    _foreign(
        "datafeeds/store.py",
        'FROM data_feeds f WHERE id = $1 AND account_id = $2",',
        'FROM data_feeds f WHERE id = $1 AND $2::uuid IS NOT NULL",',
        "another_account and datafeeds",
    ),
    _foreign(
        "gasbank/store/transactions.py",
        "FROM gas_transactions WHERE id = $1 AND account_id = $2 {lock}",
        "FROM gas_transactions WHERE id = $1 AND $2::uuid IS NOT NULL {lock}",
        "another_account and gasbank",
    ),
    _foreign(
        "accounts/store.py",
        "FROM accounts WHERE id = $1 AND tenant = $2 {lock}",
        "FROM accounts WHERE id = $1 AND $2::text IS NOT NULL {lock}",
        "another_tenant",
    ),
)

CREDENTIALS: Final = (
    Mutant(
        f"{API}/accounts/rules.py",
        'if status == "suspended" and (write or principal.bounds is not None):',
        'if status == "suspended" and write:',
        f"{UNIT}/test_account_rules.py {REAL}/test_credential_chain.py -k suspended",
    ),
    Mutant(
        f"{API}/accounts/rules.py",
        "return principal.find_grant(account_id) is not None",
        "return True",
        f"{UNIT}/test_account_rules.py",
    ),
    Mutant(
        f"{API}/accounts/rules.py",
        "    if principal.bounds is not None:\n        raise AccountBound",
        "    if False:\n        raise AccountBound",
        f"{REAL}/test_credential_chain.py -k acts_for_the_accounts",
    ),
    Mutant(
        f"{API}/web/auth.py",
        "if claims.exp > now.timestamp():",
        "if True:",
        f"{UNIT}/test_authenticator.py",
    ),
    Mutant(
        f"{API}/web/auth.py",
        "return self._living(await self._account_keys.find_credential(token))",
        "return await self._account_keys.find_credential(token)",
        f"{UNIT}/test_authenticator.py",
    ),
    Mutant(
        f"{API}/api_keys/service.py",
        "and (expires is None or now < expires)",
        "",
        f"{REAL}/test_api_keys.py -k another_replica",
    ),
    Mutant(
        f"{API}/api_keys/service.py",
        "_TRUST_SECONDS: Final = 5.0",
        "_TRUST_SECONDS: Final = 5000.0",
        f"{REAL}/test_api_keys.py -k another_replica",
    ),
    Mutant(
        f"{API}/gasbank/approvals.py",
        "    if not approver.person:\n        raise ApproverUnknown",
        "    if False:\n        raise ApproverUnknown",
        f"{UNIT}/test_gas_approvals.py",
    ),
    Mutant(
        f"{API}/gasbank/approvals.py",
        "after.required_approvals < before.required_approvals",
        "after.required_approvals > before.required_approvals",
        f"{UNIT}/test_gas_approvals.py",
    ),
    Mutant(
        f"{API}/gasbank/approvals.py",
        "or (before.daily_limit > 0 and after.daily_limit != before.daily_limit)",
        "or (before.daily_limit > after.daily_limit > 0)",
        f"{UNIT}/test_gas_approvals.py",
    ),
    Mutant(
        f"{API}/web/principal.py",
        "return self.credential.tenant or self.named",
        "return self.named or None",
        f"{UNIT}/test_authenticator.py",
    ),
)

LOGINS: Final = (
    Mutant(
        f"{API}/auth/rules.py",
        "    if attempts <= most:\n        return None",
        "    if attempts <= most * 10:\n        return None",
        f"{UNIT}/test_auth_rules.py",
    ),
    Mutant(
        f"{API}/auth/rules.py",
        "return min(FIRST_DELAY * 2.0**doublings, LONGEST_DELAY)",
        "return 0.0",
        f"{UNIT}/test_auth_rules.py",
    ),
    Mutant(
        f"{API}/auth/rules.py",
        "    if public_url:\n        return public_url",
        "    if public_url:\n        return host",
        f"{UNIT}/test_challenges.py {UNIT}/test_auth_rules.py",
    ),
    Mutant(
        f"{API}/web/addresses.py",
        "return mapped or parsed",
        "return parsed",
        f"{UNIT}/test_addresses.py",
    ),
    Mutant(
        f"{API}/web/proxies.py",
        "for hop in reversed(hops):",
        "for hop in hops:",
        f"{UNIT}/test_web_frame.py {UNIT}/test_addresses.py",
    ),
)

FENCES: Final = (
    Mutant(
        f"{API}/oracle/queue_store.py",
        "WHERE r.id = given.id AND r.fence = given.fence AND",
        "WHERE r.id = given.id AND",
        f"{REAL}/test_fencing.py -k oracle_request",
    ),
    Mutant(
        f"{API}/oracle/runners.py",
        "return digest[:_MARK_BYTES]",
        "return digest",
        f"{UNIT}/test_oracle_rules.py",
    ),
    Mutant(
        f"{API}/gasbank/store/settlements.py",
        "WHERE id = $1 AND fencing_token = $2 FOR NO KEY UPDATE",
        "WHERE id = $1 AND $2::bigint > 0 FOR NO KEY UPDATE",
        f"{REAL}/test_fencing.py -k resolver",
    ),
    Mutant(
        f"{API}/pricefeed/store.py",
        "FROM price_feeds WHERE id = $1 AND fencing_token = $2 ",
        "FROM price_feeds WHERE id = $1 AND $2::bigint > 0 ",
        f"{REAL}/test_fencing.py -k late_price",
    ),
    Mutant(
        f"{API}/db/leases.py",
        "    if held != lease.fencing_token:\n        raise LeaseLost",
        "    if held is None:\n        raise LeaseLost",
        f"{REAL}/test_database.py -k lease",
    ),
    Mutant(
        f"{API}/db/leases.py",
        "WHERE name = $1 AND holder = $2 AND fencing_token = $3",
        "WHERE name = $1 AND holder = $2 AND $3::bigint > 0",
        f"{REAL}/test_database.py -k lease",
    ),
    Mutant(
        f"{API}/db/leases.py",
        "held.holder = excluded.holder OR held.expires_at < clock_timestamp()",
        "true",
        f"{REAL}/test_database.py -k lease",
    ),
)

FORMATS: Final = tuple(
    Mutant(f"{API}/{file}", before, after, f"{UNIT}/test_stored_formats.py")
    for file, before, after in (
        ("web/keys.py", 'f"servicelayer/{purpose}"', 'f"servicelayer:{purpose}"'),
        ("crypto/envelope.py", "vault: wrapping of data keys", "vault: wrapping of keys"),
        ("crypto/envelope.py", "vault: check value", "vault: check"),
        ("crypto/envelope.py", '"servicelayer vault: data"', '"servicelayer vault: values"'),
        ("crypto/envelope.py", '_FORMAT: Final = b"\\x01"', '_FORMAT: Final = b"\\x02"'),
        ("crypto/envelope.py", "fingerprint of a key-encryption key", "fingerprint of a key"),
        ("web/cursors.py", '_VERSION: Final = b"\\x01"', '_VERSION: Final = b"\\x02"'),
        ("web/cursors.py", "(self.list_name, self.tenant, self.account, asked)",
         "(self.tenant, self.list_name, self.account, asked)"),
        ("audit/signing.py", 'b"SECRET_ENCRYPTION_KEY"', 'b"ENCRYPTION_KEY"'),
        ("datafeeds/signing.py", '"datafeeds-rounds/1"', '"datafeeds-rounds/2"'),
    )
)  # fmt: skip

DATABASE: Final = (
    Mutant(
        f"{API}/db/pool.py",
        'lent.transaction(isolation="repeatable_read", readonly=True)',
        "lent.transaction(readonly=True)",
        f"{REAL}/test_audit_seals.py -k while_it_is_verified",
    ),
    Mutant(
        f"{API}/db/pool.py",
        "        if trouble.condemns:",
        "        if False:",
        f"{REAL}/test_database_troubles.py -k 'class or read_only'",
    ),
    Mutant(
        f"{API}/db/pool.py",
        "        if trouble.all_connections:",
        "        if False:",
        f"{REAL}/test_database_troubles.py -k read_only",
    ),
    Mutant(
        f"{API}/db/pool.py",
        'if row is not None and row["standby"]:',
        "if False:",
        f"{REAL}/test_failover.py -k standby_is_not",
    ),
    Mutant(
        f"{API}/db/pool.py",
        "            if self._troubles.writes_in_doubt:",
        "            if False:",
        f"{REAL}/test_database_troubles.py -k 'right or disk'",
    ),
    Mutant(
        f"{API}/db/errors.py",
        '    "53100": _DISK,\n',
        "",
        f"{REAL}/test_database_troubles.py -k 53100",
    ),
    Mutant(
        f"{API}/db/errors.py",
        '    "58": _STORAGE,\n',
        "",
        f"{REAL}/test_database_troubles.py -k 58030",
    ),
    Mutant(
        f"{API}/db/address.py",
        'options["target_session_attrs"] = "read-write"',
        "pass",
        f"{UNIT}/test_commands.py",
    ),
    Mutant(
        f"{API}/db/names.py",
        "if failed and len(failed) == len(hosts):",
        "if failed:",
        f"{UNIT}/test_names.py",
    ),
    Mutant(
        f"{API}/db/names.py",
        "if lookup is None or lookup.done():",
        "if lookup is None:",
        f"{UNIT}/test_names.py",
    ),
    Mutant(
        f"{API}/db/names.py",
        "            lookup.cancel()\n",
        "            pass\n",
        f"{UNIT}/test_names.py",
    ),
    Mutant(
        f"{API}/db/pooler.py",
        "            return given is not None\n",
        "            return False\n",
        f"{UNIT}/test_pooler.py",
    ),
    Mutant(
        f"{API}/db/pooler.py",
        '        await connection.execute(f"DEALLOCATE {name}")\n    return False',
        '        await connection.execute(f"DEALLOCATE {name}")\n    return True',
        f"{REAL}/test_pgbouncer.py -k 'migrates_and_serves'",
    ),
)

ONE_ITEM: Final = (
    Mutant(
        f"{API}/clock.py",
        "    except OverflowError:\n        return None",
        "    except ZeroDivisionError:\n        return None",
        f"{UNIT}/test_pricefeed_rules.py",
    ),
    Mutant(
        f"{API}/secrets/rules.py",
        "if expires_at is not None and in_utc(expires_at) is None:",
        "if False:",
        f"{REAL}/test_hostile_times.py",
    ),
    Mutant(
        f"{API}/gasbank/rules.py",
        "return min(LONGEST_WAIT, max(SHORTEST_WAIT, seconds)) if seconds > 0 else DEFAULT_WAIT",
        "return seconds if seconds > 0 else DEFAULT_WAIT",
        f"{UNIT}/test_gas_rules.py",
    ),
)

EDGE: Final = (
    Mutant(
        f"{API}/web/intake.py",
        "            if self.held + count > self._most:",
        "            if False:",
        f"{UNIT}/test_web_frame.py {REAL}/test_hostile_clients.py",
    ),
    Mutant(
        f"{API}/web/intake.py",
        "        if self.used + count > self._most:\n            raise Overloaded",
        "        if False:\n            raise Overloaded",
        f"{UNIT}/test_plain_routes.py",
    ),
    Mutant(
        f"{API}/connections.py",
        "if len(own) >= self.limits.per_address and not self._make_room(own):",
        "if False:",
        f"{REAL}/test_hostile_clients.py",
    ),
    Mutant(
        f"{API}/connections.py",
        "elif self._phase is _Phase.BODY and waited > limits.body_seconds:",
        "elif False:",
        f"{REAL}/test_hostile_clients.py",
    ),
    Mutant(
        f"{API}/audit/strangers.py",
        "KINDS: Final = 8",
        "KINDS: Final = 8000",
        f"{UNIT}/test_audit.py",
    ),
)

GROUPS: Final = (
    Mutant(
        f"{API}/accounts/store.py",
        "{'' if wait else 'SKIP LOCKED'}",
        "",
        f"{REAL}/test_gas_groups.py",
    ),
    Mutant(
        f"{API}/connections.py",
        "        if self._phase is _Phase.HEAD:\n            super().on_header",
        "        if True:\n            super().on_header",
        f"{REAL}/test_hostile_clients.py -k trailers",
    ),
    Mutant(
        f"{API}/connections.py",
        "and self._framing_bytes > _MAX_FRAMING_BYTES",
        "and False",
        f"{REAL}/test_hostile_clients.py -k trailers",
    ),
    Mutant(
        f"{API}/web/idempotency.py",
        "return parse_id(parts[_ACCOUNT]) in principal.bounds",
        "return True",
        f"{REAL}/test_credential_chain.py -k sent_again",
    ),
    Mutant(
        f"{API}/gasbank/store/settlements.py",
        "AND schedule_at <= clock_timestamp() AND {_MAY_GO} ",
        "AND schedule_at <= clock_timestamp() ",
        f"{REAL}/test_gas_settlement.py -k suspended",
    ),
    Mutant(
        f"{API}/gasbank/deposits.py",
        "            if len(group) == 1 or isinstance(exc, Unavailable):\n",
        "            if True:\n",
        f"{REAL}/test_gas_groups.py -k foresaw",
    ),
    Mutant(
        f"{API}/db/groups.py",
        "        if self._database.in_ambient:",
        "        if False:",
        f"{REAL}/test_gasbank.py -k cannot_be_kept",
    ),
    Mutant(
        f"{API}/db/groups.py",
        "        if self._database.in_ambient:",
        "        if False:",
        f"{REAL}/test_random.py -k an_idempotency_key_replays",
    ),
    Mutant(
        f"{API}/gasbank/deposits.py",
        "_change(group[at], account, deposit)",
        "_change(group[0], account, deposit)",
        f"{REAL}/test_gas_groups.py -k many_accounts",
    ),
    Mutant(
        f"{API}/gasbank/store/accounts.py",
        "{'' if wait else 'SKIP LOCKED'}",
        "",
        f"{REAL}/test_gas_groups.py",
    ),
    Mutant(
        f"{API}/gasbank/deposits.py",
        "                and found[group[at].gas_account_id].account_id == owner\n",
        "",
        f"{REAL}/test_gas_groups.py",
    ),
)

OPERATOR_OWN: Final = tuple(
    Mutant(f"{OPERATOR}/{file}", before, after, tests)
    for file, before, after, tests in (
        (
            "ownership.py",
            "return None if child.owner_uid == wanted_by.uid else _controlled(child, wanted_by)",
            "return None",
            f"{PURE}/test_ownership.py",
        ),
        (
            "ownership.py",
            "if child.instance == wanted_by.name and marked:",
            "if child.instance == wanted_by.name:",
            f"{PURE}/test_ownership.py",
        ),
        (
            "ownership.py",
            '    if child.adopt in {wanted_by.uid, f"{wanted_by.namespace}/{wanted_by.name}"}:',
            "    if child.adopt:",
            f"{PURE}/test_ownership.py",
        ),
        (
            "ownership.py",
            "if child.owner_uid is not None and not claims:",
            "if child.owner_uid is not None:",
            f"{PURE}/test_ownership.py",
        ),
        (
            "ownership.py",
            'if manifest.key.kind == "Ingress" and names.issued_secret:',
            "if False:",
            f"{PURE}/test_ownership.py",
        ),
        (
            "reconcile.py",
            "            return HOLD_SECONDS\n",
            "            return None\n",
            "tests/integration/operator/test_two_operators.py -k taken_over",
        ),
        (
            "observed.py",
            "points[:_MAX_ADDRESSES]",
            "points",
            f"{PURE}/test_observed.py",
        ),
        (
            "fields.py",
            "return any(map(_is_ours, _entries(live))) and not intruders(live)",
            "return any(map(_is_ours, _entries(live)))",
            f"{PURE}/test_fields.py",
        ),
        (
            "manifests/config_map.py",
            '        return {"rate_limit": "off"}',
            "        return {}",
            f"{PURE}",
        ),
    )
)

OPERATOR_SHELL: Final = tuple(
    Mutant(f"{OPERATOR}/{file}", before, after, f"{SHELL}/{tests}")
    for file, before, after, tests in (
        (
            "cluster.py",
            '            "allow_redirects": False,\n',
            "",
            "test_cluster.py",
        ),
        (
            "cluster.py",
            "if (request.url.host, request.url.port) == place:",
            "if True:",
            "test_cluster.py",
        ),
        (
            "cluster.py",
            "if status >= 300:",
            "if status >= 400:",
            "test_cluster.py",
        ),
        (
            "cluster.py",
            "        if len(content) > largest:",
            "        if False:",
            "test_cluster.py",
        ),
        (
            "api_status.py",
            "attempts=1, timeout=4.0, largest=_LARGEST",
            "attempts=1, timeout=4.0",
            "test_cluster.py",
        ),
        (
            "api_status.py",
            "        if not self._url:\n            return None\n",
            "",
            "test_api_status.py",
        ),
        (
            "api_status.py",
            "known[1] == pod.name and",
            "",
            "test_api_status.py",
        ),
        (
            "api_status.py",
            "        self._reasons.pop(key, None)\n",
            "",
            "test_api_status.py",
        ),
        (
            "api_status.py",
            "follow_redirects=False",
            "follow_redirects=True",
            "test_api_status.py",
        ),
        (
            "api_status.py",
            "known[1] == pod.name and self._clock() - known[0] < max_age",
            "known[1] == pod.name",
            "test_api_status.py",
        ),
        (
            "api_status.py",
            "trust_env=False",
            "trust_env=True",
            "test_api_status.py",
        ),
        (
            "serving.py",
            'clean(causes.get(_STORE, ""))',
            'causes.get(_STORE, "")',
            "test_api_status.py",
        ),
        (
            "serving.py",
            "if why and not why.startswith(_FOLLOWS)",
            "if why",
            "test_api_status.py",
        ),
        (
            "facts.py",
            "if place.kind != kind.kind or version > taken",
            "if version > taken",
            "test_facts.py",
        ),
        (
            "facts.py",
            "if place.kind != kind.kind or version > taken",
            "if True",
            "test_facts.py",
        ),
        (
            "facts.py",
            "= max(_version(obj), self._gone.get(place, -1))",
            "= _version(obj)",
            "test_facts.py",
        ),
        (
            "claims.py",
            "AGAIN_SECONDS = 600.0",
            "AGAIN_SECONDS = 600000.0",
            "test_claims.py",
        ),
        (
            "claims.py",
            "        self._asked.pop(key, None)\n        self._contests.forget(key)",
            "        self._contests.forget(key)",
            "test_claims.py",
        ),
        (
            "claims.py",
            "        self._contests.forget(key)\n",
            "",
            "test_claims.py",
        ),
        (
            "secret_reader.py",
            'f"{name}:{len(value)}:"',
            'f"{name}:"',
            "test_secret_reader.py",
        ),
        (
            "secret_reader.py",
            "hashlib.sha256).hexdigest()[:8]",
            "hashlib.sha256).hexdigest()",
            "test_secret_reader.py",
        ),
    )
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *SCOPES,
    *FOREIGN_IDS,
    *CREDENTIALS,
    *LOGINS,
    *FENCES,
    *FORMATS,
    *DATABASE,
    *ONE_ITEM,
    *EDGE,
    *GROUPS,
    *OPERATOR_OWN,
    *OPERATOR_SHELL,
)
