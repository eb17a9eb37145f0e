//! What fits by itself but not together.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    root::File,
    server::{Address, Listener, Serves, ServerConfig},
};
use crate::{
    problem::Problem,
    protocol::{HostPattern, Scheme},
};

/// All of it, with full keys.
pub(super) fn problems(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    let listeners = file.server.all_listeners();
    for (key, listener) in &listeners {
        problems.extend(one_listener(key, listener));
        problems.extend(plain_http(key, listener, &file.server));
    }
    problems.extend(public_url(&file.server));
    problems.extend(twice(file, &listeners));
    let session = file.session.problems().into_iter();
    problems.extend(session.map(|problem| problem.under("session")));
    for (name, connection) in &file.connections {
        for (number, domain) in connection.common.domains.iter().enumerate() {
            let key = format!("connections.{name}.domains[{number}]");
            problems.extend(not_a_domain(&key, domain));
        }
    }
    problems
}

fn one_listener(key: &str, listener: &Listener) -> Vec<Problem> {
    let beside = |name: &str| key.strip_suffix("address").map_or_else(|| key.to_owned(), |table| format!("{table}{name}"));
    let mut problems = Vec::new();
    if listener.serves.len() != 1 {
        let message = "a listener serves one thing";
        let hint = "use [\"proxy\"], [\"check\"] or [\"redirect\"], each on an address of its own";
        problems.push(Problem::new(beside("serves"), message).hint(hint));
    }
    let is_unix = matches!(listener.address, Address::Unix(_));
    if listener.client_ca.is_some() && listener.tls.is_empty() {
        let message = "without tls nobody shows a certificate";
        let hint = "set tls = [{ cert = \"…\", key = \"…\" }]";
        problems.push(Problem::new(beside("client_ca"), message).hint(hint));
    }
    if is_unix && !listener.tls.is_empty() {
        let message = "a Unix socket takes no TLS";
        problems.push(Problem::new(beside("tls"), message).hint("leave tls out"));
    }
    if !is_unix && listener.mode.is_some() {
        let message = "only a Unix socket has a mode";
        problems.push(Problem::new(beside("mode"), message).hint("leave mode out"));
    }
    if listener.purpose() == Serves::Redirect && !listener.tls.is_empty() {
        let message = "a listener with TLS has nothing to redirect to";
        problems.push(Problem::new(beside("serves"), message).hint("leave tls out"));
    }
    problems
}

/// Passwords and sessions leave this machine encrypted: by a listener with TLS, or by a TLS proxy in
/// front, which `public_url` and `trusted_proxies` speak of.
fn plain_http(key: &str, listener: &Listener, server: &ServerConfig) -> Option<Problem> {
    let harmless = !listener.tls.is_empty()
        || listener.address.is_local()
        || listener.purpose() == Serves::Redirect;
    let behind_tls =
        server.public_url.scheme == Scheme::Https && !server.trusted_proxies.is_empty();
    if harmless || behind_tls || server.danger_plain_http {
        return None;
    }
    let message = format!(
        "plain http on {}: whoever is on the way reads passwords and sessions",
        listener.address
    );
    let hint = "give the listener tls, or listen on 127.0.0.1; behind a proxy with TLS, set an https \
                public_url and trusted_proxies; if nothing of that is possible, danger_plain_http = true";
    Some(Problem::new(key, message).hint(hint))
}

fn public_url(server: &ServerConfig) -> Option<Problem> {
    let url = &server.public_url;
    let safe = url.scheme == Scheme::Https || url.is_loopback() || server.danger_plain_http;
    if !safe {
        let message = format!("{url} is plain http, and not this machine alone");
        let hint = "use https, or danger_plain_http = true if everybody on the way may read along";
        return Some(Problem::new("server.public_url", message).hint(hint));
    }
    let redirects = |(_, listener): &(String, Listener)| listener.purpose() == Serves::Redirect;
    if url.scheme == Scheme::Http && server.all_listeners().iter().any(redirects) {
        let message = "a listener redirects to https, but this is http";
        let problem = Problem::new("server.public_url", message);
        return Some(problem.hint("use an https public_url, or drop that listener"));
    }
    None
}

/// Two listeners at one address, the admin's among them.
fn twice(file: &File, listeners: &[(String, Listener)]) -> Vec<Problem> {
    let mut all: Vec<(&str, Address)> = listeners
        .iter()
        .map(|(key, listener)| (key.as_str(), listener.address.clone()))
        .collect();
    all.push(("admin.listen", file.admin.listen.clone()));
    all.push(("admin.socket", Address::Unix(file.admin.socket.clone())));
    let mut problems = Vec::new();
    for (number, (key, address)) in all.iter().enumerate() {
        let before = all.get(..number).unwrap_or_default();
        if let Some((other, _)) = before.iter().find(|(_, taken)| clash(taken, address)) {
            let message = format!("{address} is taken by {other}");
            problems.push(Problem::new(*key, message).hint("give each its own address"));
        }
    }
    problems
}

fn clash(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let everywhere = |address: &SocketAddr| address.ip().is_unspecified();
            one.port() != 0
                && one.port() == other.port()
                && (one.ip() == other.ip()
                    || everywhere(one) && (one.is_ipv4() == other.is_ipv4() || one.is_ipv6())
                    || everywhere(other) && (one.is_ipv4() == other.is_ipv4() || other.is_ipv6()))
        }
        (one, other) => one == other,
    }
}

fn not_a_domain(key: &str, text: &str) -> Option<Problem> {
    let hint = "write a domain of e-mail addresses, like \"acme.example\" or \"*.acme.example\"";
    let fail = |message: String| Some(Problem::new(key, message).hint(hint));
    match HostPattern::parse(text) {
        Err(error) => fail(error.to_string()),
        Ok(HostPattern::Exact(host) | HostPattern::Below(host)) if host.is_address() => {
            fail("an address is no e-mail domain".to_owned())
        }
        Ok(_) => None,
    }
}

/// The settings that a running program cannot change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NeedsRestart(pub(crate) Vec<&'static str>);

/// Which changed settings take a restart to count; all others can be swapped in.
pub(crate) fn diff(old: &File, new: &File) -> NeedsRestart {
    let listeners = |file: &File| -> HashMap<Address, Listener> {
        let all = file.server.all_listeners().into_iter();
        all.map(|(_, listener)| (listener.address.clone(), listener))
            .collect()
    };
    let same_secret = match (&old.server.secret, &new.server.secret) {
        (Some(old), Some(new)) => old.matches(new.expose()),
        (None, None) => true,
        _ => false,
    };
    let compared = [
        ("server.listeners", listeners(old) == listeners(new)),
        ("server.secret", same_secret),
        ("server.threads", old.server.threads == new.server.threads),
        (
            "server.shutdown_timeout",
            old.server.shutdown_timeout == new.server.shutdown_timeout,
        ),
        ("admin", old.admin == new.admin),
        ("storage.url", old.storage == new.storage),
        ("session.store", old.session.store == new.session.store),
        ("session.cache", old.session.cache == new.session.cache),
        ("log.format", old.log.format == new.log.format),
        ("log.level", old.log.level == new.log.level),
    ];
    let changed = compared.into_iter().filter(|(_, same)| !same);
    NeedsRestart(changed.map(|(key, _)| key).collect())
}
