-- The oracle: sources that an account may have called, and requests, which are the queue as well.
--
-- `next_at` of an open request is when it is due or, while somebody holds it, when its lease ends: whoever holds it
-- longer has lost it. `fence` grows each time a request is taken or taken away; a result is written only with the fence
-- it was taken with. All these times are the database's.

CREATE TABLE oracle_sources (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL,
    url text NOT NULL,
    method text NOT NULL,
    -- Names only. Values and body are credentials: they are in `credentials`, sealed by the vault.
    header_names text[] NOT NULL,
    has_body boolean NOT NULL,
    credentials bytea,
    result_path text NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (id, account_id),
    CHECK ((credentials IS NOT NULL) = (has_body OR cardinality(header_names) > 0))
);
CREATE UNIQUE INDEX oracle_sources_by_name ON oracle_sources (account_id, lower(name));
CREATE INDEX oracle_sources_by_account ON oracle_sources (account_id, created_at, id);

CREATE TABLE oracle_requests (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    source_id uuid NOT NULL,
    alternates uuid[] NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'succeeded', 'failed')),
    holder text CHECK (holder IN ('dispatcher', 'runner')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    fence bigint NOT NULL DEFAULT 0,
    -- The pause before this attempt, in seconds, from which the next one is drawn.
    pause double precision NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since when the time to live runs: creation, or the last time it was put back by hand.
    armed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload text NOT NULL,
    result_path text NOT NULL,
    result text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    dead_reason text CHECK (dead_reason IN ('attempts', 'expired')),
    -- An account's request can only name that account's source.
    FOREIGN KEY (source_id, account_id) REFERENCES oracle_sources (id, account_id) ON DELETE CASCADE,
    CHECK ((status IN ('succeeded', 'failed')) = (completed_at IS NOT NULL)),
    CHECK ((status = 'running') = (holder IS NOT NULL)),
    CHECK (dead_reason IS NULL OR status = 'failed'),
    CHECK (result = '' OR status = 'succeeded')
) WITH (fillfactor = 80);
CREATE INDEX oracle_requests_due ON oracle_requests (next_at) WHERE status IN ('pending', 'running');
CREATE INDEX oracle_requests_age ON oracle_requests (armed_at) WHERE status IN ('pending', 'running');
CREATE INDEX oracle_requests_by_account ON oracle_requests (account_id, created_at, id);
CREATE INDEX oracle_requests_by_status ON oracle_requests (account_id, status, created_at, id);
CREATE INDEX oracle_requests_by_source ON oracle_requests (source_id);
CREATE INDEX oracle_requests_dead ON oracle_requests (account_id, completed_at, id) WHERE dead_reason IS NOT NULL;
