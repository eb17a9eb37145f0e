//! Everything that is XML and is not read here, in what is signed and around it: what another reader
//! could see differently, or would fetch something for, or would not get to the end of.

use super::{Canary, Genuine, Site, registered, wrapping::evil};

#[test]
fn saml_3_what_two_readers_could_see_differently_is_refused() {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    site.expect_genuine("idp");
    let canary = Canary::new();
    let all = |genuine: &Genuine| {
        let change = Change::of(genuine);
        let mut all = change.names();
        all.extend(change.types(&canary.url()));
        all.extend(change.documents());
        all.extend(change.markup());
        all.extend(change.ids());
        all
    };
    for index in 0..all(&site.genuine("idp")).len() {
        let genuine = site.genuine("idp");
        let (name, text) = all(&genuine).swap_remove(index);
        assert_ne!(text, genuine.text, "{name}");
        site.expect_refused(name, &genuine, &text);
    }
    canary.expect_silence();
    site.expect_genuine("idp");
}

type Changed = Vec<(&'static str, String)>;

/// What can be changed in a genuine answer.
struct Change<'a> {
    genuine: &'a Genuine,
    text: &'a str,
    /// The name of the person, and what stands around it.
    name: String,
}

impl<'a> Change<'a> {
    fn of(genuine: &'a Genuine) -> Self {
        let (_, rest) = genuine.text.split_once("<saml:NameID").unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        Self {
            genuine,
            text: &genuine.text,
            name: format!(">{}<", rest.split_once('<').unwrap().0),
        }
    }

    /// With something in the middle of the name.
    fn split(&self, between: &str) -> String {
        let (before, after) = self.name.split_at(9);
        self.text
            .replacen(&self.name, &format!("{before}{between}{after}"), 1)
    }

    fn named(&self, name: &str) -> String {
        self.text.replacen(&self.name, &format!(">{name}<"), 1)
    }

    /// With a document type.
    fn typed(&self, inside: &str, name: &str) -> String {
        format!("<!DOCTYPE x [{inside}]>{}", self.named(name))
    }

    /// With more attributes.
    fn response(&self, attributes: &str) -> String {
        self.text.replacen(" ID=", &format!("{attributes} ID="), 1)
    }

    fn assertion(&self, attributes: &str) -> String {
        let begin = "<saml:Assertion ";
        self.text
            .replacen(begin, &format!("{begin}{attributes} "), 1)
    }

    fn with(&self, from: &str, to: &str) -> String {
        self.text.replacen(from, to, 1)
    }

    fn names(&self) -> Changed {
        let digest = "<ds:DigestValue>";
        vec![
            ("a comment", self.split("<!-- -->")),
            ("a comment, then more", self.named("admin<!---->.evil")),
            ("a processing instruction", self.split("<?x?>")),
            ("a CDATA section", self.named("<![CDATA[admin]]>")),
            ("an empty CDATA section", self.split("<![CDATA[]]>")),
            ("an element in the name", self.split("<x/>")),
            ("references", self.named("&#97;dmin")),
            ("an entity of nobody", self.named("&admin;")),
            ("NUL", self.split("\0")),
            ("NUL, as a reference", self.split("&#0;")),
            (
                "a comment in an attribute",
                self.with(">alice@", ">admin@example.org<!-- -->@"),
            ),
            (
                "a comment in the digest",
                self.with(digest, &format!("{digest}<!--AA-->")),
            ),
        ]
    }

    fn types(&self, canary: &str) -> Changed {
        let laughs = (1..10).map(|level| {
            let before = format!("&e{};", level - 1).repeat(10);
            format!("<!ENTITY e{level} '{before}'>")
        });
        let laughs: String = laughs.collect();
        let text = self.text;
        let elsewhere = format!("<!ENTITY e SYSTEM '{canary}'>");
        let parameter = format!("<!ENTITY % e SYSTEM '{canary}'>%e;");
        let file = "<!ENTITY e SYSTEM 'file:///etc/passwd'>";
        let default = "<!ATTLIST saml:NameID z CDATA 'y'>";
        vec![
            ("a document type", format!("<!DOCTYPE x>{text}")),
            ("an entity", self.typed("<!ENTITY e 'admin'>", "&e;")),
            ("a file", self.typed(file, "&e;")),
            ("an address", self.typed(&elsewhere, "&e;")),
            ("a parameter entity", self.typed(&parameter, "admin")),
            (
                "a default attribute",
                format!("<!DOCTYPE x [{default}]>{text}"),
            ),
            (
                "a document type elsewhere",
                format!("<!DOCTYPE x SYSTEM '{canary}'>{text}"),
            ),
            (
                "laughs",
                self.typed(&format!("<!ENTITY e0 'ha'>{laughs}"), "&e9;"),
            ),
            (
                "an ID by the document type",
                format!("<!DOCTYPE x [<!ATTLIST x y ID #REQUIRED>]>{text}"),
            ),
        ]
    }

