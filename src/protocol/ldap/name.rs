//! The name that a person's own bind is made with, with a hole for what they typed: a distinguished
//! name, a user principal name or `DOMAIN\user`.

use super::{
    Values,
    dn::{BadDn, Dn},
};

/// Signs that no account name of Active Directory may have ([MS-SAMR] 3.1.1.6), and the at sign,
/// which would make another principal name of it.
const NO_ACCOUNT: &str = "\"/\\[]:;|=,+*?<>@";

/// A name with one hole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NameTemplate {
    before: String,
    hole: String,
    after: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// What was typed is one value of a distinguished name.
    Dn,
    /// What was typed is the account's name of a principal name or after a domain's.
    Account,
}

/// Why a text is no such name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadNameTemplate {
    #[error(transparent)]
    Dn(#[from] BadDn),
    #[error("a name to bind with has {{username}} or {{login}} in it, once")]
    Hole,
}

impl NameTemplate {
    /// Reads a name with one of these holes.
    pub(crate) fn parse(text: &str, holes: &[&str]) -> Result<Self, BadNameTemplate> {
        let (before, rest) = text.split_once('{').ok_or(BadNameTemplate::Hole)?;
        let (hole, after) = rest.split_once('}').ok_or(BadNameTemplate::Hole)?;
        if !holes.contains(&hole) || after.contains(['{', '}']) || before.contains('}') {
            return Err(BadNameTemplate::Hole);
        }
        let kind = if text.contains('=') {
            Dn::parse(&format!("{before}x{after}"))?;
            Kind::Dn
        } else {
            Kind::Account
        };
        Ok(Self {
            before: before.to_owned(),
            hole: hole.to_owned(),
            after: after.to_owned(),
            kind,
        })
    }

    /// The name for these values. `None`: what was typed is no account's name.
    pub(crate) fn fill(&self, values: Values<'_>) -> Option<String> {
        let value = String::from_utf8(values(&self.hole)?).ok()?;
        let alone = self.before.is_empty() && self.after.is_empty();
        let value = match self.kind {
            Kind::Dn => Dn::escape(&value),
            Kind::Account => {
                let bad = |sign: char| sign.is_control() || NO_ACCOUNT.contains(sign);
                // Standing alone it may be a whole principal name.
                let bad = |sign: char| bad(sign) && !(alone && sign == '@');
                if value.trim().is_empty() || value.contains(bad) {
                    return None;
                }
                value
            }
        };
        Some(format!("{}{value}{}", self.before, self.after))
    }

    /// Whether it is the name of an entry.
    pub(crate) fn is_dn(&self) -> bool {
        self.kind == Kind::Dn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, typed: &str) -> Option<String> {
        let template = NameTemplate::parse(text, &["login", "username"]).unwrap();
        template.fill(&|_| Some(typed.as_bytes().to_vec()))
    }

    #[test]
    fn a_name_is_filled() {
        let filled = fill("uid={username},ou=people,dc=example", "a,b").unwrap();
        assert_eq!(filled, "uid=a\\,b,ou=people,dc=example");
        assert_eq!(
            fill("{username}@corp.test", "alice").unwrap(),
            "alice@corp.test"
        );
        assert_eq!(fill("CORP\\{username}", "alice").unwrap(), "CORP\\alice");
        assert_eq!(
            fill("{login}", "alice@corp.test").unwrap(),
            "alice@corp.test"
        );
    }

    /// LDAP-3: nobody binds as an entry or in a domain that they typed.
    #[test]
    fn what_is_typed_names_no_other_domain() {
        for typed in [
            "a@other",
            "OTHER\\a",
            "a=b",
            "a,b",
            "",
            " ",
            "a\0",
            "a/b",
            "cn=a,dc=x",
        ] {
            assert_eq!(fill("{username}@corp.test", typed), None, "{typed:?}");
            assert_eq!(fill("CORP\\{username}", typed), None, "{typed:?}");
        }
        assert_eq!(fill("{login}", "cn=a,dc=x"), None);
    }

    #[test]
    fn what_has_no_hole_is_refused() {
        for text in [
            "",
            "alice",
            "{password}",
            "{login}{login}",
            "uid={login}",
            "}{login}",
        ] {
            let parsed = NameTemplate::parse(text, &["login"]);
            // a name of one label is a name
            assert_eq!(parsed.is_ok(), text == "uid={login}", "{text}");
        }
        let parsed = NameTemplate::parse("uid={login},oops", &["login"]);
        assert_eq!(parsed, Err(BadNameTemplate::Dn(BadDn)));
    }
}
