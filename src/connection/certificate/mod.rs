//! Client certificates: what a connection needs that lets people in by one.
//!
//! [`Authorities`] says whose certificates count and which of them were taken back, [`Verified`]
//! whom a good one names. [`Desk`] is where certificates are shown: at once, in the handshake of this
//! very request or in the header fields of a trusted proxy, or at an origin of its own, the same
//! host at another port. There browsers are asked for a certificate; at `public_url`, where everybody
//! comes, nobody is.
//!
//! ```text
//!  login ──► origin/callback ── verified ──► public_url/callback ── verified again ──► done
//!              the handshake asks               the row is taken, once
//! ```
//!
//! Nothing but the first callback is served at the other origin ([`crate::proxy`]), so whatever else
//! a login may need, a question or a form, happens where it always does.

mod authorities;
mod lists;
mod refused;
#[cfg(test)]
mod tests;
mod verified;

use std::{path::PathBuf, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

pub(crate) use self::{
    authorities::Authorities,
    refused::Refused,
    verified::{SubjectFrom, Verified},
};
use super::{Check, ConnectionData, Peer, Reply, Start, Step, registry::Parts};
use crate::{
    crypto,
    identity::ConnectionId,
    problem::Problem,
    protocol::{ClientCertificate, Origin, Scheme},
    store::{OneTimeKey, OneTimeRow, Purpose},
};

/// How long the way from the other origin back may take.
const ON_THE_WAY: Duration = Duration::from_mins(2);
/// What marks the second callback.
const SHOWN: &str = "shown";

/// What is set about certificates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// PEM files with the authorities whose certificates count.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: OneOrMore,
    /// Files with their certificate revocation lists, PEM or DER. They are read at each login. Where
    /// there are some, each authority needs one that is current. Default: nothing is revoked.
    #[serde(default)]
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(crate) crl: OneOrMore,
    /// Which part of a certificate says who somebody is: `subject` (default), `common_name`, `email`,
    /// `upn`, `serial_number` or `issuer_and_serial`.
    #[serde(default)]
    pub(crate) subject: SubjectFrom,
    /// The origin where browsers are asked for a certificate: `public_url`'s host at another port.
    /// Default: where everybody signs in.
    #[serde(default)]
    pub(crate) origin: Option<String>,
    /// What is known of the keys: authentication methods of RFC 8176, like `["sc", "pin"]`.
    /// Default: nothing.
    #[serde(default)]
    pub(crate) amr: Vec<String>,
}

/// The path of a file, or several.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(untagged, expecting = "a path, or a list of them")]
pub(crate) enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl OneOrMore {
    /// All of them.
    pub(crate) fn all(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::More(paths) => paths,
        }
    }
}

/// Where certificates are shown, for one connection.
#[derive(Debug)]
pub(crate) struct Desk {
    id: ConnectionId,
    authorities: Arc<Authorities>,
    subject: SubjectFrom,
    amr: Vec<String>,
    origin: Option<Origin>,
    parts: Parts,
}

/// What came of showing one.
pub(crate) enum Shown {
    /// This person holds the key of this certificate.
    By(Box<Verified>),
    /// The browser goes elsewhere first.
    Elsewhere(Step),
}

/// The steps and checks, in the order in which they are made, for [`Check`]s of connections.
pub(crate) const CHECKS: [Check; 9] = [
    check(
        "shown",
        "the browser, or a trusted proxy, showed a certificate",
    ),
    check("readable", "it is one, and its names are plain text"),
    check(
        "issuer",
        "an authority of `ca` issued it, directly or through others",
    ),
    check("purpose", "it is for client authentication"),
    check("strength", "keys and signatures are strong enough"),
    check("dates", "it and those above it are good today"),
    check("lists", "each issuer has a current revocation list"),
    check("revoked", "neither it nor one above it was revoked"),
    check("subject", "it says who somebody is, and says it once"),
];

/// The step of all these checks.
pub(crate) const STEP: &str = "client-certificate";

const fn check(check: &'static str, what: &'static str) -> Check {
    Check {
        step: STEP,
        check: Some(check),
        what,
    }
}

impl Config {
    /// All that is wrong with it, besides what needs to know `public_url`.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let authorities = Authorities::read(self.ca.all(), self.crl.all());
        let mut problems = authorities.err().unwrap_or_default();
        problems.extend(self.origin().err());
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        for (index, method) in self.amr.iter().enumerate() {
            if method.is_empty() || method.len() > 32 || !method.bytes().all(token) {
                let key = format!("amr[{index}]");
                problems.push(
                    Problem::new(key, "it is no authentication method")
                        .hint("like \"sc\" for a smart card, \"hwk\" or \"swk\""),
                );
            }
        }
        problems
    }

    /// The other origin.
    fn origin(&self) -> Result<Option<Origin>, Problem> {
        let Some(text) = &self.origin else {
            return Ok(None);
        };
        let problem = |why: String| {
            Problem::new("origin", why).hint("like \"https://login.example.com:8443\"")
        };
        let origin = Origin::parse(text).map_err(|error| problem(error.to_string()))?;
        if origin.scheme != Scheme::Https {
            return Err(problem("only TLS asks for certificates".to_owned()));
        }
        Ok(Some(origin))
    }

    /// What does not fit to where people sign in: the flow's cookie goes to one host alone, at
    /// whatever port.
    pub(crate) fn misfits(&self, public_url: &Origin) -> Option<Problem> {
        let origin = self.origin().ok()??;
        if origin.host == public_url.host && origin.port() != public_url.port() {
            return None;
        }
        let why = format!("it is not another port of {}", public_url.host);
        Some(Problem::new("origin", why).hint("browsers would not bring the login along"))
    }
}

