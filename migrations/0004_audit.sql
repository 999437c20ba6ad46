-- The audit log. A change's row is written in the transaction of the change: no audit, no change.

CREATE TABLE audit_log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    credential text NOT NULL,
    tenant text NOT NULL,
    account_id uuid,
    -- What was done, such as `account.create`; `request.refused` for what was not.
    action text NOT NULL,
    resource_id text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    status smallint NOT NULL,
    request_id text NOT NULL,
    remote_addr text NOT NULL,
    user_agent text NOT NULL
);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant, seq);
CREATE INDEX audit_log_by_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_by_account ON audit_log (account_id, seq) WHERE account_id IS NOT NULL;

-- Rows are only ever added; whoever must prune does so as the owner with the trigger switched off on purpose.
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
