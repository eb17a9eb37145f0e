//! The library in C that verifies, behind everything that looks at a signature before it does.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use samael::crypto::{CertificateDer, Crypto, CryptoProvider as _, ReduceMode};

use super::SigningCertificate;

/// The octets that a signature is over, if it is good.
pub(super) fn verified_octets(text: &str, certificate: &SigningCertificate) -> Option<String> {
    let certificate = std::slice::from_ref(&certificate.der);
    in_library(|| Crypto::reduce_xml_to_signed(text, certificate, ReduceMode::PreDigest).ok())
}

pub(super) fn is_verified(text: &str, certificate: &SigningCertificate) -> bool {
    let verify = || Crypto::verify_signed_xml(text, &certificate.der, Some("AssertionID")).ok();
    in_library(verify).is_some()
}

/// The document with the values of the signature that stands empty in it.
pub(super) fn sign(text: &str, key: &[u8]) -> Option<String> {
    in_library(|| Crypto::sign_xml(text, key).ok())
}

/// Calls the library, which is told before the first time that it has no way to files and the
/// network, and nothing to say on our standard error.
fn in_library<T>(call: impl FnOnce() -> Option<T>) -> Option<T> {
    static HARDENED: Once = Once::new();
    HARDENED.call_once(|| {
        foreign::be_quiet();
        // Whatever comes of it: the library is initialised.
        let nobody = CertificateDer::from(Vec::new());
        let _ = Crypto::verify_signed_xml("<a/>", &nobody, None);
        foreign::stay_inside();
    });
    panic::catch_unwind(AssertUnwindSafe(call)).ok().flatten()
}

mod foreign {
    #![expect(unsafe_code, reason = "the library has no other way to say this")]

    unsafe extern "C" {
        fn xmlSecIOCleanupCallbacks();
        fn xmlSecErrorsDefaultCallbackEnableOutput(enabled: std::ffi::c_int);
    }

    /// Takes our standard error from xmlsec.
    pub(super) fn be_quiet() {
        // SAFETY: it sets a flag.
        unsafe { xmlSecErrorsDefaultCallbackEnableOutput(0) }
    }

    /// Takes every way to files and the network from xmlsec.
    pub(super) fn stay_inside() {
        // SAFETY: it is called once, after the library was initialised, and takes no pointer.
        unsafe { xmlSecIOCleanupCallbacks() }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::TcpListener};

    use super::*;
    use crate::protocol::xml::{DS, fixture::Signer};

    const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

    /// Behind all checks, the library itself has no way out.
    #[test]
    fn the_library_calls_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let signer = Signer::rsa();
        let text = format!(
            "<a ID='_a'><ds:Signature xmlns:ds='{DS}'><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm='{EXC_C14N}'/><ds:SignatureMethod \
             Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/><ds:Reference \
             URI='http://{address}/x'><ds:DigestMethod \
             Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><ds:DigestValue>AA==\
             </ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>AA==\
             </ds:SignatureValue></ds:Signature></a>"
        );
        assert_eq!(verified_octets(&text, &signer.certificate), None);
        assert!(!is_verified(&text, &signer.certificate));
        let called = listener.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock));
    }
}
