//! The vectors were made by the software itself: `tests/hashes/make.py` says which, and how.

use std::collections::BTreeMap;

use super::*;

const PASSWORD: &str = "Tr0ubadör & 3";
const VECTORS: &str = include_str!("../../../../tests/hashes/vectors.tsv");

fn vectors() -> BTreeMap<&'static str, &'static str> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect()
}

fn matches(hash: &str, password: &str) -> bool {
    StoredHash::parse(hash)
        .unwrap_or_else(|error| panic!("{hash}: {error}"))
        .matches(password)
        .unwrap_or_else(|error| panic!("{hash}: {error}"))
}

#[test]
fn every_form_matches_its_password_and_no_other() {
    let vectors = vectors();
    assert!(vectors.len() > 90, "{}", vectors.len());
    for (name, hash) in &vectors {
        assert!(matches(hash, PASSWORD), "{name}: {hash}");
        for other in ["", "Tr0ubador & 3", "Tr0ubadör & 4"] {
            assert!(!matches(hash, other), "{name}: {hash} {other:?}");
        }
        let is_argon2 = name.contains("argon2");
        let with_nul = format!("{PASSWORD}\0");
        assert!(!matches(hash, &with_nul), "{name}: a NUL at the end");
        let cut = format!("{PASSWORD}\0{PASSWORD}");
        assert!(
            !matches(hash, &cut),
            "{name}: cut at a NUL, or read in a circle"
        );
        assert!(
            is_argon2
                || !StoredHash::parse(hash)
                    .unwrap()
                    .is_ours(&::argon2::Params::DEFAULT)
        );
    }
}

/// The last character of most forms is part of the hash; of those in base64 it may carry bits that
/// mean nothing, so the one before the last is changed.
#[test]
fn a_changed_hash_does_not_match() {
    for (name, hash) in vectors()
        .iter()
        .filter(|(name, _)| !name.starts_with("custom"))
    {
        let tail = hash.trim_end_matches('=');
        let place = tail.len() - 3;
        let other = if tail.as_bytes()[place] == b'0' {
            "1"
        } else {
            "0"
        };
        let mut changed = (*hash).to_owned();
        changed.replace_range(place..=place, other);
        let found = StoredHash::parse(&changed).map(|stored| stored.matches(PASSWORD));
        assert_ne!(found, Ok(Ok(true)), "{name}: {changed}");
    }
}

/// Cut anywhere, with each octet changed, doubled or taken away: no panic, and no match.
#[test]
fn damage_does_no_harm() {
    for (name, hash) in vectors() {
        for place in (0..=hash.len()).filter(|place| hash.is_char_boundary(*place)) {
            let (before, after) = hash.split_at(place);
            let mut rest = after.chars();
            let gone = rest.next();
            let rest = rest.as_str();
            let twice = format!("{before}{}{after}", gone.unwrap_or('$'));
            let mut damaged = vec![before.to_owned(), format!("{before}{rest}"), twice];
            for put in [
                '$',
                '0',
                '9',
                '=',
                ',',
                '}',
                '/',
                '\0',
                'ü',
                '\u{10ffff}',
                '"',
                'z',
            ] {
                damaged.push(format!("{before}{put}{rest}"));
            }
            for text in damaged {
                // an inner cost that became larger is computed once a table, not at each place
                let Ok(read) = StoredHash::parse(&text) else {
                    continue;
                };
                assert!(read.memory() <= MOST_MEMORY, "{name}: {text}");
            }
        }
    }
}

#[test]
fn what_is_no_hash_is_not_read() {
    for text in [
        "",
        "password",
        "correct horse battery staple",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "{CLEARTEXT}password",
        "{PLAIN}password",
        "{CRYPT}password",
        "{CRYPT}{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SHA",
        "plain$password",
        "rs/VYMGGi4uLU",
        "$0$password",
        "$",
        "$$$$",
        "U$",
        "custom:",
        "custom:{}",
        "custom:[]",
        r#"custom:{"algorithm":"plain","hash":{"value":"password"}}"#,
        r#"custom:{"algorithm":"md5","hash":{"value":"password","encoding":"utf8"}}"#,
        r#"custom:{"algorithm":"md5","hash":{"value":"5f4dcc3b5aa765d61d8327deb882cf99"}}"#,
        r#"custom:{"algorithm":"ldap","hash":{"value":"{CRYPT}$1$abc$IvjPg8Gh4thBn6SZkF0b./"}}"#,
        r#"custom:{"algorithm":"hmac","hash":{"value":"5f4dcc3b5aa765d61d8327deb882cf99","encoding":"hex","digest":"md5"}}"#,
        r#"custom:{"algorithm":"md5","hash":{"value":"5f4dcc3b5aa765d61d8327deb882cf99","encoding":"hex"},"cost":4}"#,
        r#"custom:{"algorithm":"md5","hash":{"value":"5f4dcc3b5aa765d61d8327deb882cf99","encoding":"hex"},"peper":"x"}"#,
        "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
        "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19\0",
    ] {
        let read = StoredHash::parse(text);
        if text.starts_with('*') {
            assert!(!read.unwrap().matches("password").unwrap(), "{text}");
        } else {
            assert!(read.is_err(), "{text}");
        }
    }
    assert_eq!(
        StoredHash::parse(&"$".repeat(LONGEST + 1)).err(),
        Some(BadHash::TooLong)
    );
}

