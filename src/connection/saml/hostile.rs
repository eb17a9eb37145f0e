//! Messages that nobody means well with: large ones that cost much, and thousands that are changed a
//! little.

use std::{collections::BTreeMap, fs, io::Write as _, ops::Range, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};

use super::{
    assertion::Assertion,
    fuzz::everything,
    received::Received,
    response::{Expected, MOST_BYTES, Signed, check},
    tests::made_here::{ASSERTION, RESPONSE, signed_assertion, signed_response},
};
use crate::{
    clock::Timestamp,
    connection::Reply,
    protocol::{
        shared_data,
        xml::{Ciphers, Hashes, fixture::Signer},
    },
};

const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// What somebody without an account makes the service do, by one message of the largest size.
#[test]
fn no_message_takes_long() {
    let signer = Signer::rsa();
    // as while a provider changes its key
    let certificates = vec![signer.certificate.clone(); 2];
    for (name, text) in large() {
        let mut expected = expected(&signer);
        expected.certificates = &certificates;
        let begun = spent();
        let judged = check(text.as_bytes(), &expected).map(drop);
        let taken = spent() - begun;
        println!("{name}: {} bytes, {taken:?}, {judged:?}", text.len());
        assert!(judged.is_err() && text.len() <= MOST_BYTES, "{name}");
        assert!(taken.as_secs() < 1, "{name}: {taken:?}");
    }
}

/// A query that becomes a hundred megabytes.
#[test]
fn no_query_grows_without_end() {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    for _ in 0..100 {
        deflate.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = STANDARD.encode(deflate.finish().unwrap());
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &bomb)
        .finish();
    assert!(query.len() < MOST_BYTES, "{}", query.len());
    let begun = spent();
    assert!(Received::read(Reply::Query(&query), &["SAMLRequest"]).is_none());
    let taken = spent() - begun;
    assert!(taken.as_secs() < 1, "{taken:?}");
}

/// What this thread has had of a processor so far: others who want it too count for nothing.
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// Twenty thousand changes of good responses: whatever is accepted, says what the provider said.
#[test]
fn no_change_of_a_response_changes_what_it_says() {
    const CHANGES: usize = 20_000;
    let signer = Signer::rsa();
    let seeds = seeds(&signer);
    let judge = |text: &str| check(text.as_bytes(), &expected(&signer));
    let good: Vec<Assertion> = seeds.iter().map(|seed| judge(seed).unwrap()).collect();
    let mut mutator = Mutator(0x5eed);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..CHANGES {
        let changed = mutator.changed(&seeds);
        let judged = judge(&changed);
        if let Ok(assertion) = &judged {
            assert!(good.contains(assertion), "{number}: {changed}");
        }
        let kind = judged.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        let kind = kind.split(": ").next().unwrap_or_default().to_owned();
        *found.entry(kind).or_default() += 1;
    }
    println!("{found:#?}");
    // It gets past the reader, and past the guard.
    let count = |kind: &str| found.get(kind).copied().unwrap_or_default();
    let wrong = "the signature is wrong, or by a key that is not this provider's";
    assert!(count("accepted") > CHANGES / 100, "{found:#?}");
    assert!(count(wrong) > CHANGES / 10, "{found:#?}");
    assert!(found.len() > 20, "{found:#?}");
}

