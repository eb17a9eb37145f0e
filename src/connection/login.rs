//! What people type into a form with a name and a password.

use std::fmt;

use percent_encoding::percent_decode;
use unicode_normalization::UnicodeNormalization;

use crate::{protocol::EmailAddress, secret::Secret};

/// A name somebody signs in with, in the one form that look-ups, counters and unique keys share:
/// NFKC, lower case, no white space around it, the domain of an e-mail address in ASCII. `ALICE`,
/// full-width `ａｌｉｃｅ` and `alice ` are one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LoginName(String);

/// The longest name that is read, in bytes as typed.
const MOST_LOGIN: usize = 256;

impl LoginName {
    /// Normalises what was typed.
    pub(crate) fn parse(typed: &str) -> Result<Self, BadLogin> {
        if typed.len() > MOST_LOGIN {
            return Err(BadLogin::TooLong);
        }
        // Lower-casing can undo a normal form, and compatibility forms can hide white space.
        let lower: String = typed.nfkc().flat_map(char::to_lowercase).collect();
        let name: String = lower.nfkc().collect();
        let name = name.trim();
        if name.is_empty() {
            Err(BadLogin::Empty)
        } else if name.chars().any(char::is_control) {
            Err(BadLogin::Control)
        } else {
            Ok(Self(EmailAddress::parse(name).map_or_else(
                |_| name.to_owned(),
                |email| email.normalized(),
            )))
        }
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why no name was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadLogin {
    #[error("the name has a control character")]
    Control,
    #[error("the name is empty")]
    Empty,
    #[error("the name is longer than {MOST_LOGIN} bytes")]
    TooLong,
}

/// A password as the person typed it, made comparable: NFC, and every space is U+0020, as
/// OpaqueString has it (RFC 8265 section 4.2.2). Nothing is trimmed or folded; a NUL is a
/// character like any other.
#[derive(Clone, Debug)]
pub(crate) struct Password(Secret);

/// The longest password, in bytes.
pub(crate) const MOST_PASSWORD: usize = 1024;

impl Password {
    /// Normalises what was typed.
    pub(crate) fn parse(typed: &Secret) -> Result<Self, BadPassword> {
        if typed.expose().len() > MOST_PASSWORD {
            return Err(BadPassword::TooLong);
        }
        let spaces = |c: char| {
            let space = c.is_whitespace() && !c.is_ascii() && !c.is_control();
            if space { ' ' } else { c }
        };
        let normal: String = typed.expose().chars().map(spaces).nfc().collect();
        Ok(Self(Secret::new(normal)))
    }

    /// What is hashed.
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Why a password was not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadPassword {
    #[error("the password is longer than {MOST_PASSWORD} bytes")]
    TooLong,
}

/// The answer to [`Form::Password`](super::Form::Password).
#[derive(Clone, Debug)]
pub(crate) struct PasswordReply {
    pub(crate) login: LoginName,
    pub(crate) password: Password,
    /// In the place of that one from now on.
    pub(crate) new_password: Option<Password>,
}

impl PasswordReply {
    /// Reads the fields `login`, `password` and perhaps `new_password` of a body of type
    /// `application/x-www-form-urlencoded`; others are passed over. Octets that are not UTF-8 are
    /// refused, because replacing them would make different passwords equal.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, BadReply> {
        let login = field(body, "login")?;
        let password = Secret::new(field(body, "password")?);
        let new_password = match field(body, "new_password") {
            Ok(typed) => Some(Password::parse(&Secret::new(typed))?),
            Err(BadReply::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            login: LoginName::parse(&login)?,
            password: Password::parse(&password)?,
            new_password,
        })
    }
}

fn field(body: &[u8], name: &'static str) -> Result<String, BadReply> {
    let mut found = body
        .split(|byte| *byte == b'&')
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            (
                halves.next().unwrap_or_default(),
                halves.next().unwrap_or_default(),
            )
        })
        .filter(|(key, _)| *key == name.as_bytes());
    let (_, value) = found.next().ok_or(BadReply::Missing(name))?;
    if found.next().is_some() {
        return Err(BadReply::Repeated(name));
    }
    let spaced: Vec<u8> = value
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let decoded = percent_decode(&spaced).collect();
    String::from_utf8(decoded).map_err(|_| BadReply::NotUtf8(name))
}