#[test]
fn a_cost_beyond_bounds_is_not_begun() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    for text in [
        format!("$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ${key}"),
        format!("$argon2id$v=19$m=262144,t=9,p=1$c2FsdHNhbHQ${key}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1$c2FsdHNhbHQ${key}"),
        format!("$argon2id$v=19$m=1024,t=1,p=65$c2FsdHNhbHQ${key}"),
        format!("{{ARGON2}}$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ${key}"),
        "$2b$17$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde".to_owned(),
        "$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde".to_owned(),
        format!("$scrypt$ln=19,r=8,p=1$c2FsdA${key}"),
        format!("$scrypt$ln=63,r=8,p=1$c2FsdA${key}"),
        format!("$scrypt$ln=64,r=8,p=1$c2FsdA${key}"),
        format!("$scrypt$ln=4294967295,r=8,p=1$c2FsdA${key}"),
        format!("$scrypt$ln=14,r=4294967295,p=4294967295$c2FsdA${key}"),
        format!("$scrypt$ln=14,r=8,p=100$c2FsdA${key}"),
        format!("$7$zzzzzzzzzzz$salt${}", "z".repeat(43)),
        format!("$7$H6..../....salt${}", "z".repeat(43)),
        format!("$fbscrypt$v=1,n=40,r=8,p=1,ss=Bw==,sk={key}$c2FsdA==${key}"),
        format!("$pbkdf2-sha256$i=6000001,l=32$c2FsdA${key}"),
        format!("$pbkdf2-sha256$4294967295$c2FsdA${key}"),
        format!("pbkdf2_sha256$4294967295$salt${key}"),
        format!("{{PBKDF2-SHA256}}4294967295$c2FsdA${key}"),
        format!("$5$rounds=999999999$salt${}", "z".repeat(43)),
        format!("$y$jHT$salt${}", "z".repeat(43)),
        format!("$y$jD5..........$salt${}", "z".repeat(43)),
        format!("$P$Usaltsalt{}", "z".repeat(22)),
        format!("$S$zsaltsalt{}", "z".repeat(43)),
    ] {
        let found = StoredHash::parse(&text).err();
        assert!(
            matches!(found, Some(BadHash::TooCostly(_))),
            "{text}: {found:?}"
        );
    }
    let v3 = [
        &[1, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 0, 16][..],
        &[7; 48],
    ]
    .concat();
    let found = StoredHash::parse(&encoding::to_base64(&v3)).err();
    assert!(matches!(found, Some(BadHash::TooCostly(_))), "{found:?}");
}

/// bcrypt looks at 72 octets, so everything that begins with a long password would match it.
#[test]
fn bcrypt_cuts_only_where_it_is_declared() {
    let salt = *b"0123456789abcdef";
    let made = |octets: &[u8]| {
        let hash = ::bcrypt::hash_with_salt(octets, 4, salt).unwrap();
        hash.format_for_version(::bcrypt::Version::TwoB)
    };
    let (long, whole) = ("p".repeat(73), "p".repeat(72));
    assert!(matches(&made(whole.as_bytes()), &whole));
    assert!(!matches(&made(whole.as_bytes()), &long));
    assert!(!matches(&made(long.as_bytes()), &long), "a cut hash");
    let declared = |hash: &str| {
        format!(r#"custom:{{"algorithm":"bcrypt","hash":{{"value":"{hash}"}},"truncates":true}}"#)
    };
    assert!(matches(&declared(&made(long.as_bytes())), &long));
    assert!(!matches(&declared(&made(long.as_bytes())), &"p".repeat(71)));
    // the function reads its key in a circle
    assert!(!matches(&made(b"a"), "a\0a"));
    assert!(!matches(&made(b""), "\0"));
    let as_x = |hash: String| hash.replacen("$2b$", "$2x$", 1);
    assert!(matches(&as_x(made(b"ascii")), "ascii"));
    assert!(!matches(&as_x(made("ü".as_bytes())), "ü"));
}

#[test]
fn a_password_that_an_encoding_cannot_write_does_not_match() {
    let hash = |encoding: &str, octets: &[u8]| {
        let hex = encoding::to_hex(&Digest::Sha256.of(&[octets]));
        format!(
            r#"custom:{{"algorithm":"sha256","hash":{{"value":"{hex}","encoding":"hex"}},"password":{{"encoding":"{encoding}"}}}}"#
        )
    };
    assert!(matches(&hash("ascii", b"abc"), "abc"));
    assert!(!matches(&hash("ascii", "ü".as_bytes()), "ü"));
    assert!(matches(&hash("latin1", b"\xfc"), "ü"));
    // U+0141 ends in the octet 0x41
    assert!(!matches(&hash("latin1", b"A"), "\u{141}"));
    assert!(!matches(&hash("latin1", b"?"), "\u{141}"));
}

#[test]
fn nobody_signs_in_to_what_is_locked() {
    for text in ["!", "*", "!!", "*LK*", "!Ab3dEf", "!$6$salt$hash"] {
        for password in ["", text, "!"] {
            assert!(!matches(text, password), "{text}");
        }
    }
}

#[test]
fn a_custom_hash_survives_its_string_form() {
    let (mut count, declared) = (0, vectors());
    for hash in declared
        .values()
        .filter_map(|hash| hash.strip_prefix(CUSTOM))
    {
        let custom = CustomHash::from_json(hash).unwrap();
        let stored = custom.to_stored().unwrap();
        assert!(matches(&stored, PASSWORD), "{stored}");
        assert!(!format!("{custom:?}").contains("value"), "{custom:?}");
        count += 1;
    }
    assert!(count > 25);
}
