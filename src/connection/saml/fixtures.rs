//! The test data of others, each message at its own time: by what is the default, and once more with
//! SHA-1 and short keys, since most of it is old, and only then shows what else is wrong.
//!
//! Every certificate of a set and every one that a message brings itself is trusted here, more than
//! anybody would: what is refused, is not refused for a key.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    pkey::{PKey, Private},
    x509::X509,
};
use serde_json::Value;

use super::response::{Expected, MOST_BYTES, ResponseError, SAMLP, Signed, check};
use crate::{
    clock::Timestamp,
    protocol::{
        shared_data, shared_folder,
        xml::{Ciphers, DS, Document, Hashes, SignatureError, SigningCertificate},
    },
};

/// The scenarios of gosaml2, each with one fault or none.
#[test]
fn scenarios_of_others_are_judged_as_stated() {
    let Some(set) = Set::with_manifest("saml-gosaml2") else {
        return;
    };
    let judged = set.judge();
    // Its fault is the date of a certificate of ours: our keys have none.
    assert_eq!(
        judged.wrong,
        ["providertests/testdata/onelogin/olgn09_response_24.b64"]
    );
    assert_eq!(judged.counts(), (96, 9, 40, 6, 18));
}

/// Signatures over what nobody reads, wrapped by ancestors, by objects, by XPath.
#[test]
fn attacks_of_samael_are_refused() {
    let Some(set) = Set::with_manifest("saml-samael") else {
        return;
    };
    let judged = set.judge();
    assert_eq!(judged.wrong, [""; 0]);
    assert_eq!(judged.counts(), (23, 0, 6, 0, 2));
}

/// The golden ticket (an empty text that was digested), and fragments of everything that there is.
#[test]
fn messages_of_simplesamlphp_are_judged_as_stated() {
    let Some(set) = Set::with_manifest("saml-simplesamlphp") else {
        return;
    };
    let judged = set.judge();
    assert_eq!(judged.wrong, [""; 0]);
    assert_eq!(judged.counts(), (90, 0, 3, 0, 0));
}

/// Signatures of every shape. What is right and of another shape than SAML's is refused too.
#[test]
fn signatures_of_xml_crypto_are_judged_as_stated() {
    let Some(set) = Set::xml_crypto() else {
        return;
    };
    let judged = set.judge();
    assert_eq!(judged.wrong, [""; 0]);
    assert_eq!(judged.counts(), (37, 1, 8, 0, 1));
}

/// Certificates that are cut, changed, old, and of short keys.
#[test]
fn certificates_of_others_are_read_or_refused() {
    let folder = "saml-simplesamlphp/resources/certificates";
    for (name, is_x509) in [
        // what is broken is the line around it
        ("broken", true),
        ("corrupted", false),
        ("expired", true),
        ("other", true),
        ("selfsigned", true),
        ("signed", true),
    ] {
        let Some(pem) = shared_data(&format!("{folder}/{name}.simplesamlphp.org.crt")) else {
            return;
        };
        let inside: String = pem.lines().filter(|line| !line.contains("--")).collect();
        let der = STANDARD.decode(inside).unwrap_or_default();
        // They have 1024 bits.
        assert!(SigningCertificate::from_der(&der).is_err(), "{name}");
        let short = SigningCertificate::short_from_der(&der);
        assert_eq!(short.is_ok(), is_x509, "{name}: {short:?}");
    }
}

/// What somebody says about a message.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Stated {
    /// It is good.
    Good,
    /// It is not.
    Bad,
    /// Nothing.
    Nothing,
}

/// A message and both sides.
struct Case {
    name: String,
    stated: Stated,
    /// In the words of whoever says so.
    words: String,
    octets: Vec<u8>,
    /// That which both sides know of each other; as the message has it, if nobody says.
    identity_provider: String,
    service_provider: String,
    acs: String,
    request_id: String,
    now: Option<Timestamp>,
    certificates: Vec<Vec<u8>>,
    keys: Vec<PKey<Private>>,
    /// What is said is said of the signature alone.
    is_signature: bool,
}