/// Why a body is no answer to the password form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadReply {
    #[error(transparent)]
    Login(#[from] BadLogin),
    #[error("the field {0} is missing")]
    Missing(&'static str),
    #[error("the field {0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error(transparent)]
    Password(#[from] BadPassword),
    #[error("the field {0} is there twice")]
    Repeated(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_one() {
        let alice = LoginName::parse("alice").unwrap();
        for typed in ["ALICE", " alice", "alice \t", "ａｌｉｃｅ", "Alice\u{3000}"] {
            assert_eq!(LoginName::parse(typed).unwrap(), alice, "{typed:?}");
        }
        assert_ne!(
            LoginName::parse("al\u{131}ce").unwrap(),
            alice,
            "a dotless i is another letter"
        );
        assert_ne!(LoginName::parse("al ice").unwrap(), alice);
        let mail = LoginName::parse("Älice@Example.COM").unwrap();
        assert_eq!(mail.as_str(), "älice@example.com");
        assert_eq!(LoginName::parse("A\u{308}lice@example.com").unwrap(), mail);
        let idn = LoginName::parse("a@BÜCHER.example").unwrap();
        assert_eq!(idn.as_str(), "a@xn--bcher-kva.example");
        assert_eq!(LoginName::parse("A@xn--bcher-kva.EXAMPLE").unwrap(), idn);
        for typed in ["İstanbul", "ẞ", "ﬃ", "Å", "\u{1e9b}\u{323}", "ΑΣ"] {
            let once = LoginName::parse(typed).unwrap();
            assert_eq!(LoginName::parse(once.as_str()).unwrap(), once, "{typed}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(LoginName::parse(" \t"), Err(BadLogin::Empty));
        assert_eq!(LoginName::parse("al\0ice"), Err(BadLogin::Control));
        assert_eq!(LoginName::parse("al\r\nice"), Err(BadLogin::Control));
        assert_eq!(LoginName::parse(&"a".repeat(257)), Err(BadLogin::TooLong));
        assert!(LoginName::parse(&"a".repeat(256)).is_ok());
    }

    #[test]
    fn a_password_is_composed_and_otherwise_left_alone() {
        let parse = |typed: &str| Password::parse(&Secret::new(typed.to_owned())).unwrap();
        assert_eq!(parse("e\u{301}").secret().expose(), "é");
        assert_eq!(parse(" a\u{a0}b ").secret().expose(), " a b ");
        assert_eq!(parse("a\0b").secret().expose(), "a\0b");
        assert_eq!(parse("ＡbC\u{85}").secret().expose(), "ＡbC\u{85}");
        let long = Secret::new("x".repeat(1025));
        assert_eq!(Password::parse(&long).unwrap_err(), BadPassword::TooLong);
        assert_eq!(parse(&"x".repeat(1024)).secret().expose().len(), 1024);
    }

    #[test]
    fn a_reply_is_read_strictly() {
        let reply =
            PasswordReply::parse(b"x=1&login=Alice%40Example.com&password=a+b%2B%00").unwrap();
        assert_eq!(reply.login.as_str(), "alice@example.com");
        assert_eq!(reply.password.secret().expose(), "a b+\0");
        for (body, error) in [
            (&b"login=a"[..], BadReply::Missing("password")),
            (b"password=a", BadReply::Missing("login")),
            (b"login=a&login=b&password=c", BadReply::Repeated("login")),
            (
                b"login=a&password=c&password=d",
                BadReply::Repeated("password"),
            ),
            (b"login=a&password=%ff", BadReply::NotUtf8("password")),
            (b"login=%20&password=a", BadReply::Login(BadLogin::Empty)),
        ] {
            assert_eq!(PasswordReply::parse(body).unwrap_err(), error);
        }
    }
}
