//! The alphabets that octets of hashes are written in.

use base64::{
    Engine,
    alphabet::{Alphabet, BCRYPT, STANDARD},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Not every maker pads, and some leave bits in the last character that mean nothing.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// RFC 4648 section 4, or passlib's variant with `.` for `+`.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    decode(&text.replace('.', "+"), &STANDARD)
}

/// bcrypt's own base64.
pub(super) fn bcrypt64(text: &str) -> Option<Vec<u8>> {
    decode(text, &BCRYPT)
}

fn decode(text: &str, alphabet: &Alphabet) -> Option<Vec<u8>> {
    GeneralPurpose::new(alphabet, LENIENT).decode(text).ok()
}

/// Standard base64 with padding, as the makers of pre-hashes write it.
pub(super) fn to_base64(octets: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// Hexadecimal digits of either case.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octet = |pair: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()
    };
    rest.is_empty()
        .then(|| pairs.iter().map(octet).collect())
        .flatten()
}

/// Lower-case hexadecimal digits.
pub(super) fn to_hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        // writing into a string does not fail
        let _ = write!(text, "{octet:02x}");
        text
    })
}

const CRYPT_ALPHABET: &[u8; 64] =
    b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Octets as crypt(3) and phpass write them: six bits at a time, the lowest first.
pub(super) fn to_crypt64(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(3) {
        let value = (group.iter().rev()).fold(0_u32, |value, octet| value << 8 | u32::from(*octet));
        text.push_str(&number_to_crypt64(value, group.len() + 1));
    }
    text
}

/// The lowest `6 * digits` bits of a number.
pub(super) fn number_to_crypt64(value: u32, digits: usize) -> String {
    let digit = |place: usize| {
        let index = (value >> (6 * place)) & 63;
        CRYPT_ALPHABET
            .get(index as usize)
            .map(|byte| char::from(*byte))
    };
    (0..digits).filter_map(digit).collect()
}

/// The number that up to five such digits stand for.
pub(super) fn crypt64_number(text: &str) -> Option<u32> {
    if text.len() > 5 {
        return None;
    }
    text.bytes().rev().try_fold(0, |value, byte| {
        let digit = CRYPT_ALPHABET.iter().position(|known| *known == byte)?;
        Some(value << 6 | u32::try_from(digit).ok()?)
    })
}

/// Whether a text is made of that alphabet.
pub(super) fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|byte| CRYPT_ALPHABET.contains(&byte))
}

/// The octets that [`to_crypt64`] wrote.
pub(super) fn crypt64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let value = crypt64_number(std::str::from_utf8(group).ok()?)?;
        let count = match group.len() {
            2..=4 => group.len() - 1,
            _ => return None,
        };
        octets.extend(value.to_le_bytes().into_iter().take(count));
    }
    Some(octets)
}