    fn documents(&self) -> Changed {
        let text = self.text;
        let (cut, _) = text.split_at(text.len() - 9);
        vec![
            ("nothing", String::new()),
            ("no XML", "alice".to_owned()),
            ("a comment before", format!("<!-- x -->{text}")),
            ("two roots", format!("{text}{text}")),
            (
                "two roots, the evil first",
                format!("{}{text}", evil(text, Some("_evil"))),
            ),
            ("text behind", format!("{text}x")),
            ("a document behind", format!("{text}<?xml version='1.0'?>")),
            ("no end", cut.to_owned()),
            (
                "an end of its own",
                self.with("</samlp:Response>", "</samlp:Other>"),
            ),
            ("XML 1.1", format!("<?xml version='1.1'?>{text}")),
            (
                "another encoding",
                format!("<?xml version='1.0' encoding='UTF-7'?>{text}"),
            ),
            (
                "white space before the declaration",
                format!(" <?xml version='1.0'?>{text}"),
            ),
            (
                "a mark of the byte order twice",
                format!("\u{feff}\u{feff}{text}"),
            ),
            ("deep", format!("{}{text}", "<a>".repeat(20_000))),
            ("wide", self.response(&many(|n| format!(" a{n}=\"\"")))),
            (
                "many namespaces",
                self.response(&many(|n| format!(" xmlns:a{n}=\"urn:a\""))),
            ),
            (
                "a long name",
                self.response(&format!(" {}=\"\"", "x".repeat(60 << 10))),
            ),
        ]
    }

    fn markup(&self) -> Changed {
        let twice = "xmlns:a=\"urn:a\" xmlns:b=\"urn:a\" a:x=\"\" b:x=\"\"";
        let ds = "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
        let saml = "urn:oasis:names:tc:SAML:2.0:assertion";
        let name = |attribute: &str| {
            let begin = format!("<saml:NameID {attribute} ");
            self.with("<saml:NameID ", &begin)
        };
        vec![
            ("an attribute twice", self.response(" Version=\"2.0\"")),
            ("an attribute twice by its namespace", self.assertion(twice)),
            ("a prefix of nobody", self.response(" x:y=\"\"")),
            (
                "a relative namespace",
                self.response(" xmlns:x=\"relative\""),
            ),
            (
                "a relative namespace inside",
                self.assertion("xmlns:x=\"1\""),
            ),
            ("a prefix for nothing", self.response(" xmlns:x=\"\"")),
            ("another xml", self.response(" xmlns:xml=\"urn:x\"")),
            ("another xmlns", self.response(" xmlns:xmlns=\"urn:x\"")),
            ("another prefix of SAML", self.with(saml, "urn:evil")),
            ("another name", name("xmlns:saml=\"urn:evil\"")),
            (
                "another prefix of signatures",
                self.with(ds, "xmlns:ds=\"urn:evil\""),
            ),
            ("xml:id", self.assertion("xml:id=\"_x\"")),
            ("xml:base", self.assertion("xml:base=\"http://evil.test/\"")),
            ("xml:lang", name("xml:lang=\"en\"")),
            ("xml:space", name("xml:space=\"preserve\"")),
        ]
    }

    fn ids(&self) -> Changed {
        let own = self.genuine.attribute("ID");
        let (_, rest) = self.genuine.assertion().split_once(" ID=\"").unwrap();
        let (id, _) = rest.split_once('"').unwrap();
        let status = |attribute: &str, id: &str| {
            let with = format!("<samlp:Status {attribute}=\"{id}\">");
            self.with("<samlp:Status>", &with)
        };
        vec![
            ("the ID of the response twice", status("ID", &own)),
            ("the ID of the assertion twice", status("ID", id)),
            ("the ID in small letters", status("id", id)),
            ("the ID by a prefix", status("samlp:ID", id)),
            ("the ID of SAML 1.1", status("AssertionID", id)),
            ("one ID for both", self.with(&own, id)),
            ("an ID that is none", self.text.replace(id, "x(y)")),
        ]
    }
}

fn many(one: impl Fn(usize) -> String) -> String {
    (0..3_000).map(one).collect()
}
