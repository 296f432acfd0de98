-- Whoever writes a command is answered: which comment it stood in, and what
-- became of it until that was told. What GitHub was told last is kept, to add a
-- line to it.

ALTER TABLE lane_wishes ADD COLUMN comment_id INTEGER; -- that waits for a reaction
ALTER TABLE lane_wishes ADD COLUMN answer TEXT;        -- as JSON, once it was looked into

ALTER TABLE lanes ADD COLUMN told_text TEXT;           -- of the comment on GitHub
ALTER TABLE lanes ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0; -- times in a row that GitHub could not be asked