/// The same with the messages and metadata of others, and everything that reads what strangers send.
#[test]
fn no_change_of_anything_is_believed() {
    let signer = Signer::rsa();
    let mut seeds = seeds(&signer);
    let mut message = |file: &str| seeds.extend(shared_data(file));
    for name in [
        "saml-samael/idp_2_metadata.xml",
        "saml-samael/response_encrypted_valid.xml",
        "saml-samael/response_signed_by_idp_ecdsa.xml",
        "saml-samael/logout_request.xml",
        "saml-simplesamlphp/saml_EncryptedAssertion.xml",
        "saml-simplesamlphp/samlp_ArtifactResponse.xml",
        "saml-simplesamlphp/samlp_LogoutRequest.xml",
        "saml-simplesamlphp/response/signedresponse_with_signedassertion.xml",
        "xmldsig-xml-crypto/wsfederation_metadata.xml",
    ] {
        message(name);
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLResponse", &STANDARD.encode(&seeds[0]))
        .append_pair("RelayState", "x")
        .finish();
    seeds.push(query);
    let mut mutator = Mutator(0xf00d);
    for seed in &seeds {
        everything(seed.as_bytes());
    }
    for _ in 0..2_000 {
        everything(mutator.changed(&seeds).as_bytes());
    }
}

/// Good responses about two people: signed whole, in part, and both.
fn seeds(signer: &Signer) -> Vec<String> {
    let of = |name: &str| {
        let assertion = ASSERTION.replace("alice", name);
        let inner = signer.sign(&assertion, "_a");
        let both = RESPONSE
            .replace("ASSERTION", &inner)
            .replace("RESPONSE_SIGNATURE", "SIGNATURE");
        [
            signed_response(signer, RESPONSE, &assertion),
            signed_assertion(signer, RESPONSE, &assertion),
            signer.sign(&both, "_r"),
        ]
    };
    ["alice", "bob"].into_iter().flat_map(of).collect()
}

/// Changes texts, each time the same ones.
struct Mutator(u64);

/// What is put somewhere, and what is put for something else.
const TOKENS: [&str; 24] = [
    "<!-- x -->",
    "<![CDATA[admin]]>",
    "<!DOCTYPE x [<!ENTITY e 'admin'>]>",
    "&e;",
    "&#97;",
    "<?x?>",
    " xmlns=''",
    " xmlns:saml='urn:x'",
    " xmlns:ds='urn:x'",
    " xmlns:x='relative'",
    " xml:id='_a'",
    " ID='_a'",
    " ID='_r'",
    " Id='_a'",
    "<saml:NameID>admin</saml:NameID>",
    "<ds:Object/>",
    "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/>",
    "<saml:Advice>",
    "</saml:Assertion>",
    "<samlp:Extensions>",
    "\u{0}",
    "\u{e9}",
    "'",
    ">",
];
const REPLACED: [(&str, &str); 12] = [
    ("alice", "admin"),
    ("_a", "_r"),
    ("_r", "_a"),
    ("sha256", "sha1"),
    ("rsa-sha256", "hmac-sha256"),
    ("enveloped-signature", "base64"),
    ("xml-exc-c14n#", "xml-exc-c14n#WithComments"),
    ("#_a", ""),
    ("https://sp/acs", "https://evil/acs"),
    ("2026-", "2027-"),
    ("staff", "root"),
    ("saml:", "samlp:"),
];
const AROUND: [(&str, &str); 6] = [
    ("<samlp:Extensions>", "</samlp:Extensions>"),
    ("<saml:Advice>", "</saml:Advice>"),
    (
        "<ds:Object xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>",
        "</ds:Object>",
    ),
    ("<saml:Assertion ID='_e'>", "</saml:Assertion>"),
    ("<x>", "</x>"),
    ("<!--", "-->"),
];

impl Mutator {
    /// xorshift64.
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % below.max(1)
    }

    fn choose<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let index = self.draw(all.len());
        all.get(index).cloned()
    }

    /// One of the texts, changed one to three times.
    fn changed(&mut self, seeds: &[String]) -> String {
        let mut text = self.choose(seeds).unwrap_or_default();
        for _ in 0..=self.draw(3) {
            text = match self.draw(3) {
                0 => self.spoiled(text),
                _ => self.rearranged(&text, seeds),
            };
        }
        text
    }

    /// Octets, tokens and words.
    fn spoiled(&mut self, text: String) -> String {
        let at = self.place(&text);
        let (before, after) = text.split_at(at);
        match self.draw(5) {
            0 => {
                let mut octets = text.clone().into_bytes();
                let (index, bit) = (self.draw(octets.len()), self.draw(7));
                if let Some(octet) = octets.get_mut(index) {
                    *octet ^= 1 << bit;
                }
                String::from_utf8(octets).unwrap_or(text)
            }
            1 => {
                let end = self.place(after).min(40);
                format!("{before}{}", after.get(end..).unwrap_or_default())
            }
            2 => {
                let token = self.choose(&TOKENS).unwrap_or_default();
                format!("{before}{token}{after}")
            }
            3 => {
                // behind the name of an element
                let (begin, rest) = after.split_once(' ').unwrap_or((after, ""));
                let token = self.choose(&TOKENS).unwrap_or_default();
                format!("{before}{begin}{token} {rest}")
            }
            _ => {
                let (from, to) = self.choose(&REPLACED).unwrap_or_default();
                let after = after.replacen(from, to, 1);
                format!("{before}{after}")
            }
        }
    }

    /// Whole elements: left out, copied, moved, put around and into each other.
    fn rearranged(&mut self, text: &str, seeds: &[String]) -> String {
        let other = self.choose(seeds).unwrap_or_default();
        let (own, others) = (elements(text), elements(&other));
        let (Some(target), Some(source)) = (self.choose(&own), self.choose(&others)) else {
            return text.to_owned();
        };
        let piece = match self.draw(3) {
            0 => text.get(self.choose(&own).unwrap_or_default()),
            1 => text.get(target.clone()),
            _ => other.get(source),
        };
        let mut piece = piece.unwrap_or_default().to_owned();
        if self.draw(2) == 0 {
            let (from, to) = self.choose(&REPLACED).unwrap_or_default();
            piece = piece.replace(from, to);
        }
        if self.draw(3) == 0 {
            let (before, after) = self.choose(&AROUND).unwrap_or_default();
            piece = format!("{before}{piece}{after}");
        }
        let cut = |range: Range<usize>| text.get(range).unwrap_or_default();
        let (before, after) = (cut(0..target.start), cut(target.end..text.len()));
        let element = cut(target);
        let inside = element.rfind("</").unwrap_or(element.len());
        let (begin, end) = element.split_at(inside);
        match self.draw(6) {
            0 => format!("{before}{after}"),
            1 => format!("{before}{piece}{after}"),
            2 => format!("{before}{piece}{element}{after}"),
            3 => format!("{before}{element}{piece}{after}"),
            4 => format!("{before}{begin}{piece}{end}{after}"),
            _ => {
                let (begin, rest) = element.split_once('>').unwrap_or((element, ""));
                format!("{before}{begin}>{piece}{rest}{after}")
            }
        }
    }

    fn place(&mut self, text: &str) -> usize {
        let mut at = self.draw(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Where the elements of a text are, by a search that knows little of XML.
fn elements(text: &str) -> Vec<Range<usize>> {
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for (at, _) in text.match_indices('<') {
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = rest.find('>').map(|length| at + length + 1) else {
            break;
        };
        if rest.starts_with("</") {
            all.extend(open.pop().map(|begin| begin..end));
        } else if text.get(..end).is_some_and(|tag| tag.ends_with("/>")) {
            all.push(at..end);
        } else if !rest.starts_with("<!") && !rest.starts_with("<?") {
            open.push(at);
        }
    }
    all
}

fn expected(signer: &Signer) -> Expected<'_> {
    Expected {
        identity_provider: "idp",
        service_provider: "sp",
        acs: "https://sp/acs",
        request_id: Some("_q"),
        certificates: std::slice::from_ref(&signer.certificate),
        keys: &[],
        ciphers: Ciphers::Authenticated,
        signed: Signed::Either,
        hashes: Hashes::Strong,
        max_age: None,
        signed_in_since: None,
        name_id_format: None,
        authn_contexts: &[],
        now: Timestamp::from_millis(1_795_780_800_000),
    }
}

/// As much as fits of something, inside of something else.
fn filled(before: &str, one: impl Fn(usize) -> String, after: &str) -> String {
    let mut text = before.to_owned();
    for number in 0.. {
        let next = one(number);
        if text.len() + next.len() + after.len() > MOST_BYTES {
            break;
        }
        text.push_str(&next);
    }
    text.push_str(after);
    text
}

/// Messages of the largest size, and one that none is made of.
fn large() -> Vec<(&'static str, String)> {
    vec![
        ("attributes", filled("<a", |n| format!(" a{n}=''"), "/>")),
        (
            "namespaces",
            filled("<a", |n| format!(" xmlns:a{n}='urn:a'"), "/>"),
        ),
        (
            "one namespace",
            filled("<a", |_| " xmlns:a='urn:a'".to_owned(), "/>"),
        ),
        ("deep", filled("", |_| "<a>".to_owned(), "")),
        ("wide", filled("<a>", |_| "<b/>".to_owned(), "</a>")),
        ("text", filled("<a>", |_| "x".repeat(1024), "</a>")),
        ("references", filled("<a>", |_| "&#x41;".to_owned(), "</a>")),
        ("entities", filled("<a>", |_| "&amp;".to_owned(), "</a>")),
        ("a name", filled("<", |_| "a".to_owned(), "/>")),
        ("no end", filled("<a b='", |_| "x".to_owned(), "")),
        ("less than", filled("", |_| "<".to_owned(), "")),
        ("a comment", filled("<a><!--", |_| "-".to_owned(), "")),
        ("signed", signed("")),
        ("signed, with prefixes", signed("b0 b1 b2 b3 b4 b5 b6 b7")),
    ]
}

/// What the library has most to do for before it knows that the signature is nobody's.
fn signed(prefixes: &str) -> String {
    let declared = |prefix: &str| -> String {
        let all = (0..50).map(|n| format!(" xmlns:{prefix}{n}='urn:{prefix}{n}'"));
        all.collect()
    };
    let signature = |id: &str| {
        format!(
            "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm='{EXC_C14N}'/><ds:SignatureMethod \
             Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/><ds:Reference \
             URI='#{id}'><ds:Transforms><ds:Transform \
             Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/><ds:Transform \
             Algorithm='{EXC_C14N}'><ec:InclusiveNamespaces xmlns:ec='{EXC_C14N}' \
             PrefixList='{prefixes}'/></ds:Transform></ds:Transforms><ds:DigestMethod \
             Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><ds:DigestValue>AA==\
             </ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>AA==\
             </ds:SignatureValue></ds:Signature>"
        )
    };
    let before = RESPONSE
        .replace(" ID='_r'", &format!("{} ID='_r'", declared("a")))
        .replace("RESPONSE_SIGNATURE", &signature("_r"));
    let (before, after) = before.split_once("ASSERTION").unwrap();
    let (nested, closed) = ("<a0:x>".repeat(40), "</a0:x>".repeat(40));
    let before = format!(
        "{before}<saml:Assertion ID='_a'>{}<x{}>{nested}",
        signature("_a"),
        declared("b")
    );
    let after = format!("{closed}</x></saml:Assertion>{after}");
    filled(&before, |n| format!("<b{0}:x a{0}:y=''/>", n % 50), &after)
}
