use super::*;

const MOST: usize = 1 << 20;

fn parse(text: &str) -> Result<Document, XmlError> {
    Document::parse(text.as_bytes(), MOST)
}

mod reader {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let text = "<?xml version='1.0' encoding='UTF-8'?>\n<a:x xmlns:a='urn:a' xmlns='urn:d' \
            b = \"1 &amp; &#x3C;2&#10;\n3\" a:c='&quot;'>t&lt;&#65;\r\n&#13;<y xmlns=''><z/></y> \
            ä</a:x>\n";
        let read = parse(text).unwrap();
        let root = &read.root;
        assert!(root.is("urn:a", "x"));
        assert_eq!(root.attribute("b"), Some("1 & <2\n 3"));
        assert_eq!(root.attribute_of("urn:a", "c"), Some("\""));
        assert_eq!(root.text(), None, "there is an element in it");
        let y = root.only("", "y").unwrap();
        assert!(y.only("", "z").unwrap().text().unwrap().is_empty());
        let Some(Node::Text(first)) = root.children.first() else {
            panic!("{root:?}")
        };
        assert_eq!(first, "t<A\n\r");
        let again = parse(&read.to_xml()).unwrap();
        assert_eq!(again, read);
        let marked = format!("\u{feff}{text}");
        assert_eq!(parse(&marked).unwrap(), read);
    }

    #[test]
    fn nothing_else_than_plain_xml_is_read() {
        use XmlError as E;
        for (text, error) in [
            ("", E::NotOneRoot),
            ("x", E::NotOneRoot),
            ("<a/>x", E::NotOneRoot),
            ("\u{feff}\u{feff}<a/>", E::NotOneRoot),
            (" \u{feff}<a/>", E::NotOneRoot),
            ("<a/><b/>", E::NotOneRoot),
            ("<a>", E::NotOneRoot),
            ("<a></b>", E::Malformed),
            ("</a>", E::Malformed),
            ("<a", E::Malformed),
            ("<a b></a>", E::Malformed),
            ("<a b=c></a>", E::Malformed),
            ("<a b='<'/>", E::Malformed),
            ("<a b='1' b='2'/>", E::Malformed),
            (
                "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>",
                E::Duplicate,
            ),
            ("<a>]]></a>", E::Malformed),
            ("<!DOCTYPE a><a/>", E::DocumentType),
            (
                "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
                E::DocumentType,
            ),
            ("<a>&e;</a>", E::Entity),
            ("<a b='&e;'/>", E::Entity),
            ("<a>&#0;</a>", E::Entity),
            ("<a>&#xFFFE;</a>", E::Entity),
            ("<a b='&#1;'/>", E::NotText),
            ("<a>a & b</a>", E::Malformed),
            ("<a>x<!-- -->y</a>", E::Extra),
            ("<a><![CDATA[x]]></a>", E::Extra),
            ("<?p?><a/>", E::Extra),
            ("<a><?p x?></a>", E::Extra),
            (" <?xml version='1.0'?><a/>", E::Extra),
            ("<?xml version='1.1'?><a/>", E::NotText),
            ("<?xml version='1.0' encoding='UTF-7'?><a/>", E::NotText),
            ("<a>\u{1}</a>", E::NotText),
            ("<a>\u{ffff}</a>", E::NotText),
            ("<p:a/>", E::Namespace),
            ("<a p:b=''/>", E::Namespace),
            ("<a xmlns:p=''/>", E::Namespace),
            ("<a xmlns='relative'/>", E::Namespace),
            ("<a xmlns:p='../x'/>", E::Namespace),
            ("<a xmlns:p='urn:a b'/>", E::Namespace),
            ("<a xmlns:p='urn:\u{e4}'/>", E::Namespace),
            ("<a xmlns:p='urn:%zz'/>", E::Namespace),
            ("<a xmlns:p='urn:%4'/>", E::Namespace),
            ("<a xmlns:p='urn:a#b#c'/>", E::Namespace),
            ("<a xmlns:p='http://a:b/'/>", E::Namespace),
            ("<a xmlns:p='http://a@b/'/>", E::Namespace),
            ("<a xmlns:p='http://a:/'/>", E::Namespace),
            ("<a xmlns:p='http://a:999999999999/'/>", E::Namespace),
            ("<a xmlns:p='http://a/&amp;b'/>", E::Namespace),
            ("<a xmlns:p='http://[/'/>", E::Namespace),
            ("<a xmlns:p='1:a'/>", E::Namespace),
            ("<a xmlns:p=':a'/>", E::Namespace),
            ("<a xmlns:xml='urn:x'/>", E::Namespace),
            ("<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", E::Namespace),
            ("<a xml:id='x'/>", E::Namespace),
            (
                &format!("<a xmlns:p='urn:{}'/>", "x".repeat(256)),
                E::TooMuch,
            ),
            ("<xmlns:a/>", E::Namespace),
            ("<a:b:c xmlns:a='urn:a'/>", E::Malformed),
            ("<\u{e4}/>", E::Malformed),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(error), "{text}");
        }
        assert_eq!(
            Document::parse(b"<a>\xff</a>", MOST).unwrap_err(),
            E::NotText
        );
        assert_eq!(Document::parse(b"<a></a>", 6).unwrap_err(), E::TooLarge(6));
    }

    #[test]
    fn a_namespace_is_an_absolute_uri() {
        for uri in [
            "urn:oasis:names:tc:SAML:2.0:assertion",
            "http://www.w3.org/2001/04/xmlenc#",
            "http://a.example:8080/b/%C3%A4?c=d/e#f?",
            "https://a",
            "urn:x",
            "file:///x",
        ] {
            let read = parse(&format!("<a xmlns='{uri}'/>")).unwrap();
            assert_eq!(&*read.root.namespace, uri);
        }
    }

    #[test]
    fn it_is_bounded() {
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(&deep(48)).is_ok());
        assert_eq!(parse(&deep(49)).unwrap_err(), XmlError::TooMuch);
        assert_eq!(
            parse(&"<a>".repeat(100_000)).unwrap_err(),
            XmlError::TooMuch
        );
        let wide = format!("<a>{}</a>", "<b/>".repeat(20_000));
        assert_eq!(parse(&wide).unwrap_err(), XmlError::TooMuch);
        let many = |what: fn(usize) -> String, count| {
            let all: Vec<String> = (0..count).map(what).collect();
            let all = all.concat();
            parse(&format!("<a {all}/>"))
        };
        assert!(many(|n| format!("a{n}='' "), 64).is_ok());
        for what in [
            |n: usize| format!("a{n}='' "),
            |n: usize| format!("xmlns:a{n}='urn:x' "),
        ] {
            assert_eq!(many(what, 65).unwrap_err(), XmlError::TooMuch);
            assert_eq!(many(what, 20_000).unwrap_err(), XmlError::TooMuch);
        }
        let five = |n: usize| {
            [0, 1, 2, 3, 4]
                .map(|m| format!(" xmlns:p{n}x{m}='urn:x'"))
                .concat()
        };
        let nested: Vec<String> = (0..40).map(|n| format!("<a{}>", five(n))).collect();
        let nested = nested.concat();
        assert_eq!(parse(&nested).unwrap_err(), XmlError::TooMuch);
    }

    #[test]
    fn an_element_goes_alone_with_what_is_declared_around_it() {
        let text = "<a:r xmlns:a='urn:a' xmlns:b='urn:b'><m xmlns='urn:d' xmlns:b='urn:c'>\
                    <b:x a:y=''/></m></a:r>";
        let read = parse(text).unwrap();
        let inner = read.root.elements().next().unwrap().elements().next();
        let alone = read.detach(inner.unwrap()).unwrap();
        assert!(alone.root.is("urn:c", "x"));
        let again = parse(&alone.to_xml()).unwrap();
        assert_eq!(again, alone);
        assert_eq!(again.root.attribute_of("urn:a", "y"), Some(""));
        assert!(parse("<o/>").unwrap().detach(&read.root).is_none());
    }
}

