//! What is in the place of a signature, or has another shape than the one that is taken; keys that
//! are not the provider's.

use openssl::base64::encode_block;

use super::{
    Canary, Site, certificate,
    minting::{DS, ENVELOPED, EXC_C14N, Key, MORE, Minting, Signing, transform},
    private, registered,
};

/// What is in the place of a signature.
#[test]
fn saml_6_nothing_makes_up_for_a_signature() {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    let genuine = || site.genuine("idp");
    let own = private(&site.provider("idp").key());
    for (name, signature) in [
        ("none", ""),
        (
            "an empty one",
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>",
        ),
        ("one of nobody", "<Signature/>"),
        (
            "one of another namespace",
            "<ds:Signature xmlns:ds=\"urn:x\"><ds:SignedInfo/></ds:Signature>",
        ),
        (
            "one without a reference",
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo/>\
             <ds:SignatureValue/></ds:Signature>",
        ),
    ] {
        let genuine = genuine();
        site.expect_refused(name, &genuine, &Minting::of(&genuine).with(signature));
    }
    let of = Signing::with(own);
    for name in ["SignatureValue", "DigestValue"] {
        for inside in ["", "AA==", " ", "*", "<x/>", "gone"] {
            let answer = genuine();
            let signed = Minting::of(&answer).by_assertion(&of);
            let (before, rest) = signed.split_once(&format!("<ds:{name}>")).unwrap();
            let (_, after) = rest.split_once(&format!("</ds:{name}>")).unwrap();
            let text = match inside {
                "gone" => format!("{before}{after}"),
                _ => format!("{before}<ds:{name}>{inside}</ds:{name}>{after}"),
            };
            site.expect_refused(&format!("{name} {inside:?}"), &answer, &text);
        }
    }
    let minted = genuine();
    let (who, _) = site.bring(&minted, &Minting::of(&minted).by_assertion(&of));
    assert_eq!(who.as_deref(), Some("null\"idp|minted\""));
}

/// Keys that the message brings, and public ones as secrets.
#[test]
fn saml_7_no_message_brings_its_key() {
    let site = Site::new(&["idp", "other"], &registered((false, true)), &[]);
    let (own, theirs) = (site.provider("idp"), site.provider("other"));
    let canary = Canary::new();
    let url = canary.url();
    let x509 = |certificate: &str| {
        format!("<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>")
    };
    let info = |inside: &str| format!("<ds:KeyInfo>{inside}</ds:KeyInfo>");
    let (of_own, of_theirs) = (x509(&own.certificate()), x509(&theirs.certificate()));
    let public = certificate(&theirs.certificate())
        .public_key()
        .unwrap()
        .rsa()
        .unwrap();
    let value = format!(
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>\
         </ds:RSAKeyValue></ds:KeyValue>",
        encode_block(&public.n().to_vec())
    );
    let retrieved = format!(
        "<ds:RetrievalMethod URI=\"{url}\" Type=\"http://www.w3.org/2000/09/xmldsig#rawX509Certificate\"/>"
    );
    let infos = [
        String::new(),
        info(&of_theirs),
        info(&format!("{of_own}{of_theirs}")),
        info(&format!("{of_theirs}{of_own}")),
        info(&of_own),
        info("<ds:KeyName>idp</ds:KeyName>"),
        info(&value),
        info(&retrieved),
        format!("{}{}", info(&of_own), info(&of_theirs)),
    ];
    for key_info in infos {
        let mut signing = Signing::with(private(&theirs.key()));
        signing.key_info.clone_from(&key_info);
        for by_response in [false, true] {
            let genuine = site.genuine("idp");
            let minting = Minting::of(&genuine);
            let text = if by_response {
                minting.by_response(&signing)
            } else {
                minting.by_assertion(&signing)
            };
            site.expect_refused(
                &format!("by another key, {by_response} {key_info}"),
                &genuine,
                &text,
            );
        }
    }
    // Also the right key fetches nothing.
    let genuine = site.genuine("idp");
    let signing = Signing::with(private(&own.key())).but(|one| one.key_info = info(&retrieved));
    let text = Minting::of(&genuine).by_assertion(&signing);
    site.expect_refused("what would be fetched", &genuine, &text);
    canary.expect_silence();
    // SAML-8: what everybody knows is no secret.
    let x509 = certificate(&own.certificate());
    let public = x509.public_key().unwrap();
    for secret in [
        own.certificate().into_bytes(),
        own.certificate().replace('\n', "").into_bytes(),
        x509.to_pem().unwrap(),
        x509.to_der().unwrap(),
        public.public_key_to_pem().unwrap(),
        public.public_key_to_der().unwrap(),
        public.rsa().unwrap().public_key_to_der_pkcs1().unwrap(),
        public.rsa().unwrap().n().to_vec(),
        vec![0],
    ] {
        for (method, inside) in [
            (format!("{MORE}hmac-sha256"), ""),
            (
                format!("{MORE}hmac-sha256"),
                "<ds:HMACOutputLength>8</ds:HMACOutputLength>",
            ),
            (format!("{DS}hmac-sha1"), ""),
        ] {
            let signing = Signing::with(Key::Secret(secret.clone())).but(|one| {
                one.method.clone_from(&method);
                one.in_method = inside;
            });
            let genuine = site.genuine("idp");
            let text = Minting::of(&genuine).by_assertion(&signing);
            let (_, why) = site.expect_refused(&method, &genuine, &text);
            assert!(why.contains("an algorithm is not accepted"), "{why}");
        }
    }
    site.expect_genuine("idp");
    site.expect_genuine("other");
}

