//! Which addresses are everybody's.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{Ipv4Net, Ipv6Net};

/// The IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast and the rest that is not
/// global unicast.
static SPECIAL_4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    parse(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        // Azure's wire server: a public address that is not
        "168.63.129.16/32",
    ])
});

/// Global unicast (RFC 4291 section 2.4), without the special parts of it.
static GLOBAL_6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| parse(&["2000::/3"]));
static SPECIAL_6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    parse(&[
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    ])
});

fn parse<N: std::str::FromStr>(nets: &[&str]) -> Vec<N> {
    nets.iter().filter_map(|net| net.parse().ok()).collect()
}

/// Whether an address belongs to the public internet: not to this machine, this network or a
/// cloud's inside, whatever form it is written in.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_4(address),
            None => is_public_6(address),
        },
    }
}

/// Whether a name is this machine's (RFC 6761 section 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

fn is_public_6(address: Ipv6Addr) -> bool {
    let within = |nets: &[Ipv6Net]| nets.iter().any(|net| net.contains(&address));
    within(&GLOBAL_6) && !within(&SPECIAL_6)
}

fn is_public_4(address: Ipv4Addr) -> bool {
    !SPECIAL_4.iter().any(|net| net.contains(&address))
}

/// The IPv4 address that a translator would take out: IPv4-mapped (RFC 4291 section 2.5.5.2) and
/// NAT64 (RFC 6052 section 2.1).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, second, third, fourth, fifth, sixth, high, low] = address.segments();
    let mapped = [first, second, third, fourth, fifth, sixth] == [0, 0, 0, 0, 0, 0xffff];
    let nat64 = [first, second, third, fourth, fifth, sixth] == [0x64, 0xff9b, 0, 0, 0, 0];
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    (mapped || nat64).then(|| Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_not_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn what_is_outside_is_public() {
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001:800::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }
}