mod signatures {
    use super::*;
    use crate::protocol::xml::fixture::Signer;

    const RESPONSE: &str = "<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' \
        xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_r'><saml:Issuer>idp</saml:Issuer>\
        <saml:Assertion ID='_a'><saml:Issuer>idp</saml:Issuer>SIGNATURE<saml:Subject><saml:NameID>\
        alice</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>";

    fn assertion(document: &Document) -> &Element {
        document.root.all(SAML, "Assertion").next().unwrap()
    }

    const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

    fn verify(text: &str, signers: &[&Signer]) -> Result<Element, SignatureError> {
        let document = parse(text).map_err(SignatureError::Xml)?;
        let certificates: Vec<_> = signers.iter().map(|one| one.certificate.clone()).collect();
        document.verified(assertion(&document), &certificates, Hashes::Strong)
    }

    fn name(assertion: &Element) -> Option<String> {
        assertion
            .only(SAML, "Subject")?
            .only(SAML, "NameID")?
            .text()
    }

    #[test]
    fn what_is_signed_is_read_from_what_was_digested() {
        for signer in [Signer::rsa(), Signer::ecdsa()] {
            let text = signer.sign(RESPONSE, "_a");
            let other = Signer::rsa();
            for signers in [
                &[&signer][..],
                &[&other, &signer],
                &[&Signer::ecdsa(), &signer],
            ] {
                let signed = verify(&text, signers).unwrap();
                assert_eq!(name(&signed).as_deref(), Some("alice"));
                assert!(signed.only(DS, "Signature").is_none());
            }
            assert_eq!(verify(&text, &[&other]), Err(SignatureError::BadSignature));
            assert_eq!(verify(&text, &[]), Err(SignatureError::BadSignature));
            let forged = text.replace("alice", "admin");
            assert_eq!(
                verify(&forged, &[&signer]),
                Err(SignatureError::BadSignature)
            );
            let document = parse(&text).unwrap();
            let keys = [signer.certificate.clone()];
            let of_root = document.verified(&document.root, &keys, Hashes::Strong);
            assert_eq!(
                of_root,
                Err(SignatureError::NotSigned),
                "only the assertion is"
            );
        }
    }

