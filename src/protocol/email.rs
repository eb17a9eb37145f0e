//! E-mail addresses, in the narrow form that every system reads alike.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// An address whose domain can be compared: exactly one `@`, a dot-atom in front (RFC 5322
/// section 3.2.3, no quotes and no comments), a host name behind, in lower-case ASCII.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct EmailAddress {
    text: String,
    at: usize,
}

impl EmailAddress {
    /// Reads an address. An internationalized domain is turned into its ASCII form (RFC 5891).
    pub(crate) fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > 254 {
            return Err(EmailError::TooLong);
        }
        if !text.nfkc().eq(text.chars()) {
            return Err(EmailError::NotNormalized);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError::NoAt)?;
        if domain.contains('@') {
            return Err(EmailError::SeveralAts);
        }
        check_local(local)?;
        let domain = canonical_domain(domain)?;
        if local.len() + 1 + domain.len() > 254 {
            return Err(EmailError::TooLong);
        }
        Ok(Self {
            text: format!("{local}@{domain}"),
            at: local.len(),
        })
    }

    /// The address as text, the local part as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Enough of it for whoever has it: `a•••@example.com`.
    pub(crate) fn masked(&self) -> String {
        let first: String = self.text.chars().take(1).collect();
        format!("{first}•••@{}", self.domain())
    }

    /// The domain in lower-case ASCII. Compare it whole.
    pub(crate) fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// The form under which an account is looked up. RFC 5321 section 2.4 would let the case of
    /// the local part matter; no mail system in use lets two people differ in it only.
    pub(crate) fn normalized(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no address that we take.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum EmailError {
    #[error("the part behind the @ is not a host name")]
    BadDomain,
    #[error("the part before the @ is not a plain mailbox name")]
    BadLocalPart,
    #[error("there is no @")]
    NoAt,
    #[error("the address changes when it is normalised")]
    NotNormalized,
    #[error("there is more than one @")]
    SeveralAts,
    #[error("the address is too long")]
    TooLong,
}

/// RFC 5322 section 3.2.3 `dot-atom-text`; RFC 5321 section 4.5.3.1.1 gives it 64 octets.
fn check_local(local: &str) -> Result<(), EmailError> {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if local.len() > 64 {
        return Err(EmailError::TooLong);
    }
    let atom = |part: &str| !part.is_empty() && part.bytes().all(atext);
    if local.split('.').all(atom) {
        Ok(())
    } else {
        Err(EmailError::BadLocalPart)
    }
}

/// A host name that IDNA maps to itself but for case: whatever it would drop or replace is refused
/// beforehand, so nobody sees another name than the one compared.
fn canonical_domain(domain: &str) -> Result<String, EmailError> {
    let plain = |c: char| match c {
        '-' | '.' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => c.is_alphanumeric() || is_combining_mark(c),
    };
    if !domain.chars().all(plain) {
        return Err(EmailError::BadDomain);
    }
    let Ok(url::Host::Domain(ascii)) = url::Host::parse(domain) else {
        return Err(EmailError::BadDomain);
    };
    let sound = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if ascii.split('.').all(sound) {
        Ok(ascii)
    } else {
        Err(EmailError::BadDomain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_have_one_form() {
        for (text, form, domain) in [
            ("alice@example.com", "alice@example.com", "example.com"),
            ("Alice@EXAMPLE.com", "Alice@example.com", "example.com"),
            (
                "a.b+c=d@mail.example",
                "a.b+c=d@mail.example",
                "mail.example",
            ),
            ("root@localhost", "root@localhost", "localhost"),
            (
                "a@bücher.example",
                "a@xn--bcher-kva.example",
                "xn--bcher-kva.example",
            ),
            (
                "a@xn--bcher-kva.example",
                "a@xn--bcher-kva.example",
                "xn--bcher-kva.example",
            ),
            ("o'hara@x.test", "o'hara@x.test", "x.test"),
        ] {
            let address = EmailAddress::parse(text).unwrap();
            assert_eq!((address.as_str(), address.domain()), (form, domain));
            assert_eq!(EmailAddress::parse(form).unwrap(), address);
        }
        let address = EmailAddress::parse("Alice@Example.com").unwrap();
        assert_eq!(address.normalized(), "alice@example.com");
    }

    #[test]
    fn what_two_systems_read_differently_is_refused() {
        use EmailError as E;
        for (text, error) in [
            ("", E::NoAt),
            ("alice", E::NoAt),
            ("a@evil@company.com", E::SeveralAts),
            ("\"a@evil\"@company.com", E::SeveralAts),
            ("\"a\"@x.test", E::BadLocalPart),
            ("a(comment)@x.test", E::BadLocalPart),
            ("a@x.test(comment)", E::BadDomain),
            ("a b@x.test", E::BadLocalPart),
            (" a@x.test", E::BadLocalPart),
            ("a@x.test ", E::BadDomain),
            ("a@x.test\n", E::BadDomain),
            ("a\r\n@x.test", E::BadLocalPart),
            ("a@x.test,b@y.test", E::SeveralAts),
            ("a,b@x.test", E::BadLocalPart),
            ("a@x,y.test", E::BadDomain),
            ("a@x;y.test", E::BadDomain),
            ("@x.test", E::BadLocalPart),
            ("a@", E::BadDomain),
            (".a@x.test", E::BadLocalPart),
            ("a.@x.test", E::BadLocalPart),
            ("a..b@x.test", E::BadLocalPart),
            ("ä@x.test", E::BadLocalPart),
            ("a<b@x.test", E::BadLocalPart),
            ("a\0@x.test", E::BadLocalPart),
            ("a＠x.test", E::NotNormalized),
            ("a@ｘ.test", E::NotNormalized),
            ("a@x．test", E::NotNormalized),
            ("a@x。test", E::BadDomain),
            ("a@x%00", E::BadDomain),
            ("a@x%2etest", E::BadDomain),
            ("a@[1.2.3.4]", E::BadDomain),
            ("a@1.2.3.4", E::BadDomain),
            ("a@0x7f.1", E::BadDomain),
            ("a@[IPv6:::1]", E::BadDomain),
            ("a@x..test", E::BadDomain),
            ("a@.x.test", E::BadDomain),
            ("a@x.test.", E::BadDomain),
            ("a@-x.test", E::BadDomain),
            ("a@x-.test", E::BadDomain),
            ("a@x_y.test", E::BadDomain),
            ("a@x/y", E::BadDomain),
            ("a@x:25", E::BadDomain),
            ("a@x\u{ad}y.test", E::BadDomain),
            ("a@x\u{200d}y.test", E::BadDomain),
            ("a@x\u{202e}y.test", E::BadDomain),
            ("a@xn--a.test", E::BadDomain),
        ] {
            assert_eq!(EmailAddress::parse(text), Err(error), "{text:?}");
        }
    }

    /// Domains are compared whole: the look-alikes of an allow-list are other domains.
    #[test]
    fn a_domain_is_never_a_part_of_another() {
        for other in [
            "a@company.com.evil.test",
            "a@evilcompany.com",
            "a@x.company.com",
        ] {
            assert_ne!(EmailAddress::parse(other).unwrap().domain(), "company.com");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let local = |n: usize| format!("{}@x.test", "a".repeat(n));
        assert!(EmailAddress::parse(&local(64)).is_ok());
        assert_eq!(EmailAddress::parse(&local(65)), Err(EmailError::TooLong));
        let domain = |n: usize| format!("a@{}test", "a.".repeat(n));
        assert!(EmailAddress::parse(&domain(124)).is_ok());
        assert_eq!(EmailAddress::parse(&domain(125)), Err(EmailError::TooLong));
        assert!(EmailAddress::parse(&format!("a@{}.test", "x".repeat(64))).is_err());
    }
}
