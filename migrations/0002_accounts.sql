-- Accounts and what hangs on them directly: workspace wallets and API keys.
-- The tenant stands in every row, so that each query can filter by it without a join.

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    tenant text NOT NULL CHECK (tenant <> ''),
    owner text NOT NULL CHECK (owner <> ''),
    -- Text to text; `tenant` among them, because the wire contract shows it there.
    metadata jsonb NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX accounts_by_tenant ON accounts (tenant, created_at, id);

CREATE TABLE workspace_wallets (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    tenant text NOT NULL,
    -- The script hash in the form people write: 0x and 40 hex digits in lower case.
    wallet_address text NOT NULL CHECK (wallet_address ~ '^0x[0-9a-f]{40}$'),
    label text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT workspace_wallets_once_an_account UNIQUE (account_id, wallet_address)
);
CREATE INDEX workspace_wallets_newest ON workspace_wallets (account_id, created_at DESC, id DESC);
CREATE INDEX workspace_wallets_by_wallet ON workspace_wallets (wallet_address, tenant);

CREATE TABLE account_api_keys (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    tenant text NOT NULL,
    name text NOT NULL,
    -- The first characters of the key, to tell keys apart; the key itself is nowhere.
    prefix text NOT NULL,
    key_hash bytea NOT NULL CONSTRAINT account_api_keys_hash UNIQUE CHECK (length(key_hash) = 32),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX account_api_keys_by_account ON account_api_keys (account_id, created_at, id);