/// What the provider's own key has signed, by an algorithm that is not taken.
#[test]
fn saml_8_sha_1_and_md5_are_refused_from_the_right_key_too() {
    let sha1 = format!("{DS}sha1");
    let md5 = format!("{MORE}md5");
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    expect_one_shape(|own, _| {
        let by = |method: &str| own.but(|one| method.clone_into(&mut one.method));
        let over = |digest: &str| own.but(|one| digest.clone_into(&mut one.digest));
        let canonical = |name: &str| own.but(|one| name.clone_into(&mut one.canonicalization));
        let length = "<ds:HMACOutputLength>8</ds:HMACOutputLength>";
        let old = by(&format!("{DS}rsa-sha1"));
        vec![
            ("SHA-1", old.but(|one| one.digest.clone_from(&sha1))),
            ("SHA-1 of the digest", over(&sha1)),
            ("SHA-1 of the signature", old),
            ("MD5", by(&format!("{MORE}rsa-md5"))),
            ("MD5 of the digest", over(&md5)),
            ("an algorithm of nobody", by("urn:x")),
            ("no algorithm", by("")),
            ("a parameter", own.but(|one| one.in_method = length)),
            ("inclusive canonicalization", canonical(inclusive)),
            ("canonicalization of nobody", canonical("urn:x")),
        ]
    });
}

/// What it has signed after transforms that are not taken: none is executed.
#[test]
fn saml_9_nothing_is_transformed() {
    let xpath = "http://www.w3.org/TR/1999/REC-xpath-19991116";
    let filter = "http://www.w3.org/2002/06/xmldsig-filter2";
    let xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116";
    let inclusive = transform("http://www.w3.org/TR/2001/REC-xml-c14n-20010315");
    let with = |algorithm: &str, inside: &str| {
        format!("<ds:Transform Algorithm=\"{algorithm}\">{inside}</ds:Transform>")
    };
    let prefixes = format!(
        "<ec:InclusiveNamespaces xmlns:ec=\"{EXC_C14N}\" PrefixList=\"{}\">\
         </ec:InclusiveNamespaces>",
        "a ".repeat(100)
    );
    let (enveloped, canonical) = (&transform(ENVELOPED), &transform(EXC_C14N));
    let nothing = &with(xpath, "<ds:XPath>false()</ds:XPath>");
    let filtered = format!("<f:XPath xmlns:f=\"{filter}\">//x</f:XPath>");
    expect_one_shape(|own, canary| {
        let sheet = format!(
            "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">\
             <xsl:template><xsl:copy-of select=\"document('{canary}')\"></xsl:copy-of>\
             </xsl:template></xsl:stylesheet>"
        );
        let by = |all: &[&str]| {
            let all: Vec<String> = all.iter().map(|&one| one.to_owned()).collect();
            own.but(|one| one.transforms = all)
        };
        vec![
            ("none", by(&[])),
            ("not enveloped", by(&[canonical])),
            ("the other order", by(&[canonical, enveloped])),
            ("canonical twice", by(&[enveloped, canonical, canonical])),
            ("enveloped twice", by(&[enveloped, enveloped])),
            ("XPath", by(&[enveloped, nothing, canonical])),
            ("XPath at the end", by(&[enveloped, nothing])),
            ("XPath Filter 2", by(&[enveloped, &with(filter, &filtered)])),
            ("XSLT", by(&[enveloped, &with(xslt, &sheet)])),
            ("XSLT alone", by(&[enveloped, &with(xslt, "")])),
            (
                "base64",
                by(&[enveloped, &with(&format!("{DS}base64"), "")]),
            ),
            ("another canonicalization", by(&[enveloped, &inclusive])),
            (
                "with something in it",
                by(&[enveloped, &with(EXC_C14N, "<x></x>")]),
            ),
            (
                "with a sheet in it",
                by(&[&with(ENVELOPED, &sheet), canonical]),
            ),
            (
                "prefixes without end",
                by(&[enveloped, &with(EXC_C14N, &prefixes)]),
            ),
        ]
    });
}

