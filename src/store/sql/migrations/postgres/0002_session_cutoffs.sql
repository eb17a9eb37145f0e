-- When all sessions of a user, an identity, a connection or everybody were last ended: what was
-- proven before that opens no session any more. Rows are swept when nothing that old can be under
-- way. They are not in users: sessions may be kept in an engine that keeps no users.
CREATE TABLE session_cutoffs (
    whose TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX session_cutoffs_by_time ON session_cutoffs (at);