struct Set {
    name: &'static str,
    cases: Vec<Case>,
}

/// How it went.
#[derive(Debug, Default)]
struct Judged {
    cases: usize,
    /// Good signatures, by default and with SHA-1.
    verified: [usize; 2],
    /// Good messages, likewise.
    accepted: [usize; 2],
    /// What was accepted and must not be.
    wrong: Vec<String>,
}

impl Judged {
    /// Messages, then good signatures and good messages, each by default and with SHA-1: a change
    /// of them is a change of what gets in.
    fn counts(&self) -> (usize, usize, usize, usize, usize) {
        let ([verified, verified_weak], [accepted, accepted_weak]) = (self.verified, self.accepted);
        (self.cases, verified, verified_weak, accepted, accepted_weak)
    }
}

impl Set {
    /// A set whose manifest says what there is.
    fn with_manifest(name: &'static str) -> Option<Self> {
        let manifest = shared_data(&format!("{name}/MANIFEST.json"))?;
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let certificates = certificates_of(name);
        let cases = manifest["cases"].as_array().unwrap().iter();
        let cases = cases.map(|said| {
            let file = said["file"].as_str().unwrap();
            let text = shared_data(&format!("{name}/{file}")).unwrap();
            let octets = if said["facts"]["encoding"] == "xml" {
                text.into_bytes()
            } else {
                let text: String = text.split_whitespace().collect();
                let text = text.trim_start_matches("SAMLResponse=");
                STANDARD.decode(text).unwrap_or_else(|_| text.into())
            };
            let mut case = Case::of(file, octets);
            case.words = said["expected"].as_str().unwrap_or_default().to_owned();
            case.stated = match case.words.split([' ', ':']).next().unwrap_or_default() {
                "accept" | "policy" => Stated::Good,
                "reject" => Stated::Bad,
                _ => Stated::Nothing,
            };
            let stated = said["now"].as_str().filter(|now| now.ends_with('Z'));
            case.now = stated.and_then(time).or(case.now);
            case.certificates.extend(certificates.iter().cloned());
            let profile = &manifest["profiles"][said["profile"].as_str().unwrap_or_default()];
            case.know(name, profile);
            case
        });
        Some(Self {
            name,
            cases: cases.collect(),
        })
    }

    /// The set without one: the names of its files say it, and the tests that they are from.
    fn xml_crypto() -> Option<Self> {
        const NAME: &str = "xmldsig-xml-crypto";
        const BAD: [&str; 6] = [
            "hmac_signature",
            "id_with_quotes",
            "saml_multiple_signed_info_nodes",
            "saml_wrapped_signed_info_node",
            "unsigned_saml_response",
            // What is valid is the inner one of two.
            "valid_saml_signature_wrapping",
        ];
        // CVE-2025-29775
        const COMMENT_IN_DIGEST: &str = "valid_saml_with_digest_comment";
        let certificates = certificates_of(NAME);
        let files = files_of(NAME)?;
        let xml = files.iter().filter_map(|file| file.strip_suffix(".xml"));
        let cases = xml.map(|name| {
            let text = shared_data(&format!("{NAME}/{name}.xml")).unwrap();
            let mut case = Case::of(name, text.into_bytes());
            let is_bad = name.starts_with("invalid_") || BAD.contains(&name);
            case.stated = if is_bad || name == COMMENT_IN_DIGEST {
                Stated::Bad
            } else {
                Stated::Good
            };
            case.certificates.extend(certificates.iter().cloned());
            case.is_signature = true;
            case
        });
        Some(Self {
            name: NAME,
            cases: cases.collect(),
        })
    }

