-- The vault: key-encryption keys by version (never the keys themselves), data keys wrapped by them, and the
-- rotations that moved or move data keys and data to newer keys. The version with the highest number is in force.
CREATE TABLE vault_key_versions (
    version integer PRIMARY KEY CHECK (version > 0),
    fingerprint text NOT NULL UNIQUE CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
    check_value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz
);

-- A data key belongs to an account, or to the program itself (owner is null). `uses` counts what was sealed with it:
-- random nonces of 96 bits allow 2^32 under one key (NIST SP 800-38D, 8.3).
CREATE TABLE vault_data_keys (
    id uuid PRIMARY KEY,
    owner uuid REFERENCES accounts ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    key_version integer NOT NULL REFERENCES vault_key_versions,
    wrapped bytea NOT NULL CHECK (length(wrapped) = 60),
    uses bigint NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND 4294967296),
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX vault_data_keys_active ON vault_data_keys
    (coalesce(owner, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE active;
CREATE UNIQUE INDEX vault_data_keys_version ON vault_data_keys
    (coalesce(owner, '00000000-0000-0000-0000-000000000000'::uuid), version);
CREATE INDEX vault_data_keys_owner ON vault_data_keys (owner);
CREATE INDEX vault_data_keys_wrapped_by ON vault_data_keys (key_version, id);

CREATE TABLE vault_rotations (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('keys', 'data-keys')),
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    target_version integer NOT NULL REFERENCES vault_key_versions,
    total bigint NOT NULL CHECK (total >= 0),
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    resealed bigint NOT NULL DEFAULT 0,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz CHECK ((finished_at IS NULL) = (state = 'running'))
);
CREATE UNIQUE INDEX vault_rotations_running ON vault_rotations ((true)) WHERE state = 'running';
CREATE INDEX vault_rotations_started ON vault_rotations (started_at DESC);

-- Secrets of accounts. Names are told apart without regard to case (name_key). What is secret stands in the versions,
-- sealed with account, secret, name, version, access bits and expiry as associated data.
CREATE TABLE secrets (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND position('|' IN name) = 0),
    name_key text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (account_id, name_key)
);
CREATE INDEX secrets_listed ON secrets (account_id, created_at, id);

-- `imported` marks a value of the reference server: nonce, ciphertext and tag under its key, without associated data.
CREATE TABLE secret_versions (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    secret_id uuid NOT NULL REFERENCES secrets ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    acl smallint NOT NULL CHECK (acl BETWEEN 0 AND 255),
    expires_at timestamptz,
    sealed bytea NOT NULL,
    imported boolean NOT NULL DEFAULT false,
    restored_from integer,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (secret_id, version)
);
CREATE INDEX secret_versions_account ON secret_versions (account_id);
CREATE INDEX secret_versions_imported ON secret_versions (id) WHERE imported;
