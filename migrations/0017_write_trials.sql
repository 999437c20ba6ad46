-- Always empty: readiness writes here and undoes it, after a write was refused for want of room,
-- rights or storage, to see whether writes succeed again.
CREATE TABLE write_trials (filler bytea NOT NULL);
ALTER TABLE write_trials ALTER filler SET STORAGE EXTERNAL;
