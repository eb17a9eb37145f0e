//! What users are looked for by.

use super::dialect::Text;

pub(super) const LIST: &str = "SELECT users.* FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";

/// `?3` is a [`substring`]. SQLite's `LIKE` takes ASCII letters in either case for the same, and
/// looks through a narrow index.
pub(super) const SEARCH: Text = Text::Each {
    mysql: "SELECT users.* FROM users WHERE id > ?1 AND ( \
            LOWER(CONVERT(id USING utf8mb4)) LIKE LOWER(?3) ESCAPE '!' \
            OR LOWER(CONVERT(handle USING utf8mb4)) LIKE LOWER(?3) ESCAPE '!' \
            OR LOWER(name) LIKE LOWER(?3) ESCAPE '!' OR LOWER(email) LIKE LOWER(?3) ESCAPE '!') \
        ORDER BY id LIMIT ?2",
    postgres: "SELECT users.* FROM users WHERE id > ?1 AND ( \
            lower(id) LIKE lower(?3 COLLATE \"C\") ESCAPE '!' \
            OR lower(handle) LIKE lower(?3 COLLATE \"C\") ESCAPE '!' \
            OR lower(name) LIKE lower(?3 COLLATE \"C\") ESCAPE '!' \
            OR lower(email) LIKE lower(?3 COLLATE \"C\") ESCAPE '!') \
        ORDER BY id LIMIT ?2",
    sqlite: "SELECT users.* FROM users WHERE id IN ( \
        SELECT id FROM users INDEXED BY users_for_search WHERE id > ?1 AND ( \
            id LIKE ?3 ESCAPE '!' OR handle LIKE ?3 ESCAPE '!' \
            OR name LIKE ?3 ESCAPE '!' OR email LIKE ?3 ESCAPE '!') \
        ORDER BY id LIMIT ?2) ORDER BY id",
};

/// Whether a text is one that nothing is called: whatever is kept was read into a type without
/// control characters. To PostgreSQL it is no text at all.
pub(super) fn holds_nul(text: &str) -> bool {
    text.contains('\0')
}

/// A LIKE pattern that finds the text as it is, whatever it holds.
pub(super) fn substring(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
