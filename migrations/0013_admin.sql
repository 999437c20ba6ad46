-- What platform admins configure at run time, and the requests that tenants' quotas count.

CREATE TABLE admin_chains (
    id uuid PRIMARY KEY,
    chain_id text NOT NULL CHECK (chain_id <> ''),
    name text NOT NULL,
    rpc_url text NOT NULL CHECK (rpc_url <> ''),
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
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_check_at timestamptz
);
CREATE INDEX admin_chains_by_chain ON admin_chains (chain_id, priority) WHERE enabled;

CREATE TABLE admin_providers (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT admin_providers_name UNIQUE CHECK (name <> ''),
    type text NOT NULL,
    base_url text NOT NULL CHECK (base_url <> ''),
    -- Sealed by the vault with the program's own data key; in clear nowhere.
    api_key_sealed bytea,
    rate_limit integer NOT NULL,
    timeout_ms integer NOT NULL,
    retries integer NOT NULL,
    enabled boolean NOT NULL,
    healthy boolean NOT NULL,
    features text[] NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_check_at timestamptz
);
CREATE INDEX admin_providers_by_type ON admin_providers (type, id);

CREATE TABLE admin_settings (
    key text PRIMARY KEY CHECK (key <> ''),
    value text NOT NULL,
    type text NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    editable boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL
);
CREATE INDEX admin_settings_by_category ON admin_settings (category, key);

CREATE TABLE admin_features (
    key text PRIMARY KEY CHECK (key <> ''),
    enabled boolean NOT NULL,
    description text NOT NULL,
    rollout integer NOT NULL CHECK (rollout BETWEEN 0 AND 100),
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL
);

-- A quota of 0 is no quota.
CREATE TABLE admin_quotas (
    tenant_id text PRIMARY KEY CHECK (tenant_id <> ''),
    max_accounts bigint NOT NULL CHECK (max_accounts >= 0),
    max_functions bigint NOT NULL CHECK (max_functions >= 0),
    max_rpc_per_min bigint NOT NULL CHECK (max_rpc_per_min >= 0),
    max_storage_bytes bigint NOT NULL CHECK (max_storage_bytes >= 0),
    max_gas_per_day bigint NOT NULL CHECK (max_gas_per_day >= 0),
    max_requests_per_min bigint NOT NULL CHECK (max_requests_per_min >= 0),
    max_requests_per_day bigint NOT NULL CHECK (max_requests_per_day >= 0),
    features text[] NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL
);

CREATE TABLE admin_methods (
    chain_id text PRIMARY KEY CHECK (chain_id <> ''),
    methods text[] NOT NULL
);

-- Requests of tenants that have a quota on them; each process adds what it let through, about once a second.
CREATE TABLE admin_request_counts (
    tenant text NOT NULL,
    period text NOT NULL CHECK (period IN ('minute', 'day')),
    began_at timestamptz NOT NULL,
    requests bigint NOT NULL,
    PRIMARY KEY (tenant, period, began_at)
);
CREATE INDEX admin_request_counts_age ON admin_request_counts (began_at);
