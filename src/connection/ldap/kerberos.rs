//! A Windows session, or any other Kerberos ticket, as the way in: SPNEGO (RFC 4559).
//!
//! Inside the networks that are set, the browser is asked to negotiate, and the form is in the same
//! answer. The ticket says which principal it is; who that is, the directory says, as for anybody who
//! types a password.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    KerberosConfig, Ldap,
    person::{Known, Typed},
    refused::{self, Refused},
};
use crate::{
    connection::{Authenticated, Once, Peer, Step},
    crypto,
    egress::tickets::Tickets,
    problem::Problem,
    protocol::{
        ChannelBinding,
        kerberos::{Keytab, Principal, Ticket},
        ldap::FilterTemplate,
    },
};

/// A ticket can come again for so long: the skew of clocks that the library allows, five minutes both
/// ways (RFC 4120 section 3.2.3), and some more.
const REPLAYED_WITHIN: Duration = Duration::from_hours(1);
/// The names of what a principal is made of.
const HOLES: [&str; 2] = ["principal", "username"];

/// How tickets are taken.
#[derive(Debug)]
pub(super) struct Kerberos {
    tickets: Tickets,
    /// Whether a ticket that is tied to a TLS connection is taken by that one alone.
    bound: bool,
    networks: Vec<IpNet>,
    /// Those of the keytab.
    services: Vec<String>,
    realms: Vec<String>,
    user_filter: FilterTemplate,
}

impl KerberosConfig {
    /// Reads the keytab's names, and all else that is set.
    pub(super) fn read(&self, username_attribute: &str) -> Result<Kerberos, Vec<Problem>> {
        let mut problems = Vec::new();
        if !cfg!(feature = "kerberos") {
            let message = "this program was built without Kerberos";
            problems.push(Problem::new("", message).hint("build it with the feature kerberos"));
        }
        let octets = std::fs::read(&self.keytab).map_err(|error| error.to_string());
        let keytab = octets
            .and_then(|octets| Keytab::parse(&octets).map_err(|error| error.to_string()))
            .map_err(|why| {
                let message = format!("{}: {why}", self.keytab.display());
                problems.push(Problem::new("keytab", message));
            });
        let standard = format!("({username_attribute}={{username}})");
        let filter = self.user_filter.as_deref().unwrap_or(&standard);
        let filter = FilterTemplate::parse(filter, &HOLES)
            .map_err(|error| problems.push(Problem::new("user_filter", error.to_string())));
        if self.networks.is_empty() {
            let hint = "like networks = [\"10.0.0.0/8\"]";
            let message = "nobody is asked for a ticket";
            problems.push(Problem::new("networks", message).hint(hint));
        }
        let realms = match &keytab {
            Ok(keytab) if self.realms.is_empty() => keytab.realms.clone(),
            _ => self.realms.clone(),
        };
        if let Ok(filter) = &filter {
            // The same name of two realms is two people's.
            let several = realms.len() > 1;
            let needed: &[&str] = if several { &["principal"] } else { &HOLES };
            if !filter.depends_on(needed) {
                let message = if several {
                    "the same name of several realms would be the same person"
                } else {
                    "whoever has a ticket would be the same person"
                };
                let hint = "like \"(userPrincipalName={principal})\" or \"(krbPrincipalName={principal})\"";
                problems.push(Problem::new("user_filter", message).hint(hint));
            }
        }
        match (keytab, filter) {
            (Ok(keytab), Ok(user_filter)) if problems.is_empty() => Ok(Kerberos {
                tickets: Tickets::new(&self.keytab),
                bound: !self.danger_ignore_channel_binding,
                networks: self.networks.clone(),
                services: keytab.services,
                realms,
                user_filter,
            }),
            _ => Err(problems),
        }
    }
}

impl Kerberos {
    /// Whether somebody from there is asked for a ticket.
    pub(super) fn asks(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.networks.iter().any(|net| net.contains(&address)))
    }
}

impl Ldap {
    /// Whether a browser from there is asked for a ticket.
    pub(super) fn asks_for_ticket(&self, peer: &Peer) -> bool {
        let kerberos = self.kerberos.as_ref();
        kerberos.is_some_and(|kerberos| kerberos.asks(peer.address))
    }

    /// Somebody comes with a ticket.
    pub(super) async fn take_ticket(
        &self,
        kerberos: &Kerberos,
        token: &[u8],
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let ticket = Ticket::of(token)?;
        if !kerberos.services.contains(&ticket.service) {
            return Err(Refused::OtherService(ticket.service));
        }
        let binding = peer.channel_binding.as_ref().filter(|_| kerberos.bound);
        let binding = binding.map(ChannelBinding::octets);
        let principal = kerberos.tickets.open(token, binding).await?;
        let principal = Principal::parse(&principal)?;
        if !kerberos.realms.contains(&principal.realm) {
            return Err(Refused::Realm(principal.realm));
        }
        let whole = format!("{}@{}", principal.name, principal.realm);
        let typed = Typed {
            login: whole.clone(),
            username: principal.name,
        };
        let values = |name: &str| match name {
            "principal" => Some(whole.clone().into_bytes()),
            other => typed.value(other),
        };
        let person = self
            .directory
            .find_by(&kerberos.user_filter, &values)
            .await?;
        let person = person.ok_or(Refused::NoPerson)?;
        let known = self.directory.look_up(person).await?;
        let once = Once {
            // Whichever connection took it.
            hash: crypto::sha256_parts(&[b"kerberos", &ticket.authenticator]),
            until: peer.now + REPLAYED_WITHIN,
        };
        self.done_by_ticket(&known, once, peer)
    }

    fn done_by_ticket(&self, known: &Known, once: Once, peer: &Peer) -> Result<Step, Refused> {
        let identity = self.identity(known)?;
        peer.seen.add(refused::IDENTITY, &identity.claims);
        // Windows integrated authentication (RFC 8176 section 2).
        let methods = vec!["wia".to_owned()];
        let who = Authenticated::new(identity, peer.now, methods, None).once(once);
        Ok(Step::Done { who: Box::new(who) })
    }
}
