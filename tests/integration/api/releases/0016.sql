


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


CREATE FUNCTION public.accounts_with_gas_stay() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM gas_accounts
                WHERE account_id = OLD.id AND (available > 0 OR pending > 0 OR reserved > 0)) THEN
        RAISE EXCEPTION 'the account holds gas'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'accounts_with_gas_stay';
    END IF;
    RETURN OLD;
END
$$;



CREATE FUNCTION public.audit_log_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;



CREATE FUNCTION public.audit_seals_are_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;



CREATE FUNCTION public.gas_balances_follow_the_ledger() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'balances change by ledger entries only' USING ERRCODE = 'insufficient_privilege';
END
$$;



CREATE FUNCTION public.gas_ledger_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'gas_ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;



CREATE FUNCTION public.gas_ledger_moves_balances() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE gas_accounts AS a
       SET available = a.available + moved.available,
           pending = a.pending + moved.pending,
           reserved = a.reserved + moved.reserved,
           updated_at = greatest(a.updated_at, moved.at)
      FROM (SELECT gas_account_id,
                   sum(CASE 'available' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS available,
                   sum(CASE 'pending' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS pending,
                   sum(CASE 'reserved' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS reserved,
                   max(at) AS at
              FROM entered GROUP BY gas_account_id) AS moved
     WHERE a.id = moved.gas_account_id;
    RETURN NULL;
END
$$;



CREATE FUNCTION public.random_is_written_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is written once', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.account_api_keys (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    scopes text[],
    replaced_by uuid,
    origin uuid,
    CONSTRAINT account_api_keys_key_hash_check CHECK ((length(key_hash) = 32))
);



CREATE TABLE public.accounts (
    id uuid NOT NULL,
    tenant text NOT NULL,
    owner text NOT NULL,
    metadata jsonb NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT accounts_owner_check CHECK ((owner <> ''::text)),
    CONSTRAINT accounts_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text]))),
    CONSTRAINT accounts_tenant_check CHECK ((tenant <> ''::text))
);



CREATE TABLE public.admin_chains (
    id uuid NOT NULL,
    chain_id text NOT NULL,
    name text NOT NULL,
    rpc_url text NOT NULL,
    ws_url text NOT NULL,
    chain_type text NOT NULL,
    network_id bigint NOT NULL,
    priority integer NOT NULL,
    weight integer NOT NULL,
    max_rps integer NOT NULL,
    timeout_ms integer NOT NULL,
    enabled boolean NOT NULL,
    healthy boolean NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    last_check_at timestamp with time zone,
    CONSTRAINT admin_chains_chain_id_check CHECK ((chain_id <> ''::text)),
    CONSTRAINT admin_chains_rpc_url_check CHECK ((rpc_url <> ''::text))
);



CREATE TABLE public.admin_features (
    key text NOT NULL,
    enabled boolean NOT NULL,
    description text NOT NULL,
    rollout integer NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT admin_features_key_check CHECK ((key <> ''::text)),
    CONSTRAINT admin_features_rollout_check CHECK (((rollout >= 0) AND (rollout <= 100)))
);



CREATE TABLE public.admin_methods (
    chain_id text NOT NULL,
    methods text[] NOT NULL,
    CONSTRAINT admin_methods_chain_id_check CHECK ((chain_id <> ''::text))
);



CREATE TABLE public.admin_providers (
    id uuid NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    base_url text NOT NULL,
    api_key_sealed bytea,
    rate_limit integer NOT NULL,
    timeout_ms integer NOT NULL,
    retries integer NOT NULL,
    enabled boolean NOT NULL,
    healthy boolean NOT NULL,
    features text[] NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    last_check_at timestamp with time zone,
    CONSTRAINT admin_providers_base_url_check CHECK ((base_url <> ''::text)),
    CONSTRAINT admin_providers_name_check CHECK ((name <> ''::text))
);



CREATE TABLE public.admin_quotas (
    tenant_id text NOT NULL,
    max_accounts bigint NOT NULL,
    max_functions bigint NOT NULL,
    max_rpc_per_min bigint NOT NULL,
    max_storage_bytes bigint NOT NULL,
    max_gas_per_day bigint NOT NULL,
    max_requests_per_min bigint NOT NULL,
    max_requests_per_day bigint NOT NULL,
    features text[] NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT admin_quotas_max_accounts_check CHECK ((max_accounts >= 0)),
    CONSTRAINT admin_quotas_max_functions_check CHECK ((max_functions >= 0)),
    CONSTRAINT admin_quotas_max_gas_per_day_check CHECK ((max_gas_per_day >= 0)),
    CONSTRAINT admin_quotas_max_requests_per_day_check CHECK ((max_requests_per_day >= 0)),
    CONSTRAINT admin_quotas_max_requests_per_min_check CHECK ((max_requests_per_min >= 0)),
    CONSTRAINT admin_quotas_max_rpc_per_min_check CHECK ((max_rpc_per_min >= 0)),
    CONSTRAINT admin_quotas_max_storage_bytes_check CHECK ((max_storage_bytes >= 0)),
    CONSTRAINT admin_quotas_tenant_id_check CHECK ((tenant_id <> ''::text))
);



CREATE TABLE public.admin_request_counts (
    tenant text NOT NULL,
    period text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    requests bigint NOT NULL,
    CONSTRAINT admin_request_counts_period_check CHECK ((period = ANY (ARRAY['minute'::text, 'day'::text])))
);



CREATE TABLE public.admin_settings (
    key text NOT NULL,
    value text NOT NULL,
    type text NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    editable boolean NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT admin_settings_key_check CHECK ((key <> ''::text))
);



CREATE TABLE public.audit_checkpoints (
    size bigint NOT NULL,
    root bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    note text NOT NULL,
    CONSTRAINT audit_checkpoints_root_check CHECK ((length(root) = 32)),
    CONSTRAINT audit_checkpoints_size_check CHECK ((size > 0))
);



CREATE TABLE public.audit_leaves (
    leaf bigint NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_leaves_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_leaves_leaf_check CHECK ((leaf >= 0))
);



CREATE TABLE public.audit_log (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    credential text NOT NULL,
    tenant text NOT NULL,
    account_id uuid,
    action text NOT NULL,
    resource_id text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    status smallint NOT NULL,
    request_id text NOT NULL,
    remote_addr text NOT NULL,
    user_agent text NOT NULL,
    route text DEFAULT ''::text NOT NULL,
    scope text DEFAULT ''::text NOT NULL,
    idempotency bytea,
    before_digest bytea,
    after_digest bytea,
    salt bytea,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT audit_log_after_digest_check CHECK ((length(after_digest) = 32)),
    CONSTRAINT audit_log_before_digest_check CHECK ((length(before_digest) = 32)),
    CONSTRAINT audit_log_idempotency_check CHECK ((length(idempotency) = 32))
);



ALTER TABLE public.audit_log ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.audit_nodes (
    level smallint NOT NULL,
    "position" bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_nodes_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_nodes_level_check CHECK (((level > 0) AND (((level)::integer % 8) = 0))),
    CONSTRAINT audit_nodes_position_check CHECK (("position" >= 0))
);



CREATE TABLE public.audit_tree (
    single boolean DEFAULT true NOT NULL,
    log_id uuid DEFAULT gen_random_uuid() NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    frontier bytea DEFAULT '\x'::bytea NOT NULL,
    sealed_xid xid8 DEFAULT '0'::xid8 NOT NULL,
    sealed_seq bigint DEFAULT 0 NOT NULL,
    floor_seq bigint DEFAULT 0 NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    CONSTRAINT audit_tree_single_check CHECK (single),
    CONSTRAINT audit_tree_size_check CHECK ((size >= 0))
);



CREATE TABLE public.auth_login_attempts (
    subject bytea NOT NULL,
    attempts integer NOT NULL,
    window_ends timestamp with time zone NOT NULL,
    CONSTRAINT auth_login_attempts_subject_check CHECK ((length(subject) = 32))
);



CREATE TABLE public.auth_wallet_challenges (
    nonce text NOT NULL,
    wallet text NOT NULL,
    message text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);



CREATE TABLE public.data_feed_rounds (
    feed_id uuid NOT NULL,
    round_id bigint NOT NULL,
    record_id bytea NOT NULL,
    record bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    closed_by uuid NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    CONSTRAINT data_feed_rounds_public_key_check CHECK ((length(public_key) = 32)),
    CONSTRAINT data_feed_rounds_record_id_check CHECK ((length(record_id) = 32)),
    CONSTRAINT data_feed_rounds_round_id_check CHECK ((round_id > 0)),
    CONSTRAINT data_feed_rounds_signature_check CHECK ((length(signature) = 64))
);



CREATE TABLE public.data_feed_updates (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    feed_id uuid NOT NULL,
    round_id bigint NOT NULL,
    price numeric(48,18) NOT NULL,
    signer text NOT NULL,
    submitted_for timestamp with time zone NOT NULL,
    signature text NOT NULL,
    public_key text NOT NULL,
    salt text NOT NULL,
    scheme text NOT NULL,
    status text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT data_feed_updates_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT data_feed_updates_round_id_check CHECK ((round_id > 0)),
    CONSTRAINT data_feed_updates_scheme_check CHECK ((scheme = ANY (ARRAY['none'::text, 'secp256r1'::text, 'ed25519'::text]))),
    CONSTRAINT data_feed_updates_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'accepted'::text, 'rejected'::text])))
);



