//! Encryption (XML Encryption Syntax and Processing 1.1), as far as SAML needs it: an element for
//! one recipient, its key by RSA-OAEP. RSA 1.5 leaks what it opens to whoever may ask often enough.

use base64::{Engine as _, alphabet, engine::GeneralPurpose, engine::general_purpose::PAD};
use openssl::{
    md::{Md, MdRef},
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    symm::{Cipher, Crypter, Mode, decrypt_aead},
};

use super::{DS, Element};

/// The namespace of encrypted elements.
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC_11: &str = "http://www.w3.org/2009/xmlenc11#";
/// Keys for that many recipients are tried.
const MOST_KEYS: usize = 4;
/// AES-GCM (section 5.2.4), in bytes.
const NONCE: usize = 12;
const TAG: usize = 16;

/// By which algorithms something may be encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ciphers {
    /// AES-GCM, which sees to it that nobody has changed anything.
    Authenticated,
    /// AES-CBC as well, which does not.
    WithCbc,
}

/// Something that does not open. It does not say why: whoever sends messages until one opens would
/// learn from that.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not encrypted for any key here, by an algorithm that is accepted")]
pub(crate) struct EncryptionError;

/// Opens what is encrypted in an element such as `EncryptedAssertion`.
pub(crate) fn open(
    around: &Element,
    keys: &[PKey<Private>],
    ciphers: Ciphers,
) -> Result<Vec<u8>, EncryptionError> {
    let data = around.only(XENC, "EncryptedData").ok_or(EncryptionError)?;
    let method = data.only(XENC, "EncryptionMethod");
    let algorithm = method.and_then(|method| method.attribute("Algorithm"));
    let content = Content::of(algorithm.unwrap_or_default(), ciphers).ok_or(EncryptionError)?;
    let octets = cipher_value(data).ok_or(EncryptionError)?;
    let info = data.only(DS, "KeyInfo");
    let inside = info
        .into_iter()
        .flat_map(|info| info.all(XENC, "EncryptedKey"));
    let beside = around.all(XENC, "EncryptedKey");
    for encrypted in inside.chain(beside).take(MOST_KEYS) {
        for key in keys {
            let opened =
                transported(encrypted, key).filter(|key| key.len() == content.key_length());
            if let Some(octets) = opened.and_then(|key| content.open(&key, &octets)) {
                return Ok(octets);
            }
        }
    }
    Err(EncryptionError)
}

/// How the content is encrypted.
#[derive(Clone, Copy)]
struct Content {
    cipher: Cipher,
    authenticated: bool,
}

impl Content {
    fn of(algorithm: &str, ciphers: Ciphers) -> Option<Self> {
        let (cipher, authenticated) = if let Some(name) = algorithm.strip_prefix(XENC_11) {
            let cipher = match name {
                "aes128-gcm" => Cipher::aes_128_gcm(),
                "aes192-gcm" => Cipher::aes_192_gcm(),
                "aes256-gcm" => Cipher::aes_256_gcm(),
                _ => return None,
            };
            (cipher, true)
        } else {
            let cipher = match algorithm.strip_prefix(XENC)? {
                "aes128-cbc" => Cipher::aes_128_cbc(),
                "aes192-cbc" => Cipher::aes_192_cbc(),
                "aes256-cbc" => Cipher::aes_256_cbc(),
                _ => return None,
            };
            (cipher, false)
        };
        let accepted = authenticated || ciphers == Ciphers::WithCbc;
        accepted.then_some(Self {
            cipher,
            authenticated,
        })
    }

    fn key_length(self) -> usize {
        self.cipher.key_len()
    }

    fn open(self, key: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
        if self.authenticated {
            let (nonce, rest) = octets.split_at_checked(NONCE)?;
            let (octets, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
            return decrypt_aead(self.cipher, key, Some(nonce), &[], octets, tag).ok();
        }
        let block = self.cipher.block_size();
        let (vector, octets) = octets.split_at_checked(block)?;
        if octets.is_empty() || octets.len() % block != 0 {
            return None;
        }
        // Section 5.2.3: the last octet says how many there are too many; the others are anything,
        // so OpenSSL's own padding would refuse them.
        let mut crypter = Crypter::new(self.cipher, Mode::Decrypt, key, Some(vector)).ok()?;
        crypter.pad(false);
        let mut opened = vec![0; octets.len() + block];
        let mut length = crypter.update(octets, &mut opened).ok()?;
        length += crypter.finalize(opened.get_mut(length..)?).ok()?;
        opened.truncate(length);
        let padding = usize::from(*opened.last()?);
        let fits = (1..=block).contains(&padding);
        opened.truncate(opened.len().checked_sub(padding)?);
        fits.then_some(opened)
    }
}

/// The key of the content, if it was sent to this key of ours (sections 5.4.2 and 5.5.2).
fn transported(encrypted: &Element, key: &PKey<Private>) -> Option<Vec<u8>> {
    let method = encrypted.only(XENC, "EncryptionMethod")?;
    let digest = method.only(DS, "DigestMethod");
    let digest = match digest.map(|digest| digest.attribute("Algorithm")) {
        None => Md::sha1(),
        Some(name) => digest_of(name?)?,
    };
    let mask = match method.attribute("Algorithm")? {
        "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" => Md::sha1(),
        "http://www.w3.org/2009/xmlenc11#rsa-oaep" => match method.only(XENC_11, "MGF") {
            None => Md::sha1(),
            Some(mask) => match mask.attribute("Algorithm")?.strip_prefix(XENC_11)? {
                "mgf1sha1" => Md::sha1(),
                "mgf1sha256" => Md::sha256(),
                "mgf1sha384" => Md::sha384(),
                "mgf1sha512" => Md::sha512(),
                _ => return None,
            },
        },
        _ => return None,
    };
    // A label is part of OAEP; nobody sends one.
    if method.only(XENC, "OAEPparams").is_some() {
        return None;
    }
    let octets = cipher_value(encrypted)?;
    let mut context = PkeyCtx::new(key).ok()?;
    context.decrypt_init().ok()?;
    context.set_rsa_padding(Padding::PKCS1_OAEP).ok()?;
    context.set_rsa_oaep_md(digest).ok()?;
    context.set_rsa_mgf1_md(mask).ok()?;
    let mut opened = Vec::new();
    context.decrypt_to_vec(&octets, &mut opened).ok()?;
    Some(opened)
}

fn digest_of(name: &str) -> Option<&'static MdRef> {
    match name {
        "http://www.w3.org/2000/09/xmldsig#sha1" => Some(Md::sha1()),
        "http://www.w3.org/2001/04/xmlenc#sha256" => Some(Md::sha256()),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(Md::sha384()),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Some(Md::sha512()),
        _ => None,
    }
}

fn cipher_value(element: &Element) -> Option<Vec<u8>> {
    let data = element.only(XENC, "CipherData")?;
    base64(&data.only(XENC, "CipherValue")?.text()?)
}

/// XML Schema's base64Binary: white space means nothing.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD);
    let text: String = text
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .collect();
    ENGINE.decode(text).ok()
}
