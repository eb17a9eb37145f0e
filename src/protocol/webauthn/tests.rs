//! The test vectors of WebAuthn level 3, and what a software authenticator can get wrong.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::protocol::shared_data;

/// The ceremonies of one vector.
struct Vector {
    name: String,
    made: Ceremony,
    proven: Ceremony,
}

/// Names and octets.
#[derive(Default)]
struct Ceremony(Vec<(String, Vec<u8>)>);

impl Ceremony {
    fn get(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn vectors() -> Option<Vec<Vector>> {
    let text = shared_data("webauthn-w3c-vectors/test-vectors-section.bs.txt")?;
    let ceremony = |text: &str| {
        let lines = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(" = h'")?;
            Some((name.to_owned(), octets(rest.split_once('\'')?.0)))
        });
        Ceremony(lines.collect())
    };
    let sections = text.split("{#sctn-test-vectors-").skip(1);
    let all = sections.filter_map(|section| {
        let (name, rest) = section.split_once('}')?;
        let mut parts = rest.split("<xmp").skip(1);
        let made = ceremony(parts.next()?.split("</xmp>").next()?);
        let proven = ceremony(parts.next()?.split("</xmp>").next()?);
        Some(Vector {
            name: name.to_owned(),
            made,
            proven,
        })
    });
    Some(all.collect())
}

fn example_org() -> RelyingParty {
    RelyingParty {
        id: "example.org".to_owned(),
        name: "Example".to_owned(),
        origin: "https://example.org".to_owned(),
    }
}

fn made(ceremony: &Ceremony) -> Attestation {
    Attestation {
        id: ceremony.get("credential_id").to_vec(),
        client_data: ceremony.get("clientDataJSON").to_vec(),
        object: ceremony.get("attestationObject").to_vec(),
        transports: Vec::new(),
    }
}

fn proven(id: &[u8], ceremony: &Ceremony) -> Assertion {
    Assertion {
        id: id.to_vec(),
        client_data: ceremony.get("clientDataJSON").to_vec(),
        authenticator_data: ceremony.get("authenticatorData").to_vec(),
        signature: ceremony.get("signature").to_vec(),
        handle: None,
    }
}

/// Both ceremonies of a vector.
fn run(vector: &Vector) -> Result<Verified, Refused> {
    let party = example_org();
    let expected = |challenge| Expected {
        party: &party,
        challenge,
        verification: false,
    };
    let registered = register(&made(&vector.made), &expected(vector.made.get("challenge")))?;
    let known = Known {
        key: &registered.key,
        handle: b"somebody",
        counter: registered.counter,
        backup_eligible: registered.backup_eligible,
    };
    let answer = proven(&registered.id, &vector.proven);
    verify(&answer, &known, &expected(vector.proven.get("challenge")))
}