impl Desk {
    /// Opens it, or says all that is wrong.
    pub(crate) fn open(
        config: &Config,
        id: ConnectionId,
        parts: &Parts,
    ) -> Result<Self, Vec<Problem>> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            id,
            authorities: Arc::new(Authorities::read(config.ca.all(), config.crl.all())?),
            subject: config.subject,
            amr: config.amr.clone(),
            origin: config.origin().map_err(|problem| vec![problem])?,
            parts: parts.clone(),
        })
    }

    /// Whose certificates count.
    pub(crate) fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Where browsers are asked, if that is elsewhere.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// What is known of the keys (RFC 8176).
    pub(crate) fn amr(&self) -> &[String] {
        &self.amr
    }

    /// The first step: the certificate of this request, or the way to where one is asked for.
    pub(crate) async fn begin(&self, start: &Start<'_>) -> Result<Shown, Refused> {
        let Some(origin) = &self.origin else {
            return self
                .verify(start.peer.certificate.as_ref(), start.peer)
                .await;
        };
        let mut to = self.parts.callback(&self.id);
        // An origin of ours is a host and a port.
        let moved = to.set_scheme(origin.scheme.as_str()).is_ok()
            && to.set_port(origin.explicit_port()).is_ok();
        if !moved {
            return Err(Refused::Unasked);
        }
        to.query_pairs_mut().append_pair("state", start.state);
        let keep = ConnectionData::default();
        Ok(Shown::Elsewhere(Step::Redirect { to, keep }))
    }

    /// The callbacks: at the other origin, and then where everybody signs in. The caller has seen
    /// that `state` is this browser's.
    pub(crate) async fn resume(&self, reply: Reply<'_>, peer: &Peer) -> Result<Shown, Refused> {
        let (Some(_), Reply::Query(query)) = (&self.origin, reply) else {
            return Err(Refused::Unasked);
        };
        let pairs = || url::form_urlencoded::parse(query.as_bytes());
        let state = pairs().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| state).ok_or(Refused::Unasked)?;
        let key = self.row(&state);
        if pairs().any(|(name, _)| name == SHOWN) {
            let row = self.parts.once.take(&key, peer.now).await?;
            let certificate = row.and_then(|row| self.unsealed(&key, &row));
            let certificate = certificate.ok_or(Refused::Gone)?;
            return self.verify(Some(&Arc::new(certificate)), peer).await;
        }
        // Whoever is refused is refused here, and only for who is not, something is kept.
        self.verify(peer.certificate.as_ref(), peer).await?;
        let certificate = peer.certificate.as_deref().ok_or(Refused::NotShown)?;
        self.parts
            .once
            .put(OneTimeRow {
                key,
                payload: self.sealed(&key, certificate),
                until: peer.now + ON_THE_WAY,
            })
            .await?;
        Ok(Shown::Elsewhere(Step::Redirect {
            to: self.way_back(&state),
            keep: ConnectionData::default(),
        }))
    }

    fn way_back(&self, state: &str) -> Url {
        let mut to = self.parts.callback(&self.id);
        to.query_pairs_mut()
            .append_pair("state", state)
            .append_pair(SHOWN, "1");
        to
    }

    async fn verify(
        &self,
        shown: Option<&Arc<ClientCertificate>>,
        peer: &Peer,
    ) -> Result<Shown, Refused> {
        let shown = shown.ok_or(Refused::NotShown)?.clone();
        if let Ok(claims) = verified::claims_of(shown.leaf()) {
            peer.seen.add(STEP, &claims);
        }
        let (authorities, subject, now) = (self.authorities.clone(), self.subject, peer.now);
        // A revocation list may be large, and is read from its file.
        let verified = tokio::task::spawn_blocking(move || {
            let not_after = authorities.verify(&shown, now)?;
            Verified::read(shown.leaf(), subject, not_after)
        });
        let verified = verified.await.map_err(|_| Refused::Broken)??;
        Ok(Shown::By(Box::new(verified)))
    }

    fn row(&self, state: &str) -> OneTimeKey {
        OneTimeKey {
            purpose: Purpose::Certificate,
            hash: crypto::sha256(format!("{} {state}", self.id).as_bytes()),
        }
    }

    fn sealed(&self, key: &OneTimeKey, certificate: &ClientCertificate) -> Vec<u8> {
        let text = serde_json::to_vec(certificate).unwrap_or_default();
        let (ring, random) = (self.parts.ring.load(), self.parts.random.as_ref());
        crypto::seal(&ring, place(&[&key.hash]), &text, random)
    }

    fn unsealed(&self, key: &OneTimeKey, row: &[u8]) -> Option<ClientCertificate> {
        let ring = self.parts.ring.load();
        let text = crypto::open(&ring, place(&[&key.hash]), row).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn place<'a>(context: &'a [&'a [u8]]) -> crypto::Place<'a> {
    crypto::Place {
        purpose: crypto::Purpose::OneTime,
        context,
    }
}
