//! Tokens that only we can open.

use openssl::{
    rsa::{Padding, Rsa},
    symm::{Cipher, encrypt_aead},
};

use super::*;
use crate::protocol::xml::EncryptionError;

/// A token as it is sent to one recipient.
fn encrypted(token: &[u8], key: &PKey<Private>, data: &str) -> String {
    let content = [7; 32];
    let mut tag = [0; 16];
    let sealed = encrypt_aead(
        Cipher::aes_256_gcm(),
        &content,
        Some(&[9; 12]),
        &[],
        token,
        &mut tag,
    )
    .unwrap();
    let octets = [&[9; 12][..], &sealed, &tag].concat();
    let rsa = key.rsa().unwrap();
    let mut sent = vec![0; usize::try_from(rsa.size()).unwrap()];
    let sent_len = rsa
        .public_encrypt(&content, &mut sent, Padding::PKCS1_OAEP)
        .unwrap();
    sent.truncate(sent_len);
    let xenc = "http://www.w3.org/2001/04/xmlenc#";
    format!(
        "<x:EncryptedData xmlns:x='{xenc}' Type='{xenc}Element'><x:EncryptionMethod \
         Algorithm='{data}'/><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>\
         <x:EncryptedKey><x:EncryptionMethod Algorithm='{xenc}rsa-oaep-mgf1p'/><x:CipherData>\
         <x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedKey></ds:KeyInfo>\
         <x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedData>",
        STANDARD.encode(sent),
        STANDARD.encode(octets)
    )
}

#[test]
fn encrypted_tokens_open_by_our_keys_alone_and_are_checked_like_any_other() {
    let gcm = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
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
        let sealed = encrypted(token.as_bytes(), &key, gcm);
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
        let text = answer(TRUST, &encrypted(inside.as_bytes(), &key, gcm));
        assert_eq!(open(&text, keys).map(drop), Err(error), "{inside}");
    }
}
