-- The hashes of the passwords that an account had before, the last one first; JSON.
ALTER TABLE accounts ADD COLUMN previous_hashes TEXT COLLATE "C" NOT NULL DEFAULT '[]';
