-- The audit log's seals: every entry becomes a leaf of one Merkle tree (RFC 6962), whose root is signed.

ALTER TABLE audit_log
    ADD COLUMN route text NOT NULL DEFAULT '',
    ADD COLUMN scope text NOT NULL DEFAULT '',
    -- SHA-256 of the Idempotency-Key.
    ADD COLUMN idempotency bytea CHECK (length(idempotency) = 32),
    -- Digests of the states before and after, and what they are salted with. The salt is no part of the leaf: it may
    -- be dropped to make the digests mean nothing, and the tree still holds.
    ADD COLUMN before_digest bytea CHECK (length(before_digest) = 32),
    ADD COLUMN after_digest bytea CHECK (length(after_digest) = 32),
    ADD COLUMN salt bytea,
    -- The transaction that wrote the row. Entries are sealed in the order of (xid, seq) up to the oldest transaction
    -- that is still running: what is below can neither grow nor shrink any more. The order of seq alone would not do: a
    -- transaction may draw a number long before it commits.
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE UNIQUE INDEX audit_log_by_id ON audit_log (id);
CREATE INDEX audit_log_by_transaction ON audit_log (xid, seq);

-- One row: where the sealing stands. `log_id` names this log in its checkpoints.
CREATE TABLE audit_tree (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    log_id uuid NOT NULL DEFAULT gen_random_uuid(),
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    -- The hashes of the perfect subtrees that the tree falls into, the largest first.
    frontier bytea NOT NULL DEFAULT '',
    sealed_xid xid8 NOT NULL DEFAULT '0',
    sealed_seq bigint NOT NULL DEFAULT 0,
    -- Entries up to this one were sealed under the numbering of transactions of another database cluster, from which
    -- this one was restored; see the sealer.
    floor_seq bigint NOT NULL DEFAULT 0,
    fencing_token bigint NOT NULL DEFAULT 0
);
INSERT INTO audit_tree DEFAULT VALUES;

CREATE TABLE audit_leaves (
    leaf bigint PRIMARY KEY CHECK (leaf >= 0),
    seq bigint NOT NULL CONSTRAINT audit_leaves_once UNIQUE,
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- Inner nodes of perfect subtrees of 256, 65,536, ... leaves; those between are computed from them.
CREATE TABLE audit_nodes (
    level smallint NOT NULL CHECK (level > 0 AND level % 8 = 0),
    position bigint NOT NULL CHECK (position >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
);

CREATE TABLE audit_checkpoints (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    sealed_at timestamptz NOT NULL,
    -- The signed note (C2SP), as anyone may keep it.
    note text NOT NULL
);

CREATE FUNCTION audit_seals_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only();
CREATE TRIGGER audit_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only();
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only();
