//! Which header names a visitor may never set, in whatever spelling.

/// A name with case and punctuation folded: CGI, WSGI, PHP and Rack turn `-`, and some of them
/// `.` and every other mark, into `_`, so all such spellings reach an application as one name.
pub(crate) fn folded(name: &str) -> String {
    name.bytes().map(|byte| char::from(fold(byte))).collect()
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// Why a header is ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HeaderClass {
    /// Says which certificate the visitor showed (RFC 9440). Believed from a trusted proxy, by the
    /// login alone. Dropped always.
    Certificate,
    /// Says where the visitor is, in a vendor's words (`CF-Connecting-IP`). We never write these;
    /// they may stay when the peer is a trusted proxy and go otherwise.
    ClientAddress,
    /// Says how the request came here. Dropped always; one consistent set of ours is written.
    Forwarding,
    /// Says who the visitor is. Dropped always; written from the permit.
    Identity,
    /// Says that another method is meant than the one that was decided about. Dropped always.
    Method,
}

/// The names that are ours, compared folded. A family is a name and everything that continues it
/// after a mark: `remote-user` covers `Remote_User.Groups` but not `Remote-Username`.
#[derive(Clone, Debug)]
pub(crate) struct OwnedHeaders {
    /// By the first octet of the folded name: most headers of a request have no entry at all.
    entries: Vec<Vec<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    folded: Vec<u8>,
    family: bool,
    class: HeaderClass,
}

/// What a proxy where TLS ends says of the certificate: `Client-Cert` and `Client-Cert-Chain`.
const CERTIFICATE: &[&str] = &["client-cert"];

/// What says who somebody is, to the applications that take it from a proxy.
const IDENTITY: &[&str] = &[
    "remote-email",
    "remote-group",
    "remote-groups",
    "remote-name",
    "remote-user",
    "x-auth-request",
    "x-remote",
    "x-vestibule",
    "x-webauth",
];

/// What a proxy says about the way a request came (RFC 7239 and its older relatives). The whole
/// of `X-Forwarded-*` is here, `X-Forwarded-User` too: both classes are always dropped.
const FORWARDING: &[&str] = &[
    "forwarded",
    "x-forwarded",
    "x-original",
    "x-real-ip",
    "x-rewrite",
];

/// Where the visitor is, according to one vendor's edge; applications believe them.
const CLIENT_ADDRESS: &[&str] = &[
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "true-client-ip",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
];

/// What frameworks take for the method of a POST.
const METHOD: &[&str] = &[
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

impl OwnedHeaders {
    /// The families that are ours whatever the configuration says.
    pub(crate) fn base() -> Self {
        let mut owned = Self {
            entries: vec![Vec::new(); 256],
        };
        for (families, class) in [
            (CERTIFICATE, HeaderClass::Certificate),
            (IDENTITY, HeaderClass::Identity),
            (FORWARDING, HeaderClass::Forwarding),
            (CLIENT_ADDRESS, HeaderClass::ClientAddress),
            (METHOD, HeaderClass::Method),
        ] {
            for family in families {
                owned.add(family, true, class);
            }
        }
        owned
    }

    /// Adds one name, like one of a route's own table.
    pub(crate) fn add_name(&mut self, name: &str) {
        self.add(name, false, HeaderClass::Identity);
    }

    fn add(&mut self, name: &str, family: bool, class: HeaderClass) {
        let folded = folded(name.trim_end_matches('-')).into_bytes();
        let first = folded.first().copied().unwrap_or(b'-');
        if let Some(entries) = self.entries.get_mut(usize::from(first)) {
            entries.push(Entry {
                folded,
                family,
                class,
            });
        }
    }

    /// Whether a header is ours. Called for each header of each request; does not allocate.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.class(name).is_some()
    }

    /// Why a header is ours, if it is.
    pub(crate) fn class(&self, name: &str) -> Option<HeaderClass> {
        let first = fold(*name.as_bytes().first()?);
        let entries = self.entries.get(usize::from(first))?;
        let found = entries.iter().find(|entry| entry.covers(name.as_bytes()))?;
        Some(found.class)
    }
}

impl Entry {
    fn covers(&self, name: &[u8]) -> bool {
        let Some((front, rest)) = name.split_at_checked(self.folded.len()) else {
            return false;
        };
        let ends = match rest.first() {
            None => true,
            Some(&next) => self.family && fold(next) == b'-',
        };
        ends && front
            .iter()
            .zip(&self.folded)
            .all(|(&given, &ours)| fold(given) == ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mix of marks and of the case of each word.
    #[test]
    fn every_spelling_is_ours() {
        let owned = OwnedHeaders::base();
        for marks in 0..9 {
            for cases in 0..(1 << 13) {
                let name: String = "xforwardeduser"
                    .char_indices()
                    .map(|(at, letter)| {
                        let upper = cases & (1 << (at % 13)) != 0;
                        let letter = if upper {
                            letter.to_ascii_uppercase()
                        } else {
                            letter
                        };
                        match at {
                            1 => format!("{}{letter}", ["-", "_", "."][marks % 3]),
                            10 => format!("{}{letter}", ["-", "_", "."][marks / 3]),
                            _ => letter.to_string(),
                        }
                    })
                    .collect();
                assert!(owned.contains(&name), "{name}");
            }
        }
        assert!(owned.contains("X~Forwarded!User"));
        assert_eq!(folded("X_Forwarded.User"), "x-forwarded-user");
    }

    #[test]
    fn whole_families_are_ours_and_their_neighbours_are_not() {
        use HeaderClass as C;
        let owned = OwnedHeaders::base();
        for (name, class) in [
            ("Remote-User", Some(C::Identity)),
            ("REMOTE_USER_ADMIN", Some(C::Identity)),
            ("X-Remote-User", Some(C::Identity)),
            ("X-Remote-Group", Some(C::Identity)),
            ("X-WEBAUTH-USER", Some(C::Identity)),
            ("X-Auth-Request-Anything-New", Some(C::Identity)),
            ("X-Vestibule-Assertion", Some(C::Identity)),
            ("Forwarded", Some(C::Forwarding)),
            ("X-Forwarded", Some(C::Forwarding)),
            ("X-Forwarded-Anything-New", Some(C::Forwarding)),
            ("X-Real-Ip", Some(C::Forwarding)),
            ("X-Original-URL", Some(C::Forwarding)),
            ("X.Rewrite_URL", Some(C::Forwarding)),
            ("CF-Connecting-IP", Some(C::ClientAddress)),
            ("Client_IP", Some(C::ClientAddress)),
            ("Client-Cert", Some(C::Certificate)),
            ("CLIENT_CERT.CHAIN", Some(C::Certificate)),
            ("Client-Certificate", None),
            ("Remote-Username", None),
            ("X-Forwardeduser", None),
            ("X-Requested-With", None),
            ("X-Auth-Token", None),
            ("Authorization", None),
            ("Cookie", None),
            ("Host", None),
            ("X", None),
            ("", None),
        ] {
            assert_eq!(owned.class(name), class, "{name}");
        }
    }

    #[test]
    fn routes_add_their_own_names() {
        let mut owned = OwnedHeaders::base();
        owned.add_name("X_User");
        assert!(owned.contains("x-user"));
        assert!(owned.contains("X.USER"));
        assert!(!owned.contains("X-User-Timezone"));
    }
}
