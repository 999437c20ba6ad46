-- Which runner has taken a request: the first bytes of its token's digest, enough to tell runners apart and too few to
-- find the token by. A runner that comes back after its lease does not complete what another one has taken since.
ALTER TABLE oracle_requests ADD COLUMN runner bytea;