#[test]
fn the_vectors_of_the_specification() {
    let Some(vectors) = vectors() else {
        return;
    };
    assert_eq!(vectors.len(), 15, "all of them are read");
    for vector in &vectors {
        let name = vector.name.as_str();
        let expected = match name {
            "none-es256-crossOrigin" | "none-es256-topOrigin" => Err(Refused::CrossOrigin),
            "packed-es384" => Err(Refused::Key(CoseError::Algorithm(-35))),
            "packed-es512" => Err(Refused::Key(CoseError::Algorithm(-36))),
            "packed-ed448" => Err(Refused::Key(CoseError::Algorithm(-53))),
            _ => Ok(()),
        };
        assert_eq!(run(vector).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn no_bit_of_a_vector_can_be_turned() {
    let Some(vectors) = vectors() else {
        return;
    };
    let good = vectors.iter().filter(|vector| {
        ["none-es256", "packed-rs256", "packed-eddsa"].contains(&vector.name.as_str())
    });
    let party = example_org();
    for vector in good {
        let expected = |challenge| Expected {
            party: &party,
            challenge,
            verification: false,
        };
        let challenge = vector.made.get("challenge");
        let registered = register(&made(&vector.made), &expected(challenge)).unwrap();
        let known = Known {
            key: &registered.key,
            handle: b"somebody",
            counter: 0,
            backup_eligible: registered.backup_eligible,
        };
        let answer = proven(&registered.id, &vector.proven);
        let challenge = vector.proven.get("challenge");
        assert!(verify(&answer, &known, &expected(challenge)).is_ok());
        let parts: [fn(&mut Assertion) -> &mut Vec<u8>; 3] = [
            |answer| &mut answer.client_data,
            |answer| &mut answer.authenticator_data,
            |answer| &mut answer.signature,
        ];
        for part in parts {
            let length = part(&mut answer.clone()).len();
            for bit in 0..length * 8 {
                let mut turned = answer.clone();
                part(&mut turned)[bit / 8] ^= 1 << (bit % 8);
                let checked = verify(&turned, &known, &expected(challenge));
                assert!(checked.is_err(), "{} bit {bit}", vector.name);
            }
        }
    }
}

/// Twenty thousand changes of what authenticators say: each is read to its end, and none is a proof.
#[test]
fn no_change_of_a_message_stops_the_reader() {
    let soft = Soft::new();
    let mut seeds = vec![soft.cose()];
    for vector in vectors().unwrap_or_default() {
        let parts = ["attestationObject", "authenticatorData", "clientDataJSON"];
        seeds.extend(parts.map(|name| {
            vector
                .made
                .0
                .iter()
                .chain(&vector.proven.0)
                .find(|(known, _)| known == name)
                .map(|(_, octets)| octets.clone())
                .unwrap_or_default()
        }));
    }
    let mut state = 0x5eed_u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for _ in 0..20_000 {
        let mut octets = seeds[draw(seeds.len())].clone();
        for _ in 0..=draw(3) {
            let at = draw(octets.len());
            match draw(4) {
                0 => octets.truncate(at),
                1 => octets.insert(at.min(octets.len()), u8::try_from(draw(256)).unwrap()),
                2 => octets.extend_from_within(at..),
                _ => {
                    let changed = u8::try_from(draw(256)).unwrap();
                    octets
                        .get_mut(at)
                        .into_iter()
                        .for_each(|octet| *octet = changed);
                }
            }
        }
        fuzz::everything(&octets);
    }
}

/// A credential whose authenticator writes whatever it is told.
struct Soft {
    key: openssl::ec::EcKey<openssl::pkey::Private>,
}

impl Soft {
    fn new() -> Self {
        let group =
            openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        Self {
            key: openssl::ec::EcKey::generate(&group).unwrap(),
        }
    }

    fn cose(&self) -> Vec<u8> {
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        let (mut x, mut y) = (
            openssl::bn::BigNum::new().unwrap(),
            openssl::bn::BigNum::new().unwrap(),
        );
        let point = self.key.public_key();
        point
            .affine_coordinates(self.key.group(), &mut x, &mut y, &mut context)
            .unwrap();
        let mut cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
        cose.extend(x.to_vec_padded(32).unwrap());
        cose.extend(b"\x22\x58\x20");
        cose.extend(y.to_vec_padded(32).unwrap());
        cose
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let hash = crypto::sha256(message);
        let signature = openssl::ecdsa::EcdsaSig::sign(&hash, &self.key).unwrap();
        signature.to_der().unwrap()
    }
}

const CHALLENGE: &[u8] = b"a challenge of sixteen or more octets";
const ID: &[u8] = b"credential";

fn client_data(kind: &str, origin: &str, also: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(CHALLENGE);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{also}}}"#)
        .into_bytes()
}

fn data(party: &str, flags: u8, counter: u32, also: &[u8]) -> Vec<u8> {
    let mut data = crypto::sha256(party.as_bytes()).to_vec();
    data.push(flags);
    data.extend(counter.to_be_bytes());
    data.extend_from_slice(also);
    data
}

fn assert_with(
    soft: &Soft,
    (client, data): (Vec<u8>, Vec<u8>),
    counter: u32,
) -> Result<Verified, Refused> {
    let mut signed = data.clone();
    signed.extend(crypto::sha256(&client));
    let answer = Assertion {
        id: ID.to_vec(),
        client_data: client,
        authenticator_data: data,
        signature: soft.sign(&signed),
        handle: Some(b"somebody".to_vec()),
    };
    let key = soft.cose();
    let known = Known {
        key: &key,
        handle: b"somebody",
        counter,
        backup_eligible: false,
    };
    let party = example_org();
    let expected = Expected {
        party: &party,
        challenge: CHALLENGE,
        verification: true,
    };
    verify(&answer, &known, &expected)
}

const HERE: &str = "https://example.org";

#[test]
fn each_deviation_of_a_proof_is_named() {
    let soft = Soft::new();
    let get = |origin, also| client_data("webauthn.get", origin, also);
    let good = || data("example.org", 0b101, 6, b"");
    let fine = assert_with(&soft, (get(HERE, ""), good()), 5);
    assert_eq!(
        fine,
        Ok(Verified {
            counter: 6,
            verified: true,
            backed_up: false
        })
    );
    for origin in [
        "http://example.org",
        "https://example.org:8443",
        "https://login.example.org",
        "https://badexample.org",
        "https://example.org.evil.test",
        "https://EXAMPLE.org",
        "https://example.org/",
        "null",
        "",
    ] {
        let refused = assert_with(&soft, (get(origin, ""), good()), 5);
        assert_eq!(refused, Err(Refused::Origin), "{origin}");
    }
    for (client, error) in [
        (
            client_data("webauthn.create", HERE, ""),
            Refused::OtherCeremony,
        ),
        (client_data("payment.get", HERE, ""), Refused::OtherCeremony),
        (get(HERE, r#","crossOrigin":true"#), Refused::CrossOrigin),
        (
            get(HERE, r#","topOrigin":"https://example.org""#),
            Refused::CrossOrigin,
        ),
        (
            get(HERE, r#","origin":"https://example.org""#),
            Refused::ClientData,
        ),
        (get(HERE, r#","crossOrigin":"no""#), Refused::ClientData),
        (b"{}".to_vec(), Refused::ClientData),
        (vec![b' '; 5000], Refused::ClientData),
    ] {
        assert_eq!(assert_with(&soft, (client, good()), 5), Err(error));
    }
    for (data, counter, error) in [
        (
            data("login.example.org", 0b101, 6, b""),
            5,
            Refused::RelyingParty,
        ),
        (
            data("example.org", 0b100, 6, b""),
            5,
            Refused::NobodyPresent,
        ),
        (
            data("example.org", 0b001, 6, b""),
            5,
            Refused::NobodyVerified,
        ),
        (data("example.org", 0b1_0101, 6, b""), 5, Refused::Backup),
        (
            data("example.org", 0b1101, 6, b""),
            5,
            Refused::BackupChanged,
        ),
        (data("example.org", 0b101, 5, b""), 5, Refused::Cloned),
        (data("example.org", 0b101, 3, b""), 5, Refused::Cloned),
        (data("example.org", 0b101, 0, b""), 5, Refused::Cloned),
        (
            data("example.org", 0b101, 6, b"\x00"),
            5,
            Refused::AuthenticatorData,
        ),
        (
            data("example.org", 0b1000_0101, 6, b""),
            5,
            Refused::Cbor(CborError::Short),
        ),
        (b"short".to_vec(), 5, Refused::AuthenticatorData),
    ] {
        let refused = assert_with(&soft, (get(HERE, ""), data), counter);
        assert_eq!(refused, Err(error));
    }
    // One that never counts is no clone.
    let zero = data("example.org", 0b101, 0, b"");
    assert!(assert_with(&soft, (get(HERE, ""), zero), 0).is_ok());
}

#[test]
fn a_proof_is_for_its_own_challenge_user_and_key() {
    let (soft, other) = (Soft::new(), Soft::new());
    let client = client_data("webauthn.get", HERE, "");
    let data = data("example.org", 0b101, 6, b"");
    let mut signed = data.clone();
    signed.extend(crypto::sha256(&client));
    let answer = |signature: Vec<u8>, handle: &[u8]| Assertion {
        id: ID.to_vec(),
        client_data: client.clone(),
        authenticator_data: data.clone(),
        signature,
        handle: Some(handle.to_vec()),
    };
    let key = soft.cose();
    let known = Known {
        key: &key,
        handle: b"somebody",
        counter: 0,
        backup_eligible: false,
    };
    let party = example_org();
    let expected = |challenge| Expected {
        party: &party,
        challenge,
        verification: true,
    };
    let good = soft.sign(&signed);
    for (answer, challenge, error) in [
        (
            answer(good.clone(), b"somebody"),
            &b"another"[..],
            Refused::Challenge,
        ),
        (
            answer(good.clone(), b"somebody else"),
            CHALLENGE,
            Refused::Handle,
        ),
        (
            answer(other.sign(&signed), b"somebody"),
            CHALLENGE,
            Refused::Signature,
        ),
        (
            answer(Vec::new(), b"somebody"),
            CHALLENGE,
            Refused::Signature,
        ),
        (
            answer(soft.sign(b"x"), b"somebody"),
            CHALLENGE,
            Refused::Signature,
        ),
    ] {
        assert_eq!(verify(&answer, &known, &expected(challenge)), Err(error));
    }
    assert!(verify(&answer(good, b"somebody"), &known, &expected(CHALLENGE)).is_ok());
}

fn object(data: &[u8]) -> Vec<u8> {
    let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData".to_vec();
    if let Ok(length) = u8::try_from(data.len()) {
        object.extend([0x58, length]);
    } else {
        object.push(0x59);
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    }
    object.extend_from_slice(data);
    object
}

fn credential(id: &[u8], key: &[u8]) -> Vec<u8> {
    let mut made = vec![0; 16];
    made.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    made.extend_from_slice(id);
    made.extend_from_slice(key);
    made
}

#[test]
fn each_deviation_of_a_new_credential_is_named() {
    let soft = Soft::new();
    let party = example_org();
    let expected = Expected {
        party: &party,
        challenge: CHALLENGE,
        verification: true,
    };
    // Long enough for a length of two octets.
    let id = &[7; 200][..];
    let key = soft.cose();
    let made = |object: Vec<u8>| Attestation {
        id: id.to_vec(),
        client_data: client_data("webauthn.create", HERE, ""),
        object,
        transports: Vec::new(),
    };
    let with = |flags, also: &[u8]| object(&data("example.org", flags, 0, also));
    let good = with(0b100_0101, &credential(id, &key));
    let registered = register(&made(good.clone()), &expected).unwrap();
    assert_eq!((registered.id.as_slice(), &registered.key), (id, &key));
    let mut other_algorithm = key.clone();
    other_algorithm[4] = 0x27; // -8, with a key of P-256
    let mut off_curve = key.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    let mut without_statement = good.clone();
    without_statement[11] = b'X';
    let rs1 = b"\xa4\x01\x03\x03\x39\xff\xfe\x20\x41\x01\x21\x41\x03";
    for (object, error) in [
        (with(0b101, &[]), Refused::NoCredential),
        (
            with(0b100_0101, &credential(b"other", &key)),
            Refused::CredentialId,
        ),
        (
            with(0b100_0101, &credential(b"", &key)),
            Refused::CredentialId,
        ),
        (
            with(0b100_0101, &credential(&[7; 1024], &key)),
            Refused::CredentialId,
        ),
        (
            with(0b100_0001, &credential(id, &key)),
            Refused::NobodyVerified,
        ),
        (
            with(0b100_0100, &credential(id, &key)),
            Refused::NobodyPresent,
        ),
        (
            with(0b100_0101, &credential(id, &other_algorithm)),
            Refused::Key(CoseError::Kind),
        ),
        (
            with(0b100_0101, &credential(id, &off_curve)),
            Refused::Key(CoseError::Key(crypto::BadCredentialKey::NotOnCurve)),
        ),
        (
            with(0b100_0101, &credential(id, rs1)),
            Refused::Key(CoseError::Algorithm(-65535)),
        ),
        (
            with(0b100_0101, &credential(id, b"\xa1\x01\x02")),
            Refused::Key(CoseError::Missing("algorithm")),
        ),
        (without_statement, Refused::Answer),
        (b"\xa0".to_vec(), Refused::Answer),
        (b"\x9f".to_vec(), Refused::Cbor(CborError::Unwanted)),
        ([0x81; 4000].to_vec(), Refused::Cbor(CborError::TooDeep)),
        (
            good[..good.len() - 1].to_vec(),
            Refused::Cbor(CborError::Short),
        ),
    ] {
        assert_eq!(register(&made(object), &expected), Err(error));
    }
    let mut answer = made(good);
    answer.client_data = client_data("webauthn.get", HERE, "");
    assert_eq!(register(&answer, &expected), Err(Refused::OtherCeremony));
}

#[test]
fn an_answer_is_read_strictly() {
    let good = json!({
        "id": "YQ", "rawId": "YQ", "type": "public-key", "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA",
            "userHandle": "Yg", "attestationObject": "oA",
            "transports": ["internal", "hybrid", "<img onerror=x>", "a-very-long-transport"],
        },
    });
    let assertion = Assertion::read(&good.to_string()).unwrap();
    assert_eq!(
        (assertion.id(), assertion.names_somebody()),
        (&b"a"[..], true)
    );
    let attestation = Attestation::read(&good.to_string()).unwrap();
    assert_eq!(attestation.transports, ["internal", "hybrid"]);
    let mut none = good.clone();
    none["response"]["userHandle"] = json!("");
    assert!(!Assertion::read(&none.to_string()).unwrap().names_somebody());
    for (pointer, value, error) in [
        ("/rawId", json!("Yg"), Refused::CredentialId),
        ("/type", json!("password"), Refused::Answer),
        ("/id", json!(7), Refused::Answer),
        ("/response/signature", json!("A A"), Refused::Answer),
        ("/response/signature", json!("AA=="), Refused::Answer),
        ("/response/clientDataJSON", json!(null), Refused::Answer),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(Assertion::read(&bad.to_string()).unwrap_err(), error);
    }
    let long = format!("{}{good}", " ".repeat(20_000));
    assert_eq!(Assertion::read(&long).unwrap_err(), Refused::Answer);
    assert_eq!(Assertion::read("").unwrap_err(), Refused::Answer);
}
