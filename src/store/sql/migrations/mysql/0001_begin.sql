-- Times are milliseconds since the epoch, hashes and session ids are raw bytes, the rest is text
-- (JSON where a column says so). Text that is compared or ordered is kept as its bytes: to most
-- collations "a" is "a " or "A", and those that tell them apart have other names in MySQL and in
-- MariaDB. The lengths are bounds of what the program takes. Two versions of the program may share
-- one database during a restart: a migration only adds, and a later one takes away what no running
-- program reads. No statement that changes the schema can be rolled back here.

-- The oldest schema a program may know and still use this database; a migration that takes
-- something away raises it.
CREATE TABLE schema_info (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
INSERT INTO schema_info (one, oldest) VALUES (1, 1);

-- The number of the newest change. Whoever notes one holds this row until the commit, so the order
-- of the numbers is the order of the commits and none is missing.
CREATE TABLE feed (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    newest BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
INSERT INTO feed (one, newest) VALUES (1, 0);

-- What transactions lock by name.
CREATE TABLE locks (
    name VARBINARY(64) NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
INSERT INTO locks (name) VALUES ('cutoffs');

CREATE TABLE changes (
    number BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind VARBINARY(64) NOT NULL,
    subject VARBINARY(1600) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE events (
    number BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    at BIGINT NOT NULL,
    kind VARBINARY(64) NOT NULL,
    reason VARBINARY(1024) NOT NULL,
    user_id VARBINARY(1600),
    connection VARBINARY(64),
    session_id VARBINARY(16),
    address VARBINARY(64),
    request_id VARBINARY(1024)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX events_by_time ON events (at);

CREATE TABLE sessions (
    id VARBINARY(16) NOT NULL PRIMARY KEY,
    user_id VARBINARY(1600) NOT NULL,
    authentications LONGTEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address VARBINARY(64),
    user_agent LONGTEXT NOT NULL,
    sids LONGBLOB NOT NULL, -- 32 bytes each
    sealed LONGBLOB NOT NULL,
    version BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE session_handles (
    hash VARBINARY(32) NOT NULL PRIMARY KEY,
    session_id VARBINARY(16) NOT NULL,
    host VARBINARY(255) NOT NULL,
    created_at BIGINT NOT NULL,
    FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX session_handles_by_session ON session_handles (session_id);

-- What sessions.authentications and sessions.sids say, the other way round.
CREATE TABLE session_identities (
    connection VARBINARY(64) NOT NULL,
    subject VARBINARY(512) NOT NULL,
    session_id VARBINARY(16) NOT NULL,
    PRIMARY KEY (connection, subject, session_id),
    FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX session_identities_by_session ON session_identities (session_id);
CREATE TABLE session_sids (
    sid VARBINARY(32) NOT NULL,
    session_id VARBINARY(16) NOT NULL,
    PRIMARY KEY (sid, session_id),
    FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX session_sids_by_session ON session_sids (session_id);

-- Rows that were put to be taken once, and notes of what was used without ever being put.
CREATE TABLE one_time_rows (
    purpose VARBINARY(64) NOT NULL,
    hash VARBINARY(32) NOT NULL,
    payload LONGBLOB NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (purpose, hash)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX one_time_rows_by_end ON one_time_rows (until);
CREATE TABLE one_time_uses (
    purpose VARBINARY(64) NOT NULL,
    hash VARBINARY(32) NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (purpose, hash)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX one_time_uses_by_end ON one_time_uses (until);

CREATE TABLE counters (
    counts VARBINARY(64) NOT NULL,
    slot BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (counts, slot)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX counters_by_end ON counters (until);

-- Every handle that was ever given. Nothing is deleted from here: a name that an application knew
-- as one person must never come to mean another.
CREATE TABLE handles (
    handle VARBINARY(255) NOT NULL PRIMARY KEY,
    user_id VARBINARY(1600) NOT NULL,
    claimed_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE users (
    id VARBINARY(1600) NOT NULL PRIMARY KEY,
    handle VARBINARY(255) NOT NULL UNIQUE,
    name LONGTEXT AS (NULLIF(JSON_UNQUOTE(JSON_EXTRACT(profile, '$.name')), 'null')) STORED,
    email LONGTEXT AS (NULLIF(JSON_UNQUOTE(JSON_EXTRACT(profile, '$.email')), 'null')) STORED,
    profile LONGTEXT NOT NULL, -- JSON
    user_metadata LONGTEXT NOT NULL, -- JSON
    app_metadata LONGTEXT NOT NULL, -- JSON
    blocked BOOLEAN NOT NULL,
    owner BOOLEAN NOT NULL,
    synced_by VARBINARY(64) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT,
    logins BIGINT NOT NULL,
    version BIGINT NOT NULL,
    FOREIGN KEY (handle) REFERENCES handles (handle)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX users_by_ownership ON users (owner);

CREATE TABLE identities (
    connection VARBINARY(64) NOT NULL,
    subject VARBINARY(512) NOT NULL,
    user_id VARBINARY(1600) NOT NULL,
    profile LONGTEXT NOT NULL, -- JSON
    claims LONGTEXT NOT NULL, -- JSON
    "groups" LONGTEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    refreshed_at BIGINT NOT NULL,
    PRIMARY KEY (connection, subject),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX identities_by_user ON identities (user_id, created_at);
CREATE INDEX identities_for_counts ON identities (connection, user_id);

-- An account follows its identity when a connection gets another name, and its logins follow it.
CREATE TABLE accounts (
    connection VARBINARY(64) NOT NULL,
    subject VARBINARY(512) NOT NULL,
    email_typed LONGTEXT,
    email VARBINARY(1024),
    username_typed LONGTEXT,
    username VARBINARY(1024),
    email_verified BOOLEAN NOT NULL,
    password_hash LONGTEXT NOT NULL,
    password_changed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (connection, subject),
    FOREIGN KEY (connection, subject) REFERENCES identities (connection, subject)
        ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- E-mail addresses and usernames of a connection share one space of names.
CREATE TABLE account_logins (
    connection VARBINARY(64) NOT NULL,
    login VARBINARY(1024) NOT NULL,
    subject VARBINARY(512) NOT NULL,
    PRIMARY KEY (connection, login),
    FOREIGN KEY (connection, subject) REFERENCES accounts (connection, subject)
        ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX account_logins_by_account ON account_logins (connection, subject);

CREATE TABLE pins (
    connection VARBINARY(64) NOT NULL PRIMARY KEY,
    strategy LONGTEXT NOT NULL,
    issuer LONGTEXT NOT NULL,
    pinned_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE "keys" (
    id BIGINT NOT NULL PRIMARY KEY,
    state VARBINARY(64) NOT NULL,
    since BIGINT NOT NULL,
    sealed LONGBLOB NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
