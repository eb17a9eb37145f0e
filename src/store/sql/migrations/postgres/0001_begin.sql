-- Times are milliseconds since the epoch, hashes and session ids are raw bytes, the rest is text
-- (JSON where a column says so), which is compared and ordered by its bytes. Two versions of the
-- program may share one database during a restart: a migration only adds, and a later one takes
-- away what no running program reads.

-- The oldest schema a program may know and still use this database; a migration that takes
-- something away raises it.
CREATE TABLE schema_info (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest BIGINT NOT NULL
);
INSERT INTO schema_info (one, oldest) VALUES (1, 1);

-- The number of the newest change. Whoever notes one holds this row until the commit, so the order
-- of the numbers is the order of the commits and none is missing.
CREATE TABLE feed (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    newest BIGINT NOT NULL
);
INSERT INTO feed (one, newest) VALUES (1, 0);
CREATE TABLE changes (
    number BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL
);

CREATE TABLE events (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C",
    connection TEXT COLLATE "C",
    session_id BYTEA,
    address TEXT COLLATE "C",
    request_id TEXT COLLATE "C"
);
CREATE INDEX events_by_time ON events (at);

CREATE TABLE sessions (
    id BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    authentications TEXT COLLATE "C" NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address TEXT COLLATE "C",
    user_agent TEXT COLLATE "C" NOT NULL,
    sids BYTEA NOT NULL, -- 32 bytes each
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE session_handles (
    hash BYTEA NOT NULL PRIMARY KEY,
    session_id BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    host TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX session_handles_by_session ON session_handles (session_id);

-- What sessions.authentications and sessions.sids say, the other way round.
CREATE TABLE session_identities (
    connection TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    session_id BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (connection, subject, session_id)
);
CREATE INDEX session_identities_by_session ON session_identities (session_id);
CREATE TABLE session_sids (
    sid BYTEA NOT NULL,
    session_id BYTEA NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (sid, session_id)
);
CREATE INDEX session_sids_by_session ON session_sids (session_id);

-- Rows that were put to be taken once, and notes of what was used without ever being put.
CREATE TABLE one_time_rows (
    purpose TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (purpose, hash)
);
CREATE INDEX one_time_rows_by_end ON one_time_rows (until);
CREATE TABLE one_time_uses (
    purpose TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (purpose, hash)
);
CREATE INDEX one_time_uses_by_end ON one_time_uses (until);

CREATE TABLE counters (
    counts TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (counts, slot)
);
CREATE INDEX counters_by_end ON counters (until);

-- Every handle that was ever given. Nothing is deleted from here: a name that an application knew
-- as one person must never come to mean another.
CREATE TABLE handles (
    handle TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    claimed_at BIGINT NOT NULL
);

-- PostgreSQL has no character NUL: a name with one cannot be searched for.
CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    handle TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES handles (handle),
    name TEXT COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN strpos(profile, '\u0000') = 0 THEN profile::json ->> 'name' END) STORED,
    email TEXT COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN strpos(profile, '\u0000') = 0 THEN profile::json ->> 'email' END) STORED,
    profile TEXT COLLATE "C" NOT NULL, -- JSON
    user_metadata TEXT COLLATE "C" NOT NULL, -- JSON
    app_metadata TEXT COLLATE "C" NOT NULL, -- JSON
    blocked BOOLEAN NOT NULL,
    owner BOOLEAN NOT NULL,
    synced_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT,
    logins BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX users_by_ownership ON users (owner) WHERE owner;

CREATE TABLE identities (
    connection TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    profile TEXT COLLATE "C" NOT NULL, -- JSON
    claims TEXT COLLATE "C" NOT NULL, -- JSON
    "groups" TEXT COLLATE "C" NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    refreshed_at BIGINT NOT NULL,
    PRIMARY KEY (connection, subject)
);
CREATE INDEX identities_by_user ON identities (user_id, created_at);
CREATE INDEX identities_for_counts ON identities (connection, user_id);

-- An account follows its identity when a connection gets another name, and its logins follow it.
CREATE TABLE accounts (
    connection TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    email_typed TEXT COLLATE "C",
    email TEXT COLLATE "C",
    username_typed TEXT COLLATE "C",
    username TEXT COLLATE "C",
    email_verified BOOLEAN NOT NULL,
    password_hash TEXT COLLATE "C" NOT NULL,
    password_changed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (connection, subject),
    FOREIGN KEY (connection, subject) REFERENCES identities (connection, subject)
        ON DELETE CASCADE ON UPDATE CASCADE
);

-- E-mail addresses and usernames of a connection share one space of names.
CREATE TABLE account_logins (
    connection TEXT COLLATE "C" NOT NULL,
    login TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (connection, login),
    FOREIGN KEY (connection, subject) REFERENCES accounts (connection, subject)
        ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX account_logins_by_account ON account_logins (connection, subject);

CREATE TABLE pins (
    connection TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    strategy TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    pinned_at BIGINT NOT NULL
);

CREATE TABLE "keys" (
    id BIGINT NOT NULL PRIMARY KEY,
    state TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);
