//! The URL of a server.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::options::{Address, Login};
use crate::secret::Secret;

/// What a URL says.
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) is_tls: bool,
    pub(super) login: Login,
    pub(super) database: Option<u16>,
}

impl Place {
    /// Says what is wrong without a word of the text: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        let is_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err("the URL begins neither with rediss:// nor with redis://".to_owned()),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the URL has a ? or a #, which mean nothing here".to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => host.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("the URL names no host".to_owned()),
        };
        let database = match url.path().trim_start_matches('/') {
            "" => None,
            number => Some(
                number
                    .parse()
                    .map_err(|_| "the path of the URL is no number of a database".to_owned())?,
            ),
        };
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            let text = text.map_err(|_| "the user or password is not UTF-8".to_owned())?;
            Ok::<_, String>(Some(text.into_owned()).filter(|text| !text.is_empty()))
        };
        let username = decoded(url.username())?;
        let password = decoded(url.password().unwrap_or_default())?;
        Ok(Self {
            address: Address {
                host,
                port: url.port().unwrap_or(6379),
            },
            is_tls,
            login: Login {
                username,
                password: password.map(Secret::new),
            },
            database,
        })
    }

    pub(super) fn is_on_loopback(&self) -> bool {
        let host = &self.address.host;
        let address = host.parse::<std::net::IpAddr>();
        address.map_or(host == "localhost", |ip| ip.to_canonical().is_loopback())
    }
}
