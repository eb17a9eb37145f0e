//! Where a directory is, and how its certificate is checked.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use openssl::{
    ssl::{SslConnector, SslMethod, SslVersion},
    x509::{X509, store::X509StoreBuilder},
};
use url::{Host, Url};

use super::LdapError;
use crate::egress::address::is_localhost;

/// One server of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Server {
    /// As the certificate must name it.
    pub(super) host: String,
    port: u16,
    pub(super) security: Security,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Security {
    /// From the first octet on.
    Tls,
    /// RFC 4511 section 4.14.
    StartTls,
    /// Whoever is between reads the passwords.
    Plain,
}

/// Why a text is no server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadServer {
    #[error("a server is like \"ldaps://ldap.example.com\", or \"ldap://…\" for StartTLS")]
    NoUrl,
    #[error("plain LDAP leaves this machine, where anybody on the way reads the passwords")]
    NotLoopback,
}

impl Server {
    /// Reads an LDAP URL that has a host and perhaps a port. `danger_plain`: to this machine
    /// StartTLS is left out.
    pub(crate) fn parse(text: &str, danger_plain: bool) -> Result<Self, BadServer> {
        let url = Url::parse(text).map_err(|_| BadServer::NoUrl)?;
        let (port, tls) = match url.scheme() {
            "ldaps" => (636, true),
            "ldap" => (389, false),
            _ => return Err(BadServer::NoUrl),
        };
        let alone = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        // Of a scheme that it does not know, the parser reads no address of numbers.
        let host = url.host_str().and_then(|host| Host::parse(host).ok());
        let host = host.filter(|_| alone).ok_or(BadServer::NoUrl)?;
        let (name, loopback) = match &host {
            Host::Domain(name) => (name.to_ascii_lowercase(), is_localhost(name)),
            Host::Ipv4(address) => (address.to_string(), address.is_loopback()),
            Host::Ipv6(address) => (address.to_string(), address.is_loopback()),
        };
        let security = match (tls, danger_plain) {
            (true, _) => Security::Tls,
            (false, false) => Security::StartTls,
            (false, true) if loopback => Security::Plain,
            (false, true) => return Err(BadServer::NotLoopback),
        };
        Ok(Self {
            host: name,
            port: url.port().unwrap_or(port),
            security,
        })
    }

    /// Its addresses.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, LdapError> {
        let unknown = || LdapError::NoSuchHost(self.host.clone());
        let found: Vec<SocketAddr> = if let Ok(address) = self.host.parse::<IpAddr>() {
            vec![SocketAddr::new(address, self.port)]
        } else if is_localhost(&self.host) {
            // Not every system's resolver knows them (RFC 6761 section 6.3).
            let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            both.map(|address| SocketAddr::new(address, self.port))
                .into()
        } else {
            let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
            found.map_err(|_| unknown())?.collect()
        };
        if found.is_empty() {
            return Err(unknown());
        }
        Ok(found)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Tls => "ldaps",
            Security::StartTls | Security::Plain => "ldap",
        };
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// Whose certificates are believed.
#[derive(Clone)]
pub(crate) struct Tls(pub(super) SslConnector);

impl Tls {
    /// The system's authorities, or those of `ca` (PEM) instead.
    pub(crate) fn new(ca: Option<&[u8]>) -> Result<Self, String> {
        let said = |error: openssl::error::ErrorStack| error.to_string();
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(said)?;
        builder
            .set_min_proto_version(Some(SslVersion::TLS1_2))
            .map_err(said)?;
        if let Some(ca) = ca {
            let all = X509::stack_from_pem(ca).map_err(said)?;
            if all.is_empty() {
                return Err("there is no certificate in it".to_owned());
            }
            let mut store = X509StoreBuilder::new().map_err(said)?;
            for authority in all {
                store.add_cert(authority).map_err(said)?;
            }
            builder.set_cert_store(store.build());
        }
        Ok(Self(builder.build()))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
