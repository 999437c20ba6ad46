-- What requests leave behind, beside what they did: answers for repeated requests, rates that the
-- replicas share, and what account API keys are limited to.

-- The answer of a request that carried an Idempotency-Key, written in the transaction of its effect.
CREATE TABLE request_replies (
    -- SHA-256 of tenant, caller and key.
    key bytea PRIMARY KEY CHECK (length(key) = 32),
    -- SHA-256 of method, target and body.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- Status, headers and body, sealed: answers may hold secrets.
    sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX request_replies_expiry ON request_replies (expires_at);

-- When each caller and address will have used up no more than its share, counted over all replicas.
-- Nothing is lost with it but a moment of strictness, so it is not logged.
CREATE UNLOGGED TABLE request_rates (
    -- SHA-256 of the caller or the address.
    subject bytea PRIMARY KEY CHECK (length(subject) = 32),
    busy_until timestamptz NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE account_api_keys
    -- NULL is everything that an account key may do.
    ADD COLUMN scopes text[],
    -- The key that a rotation made in place of this one; it ends by itself at `expires_at`.
    ADD COLUMN replaced_by uuid;
