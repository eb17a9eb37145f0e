//! Home realm discovery: whose people somebody belongs to, by what they type and by where they are.
//!
//! The rules of all connections stand in hash tables: a domain is looked up itself and once for each
//! domain above it, an address once for each length of prefix in use. How many connections and rules
//! there are makes no difference.
//!
//! Nothing here is a proof. A domain that is typed and an address that is visited from say where
//! somebody may want to sign in, and no more.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::IpAddr,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Common, LoginName};
use crate::{
    identity::ConnectionId,
    protocol::{EmailAddress, Host, HostPattern, HostPatternError, Network},
    units::from_text,
};

/// A key of `domains`: `acme.example` means its people, `*.acme.example` those of all domains below
/// it, at any depth, and not its own. Unicode and A-labels (RFC 5890 section 2.3.2.1) are two
/// spellings of one rule.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct DomainRule(HostPattern);

impl DomainRule {
    fn parse(text: &str) -> Result<Self, WhyNoRule> {
        if text == "*" {
            return Err(WhyNoRule::Everybody);
        }
        let pattern = HostPattern::parse(text)?;
        let (HostPattern::Exact(domain) | HostPattern::Below(domain)) = &pattern;
        if domain.is_address() {
            Err(WhyNoRule::Address)
        } else if !domain.as_str().contains('.') {
            Err(WhyNoRule::SingleLabel)
        } else {
            Ok(Self(pattern))
        }
    }
}

impl DomainRule {
    /// Whether somebody with this address is of the domain.
    pub(super) fn holds(&self, email: &EmailAddress) -> bool {
        Host::parse(email.domain()).is_ok_and(|domain| self.0.matches(&domain))
    }
}

impl FromStr for DomainRule {
    type Err = DomainRuleError;

    fn from_str(text: &str) -> Result<Self, DomainRuleError> {
        Self::parse(text).map_err(DomainRuleError)
    }
}

impl<'de> Deserialize<'de> for DomainRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl fmt::Display for DomainRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for DomainRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0}; write what stands behind the @, like \"acme.example\", or \"*.acme.example\" for all below it"
)]
pub(crate) struct DomainRuleError(WhyNoRule);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum WhyNoRule {
    #[error("an address is no e-mail domain")]
    Address,
    #[error("this would take in everybody")]
    Everybody,
    #[error(transparent)]
    Pattern(#[from] HostPatternError),
    #[error("a single label is no domain of the DNS, and CORP\\name is not looked up")]
    SingleLabel,
}

/// The domain in what somebody typed as their name: an e-mail address, or the user principal name
/// of a directory. The part before the `@` is the connection's to judge.
pub(crate) fn realm_of(typed: &str) -> Option<Host> {
    let name = LoginName::parse(typed).ok()?;
    let (local, domain) = name.as_str().split_once('@')?;
    let domain = Host::parse(domain).ok()?;
    (!local.is_empty() && !domain.is_address()).then_some(domain)
}

/// Which connections have which rules and networks.
#[derive(Debug, Default)]
pub(super) struct Realms {
    exact: HashMap<Host, Vec<ConnectionId>>,
    /// By the domain behind `*.`.
    below: HashMap<Host, Vec<ConnectionId>>,
    networks: HashMap<Network, Vec<ConnectionId>>,
    prefix_lengths: BTreeSet<u8>,
}

impl Realms {
    /// Enters the rules and networks of a connection.
    pub(super) fn add(&mut self, id: &ConnectionId, common: &Common) {
        for DomainRule(rule) in &common.domains {
            let of_domain = match rule {
                HostPattern::Below(domain) => self.below.entry(domain.clone()),
                HostPattern::Exact(domain) => self.exact.entry(domain.clone()),
            };
            of_domain.or_default().push(id.clone());
        }
        for network in &common.networks {
            self.prefix_lengths.insert(network.prefix_length());
            let inside = self.networks.entry(*network).or_default();
            inside.push(id.clone());
        }
    }

    /// The rules that fit a domain with the connections that have them: the exact one first, then
    /// those for all below, the longer before the shorter.
    pub(super) fn of<'a>(
        &'a self,
        domain: &'a Host,
    ) -> impl Iterator<Item = (DomainRule, &'a [ConnectionId])> {
        let exact = self.exact.get_key_value(domain);
        let exact = exact.map(|(domain, ids)| (HostPattern::Exact(domain.clone()), ids));
        let parent = |name: &&'a str| name.split_once('.').map(|(_, parent)| parent);
        let parents = std::iter::successors(parent(&domain.as_str()), parent);
        let below = parents.filter_map(|parent| self.below.get_key_value(parent));
        let below = below.map(|(domain, ids)| (HostPattern::Below(domain.clone()), ids));
        let all = exact.into_iter().chain(below);
        all.map(|(rule, ids)| (DomainRule(rule), ids.as_slice()))
    }

