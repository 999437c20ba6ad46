-- Data feeds. Signers submit signed prices to numbered rounds; a round that has its quorum becomes a signed record.
-- The feed's row carries what the last accepted round left: later rounds are judged by it.
CREATE TABLE data_feeds (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    tenant text NOT NULL,
    pair text NOT NULL CHECK (pair <> ''),
    description text NOT NULL,
    decimals smallint NOT NULL CHECK (decimals BETWEEN 1 AND 18),
    heartbeat_seconds bigint NOT NULL CHECK (heartbeat_seconds > 0),
    threshold_ppm bigint NOT NULL CHECK (threshold_ppm >= 0),
    signer_set text[] NOT NULL,
    aggregation text NOT NULL CHECK (aggregation IN ('median', 'mean', 'min', 'max', 'trimmed', 'weighted')),
    weights jsonb NOT NULL DEFAULT '{}',
    quorum integer CHECK (quorum > 0),
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    round_id bigint NOT NULL DEFAULT 0,
    price numeric(48, 18) CHECK (price > 0),
    price_spread numeric(48, 18) NOT NULL DEFAULT 0,
    price_sources integer NOT NULL DEFAULT 0,
    price_at timestamptz,
    accepted_at timestamptz,
    record_id bytea,
    CHECK ((round_id = 0) = (price IS NULL) AND (price IS NULL) = (record_id IS NULL))
);
CREATE INDEX data_feeds_newest ON data_feeds (account_id, created_at DESC, id DESC);

CREATE TABLE data_feed_updates (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    feed_id uuid NOT NULL REFERENCES data_feeds ON DELETE CASCADE,
    round_id bigint NOT NULL CHECK (round_id > 0),
    price numeric(48, 18) NOT NULL CHECK (price > 0),
    signer text NOT NULL,
    submitted_for timestamptz NOT NULL,
    signature text NOT NULL,
    public_key text NOT NULL,
    salt text NOT NULL,
    scheme text NOT NULL CHECK (scheme IN ('none', 'secp256r1', 'ed25519')),
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    error text NOT NULL DEFAULT '',
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT data_feed_updates_once_a_round UNIQUE (feed_id, round_id, signer)
);
CREATE INDEX data_feed_updates_newest ON data_feed_updates (feed_id, round_id DESC, created_at DESC, id DESC);
CREATE INDEX data_feed_updates_of_signer ON data_feed_updates (feed_id, signer, round_id DESC);
CREATE INDEX data_feed_updates_pending ON data_feed_updates (feed_id, round_id) WHERE status = 'pending';
CREATE INDEX data_feed_updates_account ON data_feed_updates (account_id);

-- Accepted rounds. `record` is the exact bytes that are signed; `closed_by` is the update that met the quorum.
CREATE TABLE data_feed_rounds (
    feed_id uuid NOT NULL REFERENCES data_feeds ON DELETE CASCADE,
    round_id bigint NOT NULL CHECK (round_id > 0),
    record_id bytea NOT NULL CHECK (length(record_id) = 32),
    record bytea NOT NULL,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    closed_by uuid NOT NULL REFERENCES data_feed_updates ON DELETE CASCADE,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (feed_id, round_id)
);
CREATE INDEX data_feed_rounds_closed_by ON data_feed_rounds (closed_by);
