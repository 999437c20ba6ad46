-- Who asked for a withdrawal, so that an API key cannot approve what it asked for; and the day's sum of a tenant.

ALTER TABLE account_api_keys
    -- The first of the keys that rotations made one after the other; NULL is the key itself. Whoever holds one of them
    -- is given the next, so they count as one.
    ADD COLUMN origin uuid;
WITH RECURSIVE successors (id, origin) AS (
    SELECT replaced_by, id FROM account_api_keys k
     WHERE replaced_by IS NOT NULL
       AND NOT EXISTS (SELECT FROM account_api_keys older WHERE older.replaced_by = k.id)
    UNION ALL
    SELECT k.replaced_by, s.origin FROM successors s JOIN account_api_keys k ON k.id = s.id
     WHERE k.replaced_by IS NOT NULL
)
UPDATE account_api_keys k SET origin = s.origin FROM successors s WHERE k.id = s.id;

ALTER TABLE gas_transactions
    -- As approvals are counted (`gas_approvals.identity`); empty for what nobody asked for, and for older withdrawals.
    ADD COLUMN requested_by text NOT NULL DEFAULT '';

-- What a tenant withdrew today is the sum of what its gas accounts did.
CREATE INDEX gas_accounts_of_day ON gas_accounts (tenant, daily_on);
