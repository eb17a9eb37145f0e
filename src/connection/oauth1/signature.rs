//! Signatures (RFC 5849 section 3.4).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::error::ErrorStack;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::{
    crypto::{RsaKey, hmac_sha1, rsa_sha1},
    secret::Secret,
};

/// What is not encoded (section 3.6).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How requests are signed.
#[derive(Clone, Debug)]
pub(super) enum Method {
    /// With both sides' secrets (section 3.4.2).
    HmacSha1(Secret),
    /// With this client's own key (section 3.4.3).
    RsaSha1(RsaKey),
}

impl Method {
    /// The value of `oauth_signature_method`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::HmacSha1(_) => "HMAC-SHA1",
            Self::RsaSha1(_) => "RSA-SHA1",
        }
    }

    /// The value of `oauth_signature`.
    fn sign(&self, base: &str, token_secret: &str) -> Result<String, ErrorStack> {
        let signature = match self {
            Self::HmacSha1(secret) => {
                let key = format!("{}&{}", encode(secret.expose()), encode(token_secret));
                hmac_sha1(key.as_bytes(), base.as_bytes())?
            }
            Self::RsaSha1(key) => rsa_sha1(key, base.as_bytes())?,
        };
        Ok(STANDARD.encode(signature))
    }
}

/// A request without a body, and its `oauth_` parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) verb: &'static str,
    pub(super) url: &'a Url,
    pub(super) parameters: &'a [(&'static str, String)],
}

impl Unsigned<'_> {
    /// The `Authorization` header (section 3.5.1).
    pub(super) fn header(&self, method: &Method, secret: &str) -> Result<String, ErrorStack> {
        let signature = method.sign(&self.base(&[]), secret)?;
        let mut header = "OAuth ".to_owned();
        for (name, value) in self.parameters {
            let _ = write!(header, "{name}=\"{}\", ", encode(value));
        }
        let _ = write!(header, "oauth_signature=\"{}\"", encode(&signature));
        Ok(header)
    }

    /// The signature base string (section 3.4.1); `form` are the parameters of a body.
    fn base(&self, form: &[(&str, &str)]) -> String {
        // Scheme and host are in lower case, and a port that goes without saying is not there.
        let mut own = self.url.clone();
        own.set_query(None);
        own.set_fragment(None);
        let query = self.url.query_pairs();
        let mut all: Vec<(String, String)> = query
            .map(|(name, value)| (encode(&name), encode(&value)))
            .chain(
                form.iter()
                    .map(|(name, value)| (encode(name), encode(value))),
            )
            .chain(
                self.parameters
                    .iter()
                    .map(|(name, value)| (encode(name), encode(value))),
            )
            .collect();
        all.sort();
        let all: Vec<String> = all
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!(
            "{}&{}&{}",
            self.verb,
            encode(own.as_str()),
            encode(&all.join("&"))
        )
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// RFC 5849, section 3.4.1.1.
    #[test]
    fn the_base_string_of_the_rfc() {
        let request = Unsigned {
            verb: "POST",
            url: &url("http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"),
            parameters: &[
                ("oauth_consumer_key", "9djdj82h48djs9d2".to_owned()),
                ("oauth_token", "kkk9d7dh3k39sjv7".to_owned()),
                ("oauth_signature_method", "HMAC-SHA1".to_owned()),
                ("oauth_timestamp", "137131201".to_owned()),
                ("oauth_nonce", "7d8f3e4a".to_owned()),
            ],
        };
        assert_eq!(
            request.base(&[("c2", ""), ("a3", "2 q")]),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D\
             %253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce\
             %3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26\
             oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// RFC 5849, section 1.2: the three requests of its example.
    #[test]
    fn the_signatures_of_the_rfc() {
        let method = Method::HmacSha1(Secret::new("kd94hf93k423kf44".to_owned()));
        let signed = |verb, address: &str, more: &[(&'static str, &str)], secret| {
            let mut parameters = vec![
                ("oauth_consumer_key", "dpf43f3p2l4k3l03".to_owned()),
                ("oauth_signature_method", "HMAC-SHA1".to_owned()),
            ];
            let own = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
            parameters.extend(more.iter().map(own));
            let url = url(address);
            let request = Unsigned {
                verb,
                url: &url,
                parameters: &parameters,
            };
            let header = request.header(&method, secret).unwrap();
            header.rsplit_once("oauth_signature=").unwrap().1.to_owned()
        };
        assert_eq!(
            signed(
                "POST",
                "https://photos.example.net/token",
                &[
                    ("oauth_token", "hh5s93j4hdidpola"),
                    ("oauth_timestamp", "137131201"),
                    ("oauth_nonce", "walatlh"),
                    ("oauth_verifier", "hfdp7dh39dks9884"),
                ],
                "hdhd0244k9j7ao03",
            ),
            "\"gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D\""
        );
        assert_eq!(
            signed(
                "GET",
                "http://photos.example.net/photos?file=vacation.jpg&size=original",
                &[
                    ("oauth_token", "nnch734d00sl2jdk"),
                    ("oauth_timestamp", "137131202"),
                    ("oauth_nonce", "chapoH"),
                ],
                "pfkkdhi9sl3r4s00",
            ),
            "\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""
        );
        let initiate = [
            ("oauth_timestamp", "137131200"),
            ("oauth_nonce", "wIjqoS"),
            ("oauth_callback", "http://printer.example.com/ready"),
        ];
        assert_eq!(
            signed("POST", "https://photos.example.net/initiate", &initiate, ""),
            "\"74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D\""
        );
    }
}
