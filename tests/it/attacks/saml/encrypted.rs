//! What is encrypted: changed bit by bit, cut, put beside something else, and made by anybody.

use std::collections::BTreeSet;

use openssl::base64::{decode_block, encode_block};
use serde_json::json;

use super::{
    Genuine, Site, certificate,
    minting::{Minting, Signing, encrypted},
    private,
    wrapping::evil,
};
use crate::support::{saml::key_pair, sidecar::list, visitor::Page};

/// A site whose provider encrypts what it has signed, by AES-CBC; the certificate of the site's key.
fn site(danger_cbc: bool) -> (Site, String) {
    let (key, certificate) = key_pair();
    let registered = json!({
        "assertion.encryption": true,
        "certData": certificate,
        "saml20.sign.response": false,
        "saml20.sign.assertion": true,
    });
    let keys = [
        ("decryption_keys", list(&[&key])),
        ("danger_cbc", danger_cbc.into()),
    ];
    (Site::new(&["idp"], &registered, &keys), certificate)
}

/// The texts of the encrypted key and of what is encrypted by it.
fn values(text: &str) -> [String; 2] {
    let all = text.split("<xenc:CipherValue>").skip(1);
    let all: Vec<_> = all
        .map(|rest| rest.split_once('<').unwrap().0.to_owned())
        .collect();
    all.try_into().unwrap()
}

/// Whoever changes what is encrypted learns nothing from what comes of it: the answer, the log and
/// the time do not say whether it opened, was XML, or was signed.
#[test]
fn saml_20_whatever_becomes_of_what_is_encrypted_looks_the_same() {
    let (site, _) = site(true);
    site.expect_genuine("idp");
    let mut seen: Option<(String, u16, String)> = None;
    let mut expect_same = |name: &str, genuine: &Genuine, text: &str| {
        let (page, why) = site.expect_refused(name, genuine, text);
        let found = (shown(&page), page.answer.status, why);
        match &seen {
            Some(first) => assert_eq!(&found, first, "{name}"),
            None => seen = Some(found),
        }
    };
    let octets = |genuine: &Genuine, which: usize| {
        decode_block(&values(&genuine.text)[which].replace('\n', "")).unwrap()
    };
    let with = |genuine: &Genuine, which: usize, octets: &[u8]| {
        let old = &values(&genuine.text)[which];
        genuine.text.replace(old, &encode_block(octets))
    };
    let length = octets(&site.genuine("idp"), 1).len();
    let blocks = length / 16;
    // a bit of the vector, of the first blocks, in the middle, of the last ones, of the padding
    for at in [0, 1, 15, 16, 31, 33, 200, (blocks / 2) * 16 + 3]
        .into_iter()
        .chain(length - 33..length - 31)
        .chain(length - 18..length)
    {
        for bit in [1, 0x80] {
            let genuine = site.genuine("idp");
            let mut changed = octets(&genuine, 1);
            let at = at.min(changed.len() - 1);
            changed[at] ^= bit;
            expect_same(
                &format!("bit {bit} of {at}"),
                &genuine,
                &with(&genuine, 1, &changed),
            );
        }
    }
    for left in [0, 1, 15, 16, 17, 31, 32, 48, length - 16, length - 1] {
        let genuine = site.genuine("idp");
        let cut = octets(&genuine, 1)[..left].to_vec();
        expect_same(
            &format!("{left} octets"),
            &genuine,
            &with(&genuine, 1, &cut),
        );
    }
    for at in [0, 1, 100, 255] {
        let genuine = site.genuine("idp");
        let mut changed = octets(&genuine, 0);
        changed[at] ^= 1;
        expect_same(
            &format!("octet {at} of the key"),
            &genuine,
            &with(&genuine, 0, &changed),
        );
    }
    let genuine = site.genuine("idp");
    expect_same("a short key", &genuine, &with(&genuine, 0, &[1; 16]));
    let genuine = site.genuine("idp");
    expect_same("no key", &genuine, &with(&genuine, 0, &[]));
    for (from, to) in [
        ("rsa-oaep-mgf1p", "rsa-1_5"),
        ("-cbc", "-gcm"),
        (
            "http://www.w3.org/2001/04/xmlenc#aes",
            "http://www.w3.org/2001/04/xmlenc#tripledes",
        ),
        ("CipherValue", "CipherReference"),
    ] {
        let genuine = site.genuine("idp");
        let text = genuine.text.replace(from, to);
        assert_ne!(text, genuine.text, "{from}");
        expect_same(to, &genuine, &text);
    }
    site.expect_genuine("idp");
}

