//! The short name that an application may know a person by.
//!
//! A handle is claimed once and never given to anybody else, so an application that keeps data
//! under it never hands them to a namesake.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::identity::{ConnectionId, Identity};

/// How long a handle may be, in bytes.
const MOST: usize = 32;

/// Names that mean somebody or something in many applications. Nobody gets one of them bare.
const RESERVED: &[&str] = &[
    "abuse",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "bin",
    "bot",
    "daemon",
    "demo",
    "everyone",
    "group",
    "guest",
    "help",
    "hostmaster",
    "info",
    "mail",
    "me",
    "moderator",
    "nobody",
    "none",
    "null",
    "operator",
    "owner",
    "postmaster",
    "public",
    "root",
    "security",
    "self",
    "service",
    "staff",
    "sudo",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "true",
    "undefined",
    "unknown",
    "user",
    "users",
    "vestibule",
    "webmaster",
    "www",
];

/// The handle an identity would like best: `[a-z0-9][a-z0-9._-]{0,31}`.
pub(super) fn wish(identity: &Identity) -> String {
    let profile = &identity.profile;
    let local = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    [
        profile.preferred_username.as_deref().map(local),
        profile.nickname.as_deref().map(local),
        profile.email.as_deref().map(local),
        profile.name.clone(),
        Some(identity.subject.as_str().to_owned()),
    ]
    .into_iter()
    .flatten()
    .map(|text| fold(&text))
    .find(|handle| !handle.is_empty())
    .unwrap_or_else(|| "user".to_owned())
}

/// The handle that somebody asks for by name, as far as it can be one.
pub(super) fn wish_for(name: &str) -> String {
    let folded = fold(name);
    if folded.is_empty() {
        "user".to_owned()
    } else {
        folded
    }
}

/// The handles to try in turn: the bare one unless it is reserved, with the connection's name, then
/// numbered. Whoever finds all of them taken draws one.
pub(super) fn candidates(wish: &str, connection: &ConnectionId) -> Vec<String> {
    // A name of dashes alone would leave a reserved word bare.
    let connection = match cut(connection.as_str().trim_matches('-'), 16) {
        name if name.is_empty() => "other".to_owned(),
        name => name,
    };
    let bare = (!RESERVED.contains(&wish)).then(|| wish.to_owned());
    let named = with_suffix(wish, &format!("-{connection}"));
    let numbered = (2..=9).map(|number| with_suffix(wish, &format!("-{connection}-{number}")));
    bare.into_iter().chain([named]).chain(numbered).collect()
}

/// `wish` with something at its end, within the length of a handle.
pub(super) fn with_suffix(wish: &str, suffix: &str) -> String {
    let kept = cut(wish, MOST.saturating_sub(suffix.len()).max(1));
    format!("{}{suffix}", kept.trim_end_matches(['.', '_', '-']))
}

/// ASCII text within `most` bytes.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Folds a name to the letters of a handle; empty when nothing of it is left.
fn fold(text: &str) -> String {
    let mut folded = String::new();
    // A name of any length ends here: only the beginning can count.
    for c in text.chars().take(256).flat_map(char::to_lowercase).nfkd() {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => folded.push(c),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ł' => folded.push('l'),
            'þ' => folded.push_str("th"),
            c if c.is_whitespace() => folded.push('-'),
            c if is_combining_mark(c) => {}
            // Half of a foreign name would be a worse handle than another source.
            c if c.is_alphabetic() && !c.is_ascii() => return String::new(),
            _ => {}
        }
    }
    let edge = ['.', '_', '-'];
    let begun = folded.trim_start_matches(edge);
    cut(begun, MOST).trim_end_matches(edge).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Profile;

    fn identity(subject: &str, profile: Profile) -> Identity {
        Identity {
            connection: "acme".parse().unwrap(),
            subject: subject.parse().unwrap(),
            profile,
            claims: serde_json::Map::new(),
            groups: Vec::new().into(),
        }
    }

    #[test]
    fn the_best_source_that_leaves_something_is_used() {
        let full = Profile {
            preferred_username: Some("Alice@corp.example".into()),
            nickname: Some("al".into()),
            email: Some("a.smith@example.com".into()),
            name: Some("Alice Smith".into()),
            ..Profile::default()
        };
        assert_eq!(wish(&identity("1", full.clone())), "alice");
        let foreign = Profile {
            preferred_username: Some("日本".into()),
            ..full.clone()
        };
        assert_eq!(wish(&identity("1", foreign)), "al");
        let mail = Profile {
            preferred_username: None,
            nickname: None,
            ..full.clone()
        };
        assert_eq!(wish(&identity("1", mail.clone())), "a.smith");
        assert_eq!(
            wish(&identity(
                "1",
                Profile {
                    email: None,
                    ..mail
                }
            )),
            "alice-smith"
        );
        assert_eq!(wish(&identity("110|X", Profile::default())), "110x");
        assert_eq!(wish(&identity("日本", Profile::default())), "user");
    }

    #[test]
    fn names_are_folded_to_ascii() {
        for (name, folded) in [
            ("Zoë", "zoe"),
            ("Großmann", "grossmann"),
            ("ＡＬＩＣＥ", "alice"),
            ("Łukasz", "lukasz"),
            ("-_.x._-", "x"),
            ("a|b\"c", "abc"),
            ("a\tb", "a-b"),
            ("../etc/passwd", "etcpasswd"),
            ("$(id)", "id"),
            ("...", ""),
            ("Ольга", ""),
            ("Ŀ", "l"),
        ] {
            assert_eq!(fold(name), folded, "{name}");
        }
        assert_eq!(fold(&"x".repeat(300)), "x".repeat(32));
        assert_eq!(fold(&format!("{}-{}", "x".repeat(31), "y")), "x".repeat(31));
    }

    #[test]
    fn candidates_are_handles_and_never_a_reserved_word() {
        let acme = "acme".parse().unwrap();
        assert_eq!(
            candidates("alice", &acme)[..3],
            ["alice", "alice-acme", "alice-acme-2"]
        );
        assert_eq!(
            candidates("admin", &acme)[..2],
            ["admin-acme", "admin-acme-2"]
        );
        for connection in ["acme", "-", "a-very-long-connection-name-----", "--x"] {
            let connection = connection.parse().unwrap();
            for wish in ["root", "a", &"z".repeat(32), "a.b"] {
                for handle in candidates(wish, &connection) {
                    let known =
                        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
                    assert!(handle.len() <= 32 && handle.bytes().all(known), "{handle}");
                    assert!(handle.as_bytes()[0].is_ascii_alphanumeric(), "{handle}");
                    assert!(!RESERVED.contains(&handle.as_str()), "{handle}");
                }
            }
        }
    }
}