CREATE TABLE public.data_feeds (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    pair text NOT NULL,
    description text NOT NULL,
    decimals smallint NOT NULL,
    heartbeat_seconds bigint NOT NULL,
    threshold_ppm bigint NOT NULL,
    signer_set text[] NOT NULL,
    aggregation text NOT NULL,
    weights jsonb DEFAULT '{}'::jsonb NOT NULL,
    quorum integer,
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    round_id bigint DEFAULT 0 NOT NULL,
    price numeric(48,18),
    price_spread numeric(48,18) DEFAULT 0 NOT NULL,
    price_sources integer DEFAULT 0 NOT NULL,
    price_at timestamp with time zone,
    accepted_at timestamp with time zone,
    record_id bytea,
    CONSTRAINT data_feeds_aggregation_check CHECK ((aggregation = ANY (ARRAY['median'::text, 'mean'::text, 'min'::text, 'max'::text, 'trimmed'::text, 'weighted'::text]))),
    CONSTRAINT data_feeds_check CHECK ((((round_id = 0) = (price IS NULL)) AND ((price IS NULL) = (record_id IS NULL)))),
    CONSTRAINT data_feeds_decimals_check CHECK (((decimals >= 1) AND (decimals <= 18))),
    CONSTRAINT data_feeds_heartbeat_seconds_check CHECK ((heartbeat_seconds > 0)),
    CONSTRAINT data_feeds_pair_check CHECK ((pair <> ''::text)),
    CONSTRAINT data_feeds_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT data_feeds_quorum_check CHECK ((quorum > 0)),
    CONSTRAINT data_feeds_threshold_ppm_check CHECK ((threshold_ppm >= 0))
);



CREATE TABLE public.gas_accounts (
    id uuid NOT NULL,
    account_id uuid,
    tenant text NOT NULL,
    wallet_address text NOT NULL,
    available bigint DEFAULT 0 NOT NULL,
    pending bigint DEFAULT 0 NOT NULL,
    reserved bigint DEFAULT 0 NOT NULL,
    min_balance bigint DEFAULT 0 NOT NULL,
    daily_limit bigint DEFAULT 0 NOT NULL,
    notification_threshold bigint DEFAULT 0 NOT NULL,
    required_approvals integer DEFAULT 0 NOT NULL,
    daily_on date DEFAULT '-infinity'::date NOT NULL,
    daily_withdrawn bigint DEFAULT 0 NOT NULL,
    last_withdrawal_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT gas_accounts_balance_fits CHECK (((((available)::numeric + (pending)::numeric) + (reserved)::numeric) <= ('9223372036854775807'::bigint)::numeric)),
    CONSTRAINT gas_accounts_daily_limit_check CHECK ((daily_limit >= 0)),
    CONSTRAINT gas_accounts_daily_withdrawn_check CHECK ((daily_withdrawn >= 0)),
    CONSTRAINT gas_accounts_min_balance_check CHECK ((min_balance >= 0)),
    CONSTRAINT gas_accounts_not_overdrawn CHECK ((available >= 0)),
    CONSTRAINT gas_accounts_notification_threshold_check CHECK ((notification_threshold >= 0)),
    CONSTRAINT gas_accounts_pending_held CHECK ((pending >= 0)),
    CONSTRAINT gas_accounts_required_approvals_check CHECK (((required_approvals >= 0) AND (required_approvals <= 100))),
    CONSTRAINT gas_accounts_reserved_held CHECK ((reserved >= 0))
)
WITH (fillfactor='50');



CREATE TABLE public.gas_approvals (
    transaction_id uuid NOT NULL,
    identity text NOT NULL,
    approver text NOT NULL,
    status text NOT NULL,
    signature text NOT NULL,
    note text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT gas_approvals_status_check CHECK ((status = ANY (ARRAY['approved'::text, 'rejected'::text])))
);



CREATE TABLE public.gas_ledger (
    seq bigint NOT NULL,
    gas_account_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT gas_ledger_amount_check CHECK ((amount > 0)),
    CONSTRAINT gas_ledger_known_moves CHECK (((((((((((kind = 'deposit'::text) AND (debit = 'chain'::text) AND (credit = 'available'::text)) OR ((kind = 'withhold'::text) AND (debit = 'available'::text) AND (credit = 'pending'::text))) OR ((kind = 'release'::text) AND (debit = 'pending'::text) AND (credit = 'available'::text))) OR ((kind = 'settle'::text) AND (debit = 'pending'::text) AND (credit = 'chain'::text))) OR ((kind = 'reserve'::text) AND (debit = 'available'::text) AND (credit = 'reserved'::text))) OR ((kind = 'void'::text) AND (debit = 'reserved'::text) AND (credit = 'available'::text))) OR ((kind = 'capture'::text) AND (debit = 'reserved'::text) AND (credit = 'fees'::text))) OR ((kind = 'charge'::text) AND (debit = 'available'::text) AND (credit = 'fees'::text))) OR ((kind = 'refund'::text) AND (debit = 'fees'::text) AND (credit = 'available'::text))))
);



CREATE TABLE public.gas_ledger_checks (
    singleton boolean DEFAULT true NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    entries bigint NOT NULL,
    debits numeric NOT NULL,
    credits numeric NOT NULL,
    drift numeric NOT NULL,
    faults bigint NOT NULL,
    duration_ms integer NOT NULL,
    CONSTRAINT gas_ledger_checks_singleton_check CHECK (singleton)
);



ALTER TABLE public.gas_ledger ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.gas_ledger_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.gas_settlement_attempts (
    transaction_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone NOT NULL,
    latency_ns bigint NOT NULL,
    status text NOT NULL,
    error text NOT NULL,
    CONSTRAINT gas_settlement_attempts_attempt_check CHECK ((attempt > 0)),
    CONSTRAINT gas_settlement_attempts_latency_ns_check CHECK ((latency_ns >= 0)),
    CONSTRAINT gas_settlement_attempts_status_check CHECK ((status = ANY (ARRAY['retry'::text, 'error'::text, 'succeeded'::text, 'failed'::text])))
);



CREATE TABLE public.gas_transactions (
    id uuid NOT NULL,
    gas_account_id uuid NOT NULL,
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    net_amount bigint NOT NULL,
    blockchain_tx_id text DEFAULT ''::text NOT NULL,
    deposit_key text,
    reference text,
    from_address text DEFAULT ''::text NOT NULL,
    to_address text DEFAULT ''::text NOT NULL,
    schedule_at timestamp with time zone,
    cron_expression text DEFAULT ''::text NOT NULL,
    required_approvals integer DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    errors integer DEFAULT 0 NOT NULL,
    resolver_error text DEFAULT ''::text NOT NULL,
    last_attempt_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    dead_letter_reason text DEFAULT ''::text NOT NULL,
    dead_letter_at timestamp with time zone,
    notes text DEFAULT ''::text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    dispatched_at timestamp with time zone,
    resolved_at timestamp with time zone,
    completed_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    fencing_token bigint DEFAULT 0 NOT NULL,
    requested_by text DEFAULT ''::text NOT NULL,
    CONSTRAINT gas_transactions_amount_check CHECK ((amount > 0)),
    CONSTRAINT gas_transactions_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT gas_transactions_check CHECK ((((type = 'withdrawal'::text) AND (status = ANY (ARRAY['scheduled'::text, 'awaiting_approval'::text, 'pending'::text, 'dispatched'::text, 'completed'::text, 'failed'::text, 'cancelled'::text, 'dead_letter'::text]))) OR ((type = 'fee'::text) AND (status = ANY (ARRAY['reserved'::text, 'completed'::text, 'cancelled'::text]))) OR ((type = ANY (ARRAY['deposit'::text, 'refund'::text])) AND (status = 'completed'::text)))),
    CONSTRAINT gas_transactions_check1 CHECK (((net_amount >= 0) AND (net_amount <= amount))),
    CONSTRAINT gas_transactions_check2 CHECK (((type = 'deposit'::text) OR (deposit_key IS NULL))),
    CONSTRAINT gas_transactions_check3 CHECK (((type = ANY (ARRAY['fee'::text, 'refund'::text])) = (reference IS NOT NULL))),
    CONSTRAINT gas_transactions_check4 CHECK (((status <> 'scheduled'::text) OR (schedule_at IS NOT NULL))),
    CONSTRAINT gas_transactions_errors_check CHECK ((errors >= 0)),
    CONSTRAINT gas_transactions_required_approvals_check CHECK ((required_approvals >= 0)),
    CONSTRAINT gas_transactions_type_check CHECK ((type = ANY (ARRAY['deposit'::text, 'withdrawal'::text, 'fee'::text, 'refund'::text])))
)
WITH (fillfactor='85');



CREATE TABLE public.leases (
    name text NOT NULL,
    holder uuid NOT NULL,
    fencing_token bigint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT leases_fencing_token_check CHECK ((fencing_token > 0)),
    CONSTRAINT leases_name_check CHECK (((name <> ''::text) AND (length(name) <= 128)))
);



CREATE TABLE public.oracle_requests (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    source_id uuid NOT NULL,
    alternates uuid[] NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    holder text,
    attempts integer DEFAULT 0 NOT NULL,
    fence bigint DEFAULT 0 NOT NULL,
    pause double precision DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    armed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    payload text NOT NULL,
    result_path text NOT NULL,
    result text DEFAULT ''::text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    dead_reason text,
    CONSTRAINT oracle_requests_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT oracle_requests_check CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text])) = (completed_at IS NOT NULL))),
    CONSTRAINT oracle_requests_check1 CHECK (((status = 'running'::text) = (holder IS NOT NULL))),
    CONSTRAINT oracle_requests_check2 CHECK (((dead_reason IS NULL) OR (status = 'failed'::text))),
    CONSTRAINT oracle_requests_check3 CHECK (((result = ''::text) OR (status = 'succeeded'::text))),
    CONSTRAINT oracle_requests_dead_reason_check CHECK ((dead_reason = ANY (ARRAY['attempts'::text, 'expired'::text]))),
    CONSTRAINT oracle_requests_holder_check CHECK ((holder = ANY (ARRAY['dispatcher'::text, 'runner'::text]))),
    CONSTRAINT oracle_requests_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'succeeded'::text, 'failed'::text])))
)
WITH (fillfactor='80');