    /// Judges everything, and prints it: `cargo nextest run saml::fixtures --no-capture`.
    fn judge(&self) -> Judged {
        let mut judged = Judged::default();
        let mut table = format!("{}\n", self.name);
        for case in &self.cases {
            judged.cases += 1;
            let _ = writeln!(
                table,
                "{} — stated: {:?} {}",
                case.name, case.stated, case.words
            );
            let mut is_accepted = false;
            for (index, hashes) in [Hashes::Strong, Hashes::WithSha1].into_iter().enumerate() {
                let (signature, message) = (case.signature(hashes), case.message(hashes));
                judged.verified[index] += usize::from(signature.is_ok());
                judged.accepted[index] += usize::from(message.is_ok());
                is_accepted |= message.is_ok() || (signature.is_ok() && case.is_signature);
                let say = |judged: Result<String, String>| match judged {
                    Ok(name) => format!("accepted {name}"),
                    Err(error) => format!("refused: {error}"),
                };
                let policy = ["by default", "with SHA-1"][index];
                let message = say(message.map_err(|error| error.to_string()));
                let signature = say(signature.map_err(|error| error.to_string()));
                let _ = writeln!(
                    table,
                    "    {policy}: message {message}; signature {signature}"
                );
            }
            if is_accepted && case.stated == Stated::Bad {
                judged.wrong.push(case.name.clone());
            }
        }
        let _ = writeln!(table, "{judged:?}");
        println!("{table}");
        judged
    }
}

impl Case {
    /// A message, with what it says of both sides itself.
    fn of(name: &str, octets: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&octets).into_owned();
        let own = |attribute: &str| attributes(&text, attribute).first().cloned();
        let element = |element: &str| elements(&text, element).pop().unwrap_or_default();
        let certificates = elements(&text, "X509Certificate").into_iter();
        let certificates = certificates.filter_map(|text| {
            let text: String = text.split_whitespace().collect();
            STANDARD.decode(text).ok()
        });
        let acs = own("Destination").or_else(|| own("Recipient"));
        Self {
            name: name.to_owned(),
            stated: Stated::Nothing,
            words: String::new(),
            identity_provider: element("Issuer"),
            service_provider: element("Audience"),
            acs: acs.unwrap_or_default(),
            request_id: own("InResponseTo").unwrap_or_default(),
            now: own("IssueInstant").as_deref().and_then(time),
            certificates: certificates.collect::<BTreeSet<_>>().into_iter().collect(),
            keys: Vec::new(),
            is_signature: false,
            octets,
        }
    }

    /// Takes over what is said of both sides.
    fn know(&mut self, folder: &str, profile: &Value) {
        let file = |key: &str| shared_data(&format!("{folder}/{}", profile[key].as_str()?));
        for (known, key) in [
            (&mut self.identity_provider, "idp_entity_id"),
            (&mut self.service_provider, "sp_entity_id"),
            (&mut self.acs, "acs"),
        ] {
            if let Some(said) = profile[key].as_str() {
                said.clone_into(known);
            }
        }
        if let Some(pem) = file("idp_cert") {
            // Here a key is said, and some of the faults are that it is another.
            self.certificates = vec![X509::from_pem(pem.as_bytes()).unwrap().to_der().unwrap()];
        }
        let key = file("sp_decrypt_key");
        let key = key.map(|pem| PKey::private_key_from_pem(pem.as_bytes()).unwrap());
        self.keys.extend(key);
    }

    fn trusted(&self, hashes: Hashes) -> Vec<SigningCertificate> {
        let read = |der: &Vec<u8>| match hashes {
            Hashes::Strong => SigningCertificate::from_der(der).ok(),
            Hashes::WithSha1 => SigningCertificate::short_from_der(der).ok(),
        };
        let all = self.certificates.iter().filter_map(read);
        // Where a key is said, so is the time.
        let is_said = self.certificates.len() == 1;
        let valid = |one: &SigningCertificate| self.now.is_none_or(|now| one.is_valid_at(now));
        all.filter(|one| !is_said || valid(one)).collect()
    }

    /// What is verified of it, whatever it is.
    fn signature(&self, hashes: Hashes) -> Result<String, SignatureError> {
        let document = Document::parse(&self.octets, MOST_BYTES)?;
        let mut all = document.root.walk();
        let signed = all.find(|element| element.all(DS, "Signature").next().is_some());
        let signed = signed.unwrap_or(&document.root);
        let verified = document.verified(signed, &self.trusted(hashes), hashes)?;
        Ok(verified.name.to_string())
    }

    /// The message; an assertion alone goes into a response.
    fn enveloped(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.octets);
        let prolog = text
            .trim_start()
            .strip_prefix("<?")
            .and_then(|rest| rest.split_once("?>"));
        let assertion = prolog.map_or(&*text, |(_, rest)| rest).trim();
        let name = assertion
            .split([' ', '\n', '\r', '>'])
            .next()
            .unwrap_or_default();
        if name.trim_start_matches('<').rsplit(':').next() != Some("Assertion") {
            return self.octets.clone();
        }
        let issued = attributes(&text, "IssueInstant").pop().unwrap_or_default();
        let (acs, id) = (&self.acs, &self.request_id);
        let response = format!(
            "<samlp:Response xmlns:samlp='{SAMLP}' ID='_around' Version='2.0' \
             IssueInstant='{issued}' Destination='{acs}' InResponseTo='{id}'><samlp:Status>\
             <samlp:StatusCode Value='urn:oasis:names:tc:SAML:2.0:status:Success'/></samlp:Status>\
             {assertion}</samlp:Response>"
        );
        response.into_bytes()
    }

    fn message(&self, hashes: Hashes) -> Result<String, ResponseError> {
        let expected = Expected {
            identity_provider: &self.identity_provider,
            service_provider: &self.service_provider,
            acs: &self.acs,
            request_id: Some(&self.request_id),
            certificates: &self.trusted(hashes),
            keys: &self.keys,
            ciphers: Ciphers::WithCbc,
            signed: Signed::Either,
            hashes,
            max_age: None,
            signed_in_since: None,
            name_id_format: None,
            authn_contexts: &[],
            now: self.now.unwrap_or(Timestamp::from_millis(0)),
        };
        check(&self.enveloped(), &expected).map(|assertion| assertion.name_id.value)
    }
}

