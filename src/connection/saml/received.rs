//! Messages that came: by which binding, and whose signature is on them (SAML 2.0 bindings sections
//! 3.2, 3.4 and 3.5).

use std::io::Read as _;

use flate2::read::DeflateDecoder;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::{
    message::SOAP,
    response::{MOST_BYTES, ResponseError as E},
};
use crate::{
    connection::Reply,
    protocol::xml::{
        DS, Document, Element, Hashes, SignatureError, SigningCertificate, base64, verify_octets,
    },
};

/// The longest encoded message, in bytes.
const MOST_ENCODED: usize = MOST_BYTES / 3 * 4 + (8 << 10);
/// The only encoding of a query (bindings section 3.4.4.1).
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
/// What a query may hold, each once.
const PARAMETERS: [&str; 6] = [
    "SAMLRequest",
    "SAMLResponse",
    "RelayState",
    "SigAlg",
    "Signature",
    "SAMLEncoding",
];

/// A message that was not looked into yet.
#[derive(Debug)]
pub(crate) struct Received {
    octets: Vec<u8>,
    pub(crate) relay_state: Option<String>,
    binding: Binding,
}

/// How it came.
#[derive(Debug)]
enum Binding {
    Post,
    /// With the octets that were signed, the algorithm and the signature, if there is one.
    Redirect(Option<(Vec<u8>, String, Vec<u8>)>),
    Soap,
}

impl Received {
    /// Takes a message from what the browser, or the provider itself, brought. `None`: there is
    /// none, or more than one.
    pub(crate) fn read(reply: Reply<'_>, names: &[&str]) -> Option<Self> {
        match reply {
            Reply::Query(query) => Self::from_query(query, names),
            Reply::Form(body) => Self::from_form(body, names),
            Reply::Message(_) => None,
            Reply::Soap(body) => Some(Self {
                octets: Some(body).filter(|body| body.len() <= MOST_BYTES)?.to_vec(),
                relay_state: None,
                binding: Binding::Soap,
            }),
        }
    }

    /// The octets of a response that a browser posted.
    pub(crate) fn posted(reply: Reply<'_>, name: &str) -> Option<Vec<u8>> {
        let Reply::Form(body) = reply else {
            return None;
        };
        Some(Self::from_form(body, &[name])?.octets)
    }

    fn from_form(body: &[u8], names: &[&str]) -> Option<Self> {
        let ours = |name: &str| ["SAMLRequest", "SAMLResponse"].contains(&name);
        let mut found = form_urlencoded::parse(body).filter(|(name, _)| ours(name));
        let (Some((name, text)), None) = (found.next(), found.next()) else {
            return None;
        };
        if !names.contains(&&*name) {
            return None;
        }
        let mut states = form_urlencoded::parse(body).filter(|(name, _)| name == "RelayState");
        let relay_state = states.next().map(|(_, state)| state.into_owned());
        let text = Some(text).filter(|text| text.len() <= MOST_ENCODED)?;
        Some(Self {
            octets: base64(&text)?,
            relay_state: relay_state.filter(|_| states.next().is_none()),
            binding: Binding::Post,
        })
    }

