-- Which challenges of a wallet logins have used up. Challenges themselves are kept nowhere: see auth/challenges.py.
CREATE TABLE auth_wallet_logins (
    wallet text NOT NULL,
    -- Number of the slot of time in which the challenge was given, and its place in that slot.
    slot bigint NOT NULL,
    generation integer NOT NULL CHECK (generation >= 0),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (wallet, slot, generation)
);
CREATE INDEX auth_wallet_logins_expiry ON auth_wallet_logins (expires_at);
-- Pods of the version before write it until they are replaced; the next version drops it.
COMMENT ON TABLE auth_wallet_challenges IS 'unused';