/// What it has signed of something else: nothing is fetched.
#[test]
fn saml_9_a_reference_is_to_its_parent() {
    expect_one_shape(|own, canary| {
        let uri = |uri: &str| own.but(|one| one.uri = Some(uri.to_owned()));
        let digested = |text: &str| own.but(|one| one.digested = Some(text.to_owned()));
        vec![
            ("the whole document", uri("")),
            ("XPointer", uri("#xpointer(/)")),
            ("XPointer by ID", uri("#xpointer(id('_minted'))")),
            ("nothing", uri("#")),
            ("another element", uri("#_other")),
            ("without a mark", uri("_minted")),
            ("an address", uri(canary)),
            ("a file", uri("file:///etc/passwd")),
            ("an attachment", uri("cid:_minted")),
            ("a digest of nothing", digested("")),
            ("a digest of something else", digested("<x></x>")),
        ]
    });
}

/// Signs by the provider's own key in ways that are not taken, and then in the one that is.
#[track_caller]
fn expect_one_shape(bad: impl FnOnce(&Signing, &str) -> Vec<(&'static str, Signing)>) {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    let canary = Canary::new();
    let own = Signing::with(private(&site.provider("idp").key()));
    for (name, signing) in bad(&own, &canary.url()) {
        let genuine = site.genuine("idp");
        let text = Minting::of(&genuine).by_assertion(&signing);
        site.expect_refused(name, &genuine, &text);
        let genuine = site.genuine("idp");
        let text = Minting::of(&genuine).by_response(&signing);
        site.expect_refused(name, &genuine, &text);
    }
    canary.expect_silence();
    for by_response in [false, true] {
        let genuine = site.genuine("idp");
        let minting = Minting::of(&genuine);
        let text = if by_response {
            minting.by_response(&own)
        } else {
            minting.by_assertion(&own)
        };
        let (who, page) = site.bring(&genuine, &text);
        assert_eq!(who.as_deref(), Some("null\"idp|minted\""), "{page:?}");
    }
    site.expect_genuine("idp");
}

/// What is in a signature, and not signed itself.
#[test]
fn saml_9_a_signature_has_nothing_else_in_it() {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    let own = Signing::with(private(&site.provider("idp").key()));
    let (end, value) = ("</ds:Signature>", "<ds:SignatureValue>");
    let of_info = "</ds:SignedInfo>";
    for (name, from, to) in [
        (
            "an object",
            end,
            format!("<ds:Object><x/></ds:Object>{end}"),
        ),
        (
            "a manifest",
            end,
            format!("<ds:Object><ds:Manifest/></ds:Object>{end}"),
        ),
        (
            "two values",
            of_info,
            format!("{of_info}<ds:SignatureValue/>"),
        ),
        (
            "two of what is signed",
            value,
            format!("<ds:SignedInfo xmlns:ds=\"{DS}\"/>{value}"),
        ),
        (
            "two references",
            of_info,
            format!("<ds:Reference URI=\"\"/>{of_info}"),
        ),
        (
            "an attribute",
            value,
            "<ds:SignatureValue x=\"\">".to_owned(),
        ),
    ] {
        let genuine = site.genuine("idp");
        let text = Minting::of(&genuine).by_assertion(&own);
        site.expect_refused(name, &genuine, &text.replacen(from, &to, 1));
    }
    // of what is around it, and of what is in it
    let of = |uri: &str| own.but(|one| one.uri = Some(uri.to_owned()));
    let genuine = site.genuine("idp");
    let text = Minting::of(&genuine).by_assertion(&of("#_response"));
    site.expect_refused("the element around", &genuine, &text);
    let genuine = site.genuine("idp");
    let minting = Minting::of(&genuine);
    let text = minting.by_response(&of(&format!("#{}", minting.id)));
    site.expect_refused("the element inside", &genuine, &text);
    // CVE-2025-66475: canonicalization fails, and leaves nothing to digest
    let genuine = site.genuine("idp");
    let mut minting = Minting::of(&genuine);
    minting.declarations = " xmlns:x=\"1\"".to_owned();
    let nothing = own.but(|one| one.digested = Some(String::new()));
    site.expect_refused("a golden ticket", &genuine, &minting.by_assertion(&nothing));
    site.expect_genuine("idp");
}
