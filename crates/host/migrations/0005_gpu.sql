-- What a berth was given of the host's GPU. Like its limits it stays as it was
-- when the berth was made, whatever is configured since.

ALTER TABLE berths ADD COLUMN gpu TEXT; -- device nodes and driver, as JSON