    /// The octets of a query are signed as they are: nothing in it may be read in two ways.
    fn from_query(query: &str, names: &[&str]) -> Option<Self> {
        let mut raw: [Option<&str>; 6] = [None; 6];
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name)?;
            let Some(slot) = PARAMETERS.iter().position(|known| *known == decoded) else {
                continue;
            };
            let slot = raw.get_mut(slot)?;
            if name != decoded || slot.replace(value).is_some() {
                return None;
            }
        }
        let [
            request,
            response,
            relay_state,
            algorithm,
            signature,
            encoding,
        ] = raw;
        let (name, message) = match (request, response) {
            (Some(request), None) => ("SAMLRequest", request),
            (None, Some(response)) => ("SAMLResponse", response),
            _ => return None,
        };
        let is_deflate = encoding.is_none_or(|text| decode(text).as_deref() == Some(DEFLATE));
        if !is_deflate || !names.contains(&name) || message.len() > MOST_ENCODED {
            return None;
        }
        let signature = match (algorithm, signature) {
            (Some(algorithm), Some(signature)) => {
                let relay_state = relay_state.map(|state| format!("&RelayState={state}"));
                let relay_state = relay_state.unwrap_or_default();
                let octets = format!("{name}={message}{relay_state}&SigAlg={algorithm}");
                let signature = base64(&decode(signature)?)?;
                Some((octets.into_bytes(), decode(algorithm)?, signature))
            }
            (None, None) => None,
            _ => return None,
        };
        Some(Self {
            octets: inflate(&base64(&decode(message)?)?)?,
            relay_state: match relay_state {
                Some(state) => Some(decode(state)?),
                None => None,
            },
            binding: Binding::Redirect(signature),
        })
    }

    /// Whether it came from server to server.
    pub(crate) fn by_soap(&self) -> bool {
        matches!(self.binding, Binding::Soap)
    }

    /// The message, as one of these keys has signed it. What `check` refuses is not verified.
    pub(crate) fn verified(
        &self,
        check: impl FnOnce(&Element) -> Result<(), E>,
        certificates: &[SigningCertificate],
        hashes: Hashes,
    ) -> Result<Element, E> {
        let document = Document::parse(&self.octets, MOST_BYTES)?;
        document.check_signatures(hashes)?;
        let message = match &self.binding {
            Binding::Soap => in_envelope(&document).ok_or(E::Malformed("Body"))?,
            Binding::Post | Binding::Redirect(_) => &document.root,
        };
        check(message)?;
        match &self.binding {
            Binding::Redirect(None) => Err(SignatureError::NotSigned.into()),
            Binding::Redirect(Some((octets, algorithm, signature))) => {
                let signature = (algorithm.as_str(), signature.as_slice());
                verify_octets(octets, signature, certificates, hashes)?;
                // A second signature would be one that nobody looks at.
                let inner = document.root.all(DS, "Signature").next();
                match inner {
                    None => Ok(document.root),
                    Some(_) => Err(SignatureError::Misplaced.into()),
                }
            }
            Binding::Post | Binding::Soap => {
                Ok(document.verified(message, certificates, hashes)?)
            }
        }
    }
}

/// The message in an envelope.
pub(super) fn in_envelope(document: &Document) -> Option<&Element> {
    let root = Some(&document.root).filter(|root| root.is(SOAP, "Envelope"))?;
    let mut inside = root.only(SOAP, "Body")?.elements();
    let message = inside.next()?;
    inside.next().is_none().then_some(message)
}

/// A value of a query.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// RFC 1951, up to the largest message.
fn inflate(octets: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let most = u64::try_from(MOST_BYTES).ok()?;
    let mut bounded = DeflateDecoder::new(octets).take(most + 1);
    bounded.read_to_end(&mut text).ok()?;
    (text.len() <= MOST_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    const NAMES: [&str; 2] = ["SAMLRequest", "SAMLResponse"];

    fn deflated(octets: &[u8]) -> String {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(octets).unwrap();
        let text = STANDARD.encode(deflate.finish().unwrap());
        form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }

    #[test]
    fn a_query_holds_one_message_that_is_read_in_one_way() {
        let message = deflated(b"<a/>");
        let good = format!("a=b&SAMLRequest={message}&RelayState=x%20y+z");
        let received = Received::read(Reply::Query(&good), &NAMES).unwrap();
        assert_eq!(received.octets, b"<a/>");
        assert_eq!(received.relay_state.as_deref(), Some("x y z"));
        for bad in [
            String::new(),
            format!("SAMLRequest={message}&SAMLRequest={message}"),
            format!("SAMLRequest={message}&SAMLResponse={message}"),
            format!("SAMLRequest={message}&%53AMLRequest={message}"),
            format!("SAMLRequest={message}&RelayState=a&RelayState=b"),
            format!("SAMLRequest={message}&SigAlg=a"),
            format!("SAMLRequest={message}&Signature=AAAA"),
            format!("SAMLRequest={message}&SAMLEncoding=urn%3Aother"),
            format!("SAMLRequest={message}&RelayState=%ff"),
            format!("SAMLart={message}"),
            "SAMLRequest=AAAA".to_owned(),
            "SAMLRequest=%".to_owned(),
        ] {
            assert!(
                Received::read(Reply::Query(&bad), &NAMES).is_none(),
                "{bad}"
            );
        }
        let other = format!("SAMLResponse={message}");
        assert!(Received::read(Reply::Query(&other), &["SAMLRequest"]).is_none());
    }

    #[test]
    fn what_swells_is_cut_off() {
        let most = vec![b' '; MOST_BYTES];
        let query = format!("SAMLRequest={}", deflated(&most));
        assert!(Received::read(Reply::Query(&query), &NAMES).is_some());
        let bomb = vec![b' '; 100 << 20];
        let query = format!("SAMLRequest={}", deflated(&bomb));
        assert!(query.len() < 300_000);
        assert!(Received::read(Reply::Query(&query), &NAMES).is_none());
    }
}
