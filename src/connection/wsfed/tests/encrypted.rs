//! Tokens that only we can open.

use openssl::rsa::Rsa;

use super::*;
use crate::protocol::xml::{EncryptionError, fixture::encrypted};

#[test]
fn encrypted_tokens_open_by_our_keys_alone_and_are_checked_like_any_other() {
    let signer = Signer::rsa();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let open = |text: &str, keys: &[PKey<Private>]| {
        judge_with(text, &signer, |expected| {
            expected.keys = keys.to_vec().leak();
        })
    };
    let one = signed_1(&signer, SAML_1);
    let two = signer.sign(SAML_2, "_a");
    for token in [&one, &two] {
        let sealed = encrypted(token.as_bytes(), &key, 256);
        let text = answer(TRUST_13, &sealed);
        expect_alice(&open(&text, std::slice::from_ref(&key)).unwrap());
        let wrapped = format!(
            "<s:EncryptedAssertion xmlns:s='urn:oasis:names:tc:SAML:2.0:assertion'>{sealed}\
             </s:EncryptedAssertion>"
        );
        let wrapped = answer(TRUST, &wrapped);
        expect_alice(&open(&wrapped, std::slice::from_ref(&key)).unwrap());
        let closed = Err(E::Encryption(EncryptionError));
        assert_eq!(open(&text, &[]).map(drop), closed);
        let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        assert_eq!(open(&text, &[other]).map(drop), closed);
        // With another elsewhere, which nobody asks for.
        let closing = "</t:RequestedSecurityToken>";
        let elsewhere = text.replace(closing, &format!("{closing}{token}"));
        assert_eq!(
            open(&elsewhere, std::slice::from_ref(&key)).map(drop),
            Err(E::NotOneToken)
        );
        // Beside another in the open.
        let beside = answer(TRUST, &format!("{sealed}{token}"));
        assert_eq!(
            open(&beside, std::slice::from_ref(&key)).map(drop),
            Err(E::NotOneToken)
        );
    }
    let keys = std::slice::from_ref(&key);
    let unsigned = SAML_2.replace("SIGNATURE", "");
    let forged = two.replace(">alice<", ">admin<");
    let twice = format!("<x>{two}{}</x>", two.replace("'_a'", "'_b'"));
    for (inside, error) in [
        (unsigned.as_str(), E::Signature(SignatureError::NotSigned)),
        (&forged, E::Signature(SignatureError::BadSignature)),
        (&twice, E::Encryption(EncryptionError)),
        ("<x/>", E::Encryption(EncryptionError)),
        ("no XML", E::Encryption(EncryptionError)),
    ] {
        let text = answer(TRUST, &encrypted(inside.as_bytes(), &key, 256));
        assert_eq!(open(&text, keys).map(drop), Err(error), "{inside}");
    }
}
