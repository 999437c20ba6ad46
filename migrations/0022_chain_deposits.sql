-- A transaction on the chain is credited once in the whole installation; ids that are none stay a tenant's own.

-- An id may have one 0x before it, whether it is one of the chain or not; its key never has.
UPDATE gas_transactions t SET deposit_key = substr(deposit_key, 3)
 WHERE deposit_key LIKE '0x%'
   AND NOT EXISTS (SELECT FROM gas_transactions other
                    WHERE other.tenant = t.tenant AND other.deposit_key = substr(t.deposit_key, 3));
-- What was credited to several tenants already stays so; only the first keeps the key.
UPDATE gas_transactions t SET deposit_key = deposit_key || '@' || tenant
 WHERE deposit_key ~ '^[0-9a-f]{64}$'
   AND EXISTS (SELECT FROM gas_transactions first
                WHERE first.deposit_key = t.deposit_key AND (first.created_at, first.id) < (t.created_at, t.id));
CREATE UNIQUE INDEX gas_chain_deposits_once ON gas_transactions (deposit_key)
    WHERE deposit_key ~ '^[0-9a-f]{64}$';
