-- Leases: which process does a piece of background work at the moment. The fencing token grows with every
-- change of hands, so that a holder that was thought dead cannot write over its successor.
CREATE TABLE leases (
    name text PRIMARY KEY CHECK (name <> '' AND length(name) <= 128),
    holder uuid NOT NULL,
    fencing_token bigint NOT NULL CHECK (fencing_token > 0),
    expires_at timestamptz NOT NULL
);
