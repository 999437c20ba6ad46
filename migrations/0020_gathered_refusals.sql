-- How many requests an entry of the audit log stands for: refusals of callers without a credential share entries, a
-- few for each address and minute. NULL is one, as in all entries before, whose leaves do not have the member.

ALTER TABLE audit_log ADD COLUMN requests integer CHECK (requests > 0);
