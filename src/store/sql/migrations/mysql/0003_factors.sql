-- What a person proves besides their first proof. What a kind keeps for itself is sealed, and what
-- it counts (the last time step of a TOTP) is beside it, so that a new kind needs no new column.
CREATE TABLE factors (
    id VARBINARY(16) NOT NULL PRIMARY KEY,
    user_id VARBINARY(1600) NOT NULL,
    kind VARBINARY(64) NOT NULL,
    name LONGTEXT NOT NULL,
    sealed LONGBLOB NOT NULL,
    counter BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
CREATE INDEX factors_by_user ON factors (user_id, created_at);

-- One row for each recovery code that was not used.
CREATE TABLE recovery_codes (
    user_id VARBINARY(1600) NOT NULL,
    hash VARBINARY(32) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, hash),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin ROW_FORMAT = DYNAMIC;
