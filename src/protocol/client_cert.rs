//! A visitor's certificate, by whatever way it came: the handshake, or the header fields of a proxy
//! where TLS ends (RFC 9440).
//!
//! Nothing is verified here. What is read is what was shown: one certificate, and those that came
//! with it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// The largest certificate, in bytes of DER. Those with a picture in them are no use here.
const MOST_OCTETS: usize = 16 << 10;
/// The most certificates that may come with it.
const MOST_CHAIN: usize = 8;

/// A certificate as a visitor showed it, in DER. Nobody has said that it is good.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct ClientCertificate {
    leaf: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

/// The field with the certificate (RFC 9440 section 2.2).
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// The field with those that came with it (RFC 9440 section 2.3).
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

impl ClientCertificate {
    /// What a handshake brought: the certificate, and then those that came with it.
    pub(crate) fn new(leaf: Vec<u8>, chain: Vec<Vec<u8>>) -> Result<Self, ClientCertError> {
        let sizes = std::iter::once(&leaf).chain(&chain).map(Vec::len);
        if sizes.max().unwrap_or_default() > MOST_OCTETS {
            return Err(ClientCertError::TooLarge);
        }
        if chain.len() > MOST_CHAIN {
            return Err(ClientCertError::TooMany);
        }
        Ok(Self { leaf, chain })
    }

    /// What a proxy says that it was shown. The caller knows that it may be believed.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, ClientCertError> {
        let mut lines = headers.get_all(CLIENT_CERT).iter();
        let (first, second) = (lines.next(), lines.next());
        let chain: Vec<_> = headers.get_all(CLIENT_CERT_CHAIN).iter().collect();
        let leaf = match (first, second) {
            (None, _) if chain.is_empty() => return Ok(None),
            (None, _) => return Err(ClientCertError::OnlyTheChain),
            (Some(_), Some(_)) => return Err(ClientCertError::Twice),
            (Some(line), None) => byte_sequence(text(line)?)?,
        };
        Self::new(leaf, list(&chain)?).map(Some)
    }

    /// The certificate itself, in DER.
    pub(crate) fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// Those that came with it, in DER and in any order.
    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }
}

/// A List of Byte Sequences, which may stand in several lines (RFC 9651 section 4.2.1).
fn list(lines: &[&HeaderValue]) -> Result<Vec<Vec<u8>>, ClientCertError> {
    let mut all = Vec::new();
    for line in lines {
        for item in text(line)?.split(',') {
            if all.len() == MOST_CHAIN {
                return Err(ClientCertError::TooMany);
            }
            let blank = |letter| letter == ' ' || letter == '\t';
            all.push(byte_sequence(item.trim_matches(blank))?);
        }
    }
    Ok(all)
}

/// A Byte Sequence (RFC 9651 section 3.3.5), not empty and without parameters: the fields have none.
fn byte_sequence(text: &str) -> Result<Vec<u8>, ClientCertError> {
    let inside = text
        .strip_prefix(':')
        .and_then(|text| text.strip_suffix(':'));
    let inside = inside.ok_or(ClientCertError::NoByteSequence)?;
    if inside.len() > MOST_OCTETS.div_ceil(3) * 4 {
        return Err(ClientCertError::TooLarge);
    }
    let octets = STANDARD.decode(inside);
    let octets = octets.ok().filter(|octets| !octets.is_empty());
    octets.ok_or(ClientCertError::NoByteSequence)
}

fn text(line: &HeaderValue) -> Result<&str, ClientCertError> {
    line.to_str().map_err(|_| ClientCertError::NoByteSequence)
}

/// Why what a proxy says of a certificate is not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ClientCertError {
    #[error("a value is no byte sequence, `:` and base64 and `:` (RFC 9440 section 2.1)")]
    NoByteSequence,
    #[error("there is a chain, and no certificate")]
    OnlyTheChain,
    #[error("a certificate has more than {MOST_OCTETS} bytes")]
    TooLarge,
    #[error("more than {MOST_CHAIN} certificates came with it")]
    TooMany,
    #[error("there are two certificates")]
    Twice,
}

