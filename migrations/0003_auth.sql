-- What the replicas must share to authenticate: login attempts and the wallet challenges that are open.

-- One row a subject (a user name, or a user name from one address; hashed), counted in fixed windows.
CREATE TABLE auth_login_attempts (
    subject bytea PRIMARY KEY CHECK (length(subject) = 32),
    attempts integer NOT NULL,
    window_ends timestamptz NOT NULL
);
CREATE INDEX auth_login_attempts_expiry ON auth_login_attempts (window_ends);

CREATE TABLE auth_wallet_challenges (
    nonce text PRIMARY KEY,
    wallet text NOT NULL,
    -- The exact text the wallet signs; the server never takes it from the client.
    message text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX auth_wallet_challenges_by_wallet ON auth_wallet_challenges (wallet, created_at DESC);
CREATE INDEX auth_wallet_challenges_expiry ON auth_wallet_challenges (expires_at);
