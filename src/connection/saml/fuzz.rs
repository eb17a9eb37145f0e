//! Everything that reads what strangers send, at once: what `fuzz/` calls, and a test with what has
//! been tried so far.

use std::sync::OnceLock;

use openssl::{
    pkey::{PKey, Private},
    rsa::Rsa,
};

use super::{
    descriptor::OwnKey,
    metadata::IdentityProvider,
    received::Received,
    response::{Expected, MOST_BYTES, Signed, check},
};
use crate::{
    clock::Timestamp,
    connection::{
        Reply,
        federation::{Demands, Described as _},
    },
    protocol::xml::{self, Ciphers, Document, Hashes, SigningCertificate},
    secret::Secret,
};

/// The keys of both sides; nobody has that of the provider.
struct Sides {
    certificates: Vec<SigningCertificate>,
    keys: Vec<PKey<Private>>,
}

/// Reads octets as everything that they could be. Whatever they are: it returns, what is read is
/// the same when it is written and read once more, and nothing is believed.
///
/// # Panics
///
/// If one of these does not hold.
pub(crate) fn everything(octets: &[u8]) {
    let Some(sides) = sides() else {
        return;
    };
    for document in [
        Document::parse(octets, MOST_BYTES),
        Document::parse_commented(octets, 4 * MOST_BYTES),
    ]
    .into_iter()
    .flatten()
    {
        let written = document.to_xml();
        let again = Document::parse(written.as_bytes(), usize::MAX);
        assert_eq!(again.as_ref(), Ok(&document), "{written}");
        let signed = document.verified(&document.root, &sides.certificates, Hashes::WithSha1);
        assert!(signed.is_err(), "{written}");
        let _ = xml::open(&document.root, &sides.keys, Ciphers::WithCbc);
    }
    for request_id in [Some("_q"), None] {
        let expected = Expected {
            identity_provider: "idp",
            service_provider: "sp",
            acs: "https://sp/acs",
            request_id,
            certificates: &sides.certificates,
            keys: &sides.keys,
            ciphers: Ciphers::WithCbc,
            signed: Signed::Either,
            hashes: Hashes::WithSha1,
            max_age: None,
            signed_in_since: None,
            name_id_format: None,
            authn_contexts: &[],
            now: NOW,
        };
        assert!(check(octets, &expected).is_err());
    }
    for signer in [None, sides.certificates.first()] {
        let demands = Demands {
            entity_id: None,
            signer,
            now: NOW,
            danger_plain_http: false,
        };
        let read = IdentityProvider::parse(octets, &demands);
        assert!(signer.is_none() || read.is_err());
    }
    let query = std::str::from_utf8(octets).unwrap_or_default();
    for reply in [
        Reply::Query(query),
        Reply::Form(octets),
        Reply::Soap(octets),
    ] {
        let names = ["SAMLRequest", "SAMLResponse"];
        let Some(received) = Received::read(reply, &names) else {
            continue;
        };
        let verified = received.verified(|_| Ok(()), &sides.certificates, Hashes::WithSha1);
        assert!(verified.is_err());
    }
}

/// 2026-11-27T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_780_800_000);

fn sides() -> Option<&'static Sides> {
    static SIDES: OnceLock<Option<Sides>> = OnceLock::new();
    let make = || {
        let key = || PKey::from_rsa(Rsa::generate(2048).ok()?).ok();
        let pem = key()?.private_key_to_pem_pkcs8().ok()?;
        let provider = OwnKey::parse(&Secret::new(String::from_utf8(pem).ok()?))?;
        let certificate = SigningCertificate::from_der(provider.certificate()).ok()?;
        Some(Sides {
            certificates: vec![certificate],
            keys: vec![key()?],
        })
    };
    SIDES.get_or_init(make).as_ref()
}
