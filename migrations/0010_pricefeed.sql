-- Price feeds. A price is exact: NUMERIC with 36 digits behind the point, as the program counts them.
-- The feed's row carries the last published price and the lease of the fetch that is due: whoever claims it gets a new
-- fencing token, and only the holder of the present token may write what it fetched.
CREATE TABLE price_feeds (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    tenant text NOT NULL,
    base_asset text NOT NULL CHECK (base_asset <> ''),
    quote_asset text NOT NULL CHECK (quote_asset <> ''),
    pair text NOT NULL,
    update_interval text NOT NULL,
    update_every interval NOT NULL CHECK (update_every > interval '0'),
    heartbeat text NOT NULL,
    heartbeat_every interval NOT NULL CHECK (heartbeat_every > interval '0'),
    deviation_percent numeric(48, 18) NOT NULL CHECK (deviation_percent > 0),
    active boolean NOT NULL DEFAULT true,
    min_sources integer CHECK (min_sources > 0),
    source_groups jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The last published round; the round that is open is the next one.
    round_id bigint NOT NULL DEFAULT 0,
    price numeric(66, 36) CHECK (price > 0),
    price_at timestamptz,
    price_sources integer NOT NULL DEFAULT 0,
    price_spread numeric(66, 36) NOT NULL DEFAULT 0,
    equal_rounds integer NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'published', 'waiting', 'no_quorum')),
    next_fetch_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    CONSTRAINT price_feeds_once_an_account UNIQUE (account_id, pair),
    CHECK ((price IS NULL) = (round_id = 0) AND (price IS NULL) = (price_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX price_feeds_listed ON price_feeds (account_id, created_at, id);
CREATE INDEX price_feeds_due ON price_feeds (next_fetch_at) WHERE active;

CREATE TABLE price_rounds (
    feed_id uuid NOT NULL REFERENCES price_feeds ON DELETE CASCADE,
    round_id bigint NOT NULL CHECK (round_id > 0),
    aggregated_price numeric(66, 36) CHECK (aggregated_price > 0),
    spread numeric(66, 36),
    observation_count integer NOT NULL CHECK (observation_count > 0),
    sources integer NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '' CHECK (reason IN ('', 'first', 'heartbeat', 'deviation')),
    started_at timestamptz NOT NULL,
    closed_at timestamptz,
    finalized boolean NOT NULL DEFAULT false,
    PRIMARY KEY (feed_id, round_id),
    CHECK (finalized = (aggregated_price IS NOT NULL) AND finalized = (closed_at IS NOT NULL))
);

-- `slot` is the time for which a fetch was due: what was fetched for it is written once.
CREATE TABLE price_observations (
    id uuid PRIMARY KEY,
    feed_id uuid NOT NULL REFERENCES price_feeds ON DELETE CASCADE,
    round_id bigint NOT NULL,
    source text NOT NULL,
    source_group text NOT NULL,
    price numeric(66, 36) NOT NULL CHECK (price > 0),
    collected_at timestamptz NOT NULL,
    slot timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT price_observations_once_a_slot UNIQUE (feed_id, slot, source)
);
CREATE INDEX price_observations_of_round ON price_observations (feed_id, round_id);
CREATE INDEX price_observations_newest ON price_observations (feed_id, created_at DESC, id DESC);
CREATE INDEX price_observations_of_source ON price_observations (feed_id, source, collected_at DESC);

CREATE TABLE price_snapshots (
    id uuid PRIMARY KEY,
    feed_id uuid NOT NULL REFERENCES price_feeds ON DELETE CASCADE,
    round_id bigint NOT NULL,
    price numeric(66, 36) NOT NULL CHECK (price > 0),
    sources integer NOT NULL,
    spread numeric(66, 36) NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    collected_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (feed_id, round_id)
);
CREATE INDEX price_snapshots_newest ON price_snapshots (feed_id, collected_at DESC, id DESC);
