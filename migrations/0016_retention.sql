-- What is past its time is found by its age; see docs/explanation/retention.md.
CREATE INDEX price_observations_age ON price_observations (created_at);
CREATE INDEX oracle_requests_finished ON oracle_requests (completed_at) WHERE completed_at IS NOT NULL;
