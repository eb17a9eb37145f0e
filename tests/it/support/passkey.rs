//! A software authenticator: it makes passkeys and proofs as a browser would bring them, and whatever a
//! test wants to be wrong with them.

use openssl::{
    base64::encode_block,
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    nid::Nid,
    pkey::Private,
    sha::sha256,
};
use serde_json::{Value, json};

use super::{
    forms::{Form, tags},
    visitor::{Page, Visitor},
};

/// Somebody present, and verified.
pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 1 << 2;
/// May be backed up, and is.
pub(crate) const SYNCED: u8 = (1 << 3) | (1 << 4);

/// One passkey with everything that it says.
#[derive(Clone, Debug)]
pub(crate) struct SoftPasskey {
    key: EcKey<Private>,
    pub(crate) id: Vec<u8>,
    /// The user handle that it was made with.
    pub(crate) handle: Vec<u8>,
    pub(crate) origin: String,
    /// The RP ID that the hash is of.
    pub(crate) party: String,
    pub(crate) flags: u8,
    /// What it counts next; 0 for one that does not count.
    pub(crate) counter: u32,
    /// What `type` says in place of the ceremony.
    pub(crate) kind: Option<&'static str>,
    /// More members of the client data, with a comma in front.
    pub(crate) also: &'static str,
    /// The algorithm that the key says it is for.
    pub(crate) algorithm: u8,
    /// The challenge in place of the one that was asked.
    pub(crate) challenge: Option<String>,
    /// Whether it says whose it is.
    pub(crate) names: bool,
}

impl SoftPasskey {
    /// One that says what it should at this origin.
    pub(crate) fn at(origin: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let mut id = vec![0; 32];
        openssl::rand::rand_bytes(&mut id).unwrap();
        let host = origin.split("//").nth(1).unwrap();
        Self {
            key: EcKey::generate(&group).unwrap(),
            id,
            handle: Vec::new(),
            origin: origin.to_owned(),
            party: host.split(':').next().unwrap().to_owned(),
            flags: PRESENT | VERIFIED,
            counter: 0,
            kind: None,
            also: "",
            algorithm: 0x26,
            challenge: None,
            names: true,
        }
    }

    /// The answer to the creation options of a page.
    pub(crate) fn make(&mut self, options: &Value) -> Value {
        self.handle = octets(options["user"]["id"].as_str().unwrap());
        let client = self.client_data("webauthn.create", options);
        let mut data = self.data(0b100_0000);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        self.answer(&json!({
            "clientDataJSON": text(&client),
            "attestationObject": text(&object("none", b"\xa0", &data)),
            "transports": ["internal"],
        }))
    }

    /// The answer to the request options of a page.
    pub(crate) fn prove(&mut self, options: &Value) -> Value {
        let client = self.client_data("webauthn.get", options);
        let data = self.data(0);
        if self.counter > 0 {
            self.counter += 1;
        }
        let mut signed = data.clone();
        signed.extend(sha256(&client));
        let signature = EcdsaSig::sign(&sha256(&signed), &self.key).unwrap();
        let mut response = json!({
            "clientDataJSON": text(&client),
            "authenticatorData": text(&data),
            "signature": text(&signature.to_der().unwrap()),
        });
        if self.names {
            response["userHandle"] = text(&self.handle).into();
        }
        self.answer(&response)
    }

    fn answer(&self, response: &Value) -> Value {
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "response": response,
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let asked = options["challenge"].as_str().unwrap();
        let challenge = self.challenge.as_deref().unwrap_or(asked);
        format!(
            r#"{{"type":"{}","challenge":"{challenge}","origin":"{}"{}}}"#,
            self.kind.unwrap_or(kind),
            self.origin,
            self.also
        )
        .into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut data = sha256(self.party.as_bytes()).to_vec();
        data.push(self.flags | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The public key as COSE has it.
    fn cose(&self) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let point = self.key.public_key();
        point
            .affine_coordinates(self.key.group(), &mut x, &mut y, &mut context)
            .unwrap();
        let mut cose = vec![0xa5, 1, 2, 3, self.algorithm, 0x20, 1, 0x21, 0x58, 32];
        cose.extend(x.to_vec_padded(32).unwrap());
        cose.extend([0x22, 0x58, 32]);
        cose.extend(y.to_vec_padded(32).unwrap());
        cose
    }
}

/// An attestation object.
fn object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let mut object = b"\xa3\x63fmt".to_vec();
    object.push(0x60 + u8::try_from(format.len()).unwrap());
    object.extend(format.as_bytes());
    object.extend(b"\x67attStmt");
    object.extend(statement);
    object.extend(b"\x68authData");
    let length = u8::try_from(data.len()).expect("the lengths of the ids are ours");
    object.extend([0x58, length]);
    object.extend(data);
    object
}

/// The same answer with an attestation that says this.
pub(crate) fn attested(answer: &Value, format: &str, statement: &[u8]) -> Value {
    let made = octets(answer["response"]["attestationObject"].as_str().unwrap());
    let place = made
        .windows(8)
        .position(|part| part == b"authData")
        .unwrap();
    let data = &made[place + 8 + 2..];
    let mut answer = answer.clone();
    answer["response"]["attestationObject"] = text(&object(format, statement, data)).into();
    answer
}

/// Octets in base64url.
pub(crate) fn text(octets: &[u8]) -> String {
    encode_block(octets)
        .replace('+', "-")
        .replace('/', "_")
        .replace('=', "")
}

/// What [`text`] wrote.
pub(crate) fn octets(text: &str) -> Vec<u8> {
    let mut text = text.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    openssl::base64::decode_block(&text).unwrap()
}

/// What a page asks the browser for, `get` or `create`, and the form that brings the answer back.
#[track_caller]
pub(crate) fn asked(page: &Page, ceremony: &str) -> (Value, Form) {
    let tags = tags(&page.text());
    let mut found = tags
        .into_iter()
        .filter(|tag| tag.name == "form" && tag.value("data-passkey").as_deref() == Some(ceremony));
    let form = found.next();
    let form =
        form.unwrap_or_else(|| panic!("nothing asks to {ceremony} at {}: {page:?}", page.url));
    let options = form.value("data-options").unwrap();
    let mut forms = page.forms().into_iter();
    let action = form.value("action").unwrap();
    let form = forms.find(|form| form.has("passkey") && form.action == action);
    (serde_json::from_str(&options).unwrap(), form.unwrap())
}

/// Sends an answer by its form; where that ended.
pub(crate) fn send(visitor: &mut Visitor, page: &Page, form: &Form, answer: &Value) -> Page {
    let form = form.clone().fill("passkey", &answer.to_string());
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

/// Makes a passkey as the page asks; where that ended.
pub(crate) fn make(visitor: &mut Visitor, page: &Page, passkey: &mut SoftPasskey) -> Page {
    let (options, form) = asked(page, "create");
    let answer = passkey.make(&options);
    send(visitor, page, &form, &answer)
}

/// Proves a passkey as the page asks; where that ended.
pub(crate) fn prove(visitor: &mut Visitor, page: &Page, passkey: &mut SoftPasskey) -> Page {
    let (options, form) = asked(page, "get");
    let answer = passkey.prove(&options);
    send(visitor, page, &form, &answer)
}
