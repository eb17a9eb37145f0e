//! How a value becomes the octets of a header.
//!
//! Every value that is written can be read back by percent-decoding, so two different values never
//! become the same header: `%` itself is encoded always, also when nothing else in the value is.
//! Spaces at the ends are encoded because every reader of a header trims them, and commas where
//! they separate the items of a list (RFC 9110 sections 5.5 and 5.6.1).

use super::HeaderEncoding;

/// What a value is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::headers) enum Place {
    /// An item of a comma list.
    Item,
    /// A text of its own.
    Text,
}

/// Writes a value.
pub(in crate::headers) fn encode(
    value: &str,
    place: Place,
    encoding: HeaderEncoding,
    out: &mut Vec<u8>,
) {
    let inner = value.trim();
    let start = value.len() - value.trim_start().len();
    let middle = start..start + inner.len();
    let mut octets = [0; 4];
    for (at, letter) in value.char_indices() {
        let plain = match encoding {
            HeaderEncoding::Percent => matches!(letter, ' '..='~'),
            HeaderEncoding::Utf8 => !letter.is_control(),
        };
        let kept = plain
            && letter != '%'
            && !(letter == ',' && place == Place::Item)
            && middle.contains(&at);
        let octets = letter.encode_utf8(&mut octets).as_bytes();
        if kept {
            out.extend_from_slice(octets);
        } else {
            for octet in octets {
                percent(*octet, out);
            }
        }
    }
}

/// Writes the items of a list, separated by commas. An empty item is nothing.
pub(in crate::headers) fn encode_list<'i>(
    items: impl IntoIterator<Item = &'i str>,
    encoding: HeaderEncoding,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    for item in items.into_iter().filter(|item| !item.is_empty()) {
        if out.len() > start {
            out.push(b',');
        }
        encode(item, Place::Item, encoding, out);
    }
}

fn percent(octet: u8, out: &mut Vec<u8>) {
    out.push(b'%');
    for digit in [octet >> 4, octet & 0xf] {
        out.push(match digit {
            0..=9 => b'0' + digit,
            _ => b'A' + digit - 10,
        });
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode;

    use super::*;

    fn encoded(value: &str, place: Place, encoding: HeaderEncoding) -> String {
        let mut out = Vec::new();
        encode(value, place, encoding, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_printable_and_unambiguous() {
        use HeaderEncoding::{Percent, Utf8};
        for (value, percent, utf8) in [
            ("alice", "alice", "alice"),
            ("Doe, John", "Doe, John", "Doe, John"),
            ("Köln", "K%C3%B6ln", "Köln"),
            (
                "a\r\nX-Role: admin",
                "a%0D%0AX-Role: admin",
                "a%0D%0AX-Role: admin",
            ),
            ("a\0b\u{7f}\tc", "a%00b%7F%09c", "a%00b%7F%09c"),
            ("a\u{85}b", "a%C2%85b", "a%C2%85b"),
            ("100%", "100%25", "100%25"),
            ("%C3%B6", "%25C3%25B6", "%25C3%25B6"),
            (" a b ", "%20a b%20", "%20a b%20"),
            ("\u{a0}a", "%C2%A0a", "%C2%A0a"),
            ("😀", "%F0%9F%98%80", "😀"),
            ("", "", ""),
        ] {
            assert_eq!(encoded(value, Place::Text, Percent), percent, "{value:?}");
            assert_eq!(encoded(value, Place::Text, Utf8), utf8, "{value:?}");
        }
    }

    /// Two different values, or two different lists, never become the same header.
    #[test]
    fn what_is_written_can_be_read_back() {
        let pieces = [
            "a", ",", "%", "%2C", " ", "ö", "\r\n", "%25", "\u{85}", "2C",
        ];
        for encoding in [HeaderEncoding::Percent, HeaderEncoding::Utf8] {
            for one in pieces {
                for two in pieces {
                    for three in pieces {
                        let value = format!("{one}{two}{three}");
                        let text = encoded(&value, Place::Text, encoding);
                        let back = percent_decode(text.as_bytes()).decode_utf8().unwrap();
                        assert_eq!(back, value);
                        assert_eq!(text.trim(), text);

                        let mut out = Vec::new();
                        encode_list([one, two, three], encoding, &mut out);
                        let back: Vec<_> = out
                            .split(|octet| *octet == b',')
                            .map(|item| percent_decode(item).decode_utf8().unwrap().into_owned())
                            .collect();
                        assert_eq!(back, [one, two, three]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_comma_in_a_group_does_not_make_two() {
        let list = |items: &[&str]| {
            let mut out = Vec::new();
            encode_list(items.iter().copied(), HeaderEncoding::Percent, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(list(&["users,admins"]), "users%2Cadmins");
        assert_eq!(list(&["users", "admins"]), "users,admins");
        assert_eq!(list(&["", "a", ""]), "a");
        assert_eq!(list(&[]), "");
    }
}