    /// What the library would understand in another way than the guard does costs it nothing.
    #[test]
    fn the_library_is_asked_about_one_shape_alone() {
        let signer = Signer::rsa();
        let good = signer.sign(RESPONSE, "_a");
        let c14n = "http://www.w3.org/2001/10/xml-exc-c14n#";
        let transform = format!("<ds:Transform Algorithm=\"{c14n}\"/>");
        assert!(good.contains(&transform), "{good}");
        let with = |transform: &str| {
            let text = good.replace("<saml:Assertion ", "<saml:Assertion xmlns:x='urn:x' ");
            text.replace(&format!("<ds:Transform Algorithm=\"{c14n}\"/>"), transform)
        };
        let list = |prefixes: &str, inside: &str| {
            with(&format!(
                "<ds:Transform Algorithm=\"{c14n}\"><ec:InclusiveNamespaces xmlns:ec=\"{c14n}\" \
                 PrefixList=\"{prefixes}\">{inside}</ec:InclusiveNamespaces></ds:Transform>"
            ))
        };
        let xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116";
        for (text, error) in [
            (
                with(&format!(
                    "<ds:Transform x:Algorithm=\"{xslt}\" Algorithm=\"{c14n}\"/>"
                )),
                SignatureError::Shape("attribute"),
            ),
            (
                good.replace(
                    "<ds:Reference ",
                    "<ds:Reference xmlns:x='urn:x' x:URI='#xpointer(/)' ",
                ),
                SignatureError::Shape("attribute"),
            ),
            (
                good.replace("<ds:Reference ", "<ds:Reference Type='urn:x' "),
                SignatureError::Shape("attribute"),
            ),
            (list("a", "<x/>"), SignatureError::Shape("canonicalization")),
            (
                list(&"a ".repeat(9), ""),
                SignatureError::Shape("canonicalization"),
            ),
            (
                good.replace("<saml:Subject>", "<saml:Subject xmlns:x='urn:x' x:ID='_a'>"),
                SignatureError::Id,
            ),
            (
                good.replace(c14n, &format!("urn:{}\u{e4}\n", "x".repeat(1000))),
                SignatureError::Algorithm(format!("urn:{}", "x".repeat(96))),
            ),
        ] {
            assert_ne!(text, good);
            let read = parse(&text).unwrap();
            assert_eq!(read.check_signatures(Hashes::Strong), Err(error), "{text}");
        }
        let few = parse(&list("xs xsi", "")).unwrap();
        assert_eq!(few.check_signatures(Hashes::Strong), Ok(()));
    }
}
