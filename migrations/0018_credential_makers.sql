-- Who made a credential, so that it is never worth more than its maker and ends with it.

-- `person` is whom it counts for as an approver: `platform`, or `user:` and the folded name of a user. Empty when that
-- is not known: such a key approves nothing, such a wallet signs and does not log in.
-- `parent_wallet` is the registered wallet whose session made it. No foreign key: a parent that is gone ends it.
ALTER TABLE workspace_wallets
    ADD COLUMN person text NOT NULL DEFAULT '',
    ADD COLUMN parent_wallet uuid;
ALTER TABLE account_api_keys
    ADD COLUMN person text NOT NULL DEFAULT '',
    ADD COLUMN parent_wallet uuid;

-- The rows that are there already: the audit log says with which credential each was made. What an account key or a
-- wallet's session made stays without a person.
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT action, resource_id,
       CASE credential WHEN 'static-token' THEN 'platform' ELSE 'user:' || lower(actor) END AS person
  FROM audit_log
 WHERE action IN ('wallet.create', 'api_key.create', 'api_key.rotate') AND status = 201
   AND credential IN ('static-token', 'password');
UPDATE workspace_wallets w SET person = m.person FROM made m
 WHERE m.action = 'wallet.create' AND m.resource_id = w.id::text;
UPDATE account_api_keys k SET person = m.person FROM made m
 WHERE m.action = 'api_key.create' AND m.resource_id = k.id::text;
-- The entry of a rotation names the key that was replaced.
UPDATE account_api_keys k SET person = m.person FROM account_api_keys old, made m
 WHERE old.replaced_by = k.id AND m.action = 'api_key.rotate' AND m.resource_id = old.id::text;

-- Whether a registered wallet opens something: it is active (or nothing was said), and so is every wallet by whose
-- session it was registered, up to one that a person or the platform registered.
CREATE FUNCTION workspace_wallet_opens(wallet uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH RECURSIVE chain AS (
        SELECT id, status, person, parent_wallet FROM workspace_wallets WHERE id = wallet
        UNION
        SELECT w.id, w.status, w.person, w.parent_wallet
          FROM chain JOIN workspace_wallets w ON w.id = chain.parent_wallet
    )
    SELECT coalesce(
        bool_and(lower(status) IN ('', 'active') AND person <> '') AND bool_or(parent_wallet IS NULL), false)
      FROM chain
$$;

-- Approvals count people; what a credential whose maker is not known gave before counts for nobody.
ALTER TABLE gas_approvals ADD COLUMN person text NOT NULL DEFAULT '';
UPDATE gas_approvals SET person = 'user:' || lower(substr(identity, strpos(identity, ':') + 1))
 WHERE identity LIKE 'password:%' OR identity LIKE 'static-token:%';
UPDATE gas_approvals a SET person = k.person FROM account_api_keys k
 WHERE a.identity = 'account-key:' || k.id::text;
ALTER TABLE gas_transactions
    -- The person behind `requested_by`.
    ADD COLUMN requested_person text NOT NULL DEFAULT '';
UPDATE gas_transactions t SET requested_person = k.person FROM account_api_keys k
 WHERE t.requested_by = 'account-key:' || k.id::text;
