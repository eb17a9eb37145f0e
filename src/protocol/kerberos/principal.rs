//! Who a ticket is of.

/// Somebody of a realm: `alice@CORP.EXAMPLE.COM`, without an instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) realm: String,
}

/// A text that is no such name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the principal has more parts than a name and a realm")]
pub(crate) struct BadPrincipal;

impl Principal {
    /// Reads a name as the library writes it (RFC 1964 section 2.1.1). One with an instance
    /// (`alice/admin`), or with signs that had to be escaped, is nobody who signs in.
    pub(crate) fn parse(text: &str) -> Result<Self, BadPrincipal> {
        let (name, realm) = text.split_once('@').ok_or(BadPrincipal)?;
        let plain = |part: &str| {
            let bad =
                |sign: char| sign.is_control() || sign.is_whitespace() || "@/\\".contains(sign);
            !part.is_empty() && part.len() <= 256 && !part.contains(bad)
        };
        if !plain(name) || !plain(realm) {
            return Err(BadPrincipal);
        }
        Ok(Self {
            name: name.to_owned(),
            realm: realm.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_a_name_of_a_realm() {
        let alice = Principal::parse("alice@CORP.TEST").unwrap();
        assert_eq!(
            (alice.name.as_str(), alice.realm.as_str()),
            ("alice", "CORP.TEST")
        );
        for text in [
            "alice",
            "@CORP.TEST",
            "alice@",
            "alice/admin@CORP.TEST",
            "a@b@CORP.TEST",
            "a\\@b@CORP.TEST",
            "a b@CORP.TEST",
            "alice@CORP/TEST",
            "alice\0@CORP.TEST",
        ] {
            assert_eq!(Principal::parse(text), Err(BadPrincipal), "{text:?}");
        }
    }
}
