//! Networks that an operator names.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::units::from_text;

/// A network in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3), or one address. IPv4
/// that is mapped into IPv6 (RFC 4291 section 2.5.5.2) is IPv4: two spellings are one network.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Network(IpNet);

impl Network {
    /// The network of that length around an address; `None` if no prefix of its family is so long.
    pub(crate) fn around(address: IpAddr, prefix_length: u8) -> Option<Self> {
        let network = IpNet::new(address.to_canonical(), prefix_length).ok()?;
        Some(Self(network.trunc()))
    }

    /// How many bits of an address say that it is inside.
    pub(crate) fn prefix_length(self) -> u8 {
        self.0.prefix_len()
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| NetworkError::NotANetwork)?;
        let network = unmapped(network);
        // 10.1.2.3/8: whoever writes that meant another length or another address
        if network == network.trunc() {
            Ok(Self(network))
        } else {
            Err(NetworkError::HostBits(network.trunc()))
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("there are bits behind the prefix: the network that holds this address is {0}")]
    HostBits(IpNet),
    #[error("expected a network like \"10.0.0.0/8\" or \"2001:db8::/32\", or an address")]
    NotANetwork,
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`: addresses are compared unmapped.
pub(in crate::protocol) fn unmapped(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(address), length @ 96..) if network.addr().is_ipv6() => {
            ipnet::Ipv4Net::new(address, length - 96).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_form() {
        for (text, form) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "acme.example",
            "10.0.0.0/-1",
            "fe80::1%eth0",
        ] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::NotANetwork),
                "{text}"
            );
        }
        for (text, meant) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::1/64", "2001:db8::/64"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains(meant), "{error}");
        }
    }

    #[test]
    fn an_address_lies_in_one_network_of_each_length() {
        let around = |address: &str, length| {
            Network::around(address.parse().unwrap(), length).map(|network| network.to_string())
        };
        assert_eq!(around("10.1.2.3", 8).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(around("::ffff:10.1.2.3", 8).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(
            around("2001:db8:1::7", 32).as_deref(),
            Some("2001:db8::/32")
        );
        assert_eq!(around("10.1.2.3", 33), None);
    }
}
