-- Randomness: what was asked is committed here before it is computed, and neither it nor the answer changes afterwards.

-- The public halves of all keys that ever answered; a draw names its key.
CREATE TABLE random_keys (
    id text PRIMARY KEY,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    vrf_public_key bytea NOT NULL CHECK (length(vrf_public_key) = 32),
    vrf_key_signature bytea NOT NULL CHECK (length(vrf_key_signature) = 64),
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE random_draws (
    -- Part of what is signed; grows with each draw of the database, with gaps.
    counter bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- The caller's name for the draw; empty when there is none.
    request_id text NOT NULL,
    client_seed text NOT NULL,
    length smallint NOT NULL CHECK (length BETWEEN 1 AND 1024),
    created_at_ns bigint NOT NULL,
    -- In random_keys. Not a foreign key: all draws would lock that one row, and keys are never deleted.
    key_id text NOT NULL,
    -- Follow from the columns above and the key; written after the commitment, or not at all when nobody asked.
    signature bytea CHECK (length(signature) = 64),
    vrf_proof bytea CHECK (length(vrf_proof) = 80)
) WITH (fillfactor = 60); -- each row is updated once, in its page
CREATE UNIQUE INDEX random_draws_by_request ON random_draws (account_id, request_id) WHERE request_id <> '';
CREATE INDEX random_draws_by_account ON random_draws (account_id, counter);

CREATE FUNCTION random_is_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is written once', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER random_keys_written_once BEFORE UPDATE OR DELETE ON random_keys
    FOR EACH ROW EXECUTE FUNCTION random_is_written_once();
-- An answer may be added where there was none; rows go only with their account.
CREATE TRIGGER random_draws_written_once BEFORE UPDATE ON random_draws
    FOR EACH ROW
    WHEN ((OLD.counter, OLD.id, OLD.account_id, OLD.request_id, OLD.client_seed, OLD.length, OLD.created_at_ns, OLD.key_id)
        IS DISTINCT FROM
          (NEW.counter, NEW.id, NEW.account_id, NEW.request_id, NEW.client_seed, NEW.length, NEW.created_at_ns, NEW.key_id)
        OR (OLD.signature IS NOT NULL AND OLD.signature IS DISTINCT FROM NEW.signature)
        OR (OLD.vrf_proof IS NOT NULL AND OLD.vrf_proof IS DISTINCT FROM NEW.vrf_proof))
    EXECUTE FUNCTION random_is_written_once();