/// The certificates that lie beside the messages of a set.
fn certificates_of(set: &str) -> Vec<Vec<u8>> {
    let files = files_of(set).unwrap_or_default().into_iter();
    let files = files.filter(|file| {
        let extension = Path::new(file).extension().unwrap_or_default();
        extension == "pem" || extension == "crt"
    });
    let texts = files.filter_map(|file| shared_data(&format!("{set}/{file}")));
    let read = texts.filter_map(|text| X509::from_pem(text.as_bytes()).ok());
    read.map(|x509| x509.to_der().unwrap()).collect()
}

/// The names of the files of a set, and of those in its `resources/certificates`.
fn files_of(set: &str) -> Option<BTreeSet<String>> {
    let list = |folder: &str| {
        let path = shared_folder().join(set).join(folder);
        let all = std::fs::read_dir(path).ok()?.flatten();
        let names = all.filter_map(|entry| entry.file_name().into_string().ok());
        let named = names.map(|name| format!("{folder}{name}"));
        Some(named.collect::<BTreeSet<_>>())
    };
    let mut files = list("")?;
    files.extend(list("resources/certificates/").unwrap_or_default());
    Some(files)
}

fn time(text: &str) -> Option<Timestamp> {
    let at = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from_millis(at.timestamp_millis()))
}

/// The values of an attribute, by a search that knows nothing of XML.
fn attributes(text: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    let all = text.split(&begin).skip(1);
    let values = all.filter_map(|rest| rest.split_once('"'));
    values.map(|(value, _)| value.to_owned()).collect()
}

/// The texts of elements of that local name, likewise.
fn elements(text: &str, name: &str) -> Vec<String> {
    let pieces: Vec<&str> = text.split("</").collect();
    let ended = pieces.windows(2).filter_map(|pair| {
        let end = pair[1].split('>').next()?;
        let text = pair[0].rsplit('>').next()?.trim();
        (end.rsplit(':').next() == Some(name)).then(|| text.to_owned())
    });
    ended.filter(|text| !text.is_empty()).collect()
}