impl TryFrom<Vec<String>> for ClientCertificate {
    type Error = ClientCertError;

    fn try_from(all: Vec<String>) -> Result<Self, ClientCertError> {
        let decoded = all.iter().map(|text| STANDARD.decode(text));
        let decoded: Result<Vec<_>, _> = decoded.collect();
        let mut all = decoded.map_err(|_| ClientCertError::NoByteSequence)?;
        if all.is_empty() {
            return Err(ClientCertError::NoByteSequence);
        }
        let leaf = all.remove(0);
        Self::new(leaf, all)
    }
}

impl From<ClientCertificate> for Vec<String> {
    fn from(shown: ClientCertificate) -> Self {
        let all = std::iter::once(&shown.leaf).chain(&shown.chain);
        all.map(|octets| STANDARD.encode(octets)).collect()
    }
}

/// Who it is does not belong in a log.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, more) = (self.leaf.len(), self.chain.len());
        write!(f, "ClientCertificate({size} bytes, {more} more)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &str)]) -> Result<Option<ClientCertificate>, ClientCertError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        ClientCertificate::from_headers(&headers)
    }

    #[test]
    fn the_fields_of_a_proxy_are_read() {
        assert_eq!(read(&[]), Ok(None));
        let one = read(&[("client-cert", ":AQID:")]).unwrap().unwrap();
        assert_eq!((one.leaf(), one.chain().len()), (&[1, 2, 3][..], 0));
        let all = read(&[
            ("client-cert", ":AQID:"),
            ("client-cert-chain", ":AQ==: ,\t:Ag==:"),
            ("client-cert-chain", ":Aw==:"),
        ]);
        let all = all.unwrap().unwrap();
        assert_eq!(all.chain(), [[1], [2], [3]]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, "[\"AQID\",\"AQ==\",\"Ag==\",\"Aw==\"]");
        assert_eq!(
            serde_json::from_str::<ClientCertificate>(&text).unwrap(),
            all
        );
        assert!(serde_json::from_str::<ClientCertificate>("[]").is_err());
    }

    #[test]
    fn what_is_not_as_the_standard_says_is_named() {
        use ClientCertError::{NoByteSequence, OnlyTheChain, TooLarge, TooMany, Twice};
        let long = format!(":{}:", STANDARD.encode(vec![1; MOST_OCTETS + 1]));
        let many = [":AQ==:"; MOST_CHAIN + 1].join(",");
        for (lines, why) in [
            (vec![("client-cert", "")], NoByteSequence),
            (vec![("client-cert", "::")], NoByteSequence),
            (vec![("client-cert", ":")], NoByteSequence),
            (vec![("client-cert", "AQID")], NoByteSequence),
            (vec![("client-cert", ":AQI:")], NoByteSequence),
            (vec![("client-cert", ":AQ-_:")], NoByteSequence),
            (vec![("client-cert", ":AR==:")], NoByteSequence),
            (vec![("client-cert", ":AQ ID:")], NoByteSequence),
            (vec![("client-cert", ":AQID:;a=1")], NoByteSequence),
            (vec![("client-cert", ":AQID:, :AQID:")], NoByteSequence),
            (
                vec![("client-cert", "-----BEGIN CERTIFICATE-----")],
                NoByteSequence,
            ),
            (vec![("client-cert", &long)], TooLarge),
            (
                vec![("client-cert", ":AQ==:"), ("client-cert", ":AQ==:")],
                Twice,
            ),
            (vec![("client-cert-chain", ":AQ==:")], OnlyTheChain),
            (
                vec![("client-cert", ":AQ==:"), ("client-cert-chain", ":AQ==:,")],
                NoByteSequence,
            ),
            (
                vec![("client-cert", ":AQ==:"), ("client-cert-chain", &many)],
                TooMany,
            ),
        ] {
            assert_eq!(read(&lines), Err(why), "{lines:?}");
        }
    }
}
