//! Distinguished names as text (RFC 4514), as far as they are compared and shown.

use std::fmt;

/// A distinguished name: its relative names from the entry up to the root.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Dn(Vec<Relative>);

/// One or several attributes with their values; sorted, since their order means nothing.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Relative(Vec<(String, Vec<u8>)>);

/// A text that is no distinguished name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is no distinguished name, like \"ou=people,dc=example,dc=com\"")]
pub(crate) struct BadDn;

impl Dn {
    /// Reads a name. Attribute types and values are folded to lower case, as directories compare
    /// almost all of them; white space around them does not count.
    pub(crate) fn parse(text: &str) -> Result<Self, BadDn> {
        let mut relatives = Vec::new();
        let mut attributes = Vec::new();
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or(BadDn)?;
            let kind = super::filter::attribute(kind.trim()).map_err(|_| BadDn)?;
            let (value, ended_by, after) = value(after)?;
            attributes.push((kind.to_ascii_lowercase(), value));
            rest = after;
            if ended_by == Some('+') {
                continue;
            }
            attributes.sort();
            relatives.push(Relative(std::mem::take(&mut attributes)));
            if ended_by.is_none() {
                return Ok(Self(relatives));
            }
        }
    }

    /// Whether it is `base` or an entry below it.
    pub(crate) fn is_within(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }

    /// Whether one of its names is of this attribute.
    pub(crate) fn has(&self, attribute: &str) -> bool {
        let mut kinds = self.0.iter().flat_map(|relative| &relative.0);
        kinds.any(|(kind, _)| kind == attribute)
    }

    /// The value of the first relative name, as it was written: what a group is called.
    pub(crate) fn first_value(text: &str) -> Option<String> {
        let (_, after) = text.split_once('=')?;
        let (value, ..) = raw_value(after).ok()?;
        String::from_utf8(value).ok()
    }

    /// A value with all in it escaped that means something in a name (RFC 4514 section 2.4).
    pub(crate) fn escape(value: &str) -> String {
        let mut escaped = String::with_capacity(value.len());
        let last = value.chars().count().saturating_sub(1);
        for (index, sign) in value.chars().enumerate() {
            match sign {
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                    escaped.push('\\');
                    escaped.push(sign);
                }
                '#' if index == 0 => escaped.push_str("\\#"),
                ' ' if index == 0 || index == last => escaped.push_str("\\ "),
                sign if sign.is_control() => {
                    let mut buffer = [0; 4];
                    for octet in sign.encode_utf8(&mut buffer).bytes() {
                        _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\{octet:02x}"));
                    }
                }
                sign => escaped.push(sign),
            }
        }
        escaped
    }
}

/// A value, folded; the sign that ended it, and what comes after that.
fn value(text: &str) -> Result<(Vec<u8>, Option<char>, &str), BadDn> {
    let (value, ended_by, rest) = raw_value(text)?;
    let folded = match String::from_utf8(value) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(octets) => octets.into_bytes(),
    };
    Ok((folded, ended_by, rest))
}

fn raw_value(text: &str) -> Result<(Vec<u8>, Option<char>, &str), BadDn> {
    let text = text.trim_start_matches(' ');
    let mut octets = Vec::new();
    // White space at the end counts only if it was escaped.
    let mut solid = 0;
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let after = rest.strip_prefix(sign).unwrap_or_default();
        match sign {
            ',' | '+' | ';' => {
                octets.truncate(solid);
                let ended_by = if sign == '+' { '+' } else { ',' };
                return Ok((octets, Some(ended_by), after));
            }
            '\\' => {
                let (octet, after) = escaped(after)?;
                octets.extend(octet);
                solid = octets.len();
                rest = after;
            }
            '"' | '<' | '>' | '\0' => return Err(BadDn),
            sign => {
                let mut buffer = [0; 4];
                octets.extend_from_slice(sign.encode_utf8(&mut buffer).as_bytes());
                if sign != ' ' {
                    solid = octets.len();
                }
                rest = after;
            }
        }
    }
    octets.truncate(solid);
    Ok((octets, None, ""))
}

fn escaped(after: &str) -> Result<(Vec<u8>, &str), BadDn> {
    let hex = after
        .split_at_checked(2)
        .filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if let Some((digits, rest)) = hex {
        let octet = u8::from_str_radix(digits, 16).map_err(|_| BadDn)?;
        return Ok((vec![octet], rest));
    }
    let sign = after.chars().next().ok_or(BadDn)?;
    if !"\"+,;<>\\=# ".contains(sign) {
        return Err(BadDn);
    }
    let rest = after.strip_prefix(sign).unwrap_or_default();
    Ok((vec![u8::try_from(sign).map_err(|_| BadDn)?], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    #[test]
    fn all_spellings_of_a_name_are_one() {
        let plain = dn("uid=alice,ou=People,dc=example,dc=org");
        for other in [
            "UID=Alice, OU=people, DC=example, DC=org",
            "uid=alice ,ou=People;dc=example,dc=org",
            "uid=\\61lice,ou=People,dc=example,dc=org",
        ] {
            assert_eq!(dn(other), plain, "{other}");
        }
        assert_eq!(dn("cn=a+sn=b,dc=x"), dn("SN=b+CN=a,dc=x"));
        assert_ne!(dn("cn=a\\ ,dc=x"), dn("cn=a ,dc=x"));
        assert_ne!(dn("cn=a\\,dc=y,dc=x"), dn("cn=a,dc=y,dc=x"));
    }

    #[test]
    fn a_name_is_within_a_base_label_by_label() {
        let base = dn("dc=example,dc=org");
        assert!(dn("uid=a,dc=example,dc=org").is_within(&base));
        assert!(base.is_within(&base));
        assert!(!dn("uid=a,dc=otherexample,dc=org").is_within(&base));
        assert!(!dn("uid=a\\,dc=example\\,dc=org").is_within(&base));
        assert!(!dn("dc=org").is_within(&base));
    }

    #[test]
    fn the_first_value_is_what_an_entry_is_called() {
        let first = |text| Dn::first_value(text).unwrap();
        assert_eq!(first("CN=All Staff,OU=Groups,DC=corp"), "All Staff");
        assert_eq!(first("cn=R\\, D\\2b more,dc=x"), "R, D+ more");
        assert_eq!(Dn::first_value("nothing"), None);
        assert_eq!(Dn::first_value("cn=\\ff\\fe,dc=x"), None);
    }

    /// LDAP-3: what is typed stays one value.
    #[test]
    fn an_escaped_value_is_read_back_as_it_was() {
        for typed in [
            "a,dc=x", "#a", "a+b", " a ", "a\\", "a\"b", "<a>", "a=b", "a;b", "a\0b", "ä", " ",
        ] {
            let text = format!("uid={},dc=example", Dn::escape(typed));
            let value = Dn::first_value(&text).unwrap();
            assert_eq!(value, typed, "{text}");
            assert!(dn(&text).is_within(&dn("dc=example")));
            assert_eq!(dn(&text).0.len(), 2, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "alice",
            "=a",
            "uid=a,",
            "uid=a,b",
            "u id=a",
            "uid=\"a\"",
            "uid=a\\",
        ] {
            assert_eq!(Dn::parse(text), Err(BadDn), "{text}");
        }
    }
}