    /// The connections that have a network with this address in it.
    pub(super) fn near(&self, address: IpAddr) -> impl Iterator<Item = &ConnectionId> {
        let lengths = self.prefix_lengths.iter();
        let around = lengths.filter_map(move |length| Network::around(address, *length));
        around
            .filter_map(|network| self.networks.get(&network))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> DomainRule {
        text.parse().unwrap()
    }

    fn id(name: &str) -> ConnectionId {
        name.parse().unwrap()
    }

    fn realms(connections: &[(&str, &[&str])]) -> Realms {
        let mut realms = Realms::default();
        for (name, rules) in connections {
            let common = Common {
                domains: rules.iter().map(|text| rule(text)).collect(),
                ..Common::default()
            };
            realms.add(&id(name), &common);
        }
        realms
    }

    fn found(realms: &Realms, domain: &str) -> Vec<(String, Vec<String>)> {
        let domain = Host::parse(domain).unwrap();
        let names = |ids: &[ConnectionId]| ids.iter().map(ToString::to_string).collect();
        let all = realms.of(&domain);
        all.map(|(rule, ids)| (rule.to_string(), names(ids)))
            .collect()
    }

    #[test]
    fn a_rule_has_one_form_however_it_is_spelt() {
        for (text, form) in [
            ("acme.example", "acme.example"),
            ("ACME.Example", "acme.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("*.Bücher.example", "*.xn--bcher-kva.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("*.corp.internal", "*.corp.internal"),
            ("co.uk", "co.uk"),
        ] {
            assert_eq!(rule(text).to_string(), form, "{text}");
        }
        assert_eq!(rule("BÜCHER.example"), rule("xn--bcher-kva.example"));
    }

    #[test]
    fn a_rule_that_is_too_broad_or_none_at_all_is_refused_by_name() {
        for (text, says) in [
            ("*", "everybody"),
            ("*.com", "public suffix"),
            ("*.co.uk", "public suffix"),
            ("*.github.io", "public suffix"),
            ("*.*.acme.example", "first label"),
            ("a.*.example", "first label"),
            ("*acme.example", "first label"),
            ("127.0.0.1", "address"),
            ("[::1]", "address"),
            ("corp", "single label"),
            ("*.internal", "single label"),
            ("@acme.example", "behind the @"),
            ("alice@acme.example", "user name"),
            ("", "empty"),
            ("acme.example/x", "not a name"),
            ("xn--a.example", "not a name"),
        ] {
            let error = text.parse::<DomainRule>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_realm_of_a_name_is_its_domain_in_one_form() {
        for (typed, realm) in [
            ("alice@acme.example", Some("acme.example")),
            (" Alice@ACME.example ", Some("acme.example")),
            ("a@bücher.example", Some("xn--bcher-kva.example")),
            ("a@bu\u{308}cher.example", Some("xn--bcher-kva.example")),
            ("a@xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("a＠ａｃｍｅ.example", Some("acme.example")),
            ("a@acme。example", Some("acme.example")),
            ("jörg müller@acme.example", Some("acme.example")),
            ("alice@acme.example.", Some("acme.example")),
            ("CORP\\alice@acme.example", Some("acme.example")),
            ("CORP\\alice", None),
            ("alice", None),
            ("", None),
            ("@acme.example", None),
            ("alice@", None),
            ("a@evil.test@acme.example", None),
            ("a@acme.example@evil.test", None),
            ("a@127.0.0.1", None),
            ("a@[::1]", None),
            ("a@acme.example/x", None),
            ("a@acme.example, b@acme.example", None),
        ] {
            let found = realm_of(typed);
            assert_eq!(found.as_ref().map(Host::as_str), realm, "{typed:?}");
        }
        let long = format!("{}@acme.example", "a".repeat(256));
        assert_eq!(realm_of(&long), None);
    }

    #[test]
    fn the_nearest_rule_comes_first_and_a_domain_is_not_below_itself() {
        let realms = realms(&[
            ("acme", &["acme.example", "*.acme.example"]),
            ("lab", &["*.lab.acme.example"]),
            ("other", &["acme.example"]),
            ("sub", &["eu.acme.example"]),
        ]);
        let of = |domain: &str| found(&realms, domain);
        let own = |rule: &str, names: &[&str]| {
            (
                rule.to_owned(),
                names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            of("acme.example"),
            [own("acme.example", &["acme", "other"])]
        );
        let below = own("*.acme.example", &["acme"]);
        assert_eq!(of("us.acme.example"), std::slice::from_ref(&below));
        assert_eq!(of("a.b.acme.example"), std::slice::from_ref(&below));
        assert_eq!(
            of("eu.acme.example"),
            [own("eu.acme.example", &["sub"]), below.clone()]
        );
        assert_eq!(
            of("x.lab.acme.example"),
            [own("*.lab.acme.example", &["lab"]), below.clone()]
        );
        assert_eq!(of("lab.acme.example"), [below]);
        for other in ["evilacme.example", "acme.example.evil.test", "example"] {
            assert_eq!(of(other), [], "{other}");
        }
    }

    #[test]
    fn an_address_is_near_every_network_around_it() {
        let mut realms = Realms::default();
        for (name, networks) in [
            ("all", &["0.0.0.0/0", "::/0"][..]),
            ("office", &["10.0.0.0/8", "2001:db8::/32"]),
            ("desk", &["10.1.2.3"]),
        ] {
            let common = Common {
                networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
                ..Common::default()
            };
            realms.add(&id(name), &common);
        }
        let near = |address: &str| {
            let mut names: Vec<_> = realms
                .near(address.parse().unwrap())
                .map(ToString::to_string)
                .collect();
            names.sort();
            names
        };
        assert_eq!(near("10.1.2.3"), ["all", "desk", "office"]);
        assert_eq!(near("::ffff:10.1.2.3"), ["all", "desk", "office"]);
        assert_eq!(near("10.1.2.4"), ["all", "office"]);
        assert_eq!(near("11.0.0.1"), ["all"]);
        assert_eq!(near("2001:db8::1"), ["all", "office"]);
        assert_eq!(near("2001:db9::1"), ["all"]);
    }
}
