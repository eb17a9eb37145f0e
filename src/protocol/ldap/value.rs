//! Values of attributes that are no text: identifiers of Active Directory.

use std::fmt::Write as _;

/// A GUID as text: Active Directory keeps the first three groups with their low octets first
/// ([MS-DTYP] 2.3.4.2).
pub(crate) fn guid(octets: &[u8]) -> Option<String> {
    let octets: &[u8; 16] = octets.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (place, from) in ORDER.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            text.push('-');
        }
        _ = write!(text, "{:02x}", octets.get(from)?);
    }
    Some(text)
}

/// Where each octet of the text is from.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// The octets of such a text.
pub(crate) fn guid_octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(16);
    for (index, group) in text.split('-').enumerate() {
        let digits = group.len().checked_sub(1)? / 2;
        let at = |place: usize| {
            let pair = group.get(2 * place..2 * place + 2)?;
            u8::from_str_radix(pair, 16).ok()
        };
        let mut group = (0..=digits).map(at).collect::<Option<Vec<u8>>>()?;
        if index < 3 {
            group.reverse();
        }
        octets.extend(group);
    }
    (guid(&octets).as_deref() == Some(text)).then_some(octets)
}

/// A security identifier as text ([MS-DTYP] 2.4.2.1).
pub(crate) fn sid(octets: &[u8]) -> Option<String> {
    let (&[revision, count, ref authority @ ..], rest) = octets.split_first_chunk::<8>()?;
    if revision != 1 || rest.len() != usize::from(count) * 4 {
        return None;
    }
    let authority = authority
        .iter()
        .fold(0_u64, |value, octet| (value << 8) | u64::from(*octet));
    let mut text = format!("S-1-{authority}");
    for part in rest.chunks_exact(4) {
        let part = u32::from_le_bytes(part.try_into().ok()?);
        _ = write!(text, "-{part}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_written_as_their_tools_do() {
        let octets: Vec<u8> = (1..=16).collect();
        assert_eq!(
            guid(&octets).unwrap(),
            "04030201-0605-0807-090a-0b0c0d0e0f10"
        );
        assert_eq!(guid(&octets[1..]), None);
        let text = guid(&octets).unwrap();
        assert_eq!(guid_octets(&text), Some(octets));
        for bad in [
            "",
            "-",
            "04030201-0605-0807-090a-0b0c0d0e0f",
            &text.replace('-', ""),
            "0403020é-0605-0807-090a-0b0c0d0e0f10",
        ] {
            assert_eq!(guid_octets(bad), None, "{bad}");
        }
        let admins = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
        assert_eq!(sid(&admins).unwrap(), "S-1-5-32-544");
        for bad in [&admins[..12], &admins[..4], &[2; 16][..]] {
            assert_eq!(sid(bad), None);
        }
    }
}
