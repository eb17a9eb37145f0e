-- Times are milliseconds since the epoch, hashes and session ids are raw bytes, the rest is text
-- (JSON where a column says so). Two versions of the program may share one database during a
-- restart: a migration only adds, and a later one takes away what no running program reads.

-- The oldest schema a program may know and still use this database; a migration that takes
-- something away raises it.
CREATE TABLE schema_info (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest INTEGER NOT NULL
) STRICT;
INSERT INTO schema_info (one, oldest) VALUES (1, 1);

-- AUTOINCREMENT: a number is never given twice, also after a sweep. There is one writer, so the
-- order of the numbers is the order of the commits and none is missing.
CREATE TABLE changes (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    number INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    user_id TEXT,
    connection TEXT,
    session_id BLOB,
    address TEXT,
    request_id TEXT
) STRICT;
CREATE INDEX events_by_time ON events (at);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    authentications TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    address TEXT,
    user_agent TEXT NOT NULL,
    sids BLOB NOT NULL, -- 32 bytes each
    sealed BLOB NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE session_handles (
    hash BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_handles_by_session ON session_handles (session_id);

-- What sessions.authentications and sessions.sids say, the other way round.
CREATE TABLE session_identities (
    connection TEXT NOT NULL,
    subject TEXT NOT NULL,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (connection, subject, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_identities_by_session ON session_identities (session_id);
CREATE TABLE session_sids (
    sid BLOB NOT NULL,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (sid, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_sids_by_session ON session_sids (session_id);

-- Rows that were put to be taken once, and notes of what was used without ever being put.
CREATE TABLE one_time_rows (
    purpose TEXT NOT NULL,
    hash BLOB NOT NULL,
    payload BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (purpose, hash)
) STRICT;
CREATE INDEX one_time_rows_by_end ON one_time_rows (until);
CREATE TABLE one_time_uses (
    purpose TEXT NOT NULL,
    hash BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (purpose, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_uses_by_end ON one_time_uses (until);

CREATE TABLE counters (
    counts TEXT NOT NULL,
    slot INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (counts, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_by_end ON counters (until);

-- Every handle that was ever given. Nothing is deleted from here: a name that an application knew
-- as one person must never come to mean another.
CREATE TABLE handles (
    handle TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    claimed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE REFERENCES handles (handle),
    name TEXT GENERATED ALWAYS AS (profile ->> '$.name') STORED,
    email TEXT GENERATED ALWAYS AS (profile ->> '$.email') STORED,
    profile TEXT NOT NULL, -- JSON
    user_metadata TEXT NOT NULL, -- JSON
    app_metadata TEXT NOT NULL, -- JSON
    blocked INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    synced_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_login_at INTEGER,
    logins INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
-- A substring cannot be looked up, but it can be looked for in a quarter of the bytes.
CREATE INDEX users_for_search ON users (id, handle, name, email);
CREATE INDEX users_by_ownership ON users (owner) WHERE owner = 1;

CREATE TABLE identities (
    connection TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    profile TEXT NOT NULL, -- JSON
    claims TEXT NOT NULL, -- JSON
    groups TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    PRIMARY KEY (connection, subject)
) STRICT;
CREATE INDEX identities_by_user ON identities (user_id, created_at);
CREATE INDEX identities_for_counts ON identities (connection, user_id);

CREATE TABLE accounts (
    connection TEXT NOT NULL,
    subject TEXT NOT NULL,
    email_typed TEXT,
    email TEXT,
    username_typed TEXT,
    username TEXT,
    email_verified INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    password_changed_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (connection, subject),
    FOREIGN KEY (connection, subject) REFERENCES identities (connection, subject) ON DELETE CASCADE
) STRICT;

-- E-mail addresses and usernames of a connection share one space of names.
CREATE TABLE account_logins (
    connection TEXT NOT NULL,
    login TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (connection, login),
    FOREIGN KEY (connection, subject) REFERENCES accounts (connection, subject) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX account_logins_by_account ON account_logins (connection, subject);

CREATE TABLE pins (
    connection TEXT NOT NULL PRIMARY KEY,
    strategy TEXT NOT NULL,
    issuer TEXT NOT NULL,
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id INTEGER NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