/// A page without what is each time another.
fn shown(page: &Page) -> String {
    let text = page.text();
    let lines = text.lines().filter(|line| !line.contains("<code>"));
    lines.collect()
}

/// Everybody can encrypt for a public key: what is in it makes no difference that can be seen.
#[test]
fn saml_20_what_is_encrypted_must_be_signed() {
    let (site, public) = site(true);
    let own = Signing::with(private(&site.provider("idp").key()));
    let stranger = Signing::with(private(&key_pair().0));
    let sealed = |inside: &str| encrypted(inside, &certificate(&public));
    let other = certificate(&key_pair().1);
    let all = |genuine: &Genuine| {
        let minting = Minting::of(genuine);
        let signed = minting.signed(&own);
        let response = minting.response(&signed).replacen("SIGNATURE", "", 1);
        let mut wrapped = minting.clone();
        wrapped.advice = format!("<saml:Advice>{signed}</saml:Advice>");
        let wrapped = wrapped.assertion().replacen("SIGNATURE", "", 1);
        let entity = format!("<!DOCTYPE x [<!ENTITY e 'x'>]>{signed}");
        let comment = signed.replace("minted<", "minted<!-- --><");
        let mut all = vec![("for another key", encrypted(&signed, &other))];
        all.extend([
            ("not signed", sealed(&bare(&minting))),
            ("by another key", sealed(&minting.signed(&stranger))),
            ("changed", sealed(&evil(&signed, None))),
            ("wrapped", sealed(&evil(&wrapped, Some("_evil")))),
            ("a response", sealed(&minting.by_response(&own))),
            ("in a response", sealed(&response)),
            ("two of them", sealed(&format!("{signed}{signed}"))),
            ("encrypted twice", sealed(&sealed(&signed))),
            ("a document type", sealed(&entity)),
            ("a comment", sealed(&comment)),
            ("nothing", sealed("")),
        ]);
        all
    };
    let mut seen = BTreeSet::new();
    for index in 0..all(&site.genuine("idp")).len() {
        let genuine = site.genuine("idp");
        let (name, inside) = all(&genuine).swap_remove(index);
        let (page, why) = site.expect_refused(name, &genuine, &around(&genuine, &inside));
        seen.insert((shown(&page), page.answer.status, why));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let genuine = site.genuine("idp");
    let good = sealed(&Minting::of(&genuine).signed(&own));
    let (who, page) = site.bring(&genuine, &around(&genuine, &good));
    assert_eq!(who.as_deref(), Some("null\"idp|minted\""), "{page:?}");
    site.expect_genuine("idp");
}

/// What is encrypted stands alone, as what is not.
#[test]
fn saml_20_what_is_encrypted_is_the_only_one() {
    let (site, public) = site(true);
    let public = certificate(&public);
    let all = |genuine: &Genuine| {
        let minting = Minting::of(genuine);
        let begin = genuine.text.find("<saml:EncryptedAssertion").unwrap();
        let (_, good) = genuine.text.split_at(begin);
        let good = good.replace("</samlp:Response>", "");
        let (plain, sealed) = (bare(&minting), encrypted(&bare(&minting), &public));
        let mut advised = minting.clone();
        advised.advice = format!("<saml:Advice>{good}</saml:Advice>");
        let extended = format!("<samlp:Extensions>{good}</samlp:Extensions><samlp:Status>");
        let extended = around(genuine, &plain).replacen("<samlp:Status>", &extended, 1);
        vec![
            (
                "a sealed one before",
                around(genuine, &format!("{sealed}{good}")),
            ),
            (
                "a sealed one behind",
                around(genuine, &format!("{good}{sealed}")),
            ),
            (
                "a plain one before",
                around(genuine, &format!("{plain}{good}")),
            ),
            (
                "a plain one behind",
                around(genuine, &format!("{good}{plain}")),
            ),
            ("in the advice", around(genuine, &bare(&advised))),
            ("in the extensions", extended),
        ]
    };
    for index in 0..all(&site.genuine("idp")).len() {
        let genuine = site.genuine("idp");
        let (name, text) = all(&genuine).swap_remove(index);
        site.expect_refused(name, &genuine, &text);
    }
    site.expect_genuine("idp");
}

/// An assertion that nobody has signed.
fn bare(minting: &Minting) -> String {
    minting.assertion().replacen("SIGNATURE", "", 1)
}

/// The response around another assertion.
fn around(genuine: &Genuine, inside: &str) -> String {
    let (before, _) = genuine.text.split_once("<saml:EncryptedAssertion").unwrap();
    format!("{before}{inside}</samlp:Response>")
}
