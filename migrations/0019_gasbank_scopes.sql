-- `gasbank:write` was deposits, withdrawals and limits in one. Keys that have it keep withdrawals: never more than before.
UPDATE account_api_keys SET scopes = array_replace(scopes, 'gasbank:write', 'gasbank:withdraw')
 WHERE 'gasbank:write' = ANY (scopes);
