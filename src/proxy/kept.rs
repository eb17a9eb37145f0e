//! What one request of a connection leaves to the next (HTTP/1.1 only).
//!
//! Most requests of a connection come from one visitor and say the same about them. What was worked
//! out from such a line is kept with the line: the same bytes, under the same circumstances, need
//! not be read again. Whatever can change meanwhile (the session, the route) is a circumstance.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{head::BadHead, ours::Ours};
use crate::{
    crypto::KeyRing,
    gate::Permitted,
    protocol::{ClientFacts, Host, HostPort},
    session::{Sessions, Token},
};

/// Each is kept with what it was read from.
#[derive(Debug, Default)]
pub(super) struct Kept {
    host: Option<(HeaderValue, HostPort)>,
    ours: Option<Box<Ours>>,
    proof: Option<Proof>,
}

/// A token whose MAC was found right.
#[derive(Debug)]
struct Proof {
    line: HeaderValue,
    host: Host,
    ring: Arc<KeyRing>,
    token: Token,
}

impl Kept {
    /// The host in a Host line.
    pub(super) fn host(
        &mut self,
        line: &HeaderValue,
        read: impl FnOnce(&HeaderValue) -> Result<HostPort, BadHead>,
    ) -> Result<HostPort, BadHead> {
        if let Some((kept, host)) = &self.host
            && kept == line
        {
            return Ok(host.clone());
        }
        let host = read(line)?;
        self.host = Some((copy(line), host.clone()));
        Ok(host)
    }

    /// The token in a request's only Cookie line. `cookie` finds the value in it.
    pub(super) fn token<'l>(
        &mut self,
        sessions: &Sessions,
        (line, host): (&'l HeaderValue, &Host),
        cookie: impl FnOnce(&'l HeaderValue) -> Option<&'l [u8]>,
    ) -> Option<Token> {
        let ring = sessions.ring();
        if let Some(proof) = &self.proof
            && proof.line == *line
            && proof.host == *host
            && Arc::ptr_eq(&proof.ring, &ring)
        {
            return Some(proof.token.clone());
        }
        let token = Token::verify(&ring, cookie(line)?, host.as_str())?;
        self.proof = Some(Proof {
            line: copy(line),
            host: host.clone(),
            ring: Arc::clone(&ring),
            token: token.clone(),
        });
        Some(token)
    }

    /// What the application is told about this visitor.
    pub(super) fn ours(
        &mut self,
        permitted: &Permitted,
        visitor: (&ClientFacts, &HeaderMap),
    ) -> pingora::Result<HeaderMap> {
        // The line that holds the token was looked at a moment ago, so it is the one to keep.
        let proof = self.proof.as_ref().map(|proof| &proof.line);
        let copy = |line: &HeaderValue| match proof {
            Some(same) if same == line => same.clone(),
            _ => copy(line),
        };
        Ours::fields(permitted, visitor, &mut self.ours, copy)
    }
}

/// In octets of its own: as it came, it holds on to all that was read with it.
fn copy(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

#[cfg(test)]
mod tests {
    use http::{Method, header};

    use super::*;
    use crate::{
        gate::{Gate, RequestFacts, Verdict},
        policy::{
            Facts,
            fixture::{NOW, Someone, public_url},
        },
        protocol::{Arrival, CanonicalPath, Scheme, TrustedProxies},
    };

    fn client(address: &str, scheme: Scheme, host: &str) -> ClientFacts {
        let arrival = Arrival {
            peer: address.parse().ok(),
            scheme,
            host: &HostPort::parse(host).unwrap(),
        };
        ClientFacts::find(&TrustedProxies::default(), arrival, &HeaderMap::new()).unwrap()
    }

    fn permitted(
        gate: &Gate,
        path: &str,
        session: Option<Arc<crate::session::Session>>,
    ) -> Permitted {
        let request = RequestFacts {
            facts: Facts {
                scheme: Scheme::Https,
                host: &public_url().host,
                path: &CanonicalPath::parse(path).unwrap(),
                method: &Method::GET,
                address: None,
                now: NOW,
            },
            headers: &HeaderMap::new(),
        };
        match gate.decide(&request, session) {
            Verdict::Forward(permitted) => permitted,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever comes after whomever on one connection, by whatever route.
    #[test]
    fn each_is_told_of_as_if_nobody_had_come_before() {
        let routes = "
            [[routes]]
            upstream = 'http://127.0.0.1:3000'
            public = ['/open/**']
            [[routes]]
            path = '/other'
            upstream = 'http://127.0.0.1:3000'
            upstream_host = 'upstream'
            public = ['/other/open/**']
            headers = { X-User = '{handle}' }
        ";
        let gate = |routes| Gate::new(crate::route::tests::parse(routes).unwrap(), public_url());
        let (gate, reloaded) = (gate(routes), gate(&routes.replace("X-User", "X-Who")));
        let alice = Someone::by("acme").session();
        let groups = Someone::by("acme").groups(&["staff"]).session();
        let clients = [
            client("192.0.2.1", Scheme::Https, "a.test:8443"),
            client("192.0.2.2", Scheme::Https, "a.test:8443"),
            client("192.0.2.1", Scheme::Http, "a.test:8443"),
            client("192.0.2.1", Scheme::Https, "b.test:8443"),
            client("192.0.2.1", Scheme::Https, "a.test"),
        ];
        let cookies = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| HeaderValue::from_static(line));
            lines
                .map(|line| (header::COOKIE, line))
                .collect::<HeaderMap>()
        };
        let cookies = [
            cookies(&[]),
            cookies(&["__Host-vestibule=x"]),
            cookies(&["a=1; __Host-vestibule=x"]),
            cookies(&["a=1; __Host-vestibule=y"]),
            cookies(&["__Host-vestibule=x; b=2"]),
        ];
        let mut all = Vec::new();
        for gate in [&gate, &reloaded] {
            for (path, session) in [
                ("/", Some(&alice)),
                ("/", Some(&groups)),
                ("/open/", None),
                ("/other", Some(&alice)),
                ("/other", Some(&groups)),
                ("/other/open/", None),
            ] {
                let permitted = permitted(gate, path, session.cloned());
                for (at, client) in clients.iter().enumerate() {
                    all.push((permitted.clone(), (client, &cookies[0])));
                    all.push((permitted.clone(), (client, &cookies[at])));
                }
                for cookies in &cookies {
                    all.push((permitted.clone(), (&clients[0], cookies)));
                }
            }
        }
        let fresh = |(permitted, visitor): &(Permitted, (&ClientFacts, &HeaderMap))| {
            Ours::fields(permitted, *visitor, &mut None, HeaderValue::clone).unwrap()
        };
        let mut differ = 0;
        for first in &all {
            for then in &all {
                let mut kept = Kept::default();
                for one in [first, first, then, then, then] {
                    let ours = kept.ours(&one.0, one.1).unwrap();
                    assert_eq!(ours, fresh(one), "{one:?} after {first:?}");
                }
                differ += usize::from(fresh(first) != fresh(then));
            }
        }
        assert!(differ > all.len() * all.len() / 2, "{differ}");
    }
}