CREATE TABLE public.oracle_sources (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    url text NOT NULL,
    method text NOT NULL,
    header_names text[] NOT NULL,
    has_body boolean NOT NULL,
    credentials bytea,
    result_path text NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    header_values text[] NOT NULL,
    CONSTRAINT oracle_sources_check CHECK (((credentials IS NOT NULL) = (has_body OR (cardinality(header_names) > 0)))),
    CONSTRAINT oracle_sources_check1 CHECK ((cardinality(header_values) = cardinality(header_names)))
);



CREATE TABLE public.price_feeds (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    base_asset text NOT NULL,
    quote_asset text NOT NULL,
    pair text NOT NULL,
    update_interval text NOT NULL,
    update_every interval NOT NULL,
    heartbeat text NOT NULL,
    heartbeat_every interval NOT NULL,
    deviation_percent numeric(48,18) NOT NULL,
    active boolean DEFAULT true NOT NULL,
    min_sources integer,
    source_groups jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    round_id bigint DEFAULT 0 NOT NULL,
    price numeric(66,36),
    price_at timestamp with time zone,
    price_sources integer DEFAULT 0 NOT NULL,
    price_spread numeric(66,36) DEFAULT 0 NOT NULL,
    equal_rounds integer DEFAULT 0 NOT NULL,
    outcome text DEFAULT ''::text NOT NULL,
    next_fetch_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_until timestamp with time zone,
    fencing_token bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    last_error text DEFAULT ''::text NOT NULL,
    CONSTRAINT price_feeds_base_asset_check CHECK ((base_asset <> ''::text)),
    CONSTRAINT price_feeds_check CHECK ((((price IS NULL) = (round_id = 0)) AND ((price IS NULL) = (price_at IS NULL)))),
    CONSTRAINT price_feeds_deviation_percent_check CHECK ((deviation_percent > (0)::numeric)),
    CONSTRAINT price_feeds_heartbeat_every_check CHECK ((heartbeat_every > '00:00:00'::interval)),
    CONSTRAINT price_feeds_min_sources_check CHECK ((min_sources > 0)),
    CONSTRAINT price_feeds_outcome_check CHECK ((outcome = ANY (ARRAY[''::text, 'published'::text, 'waiting'::text, 'no_quorum'::text]))),
    CONSTRAINT price_feeds_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT price_feeds_quote_asset_check CHECK ((quote_asset <> ''::text)),
    CONSTRAINT price_feeds_update_every_check CHECK ((update_every > '00:00:00'::interval))
)
WITH (fillfactor='70');



CREATE TABLE public.price_observations (
    id uuid NOT NULL,
    feed_id uuid NOT NULL,
    round_id bigint NOT NULL,
    source text NOT NULL,
    source_group text NOT NULL,
    price numeric(66,36) NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    slot timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT price_observations_price_check CHECK ((price > (0)::numeric))
);



CREATE TABLE public.price_rounds (
    feed_id uuid NOT NULL,
    round_id bigint NOT NULL,
    aggregated_price numeric(66,36),
    spread numeric(66,36),
    observation_count integer NOT NULL,
    sources integer DEFAULT 0 NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    finalized boolean DEFAULT false NOT NULL,
    CONSTRAINT price_rounds_aggregated_price_check CHECK ((aggregated_price > (0)::numeric)),
    CONSTRAINT price_rounds_check CHECK (((finalized = (aggregated_price IS NOT NULL)) AND (finalized = (closed_at IS NOT NULL)))),
    CONSTRAINT price_rounds_observation_count_check CHECK ((observation_count > 0)),
    CONSTRAINT price_rounds_reason_check CHECK ((reason = ANY (ARRAY[''::text, 'first'::text, 'heartbeat'::text, 'deviation'::text]))),
    CONSTRAINT price_rounds_round_id_check CHECK ((round_id > 0))
);



CREATE TABLE public.price_snapshots (
    id uuid NOT NULL,
    feed_id uuid NOT NULL,
    round_id bigint NOT NULL,
    price numeric(66,36) NOT NULL,
    sources integer NOT NULL,
    spread numeric(66,36) NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT price_snapshots_price_check CHECK ((price > (0)::numeric))
);



CREATE TABLE public.random_draws (
    counter bigint NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    request_id text NOT NULL,
    client_seed text NOT NULL,
    length smallint NOT NULL,
    created_at_ns bigint NOT NULL,
    key_id text NOT NULL,
    signature bytea,
    vrf_proof bytea,
    CONSTRAINT random_draws_length_check CHECK (((length >= 1) AND (length <= 1024))),
    CONSTRAINT random_draws_signature_check CHECK ((length(signature) = 64)),
    CONSTRAINT random_draws_vrf_proof_check CHECK ((length(vrf_proof) = 80))
)
WITH (fillfactor='60');



ALTER TABLE public.random_draws ALTER COLUMN counter ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.random_draws_counter_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.random_keys (
    id text NOT NULL,
    public_key bytea NOT NULL,
    vrf_public_key bytea NOT NULL,
    vrf_key_signature bytea NOT NULL,
    first_used_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT random_keys_public_key_check CHECK ((length(public_key) = 32)),
    CONSTRAINT random_keys_vrf_key_signature_check CHECK ((length(vrf_key_signature) = 64)),
    CONSTRAINT random_keys_vrf_public_key_check CHECK ((length(vrf_public_key) = 32))
);



CREATE UNLOGGED TABLE public.request_rates (
    subject bytea NOT NULL,
    busy_until timestamp with time zone NOT NULL,
    CONSTRAINT request_rates_subject_check CHECK ((length(subject) = 32))
)
WITH (fillfactor='50');



CREATE TABLE public.request_replies (
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    sealed bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT request_replies_fingerprint_check CHECK ((length(fingerprint) = 32)),
    CONSTRAINT request_replies_key_check CHECK ((length(key) = 32))
);



CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    duration_ms integer NOT NULL
);



CREATE TABLE public.secret_versions (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    version integer NOT NULL,
    acl smallint NOT NULL,
    expires_at timestamp with time zone,
    sealed bytea NOT NULL,
    imported boolean DEFAULT false NOT NULL,
    restored_from integer,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT secret_versions_acl_check CHECK (((acl >= 0) AND (acl <= 255))),
    CONSTRAINT secret_versions_version_check CHECK ((version > 0))
);



CREATE TABLE public.secrets (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT secrets_name_check CHECK (((name <> ''::text) AND (POSITION(('|'::text) IN (name)) = 0))),
    CONSTRAINT secrets_version_check CHECK ((version > 0))
);



CREATE TABLE public.vault_data_keys (
    id uuid NOT NULL,
    owner uuid,
    version integer NOT NULL,
    key_version integer NOT NULL,
    wrapped bytea NOT NULL,
    uses bigint DEFAULT 0 NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT vault_data_keys_uses_check CHECK (((uses >= 0) AND (uses <= '4294967296'::bigint))),
    CONSTRAINT vault_data_keys_version_check CHECK ((version > 0)),
    CONSTRAINT vault_data_keys_wrapped_check CHECK ((length(wrapped) = 60))
)
WITH (fillfactor='80');



