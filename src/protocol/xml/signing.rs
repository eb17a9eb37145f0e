//! Our own signatures, of the one shape that [`signature`](super::signature) takes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::pkey::{Id, PKey, Private};

use super::{DS, EXC_C14N, library};

/// How a key signs (RFC 9231 section 2.3).
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

/// The algorithm of a key.
pub(crate) fn signature_algorithm_of(key: &PKey<Private>) -> &'static str {
    if key.id() == Id::RSA {
        RSA_SHA256
    } else {
        ECDSA_SHA256
    }
}

/// An element of ours with its signature, which stands between both parts of it. `None`: the key
/// cannot sign.
pub(crate) fn signed(
    (before, after): (&str, &str),
    id: &str,
    (key, certificate): (&PKey<Private>, &[u8]),
) -> Option<String> {
    let certificate = STANDARD.encode(certificate);
    let text = format!(
        "{before}<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo><ds:CanonicalizationMethod \
         Algorithm=\"{EXC_C14N}\"/><ds:SignatureMethod Algorithm=\"{}\"/><ds:Reference \
         URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{DS}enveloped-signature\"/>\
         <ds:Transform Algorithm=\"{EXC_C14N}\"/></ds:Transforms><ds:DigestMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/></ds:Reference>\
         </ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\
         {certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>{after}",
        signature_algorithm_of(key)
    );
    let signed = library::sign(&text, &key.private_key_to_der().ok()?)?;
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let signed = signed.strip_prefix(declaration).unwrap_or(&signed);
    Some(signed.trim_end().to_owned())
}
