//! The keys of a connection with `strategy = "passkey"`.

use std::{path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Desk, Passkey};
use crate::{
    connection::{
        Common, Connection, TrustEmail,
        registry::{OpenConnection, Parts},
    },
    identity::ConnectionId,
    problem::Problem,
    protocol::{Host, Origin, Scheme, webauthn::RelyingParty},
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// For which domain passkeys are made (the RP ID): the host of `server.public_url` (default), or a
    /// domain above it that is no public suffix. Those that were made for another are of no use.
    pub(crate) rp_id: Option<String>,
    /// Whether people who signed in another way are asked whether they want a passkey: once in 30 days,
    /// and they can skip it. Default: yes.
    pub(crate) offer_enrolment: Option<bool>,
}

impl Config {
    fn own_problems(common: &Common) -> Vec<Problem> {
        let mut problems = Vec::new();
        if common.trust_email == TrustEmail::Always {
            let message = "anybody can type any e-mail address when they make an account";
            let problem = Problem::new("trust_email", message);
            problems.push(problem.hint("leave it at \"verified\""));
        }
        for (key, set) in [
            ("upstream_params", !common.upstream_params.is_empty()),
            ("claims", !common.claims.is_empty()),
        ] {
            if set {
                let problem = Problem::new(key, "a passkey says nothing of its holder");
                problems.push(problem.hint("take it out"));
            }
        }
        problems
    }
}

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        Self::own_problems(common)
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let mut problems = Self::own_problems(common);
        let origin = Origin::parse(&parts.pages.origin().ascii_serialization());
        let party = match &origin {
            Ok(origin) => relying_party(origin, self.rp_id.as_deref()),
            Err(error) => Err(Problem::new("", error.to_string())),
        };
        match party {
            Ok(party) if problems.is_empty() => Ok(Arc::new(Passkey {
                id,
                desk: Desk::new(party, parts.passkeys.clone()),
                signup: common.signup.unwrap_or(false),
                offers: self.offer_enrolment.unwrap_or(true),
            })),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }
}

/// Who asks for passkeys at the login pages of `origin` (WebAuthn level 3 section 5.1.3).
pub(crate) fn relying_party(origin: &Origin, id: Option<&str>) -> Result<RelyingParty, Problem> {
    let host = &origin.host;
    if host.is_address() {
        let message = format!("{origin} is an address, and passkeys are made for names");
        let hint = "set server.public_url to a name, or to http://localhost for a trial";
        return Err(Problem::new("", message).hint(hint));
    }
    if origin.scheme != Scheme::Https && !origin.is_loopback() {
        let message = "browsers offer passkeys over https, or at localhost, and nowhere else";
        let hint = "set server.public_url to https";
        return Err(Problem::new("", message).hint(hint));
    }
    let id = match id {
        None => host.clone(),
        Some(text) => above(text, host)?,
    };
    Ok(RelyingParty {
        id: id.as_str().to_owned(),
        name: host.as_str().to_owned(),
        origin: origin.to_string(),
    })
}

/// A domain at or above `host` that somebody can have registered.
fn above(text: &str, host: &Host) -> Result<Host, Problem> {
    let problem = |message: String| {
        let hint = format!("use {host}, or a domain above it, or leave it out");
        Problem::new("rp_id", message).hint(hint)
    };
    let id = Host::parse(text).map_err(|error| problem(format!("{text} is no domain: {error}")))?;
    let whole = id.as_str();
    let below = host.as_str().strip_suffix(whole);
    let is_above = below.is_some_and(|front| front.is_empty() || front.ends_with('.'));
    if !is_above {
        return Err(problem(format!("{id} is not above {host}")));
    }
    if id != *host && (!whole.contains('.') || psl::suffix_str(whole) == Some(whole)) {
        let message = format!("{id} is a public suffix: strangers have names below it");
        return Err(problem(message));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rp_id_is_the_host_or_a_domain_above_it() {
        let party = |origin: &str, id| relying_party(&Origin::parse(origin).unwrap(), id);
        let login = "https://login.example.co.uk:8443";
        for (origin, id, expected) in [
            (login, None, "login.example.co.uk"),
            (login, Some("login.example.co.uk"), "login.example.co.uk"),
            (login, Some("example.co.uk"), "example.co.uk"),
            ("http://localhost:8080", None, "localhost"),
            ("http://app.localhost:8080", None, "app.localhost"),
            ("https://intranet", None, "intranet"),
        ] {
            let party = party(origin, id).unwrap();
            assert_eq!(
                (party.id.as_str(), party.origin.as_str()),
                (expected, origin)
            );
        }
        for (origin, id) in [
            (login, Some("co.uk")),
            (login, Some("uk")),
            (login, Some("ple.co.uk")),
            (login, Some("other.example.co.uk")),
            (login, Some("example.com")),
            (login, Some("")),
            (login, Some("*.example.co.uk")),
            ("http://app.localhost:8080", Some("localhost")),
            ("http://example.com", None),
            ("https://192.0.2.1", None),
            ("http://127.0.0.1:8080", None),
        ] {
            assert!(party(origin, id).is_err(), "{origin} {id:?}");
        }
    }
}