CREATE TABLE public.vault_key_versions (
    version integer NOT NULL,
    fingerprint text NOT NULL,
    check_value bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT vault_key_versions_fingerprint_check CHECK ((fingerprint ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT vault_key_versions_version_check CHECK ((version > 0))
);



CREATE TABLE public.vault_rotations (
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    target_version integer NOT NULL,
    total bigint NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    resealed bigint DEFAULT 0 NOT NULL,
    started_by text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT vault_rotations_check CHECK (((finished_at IS NULL) = (state = 'running'::text))),
    CONSTRAINT vault_rotations_kind_check CHECK ((kind = ANY (ARRAY['keys'::text, 'data-keys'::text]))),
    CONSTRAINT vault_rotations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT vault_rotations_total_check CHECK ((total >= 0))
);



CREATE TABLE public.workspace_wallets (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    wallet_address text NOT NULL,
    label text NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT workspace_wallets_wallet_address_check CHECK ((wallet_address ~ '^0x[0-9a-f]{40}$'::text))
);



INSERT INTO public.account_api_keys VALUES
	('01a22450-2466-7410-9670-b56b273a6ad6', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'ci', 'slk_JOdnsA', '\x772493a97d39069a9dadd6a26b940bbb553b42f9e1c2d471160930b7c42eaf0a', 'token', '2026-11-28 22:39:21.700093+00', NULL, NULL, NULL, '{secrets:read}', NULL, NULL);



INSERT INTO public.accounts VALUES
	('01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'a customer', '{"plan": "gold", "tenant": "tenant-a"}', 'active', '2026-11-28 22:39:21.670622+00', '2026-11-28 22:39:21.670622+00');
























INSERT INTO public.audit_checkpoints VALUES
	(17, '\x3713af473f31289a5bd50fd8e9599a7587b4d20416caf9443ecb96b3e39458b7', '2026-11-28 22:39:22.694244+00', 'servicelayer/audit/de7ba3e6-2e83-4d3d-bbc0-90abe429a438
17
NxOvRz8xKJpb1Q/Y6VmadYe00gQWyvlEPsuWs+OUWLc=
time 2026-11-28T22:39:22.693083Z

— servicelayer/audit/de7ba3e6-2e83-4d3d-bbc0-90abe429a438 +GS9/pl67bFeUEtIjCxNP10j1FSYghMCzaaPxZkr7iHaDJo7JpUrFL+Dr4sqA4kozc8cmOc1z5/CThP++MvgqZm8WAk=
'),
	(19, '\xb852e74c13c143d58ee8d67150222e770dfb83ace29b0ab197e9ac2371faae5c', '2026-11-28 22:39:23.126943+00', 'servicelayer/audit/de7ba3e6-2e83-4d3d-bbc0-90abe429a438
19
uFLnTBPBQ9WO6NZxUCIudw37g6zimwqxl+msI3H6rlw=
time 2026-11-28T22:39:23.125882Z

— servicelayer/audit/de7ba3e6-2e83-4d3d-bbc0-90abe429a438 +GS9/j3W+MQNVvorPmnk+Er6uViyfnPySGvUV1p0+eEFv50BFApVY2dNaq2op8oc6Peo0jNUk5SxIFd/sM9pnBx+tw0=
');



INSERT INTO public.audit_leaves VALUES
	(0, 1, '\xe8773625fabad00159d76bb5a06b6c3a5fb4d4b3e5cd2cc4ec0855b22b78a3a3'),
	(1, 2, '\xc0ad0cf066c62d1e9c49a812ce2e2f376a9612e6337a7c824f7f1d24283a6170'),
	(2, 3, '\xa0fd55caec73f832a04f0361f894fa833e302b3a0d81420029524e8b92b0e97d'),
	(3, 4, '\x7ed86358e6b3a7dd7c96c184ed9b72f236f58adfdc83d560ff2bed23c94f854d'),
	(4, 5, '\x5d746eff13fcd1fc06ad032d7c54262a3feff3cbab14a9965566fcbf64b33efb'),
	(5, 6, '\xf4468f2bcf8ecd71aaf49df7a79cf4e0b87790cc5947ff3373d684deb0bdfac7'),
	(6, 7, '\xd79817b5166255469c189871ac02ea232696063296d99af99e0b4400141f4ff9'),
	(7, 8, '\x11ebdcab5d7d6681eff0895765691c43774355851d09d2d5a2377f1eb8009400'),
	(8, 9, '\xa5f3ffbc98d216401c042694ed0e29578b26a2f235037b9747bc2e01e567c4ee'),
	(9, 10, '\x7e52cdb8ff4c634ac9bb1eebdc55520ad88528e4798f52058596960da5f200e4'),
	(10, 11, '\xbfe6db5d30163584f6c1aa64902b323d5907ecfa720bc0f049d85bed56d847b1'),
	(11, 12, '\xcb5f598272f32121520035f4e3fabb4ca1568288e0387cdc9af43d59d9c30f94'),
	(12, 13, '\x62538ea89bb378802cc05fb60a6889a08726842a78b9c1d896b1e75f0b087ef1'),
	(13, 14, '\xc690475221873c3d13cba4af8b837b0196adcb258108c490ba21bdd3f94b9e31'),
	(14, 15, '\x527db13e7006430382c223cd51f11e59b2973855ff7edb874dee1a2fbb143a71'),
	(15, 16, '\xce03a37e7280d0ac2d819244ddcd59c4b78bdfcbda54bce3c2cd618cc4111fde'),
	(16, 17, '\xfd1bb724806ded83498d6d43d5a46630f24d89e83b7e52e3f3a79695aba6ee89'),
	(17, 18, '\x882a0f2ca45d5b36f0dde5ffcf7f933edaa3380fbffa5b872d0c77b1e113c357'),
	(18, 19, '\x2a0c11e81fa7e8c212e85f41a9b5b4923b3d46ad4ce32b7120083a0aaad8e747');



INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES
	(1, '01a22450-2447-7b3c-943e-306c7945d843', '2026-11-28 22:39:21.671989+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'account.create', '01a22450-2446-7083-a1ff-e69f40530801', 'POST', '/accounts', 201, '01a22450-2444-774b-9464-0d06f7b5d3b5', '127.0.0.1', 'python-httpx/0.28.1', '/accounts', 'accounts:write', NULL, NULL, '\x6dbae6c50bf7340bcd56d11499ed4e9ef3d4c88f1c5f5713159bc09422d9e112', '\xe68dcd1c489c4ae27a3028cdc5c462c9', '771'),
	(2, '01a22450-245f-7a1b-9cf7-a9decfb00898', '2026-11-28 22:39:21.695828+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'wallet.create', '01a22450-245d-71a1-9fa0-3f3af64888cb', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/workspace-wallets', 201, '01a22450-244e-7185-8f55-47719157c499', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/workspace-wallets', 'wallets:write', NULL, NULL, '\xe6116f2d7fb3861d389e16eb6488bd738cceee5cb58bc064fd445d8cecc01f8b', '\xf309059fba713a77d986a0dbea7daa1b', '772'),
	(3, '01a22450-2467-7dab-97bd-c13dd4071bbb', '2026-11-28 22:39:21.70351+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'api_key.create', '01a22450-2466-7410-9670-b56b273a6ad6', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/api-keys', 201, '01a22450-2463-721b-b677-c6a6c0c11689', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/api-keys', 'api-keys:write', NULL, NULL, '\x808669bfbac5720ce40e8ad4dde39d15f851fd3299907320a9ec4cf6c5758a84', '\x649de345c17a7fa6fb970b1c67c98fc0', '773'),
	(4, '01a22450-247a-7669-a168-72e0436c88f6', '2026-11-28 22:39:21.722481+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'secret.create', '01a22450-2471-7efa-940a-790c611e608b', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/secrets', 201, '01a22450-246d-7c56-a8d5-3700dcf0411e', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/secrets', 'secrets:write', NULL, NULL, '\xcb7e6f7b74d7010854b1086e49971047f5fdbb19e42f5ec0c35b103a0043420c', '\x6683fc368aa09276ae3a5cbbb9ad0a3f', '774'),
	(5, '01a22450-2497-719f-b8ce-c007e8d38aa1', '2026-11-28 22:39:21.751952+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'secret.change', '01a22450-2471-7efa-940a-790c611e608b', 'PUT', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/secrets/db', 200, '01a22450-2484-77d5-8756-1d29c1cf4f9c', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/secrets/{name}', 'secrets:write', NULL, '\x4b1926b8d5d38d26d97ff834b61a997415a339bfd146fdbff5b1d704561b4c31', '\x3f777e4073b58219bbfeaa5fd1072349ba03508050f9a82a6af07fead3c1ca8e', '\x3d4d5dca5595a48dcd71cbea854fbe5e', '775'),
	(6, '01a22450-24a3-70b4-9062-6694ffcd5c03', '2026-11-28 22:39:21.763217+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'gasbank.open', '01a22450-24a1-7a7d-91b3-7303b3de8e42', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/gasbank', 200, '01a22450-249d-7849-901a-d1837960b010', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/gasbank', 'gasbank:write', NULL, NULL, '\x8a39e79f9d638eb5b9170a6e47b2fec06112dcb01d50ac3d446a497c020d76ea', '\x18f54f3fd747659a0630d22f3a9ec801', '776'),
	(7, '01a22450-24d6-7279-90b0-dba8ca833475', '2026-11-28 22:39:21.814645+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'gasbank.deposit', '01a22450-24ae-7a4e-bd30-845d178a9007', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/gasbank/deposit', 200, '01a22450-24a7-7c5e-8fb3-2fc74d39e8d6', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/gasbank/deposit', 'gasbank:write', NULL, NULL, '\xa600b85d99609f263e663b4f34d3ad75109fbb28dc9ebccb2cbaab4ddff885ee', '\xbac9315ad230bb1538086ccb520eb195', '777'),
	(8, '01a22450-24eb-70ec-879c-9a82a936a5f5', '2026-11-28 22:39:21.835912+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'gasbank.withdraw', '01a22450-24e8-7de9-bba4-3810fb33fb1a', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/gasbank/withdraw', 200, '01a22450-24e3-7c2d-b64b-31fe7af80719', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/gasbank/withdraw', 'gasbank:write', NULL, NULL, '\x4986758ca36f9869a8b454b98fcb8de2b1a94042f07a3d75202343e086fb540b', '\x117be92031905ad4e7ff3cc294843b29', '778'),
	(9, '01a22450-24fa-7ae5-bdc6-ff1a20a923b5', '2026-11-28 22:39:21.850867+00', 'random', 'system', '', '', NULL, 'random.key', 'c42dc4794fbb61756e30e4eecf94456a', '', '', 0, '', '', '', '', '', NULL, NULL, '\x4f8ff197569732a0cfb83f11735f743da815de7d623b697af68cb0b5a7cb28dd', '\xe9dcad264840ec3c72aaa065db06954f', '779'),
	(10, '01a22450-2512-736a-a5ec-57925e7d88de', '2026-11-28 22:39:21.874547+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'random.commit', '01a22450-24f9-7d4c-a0fd-ec9054598337', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/random', 200, '01a22450-24f8-7670-911f-e7f5fc8053b8', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/random', 'random:write', NULL, NULL, '\xd3727a104e17479de6511e867cfb1d02adfc17f8e67d4b0565da9e69cfd7b3f7', '\x900efef372003c962d2034beea0eb4ce', '779'),
	(11, '01a22450-2525-7bcf-bbc2-2b1cdb33c145', '2026-11-28 22:39:21.893786+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'pricefeed.create', '01a22450-251e-7723-98d5-4a97146861a8', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/pricefeeds', 201, '01a22450-251c-7264-a6a6-e4e3e7758229', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/pricefeeds', 'pricefeeds:write', NULL, NULL, '\x912761b1f0c42389e271bd7dff244ba6878673a1c50c492cea54280c78a8c356', '\xb8453880496b879ed45eadd811992adc', '780'),
	(12, '01a22450-253f-7ed1-8b87-c284864a3f20', '2026-11-28 22:39:21.919467+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'pricefeed.submit', '01a22450-251e-7723-98d5-4a97146861a8', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/pricefeeds/01a22450-251e-7723-98d5-4a97146861a8/snapshots', 201, '01a22450-2531-778b-9261-de70421ea3c3', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/pricefeeds/{feed_id}/snapshots', 'pricefeeds:write', NULL, '\xd3236bac577dae241869bc89908bebc25c79ca77c7ac1dbf99d1e4d839600a93', '\x34b1a35483d7c5b27fd9a9fdd8bfd3c78dc5405a73db1062b485deda6a887021', '\xb81995e340e99003835bb66e3f0d85af', '781'),
	(13, '01a22450-2553-7ef9-86a9-1d8179e57977', '2026-11-28 22:39:21.939987+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'datafeed.create', '01a22450-2550-72e0-b3cc-908fb815599f', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/datafeeds', 201, '01a22450-254c-7f80-b1cd-45171e8e5c23', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/datafeeds', 'datafeeds:write', NULL, NULL, '\x8963f91bc06598a5ac6881f9d430f4919c7712954bf0929663d756f2bfe00ad3', '\x0729f1ad0981c23916c170bca52c24e9', '783'),
	(14, '01a22450-2574-72b9-b14f-78206706e5d7', '2026-11-28 22:39:21.972481+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'datafeed.submit', '01a22450-2550-72e0-b3cc-908fb815599f', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/datafeeds/01a22450-2550-72e0-b3cc-908fb815599f/updates', 201, '01a22450-255a-7124-a468-da673c941a0b', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/datafeeds/{feed_id}/updates', 'datafeeds:write', NULL, '\x4dd55a71ef10f974813dca167b85228c61f00968a5913f7805ed09dd6d224aeb', '\x3c9f8343b82d7b2cf20b9be406a360c1c054267a74bdcea8881cf64ae13a16fa', '\xb443c1e90d8a05d083a5bc46a96dc170', '784'),
	(15, '01a22450-2581-7692-9c1a-6a8175868965', '2026-11-28 22:39:21.985365+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'oracle.source.create', '01a22450-257c-7892-827e-57758e4fdb91', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/oracle/sources', 201, '01a22450-257a-7d6c-861d-5a3b1a68b865', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/oracle/sources', 'oracle:write', NULL, NULL, '\x66542c614cc2c190a76d575b069621814c57c0d816d0e8ec1f37480a695f906d', '\xa0a9a1f745880c970b93d722d791ea6d', '785'),
	(16, '01a22450-258f-78b4-bc17-12b67b87834e', '2026-11-28 22:39:21.999132+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'oracle.request.create', '01a22450-258c-730c-985a-21f949fc334e', 'POST', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/oracle/requests', 201, '01a22450-2588-7bef-a3d0-54ef1565be65', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/oracle/requests', 'oracle:write', NULL, NULL, '\x7afb86adec2a0fa762f73e61dda27000b8fef1be75761b30108af663d869f979', '\x822ddedf69840b1741da2f9c61b4a81f', '786'),
	(17, '01a22450-25af-7896-a293-efc7f01002e3', '2026-11-28 22:39:22.031126+00', 'oracle-dispatcher', 'system', '', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'oracle.request.failed', '01a22450-258c-730c-985a-21f949fc334e', '', '', 0, '', '', '', '', '', NULL, NULL, '\x40076a1f80aa12e03b249632c3b41732730ed6bc913fa46dc97dc794958a4d38', '\xa4d04ba31899915a1093ab6e52e107bc', '788'),
	(18, '01a22450-294b-7f62-b77f-69171401cc99', '2026-11-28 22:39:22.955575+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'secret.read', '01a22450-2471-7efa-940a-790c611e608b|2|db', 'GET', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/secrets/db', 200, '01a22450-294a-7f2d-b270-5160ce9a7082', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/secrets/{name}', 'secrets:read', NULL, NULL, NULL, NULL, '791'),
	(19, '01a22450-2960-7837-9da6-c9c7df558310', '2026-11-28 22:39:22.97622+00', 'token', 'token', 'static-token', 'tenant-a', '01a22450-2446-7083-a1ff-e69f40530801', 'secret.read', '01a22450-2471-7efa-940a-790c611e608b|1|db', 'GET', '/accounts/01a22450-2446-7083-a1ff-e69f40530801/secrets/db', 200, '01a22450-295b-7fc3-b3c7-024985e38c89', '127.0.0.1', 'python-httpx/0.28.1', '/accounts/{account_id}/secrets/{name}', 'secrets:read', NULL, NULL, NULL, NULL, '792');






INSERT INTO public.audit_tree VALUES
	(true, 'de7ba3e6-2e83-4d3d-bbc0-90abe429a438', 19, '\x0b2eeb53440f8670b07d17679ab0eb22d417bd202ce3937c1eb2c6b714a83deddeca93ef209a0d4b560652ae84b2433a70ce35301713d0e397c427003f3e11772a0c11e81fa7e8c212e85f41a9b5b4923b3d46ad4ce32b7120083a0aaad8e747', '792', 19, 0, 0);









INSERT INTO public.data_feed_rounds VALUES
	('01a22450-2550-72e0-b3cc-908fb815599f', 1, '\x23de3dd4732d5455b625b580456aaa151be56be317f15789bbe2c71d05aa575b', '\x7b2261636365707465645f6174223a22323032362d31312d32385432323a33393a32312e3935323138385a222c226163636f756e745f6964223a2230316132323435302d323434362d373038332d613166662d653639663430353330383031222c22636f6e666964656e6365223a2230222c22646563696d616c73223a382c22657870697265735f6174223a22323032362d30312d30315430313a31323a30305a222c22666565645f6964223a2230316132323435302d323535302d373265302d623363632d393038666238313535393966222c226865617274626561745f7365636f6e6473223a333630302c226b696e64223a22736572766963656c617965722e6461746166656564732e726f756e642f31222c226d6574686f64223a226d656469616e222c2270616972223a224741532f555344222c2270726576696f7573223a22222c227072696365223a22342e32222c227075626c6973685f74696d655f6d6178223a22323032362d30312d30315430303a30303a30305a222c227075626c6973685f74696d655f6d696e223a22323032362d30312d30315430303a30303a30305a222c2271756f72756d223a312c22726f756e645f6964223a312c227369676e657273223a5b22656432353531393a39333565326564653130303039616333643965633364363935323363303236323034643035353763396331353161613435653533376565643832666565313262225d2c22736f7572636573223a5b7b227072696365223a22342e32222c227075626c69635f6b6579223a2239333565326564653130303039616333643965633364363935323363303236323034643035353763396331353161613435653533376565643832666565313262222c22726561736f6e223a22222c2273616c74223a22222c22736368656d65223a2265643235353139222c227369676e6174757265223a226535326330613037306665396234306636643338316338613861323864326262326539343538353761613336613862323264626436343134356137653231313661356333373639616563303761653534326661366331643839306636386334353264613931633964303433633638376363383262316265323263303065653038222c227369676e6572223a22656432353531393a39333565326564653130303039616333643965633364363935323363303236323034643035353763396331353161613435653533376565643832666565313262222c2274696d657374616d70223a22323032362d30312d30315430303a30303a30305a222c2275736564223a747275652c22776569676874223a317d5d2c227665726966696564223a747275657d', '\x9d1b9b4ef6d9cbc017bcbef72d562f8efbdc29b458a24402a9065c5fbae1dbde', '\x7e3c2373a7bf7dacb02e71f335254c63fbeb94481105da772416211f6721ae926b9ab6ac905197a2ae3d602e361cf6bc1dc812b68e5958bf6802c72f5cef5506', '01a22450-2563-72c6-b6ce-237a3b033695', '2026-11-28 22:39:21.952188+00');



INSERT INTO public.data_feed_updates VALUES
	('01a22450-2563-72c6-b6ce-237a3b033695', '01a22450-2446-7083-a1ff-e69f40530801', '01a22450-2550-72e0-b3cc-908fb815599f', 1, 4.200000000000000000, 'ed25519:935e2ede10009ac3d9ec3d69523c026204d0557c9c151aa45e537eed82fee12b', '2026-01-01 00:00:00+00', 'e52c0a070fe9b40f6d381c8a8a28d2bb2e945857aa36a8b22dbd64145a7e2116a5c3769aec07ae542fa6c1d890f68c452da91c9d043c687cc82b1be22c00ee08', '935e2ede10009ac3d9ec3d69523c026204d0557c9c151aa45e537eed82fee12b', '', 'ed25519', 'accepted', '', '{"quorum": "1", "quorum_met": "true", "aggregation": "median", "signer_count": "1", "aggregated_price": "4.2"}', '2026-11-28 22:39:21.952188+00', '2026-11-28 22:39:21.952188+00');



INSERT INTO public.data_feeds VALUES
	('01a22450-2550-72e0-b3cc-908fb815599f', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'GAS/USD', '', 8, 3600, 0, '{ed25519:935e2ede10009ac3d9ec3d69523c026204d0557c9c151aa45e537eed82fee12b}', 'median', '{}', NULL, '{}', '{}', '2026-11-28 22:39:21.933027+00', '2026-11-28 22:39:21.933027+00', 1, 4.200000000000000000, 0.000000000000000000, 1, '2026-01-01 00:00:00+00', '2026-11-28 22:39:21.952188+00', '\x23de3dd4732d5455b625b580456aaa151be56be317f15789bbe2c71d05aa575b');



INSERT INTO public.gas_accounts VALUES
	('01a22450-24a1-7a7d-91b3-7303b3de8e42', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', '', 1025000000, 225000000, 0, 0, 0, 0, 0, '2026-11-28', 225000000, '2026-11-28 22:39:21.828214+00', '2026-11-28 22:39:21.761323+00', '2026-11-28 22:39:21.828214+00');






INSERT INTO public.gas_ledger OVERRIDING SYSTEM VALUE VALUES
	(1, '01a22450-24a1-7a7d-91b3-7303b3de8e42', '01a22450-24ae-7a4e-bd30-845d178a9007', 'deposit', 'chain', 'available', 1250000000, '2026-11-28 22:39:21.774737+00'),
	(2, '01a22450-24a1-7a7d-91b3-7303b3de8e42', '01a22450-24e8-7de9-bba4-3810fb33fb1a', 'withhold', 'available', 'pending', 225000000, '2026-11-28 22:39:21.828214+00');









INSERT INTO public.gas_transactions VALUES
	('01a22450-24ae-7a4e-bd30-845d178a9007', '01a22450-24a1-7a7d-91b3-7303b3de8e42', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'deposit', 'completed', 1250000000, 1250000000, '0xcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', NULL, '', '', NULL, '', 0, 0, 0, '', NULL, NULL, '', NULL, '', '', NULL, NULL, NULL, '2026-11-28 22:39:21.774737+00', '2026-11-28 22:39:21.774737+00', NULL, 0, ''),
	('01a22450-24e8-7de9-bba4-3810fb33fb1a', '01a22450-24a1-7a7d-91b3-7303b3de8e42', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'withdrawal', 'pending', 225000000, 225000000, '', NULL, NULL, '', '0xefefefefefefefefefefefefefefefefefefefef', NULL, '', 0, 0, 0, '', NULL, '2026-11-28 22:39:21.828214+00', '', NULL, '', '', NULL, NULL, NULL, '2026-11-28 22:39:21.828214+00', '2026-11-28 22:39:21.828214+00', NULL, 0, 'static-token:token');



INSERT INTO public.leases VALUES
	('audit-sealer', '01a22450-142b-7387-9c50-121a7c359f30', 1, '-infinity');



INSERT INTO public.oracle_requests VALUES
	('01a22450-258c-730c-985a-21f949fc334e', '01a22450-2446-7083-a1ff-e69f40530801', '01a22450-257c-7892-827e-57758e4fdb91', '{}', 'failed', NULL, 1, 2, 0, '2026-11-28 22:39:22.030731+00', '2026-11-28 22:39:21.997303+00', '{}', '', '', 'the URL''s host is a name of a private network', '2026-11-28 22:39:21.996512+00', '2026-11-28 22:39:22.030732+00', '2026-11-28 22:39:22.030732+00', NULL);



INSERT INTO public.oracle_sources VALUES
	('01a22450-257c-7892-827e-57758e4fdb91', '01a22450-2446-7083-a1ff-e69f40530801', 'weather', '', 'https://weather.example/v1', 'GET', '{Authorization}', false, '\x0101a2245024737935be6e1236b555e6fe0f1772b0664079df6a8470dc315814055582787bcba5a6e5a4b4244725dab3abcc4b770a41453b776cc2984acaeb81ce1fc879882bb3167d68d8bf008171216ec3690988bce577f29ad0794c21036e82d308a9', '', true, '2026-11-28 22:39:21.980921+00', '2026-11-28 22:39:21.980921+00', '{***}');



INSERT INTO public.price_feeds VALUES
	('01a22450-251e-7723-98d5-4a97146861a8', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', 'NEO', 'USD', 'NEO/USD', '@every 1h', '01:00:00', '@every 1000h', '41 days 16:00:00', 1.000000000000000000, true, NULL, '{}', '2026-11-28 22:39:21.885155+00', '2026-11-28 22:39:21.885155+00', 1, 11.500000000000000000000000000000000000, '2026-01-01 00:00:00+00', 1, 0.000000000000000000000000000000000000, 0, 'published', '2026-11-28 22:39:21.892771+00', NULL, 0, 0, '');



INSERT INTO public.price_observations VALUES
	('01a22450-2537-7a5a-b23f-9566b01f65de', '01a22450-251e-7723-98d5-4a97146861a8', 1, 's', 's', 11.500000000000000000000000000000000000, '2026-01-01 00:00:00+00', NULL, '2026-11-28 22:39:21.910469+00');



INSERT INTO public.price_rounds VALUES
	('01a22450-251e-7723-98d5-4a97146861a8', 1, 11.500000000000000000000000000000000000, 0.000000000000000000000000000000000000, 1, 1, 'first', '2026-11-28 22:39:21.910469+00', '2026-11-28 22:39:21.910469+00', true);



INSERT INTO public.price_snapshots VALUES
	('01a22450-2539-73ed-a6b8-a205df45d7ac', '01a22450-251e-7723-98d5-4a97146861a8', 1, 11.500000000000000000000000000000000000, 1, 0.000000000000000000000000000000000000, 'first', 's', '2026-01-01 00:00:00+00', '2026-11-28 22:39:21.910469+00');



INSERT INTO public.random_draws OVERRIDING SYSTEM VALUE VALUES
	(1, '01a22450-24f9-7d4c-a0fd-ec9054598337', '01a22450-2446-7083-a1ff-e69f40530801', 'lottery-1', 'c0ffee', 32, 1795905561849413000, 'c42dc4794fbb61756e30e4eecf94456a', '\x2ea7e838583884edd44eafe120388f3ce3f51940d373cfffdb6f09c56542eb4656ba32cffc940b543f92f896e7ae89f5f14130c777088a3dd7d05c6f444ef20f', '\xef5d0f45928f8211f51025ae7e07e7d9f09796b7a6e31e43d9a3ebd763be97e6a2a210ac31bcf49f7b2d683a4ac02c9713f896975b86a379b209bde7e404ed691a64ac64430f7bbab3b8de2ccf7f750c');



INSERT INTO public.random_keys VALUES
	('c42dc4794fbb61756e30e4eecf94456a', '\x3ee2a8a7283cb2fd728943daa127ef09e483071a8b4bc699ba4522f09b14cfde', '\x36e2c86e14f549ea82cfa088d82124092dc06632e7aedc3896042bffb6509242', '\xaa03ea262d18171ad6d024df0f2590ee38f696b3e1f7d4216d4d450d212421c0a3ecafa6bd9b1f4e6f31048a23dd33e28c4d1b57e2e07d763107691fc94b4a00', '2026-11-28 22:39:21.850508+00');









INSERT INTO public.schema_migrations VALUES
	(1, 'leases', 'eae0bcca81c8b05b2df71ba98cad0a4e3563da9b2dc4ac7cd09e9efb7501ec69', '2026-11-28 22:39:19.675462+00', 19),
	(2, 'accounts', 'd274648a4009d7eaec1de04a0dc74502aab45408d0a0d7528d3b1e33141ae955', '2026-11-28 22:39:19.709713+00', 46),
	(3, 'auth', 'ef688a22d5dc815afdc25ec63e1eebae5bcb117e50133be6aef694ccb76926e5', '2026-11-28 22:39:19.757886+00', 12),
	(4, 'audit', '7278b8c14aa5fdf1762e21f7a64d59b24d15068483c83b7eb954ffb46e900be4', '2026-11-28 22:39:19.772725+00', 14),
	(5, 'requests', '67384a262758117ed322a75310b1787c7382757133a686dbd70e8c59350fcb34', '2026-11-28 22:39:19.787622+00', 34),
	(6, 'vault', 'd7d557049d34795bb1594fb022ca2d92f537a16e1a2f3b4b39a2af89dfd434ae', '2026-11-28 22:39:19.825939+00', 73),
	(7, 'gasbank', '1c6eba14cff4938b9eb81192b2f62a3a360c63ec91c2e43d4342dd53480d2256', '2026-11-28 22:39:19.903013+00', 105),
	(8, 'oracle', '902c3be43c3fe426f3868d50cff5cffb2f2ce9cdb3a8acac959fbd2169e81e86', '2026-11-28 22:39:20.010822+00', 23),
	(9, 'random', '77d97d8ddc2f44aba7b6e6d9a1d58f1e0d10a3c3942af12a8873957ea1d525dc', '2026-11-28 22:39:20.071841+00', 31),
	(10, 'pricefeed', 'e12c4c04a8864f902b913d6bb19c6ff535b4fba4ea3621bc25356a1021301b87', '2026-11-28 22:39:20.104183+00', 43),
	(11, 'datafeeds', '5fe77ec7965e5fa2d1ca8210ede3dd8b98adac8346837c64a4c9a0490fc3fafc', '2026-11-28 22:39:20.148807+00', 39),
	(12, 'audit_seals', '20fa45b28c862381376b4abc162e8a26f1f7f2caf631c6a12ed75235a5969a56', '2026-11-28 22:39:20.197329+00', 79),
	(13, 'admin', '5618947037045c553f48c9eb1385255bf78e6f89502c0d8734d442d873336cef', '2026-11-28 22:39:20.278112+00', 57),
	(14, 'oracle_headers', 'b0481c40a23f11102fd73461e6440e67a2481a23c089c4529f366aa02d7b1119', '2026-11-28 22:39:20.348981+00', 10),
	(15, 'gas_withdrawals', 'd7f18578c8259b3df71a34a275f7e39007988896a9d2f4415ea56394452dafc7', '2026-11-28 22:39:20.371864+00', 8),
	(16, 'retention', '2b22f029d14f6f3e5d0785d5c4d5411e42616777b1bd85373348065430cbf2ac', '2026-11-28 22:39:20.379779+00', 9);



INSERT INTO public.secret_versions VALUES
	('01a22450-2472-7e25-9696-3d10a6a2b9dc', '01a22450-2446-7083-a1ff-e69f40530801', '01a22450-2471-7efa-940a-790c611e608b', 1, 0, NULL, '\x0101a2245024737935be6e1236b555e6fe0e9a750d84ade82147fc6327bfd69a3484b0f13d63ed307b1798c5ebf7cb48684fde9f5ad931ae', false, NULL, 'token', '2026-11-28 22:39:21.710507+00'),
	('01a22450-248a-742b-b0e3-632a4a781be1', '01a22450-2446-7083-a1ff-e69f40530801', '01a22450-2471-7efa-940a-790c611e608b', 2, 0, NULL, '\x0101a2245024737935be6e1236b555e6fee0c103c1b14912f8515149e2fbc4be2a1ac0dce7a5026aded7bec7b96798d52eb378da7ca2f3364c', false, NULL, 'token', '2026-11-28 22:39:21.734146+00');



INSERT INTO public.secrets VALUES
	('01a22450-2471-7efa-940a-790c611e608b', '01a22450-2446-7083-a1ff-e69f40530801', 'db', 'db', 2, '2026-11-28 22:39:21.710507+00', '2026-11-28 22:39:21.734146+00');



INSERT INTO public.vault_data_keys VALUES
	('01a22450-2473-7935-be6e-1236b555e6fe', '01a22450-2446-7083-a1ff-e69f40530801', 1, 1, '\xebedd38a9ebf66c57a5bb59a6fadb2d294805a141e1506281c21cd7cfd2827622d52012bf405e20096e5cb8db29b2f3fd3dc010c1cb053a2a354112e', 3, true, '2026-11-28 22:39:21.716617+00');



INSERT INTO public.vault_key_versions VALUES
	(1, '5adfaa8bd6c0c000', '\x120914aebec0e19ccf4441d233fb40c2f810754ce629027cef4e0d4f868f6844bf68d9d1906fe6799560a05b', '2026-11-28 22:39:20.409026+00', NULL);






INSERT INTO public.workspace_wallets VALUES
	('01a22450-245d-71a1-9fa0-3f3af64888cb', '01a22450-2446-7083-a1ff-e69f40530801', 'tenant-a', '0xabababababababababababababababababababab', 'treasury', '', '2026-11-28 22:39:21.693445+00', '2026-11-28 22:39:21.693445+00');



SELECT pg_catalog.setval('public.audit_log_seq_seq', 19, true);



SELECT pg_catalog.setval('public.gas_ledger_seq_seq', 2, true);



SELECT pg_catalog.setval('public.random_draws_counter_seq', 1, true);



ALTER TABLE ONLY public.account_api_keys
    ADD CONSTRAINT account_api_keys_hash UNIQUE (key_hash);



ALTER TABLE ONLY public.account_api_keys
    ADD CONSTRAINT account_api_keys_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.admin_chains
    ADD CONSTRAINT admin_chains_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.admin_features
    ADD CONSTRAINT admin_features_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.admin_methods
    ADD CONSTRAINT admin_methods_pkey PRIMARY KEY (chain_id);



ALTER TABLE ONLY public.admin_providers
    ADD CONSTRAINT admin_providers_name UNIQUE (name);



ALTER TABLE ONLY public.admin_providers
    ADD CONSTRAINT admin_providers_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.admin_quotas
    ADD CONSTRAINT admin_quotas_pkey PRIMARY KEY (tenant_id);



ALTER TABLE ONLY public.admin_request_counts
    ADD CONSTRAINT admin_request_counts_pkey PRIMARY KEY (tenant, period, began_at);



ALTER TABLE ONLY public.admin_settings
    ADD CONSTRAINT admin_settings_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (size);



ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_once UNIQUE (seq);



ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_pkey PRIMARY KEY (leaf);



ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (seq);



ALTER TABLE ONLY public.audit_nodes
    ADD CONSTRAINT audit_nodes_pkey PRIMARY KEY (level, "position");



ALTER TABLE ONLY public.audit_tree
    ADD CONSTRAINT audit_tree_pkey PRIMARY KEY (single);



ALTER TABLE ONLY public.auth_login_attempts
    ADD CONSTRAINT auth_login_attempts_pkey PRIMARY KEY (subject);



ALTER TABLE ONLY public.auth_wallet_challenges
    ADD CONSTRAINT auth_wallet_challenges_pkey PRIMARY KEY (nonce);



ALTER TABLE ONLY public.data_feed_rounds
    ADD CONSTRAINT data_feed_rounds_pkey PRIMARY KEY (feed_id, round_id);



ALTER TABLE ONLY public.data_feed_updates
    ADD CONSTRAINT data_feed_updates_once_a_round UNIQUE (feed_id, round_id, signer);



ALTER TABLE ONLY public.data_feed_updates
    ADD CONSTRAINT data_feed_updates_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.data_feeds
    ADD CONSTRAINT data_feeds_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.gas_accounts
    ADD CONSTRAINT gas_accounts_one_an_account UNIQUE (account_id);



ALTER TABLE ONLY public.gas_accounts
    ADD CONSTRAINT gas_accounts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.gas_approvals
    ADD CONSTRAINT gas_approvals_pkey PRIMARY KEY (transaction_id, identity);



ALTER TABLE ONLY public.gas_ledger_checks
    ADD CONSTRAINT gas_ledger_checks_pkey PRIMARY KEY (singleton);



ALTER TABLE ONLY public.gas_ledger
    ADD CONSTRAINT gas_ledger_pkey PRIMARY KEY (seq);



ALTER TABLE ONLY public.gas_settlement_attempts
    ADD CONSTRAINT gas_settlement_attempts_pkey PRIMARY KEY (transaction_id, attempt);



ALTER TABLE ONLY public.gas_transactions
    ADD CONSTRAINT gas_transactions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.oracle_requests
    ADD CONSTRAINT oracle_requests_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.oracle_sources
    ADD CONSTRAINT oracle_sources_id_account_id_key UNIQUE (id, account_id);



ALTER TABLE ONLY public.oracle_sources
    ADD CONSTRAINT oracle_sources_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.price_feeds
    ADD CONSTRAINT price_feeds_once_an_account UNIQUE (account_id, pair);



ALTER TABLE ONLY public.price_feeds
    ADD CONSTRAINT price_feeds_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.price_observations
    ADD CONSTRAINT price_observations_once_a_slot UNIQUE (feed_id, slot, source);



ALTER TABLE ONLY public.price_observations
    ADD CONSTRAINT price_observations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.price_rounds
    ADD CONSTRAINT price_rounds_pkey PRIMARY KEY (feed_id, round_id);



ALTER TABLE ONLY public.price_snapshots
    ADD CONSTRAINT price_snapshots_feed_id_round_id_key UNIQUE (feed_id, round_id);



ALTER TABLE ONLY public.price_snapshots
    ADD CONSTRAINT price_snapshots_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.random_draws
    ADD CONSTRAINT random_draws_id_key UNIQUE (id);



ALTER TABLE ONLY public.random_draws
    ADD CONSTRAINT random_draws_pkey PRIMARY KEY (counter);



ALTER TABLE ONLY public.random_keys
    ADD CONSTRAINT random_keys_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.request_rates
    ADD CONSTRAINT request_rates_pkey PRIMARY KEY (subject);



ALTER TABLE ONLY public.request_replies
    ADD CONSTRAINT request_replies_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);



ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_secret_id_version_key UNIQUE (secret_id, version);



ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_account_id_name_key_key UNIQUE (account_id, name_key);



ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.vault_data_keys
    ADD CONSTRAINT vault_data_keys_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.vault_key_versions
    ADD CONSTRAINT vault_key_versions_fingerprint_key UNIQUE (fingerprint);



ALTER TABLE ONLY public.vault_key_versions
    ADD CONSTRAINT vault_key_versions_pkey PRIMARY KEY (version);



ALTER TABLE ONLY public.vault_rotations
    ADD CONSTRAINT vault_rotations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.workspace_wallets
    ADD CONSTRAINT workspace_wallets_once_an_account UNIQUE (account_id, wallet_address);



ALTER TABLE ONLY public.workspace_wallets
    ADD CONSTRAINT workspace_wallets_pkey PRIMARY KEY (id);



CREATE INDEX account_api_keys_by_account ON public.account_api_keys USING btree (account_id, created_at, id);



CREATE INDEX accounts_by_tenant ON public.accounts USING btree (tenant, created_at, id);



CREATE INDEX admin_chains_by_chain ON public.admin_chains USING btree (chain_id, priority) WHERE enabled;



CREATE INDEX admin_providers_by_type ON public.admin_providers USING btree (type, id);



CREATE INDEX admin_request_counts_age ON public.admin_request_counts USING btree (began_at);



CREATE INDEX admin_settings_by_category ON public.admin_settings USING btree (category, key);



CREATE INDEX audit_log_by_account ON public.audit_log USING btree (account_id, seq) WHERE (account_id IS NOT NULL);



CREATE INDEX audit_log_by_actor ON public.audit_log USING btree (actor, seq);



CREATE UNIQUE INDEX audit_log_by_id ON public.audit_log USING btree (id);



CREATE INDEX audit_log_by_tenant ON public.audit_log USING btree (tenant, seq);



CREATE INDEX audit_log_by_transaction ON public.audit_log USING btree (xid, seq);



CREATE INDEX auth_login_attempts_expiry ON public.auth_login_attempts USING btree (window_ends);



CREATE INDEX auth_wallet_challenges_by_wallet ON public.auth_wallet_challenges USING btree (wallet, created_at DESC);



CREATE INDEX auth_wallet_challenges_expiry ON public.auth_wallet_challenges USING btree (expires_at);



CREATE INDEX data_feed_rounds_closed_by ON public.data_feed_rounds USING btree (closed_by);



CREATE INDEX data_feed_updates_account ON public.data_feed_updates USING btree (account_id);



CREATE INDEX data_feed_updates_newest ON public.data_feed_updates USING btree (feed_id, round_id DESC, created_at DESC, id DESC);



CREATE INDEX data_feed_updates_of_signer ON public.data_feed_updates USING btree (feed_id, signer, round_id DESC);



CREATE INDEX data_feed_updates_pending ON public.data_feed_updates USING btree (feed_id, round_id) WHERE (status = 'pending'::text);



CREATE INDEX data_feeds_newest ON public.data_feeds USING btree (account_id, created_at DESC, id DESC);



CREATE UNIQUE INDEX gas_accounts_by_wallet ON public.gas_accounts USING btree (lower(wallet_address)) WHERE ((wallet_address <> ''::text) AND (account_id IS NOT NULL));



CREATE INDEX gas_accounts_of_day ON public.gas_accounts USING btree (tenant, daily_on);



CREATE INDEX gas_dead_letters ON public.gas_transactions USING btree (gas_account_id, dead_letter_at DESC, id DESC) WHERE (status = 'dead_letter'::text);



CREATE UNIQUE INDEX gas_deposits_once ON public.gas_transactions USING btree (tenant, deposit_key) WHERE (deposit_key IS NOT NULL);



CREATE UNIQUE INDEX gas_ledger_each_move_once ON public.gas_ledger USING btree (transaction_id, kind);



CREATE UNIQUE INDEX gas_ledger_one_end ON public.gas_ledger USING btree (transaction_id) WHERE (kind = ANY (ARRAY['settle'::text, 'release'::text]));



CREATE UNIQUE INDEX gas_references_once ON public.gas_transactions USING btree (gas_account_id, type, reference) WHERE (reference IS NOT NULL);



CREATE INDEX gas_transactions_newest ON public.gas_transactions USING btree (gas_account_id, created_at DESC, id DESC);



CREATE INDEX gas_withdrawals_newest ON public.gas_transactions USING btree (gas_account_id, created_at DESC, id DESC) WHERE (type = 'withdrawal'::text);



CREATE INDEX gas_withdrawals_open ON public.gas_transactions USING btree (gas_account_id) WHERE ((type = 'withdrawal'::text) AND (status = ANY (ARRAY['scheduled'::text, 'awaiting_approval'::text, 'pending'::text, 'dispatched'::text])));



CREATE INDEX gas_withdrawals_to_settle ON public.gas_transactions USING btree (next_attempt_at) WHERE ((type = 'withdrawal'::text) AND (status = ANY (ARRAY['pending'::text, 'dispatched'::text])));



CREATE INDEX gas_withdrawals_to_start ON public.gas_transactions USING btree (schedule_at) WHERE ((type = 'withdrawal'::text) AND (status = 'scheduled'::text));



CREATE INDEX oracle_requests_age ON public.oracle_requests USING btree (armed_at) WHERE (status = ANY (ARRAY['pending'::text, 'running'::text]));



CREATE INDEX oracle_requests_by_account ON public.oracle_requests USING btree (account_id, created_at, id);



CREATE INDEX oracle_requests_by_source ON public.oracle_requests USING btree (source_id);



CREATE INDEX oracle_requests_by_status ON public.oracle_requests USING btree (account_id, status, created_at, id);



CREATE INDEX oracle_requests_dead ON public.oracle_requests USING btree (account_id, completed_at, id) WHERE (dead_reason IS NOT NULL);



CREATE INDEX oracle_requests_due ON public.oracle_requests USING btree (next_at) WHERE (status = ANY (ARRAY['pending'::text, 'running'::text]));



CREATE INDEX oracle_requests_finished ON public.oracle_requests USING btree (completed_at) WHERE (completed_at IS NOT NULL);



CREATE INDEX oracle_sources_by_account ON public.oracle_sources USING btree (account_id, created_at, id);



CREATE UNIQUE INDEX oracle_sources_by_name ON public.oracle_sources USING btree (account_id, lower(name));



CREATE INDEX price_feeds_due ON public.price_feeds USING btree (next_fetch_at) WHERE active;



CREATE INDEX price_feeds_listed ON public.price_feeds USING btree (account_id, created_at, id);



CREATE INDEX price_observations_age ON public.price_observations USING btree (created_at);



CREATE INDEX price_observations_newest ON public.price_observations USING btree (feed_id, created_at DESC, id DESC);



CREATE INDEX price_observations_of_round ON public.price_observations USING btree (feed_id, round_id);



CREATE INDEX price_observations_of_source ON public.price_observations USING btree (feed_id, source, collected_at DESC);



CREATE INDEX price_snapshots_newest ON public.price_snapshots USING btree (feed_id, collected_at DESC, id DESC);



CREATE INDEX random_draws_by_account ON public.random_draws USING btree (account_id, counter);



CREATE UNIQUE INDEX random_draws_by_request ON public.random_draws USING btree (account_id, request_id) WHERE (request_id <> ''::text);



CREATE INDEX request_replies_expiry ON public.request_replies USING btree (expires_at);



CREATE INDEX secret_versions_account ON public.secret_versions USING btree (account_id);



CREATE INDEX secret_versions_imported ON public.secret_versions USING btree (id) WHERE imported;



CREATE INDEX secrets_listed ON public.secrets USING btree (account_id, created_at, id);



CREATE UNIQUE INDEX vault_data_keys_active ON public.vault_data_keys USING btree (COALESCE(owner, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE active;



CREATE INDEX vault_data_keys_owner ON public.vault_data_keys USING btree (owner);



CREATE UNIQUE INDEX vault_data_keys_version ON public.vault_data_keys USING btree (COALESCE(owner, '00000000-0000-0000-0000-000000000000'::uuid), version);



CREATE INDEX vault_data_keys_wrapped_by ON public.vault_data_keys USING btree (key_version, id);



CREATE UNIQUE INDEX vault_rotations_running ON public.vault_rotations USING btree ((true)) WHERE (state = 'running'::text);



CREATE INDEX vault_rotations_started ON public.vault_rotations USING btree (started_at DESC);



CREATE INDEX workspace_wallets_by_wallet ON public.workspace_wallets USING btree (wallet_address, tenant);



CREATE INDEX workspace_wallets_newest ON public.workspace_wallets USING btree (account_id, created_at DESC, id DESC);



CREATE TRIGGER accounts_with_gas_stay BEFORE DELETE ON public.accounts FOR EACH ROW EXECUTE FUNCTION public.accounts_with_gas_stay();



CREATE TRIGGER audit_checkpoints_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.audit_seals_are_append_only();



CREATE TRIGGER audit_leaves_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION public.audit_seals_are_append_only();



CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_is_append_only();



CREATE TRIGGER audit_nodes_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_nodes FOR EACH STATEMENT EXECUTE FUNCTION public.audit_seals_are_append_only();



CREATE TRIGGER gas_accounts_begin_empty BEFORE INSERT ON public.gas_accounts FOR EACH ROW WHEN (((new.available <> 0) OR (new.pending <> 0) OR (new.reserved <> 0))) EXECUTE FUNCTION public.gas_balances_follow_the_ledger();



CREATE TRIGGER gas_balances_follow_the_ledger BEFORE UPDATE OF available, pending, reserved ON public.gas_accounts FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.gas_balances_follow_the_ledger();



CREATE TRIGGER gas_ledger_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.gas_ledger FOR EACH STATEMENT EXECUTE FUNCTION public.gas_ledger_is_append_only();



CREATE TRIGGER gas_ledger_moves_balances AFTER INSERT ON public.gas_ledger REFERENCING NEW TABLE AS entered FOR EACH STATEMENT EXECUTE FUNCTION public.gas_ledger_moves_balances();



CREATE TRIGGER random_draws_written_once BEFORE UPDATE ON public.random_draws FOR EACH ROW WHEN ((((((((((old.counter IS DISTINCT FROM new.counter) OR (old.id IS DISTINCT FROM new.id)) OR (old.account_id IS DISTINCT FROM new.account_id)) OR (old.request_id IS DISTINCT FROM new.request_id)) OR (old.client_seed IS DISTINCT FROM new.client_seed)) OR (old.length IS DISTINCT FROM new.length)) OR (old.created_at_ns IS DISTINCT FROM new.created_at_ns)) OR (old.key_id IS DISTINCT FROM new.key_id)) OR ((old.signature IS NOT NULL) AND (old.signature IS DISTINCT FROM new.signature)) OR ((old.vrf_proof IS NOT NULL) AND (old.vrf_proof IS DISTINCT FROM new.vrf_proof)))) EXECUTE FUNCTION public.random_is_written_once();



CREATE TRIGGER random_keys_written_once BEFORE DELETE OR UPDATE ON public.random_keys FOR EACH ROW EXECUTE FUNCTION public.random_is_written_once();



ALTER TABLE ONLY public.account_api_keys
    ADD CONSTRAINT account_api_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.data_feed_rounds
    ADD CONSTRAINT data_feed_rounds_closed_by_fkey FOREIGN KEY (closed_by) REFERENCES public.data_feed_updates(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.data_feed_rounds
    ADD CONSTRAINT data_feed_rounds_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES public.data_feeds(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.data_feed_updates
    ADD CONSTRAINT data_feed_updates_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.data_feed_updates
    ADD CONSTRAINT data_feed_updates_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES public.data_feeds(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.data_feeds
    ADD CONSTRAINT data_feeds_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.gas_accounts
    ADD CONSTRAINT gas_accounts_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE SET NULL;



ALTER TABLE ONLY public.gas_approvals
    ADD CONSTRAINT gas_approvals_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES public.gas_transactions(id);



ALTER TABLE ONLY public.gas_ledger
    ADD CONSTRAINT gas_ledger_gas_account_id_fkey FOREIGN KEY (gas_account_id) REFERENCES public.gas_accounts(id);



ALTER TABLE ONLY public.gas_ledger
    ADD CONSTRAINT gas_ledger_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES public.gas_transactions(id);



ALTER TABLE ONLY public.gas_settlement_attempts
    ADD CONSTRAINT gas_settlement_attempts_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES public.gas_transactions(id);



ALTER TABLE ONLY public.gas_transactions
    ADD CONSTRAINT gas_transactions_gas_account_id_fkey FOREIGN KEY (gas_account_id) REFERENCES public.gas_accounts(id);



ALTER TABLE ONLY public.oracle_requests
    ADD CONSTRAINT oracle_requests_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.oracle_requests
    ADD CONSTRAINT oracle_requests_source_id_account_id_fkey FOREIGN KEY (source_id, account_id) REFERENCES public.oracle_sources(id, account_id) ON DELETE CASCADE;



ALTER TABLE ONLY public.oracle_sources
    ADD CONSTRAINT oracle_sources_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.price_feeds
    ADD CONSTRAINT price_feeds_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.price_observations
    ADD CONSTRAINT price_observations_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES public.price_feeds(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.price_rounds
    ADD CONSTRAINT price_rounds_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES public.price_feeds(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.price_snapshots
    ADD CONSTRAINT price_snapshots_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES public.price_feeds(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.random_draws
    ADD CONSTRAINT random_draws_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES public.secrets(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.vault_data_keys
    ADD CONSTRAINT vault_data_keys_key_version_fkey FOREIGN KEY (key_version) REFERENCES public.vault_key_versions(version);



ALTER TABLE ONLY public.vault_data_keys
    ADD CONSTRAINT vault_data_keys_owner_fkey FOREIGN KEY (owner) REFERENCES public.accounts(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.vault_rotations
    ADD CONSTRAINT vault_rotations_target_version_fkey FOREIGN KEY (target_version) REFERENCES public.vault_key_versions(version);



ALTER TABLE ONLY public.workspace_wallets
    ADD CONSTRAINT workspace_wallets_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;




