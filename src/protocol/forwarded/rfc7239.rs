//! The grammar of `Forwarded` (RFC 7239 section 4), read strictly: a line with one fault in it says
//! nothing, because an unbalanced quote could swallow what the next proxy wrote behind it.

/// One `forwarded-element`, without the parameters we have no use for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Element<'a> {
    /// `for`, unquoted.
    pub(super) node: Option<&'a str>,
    /// `host`, unquoted.
    pub(super) host: Option<&'a str>,
    /// `proto`, unquoted.
    pub(super) proto: Option<&'a str>,
}

/// The elements of one line, in order; `None` when it breaks the grammar.
pub(super) fn parse_line(line: &str) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut begun = false;
    let mut rest = line.trim_ascii_start();
    loop {
        if let Some(after) = rest.strip_prefix(',') {
            if begun {
                elements.push(std::mem::take(&mut element));
            }
            begun = false;
            rest = after.trim_ascii_start();
            continue;
        }
        if rest.is_empty() {
            if begun {
                elements.push(element);
            }
            return Some(elements);
        }
        if begun {
            rest = rest.strip_prefix(';')?.trim_ascii_start();
        }
        rest = parse_pair(rest, &mut element)?.trim_ascii_start();
        begun = true;
    }
}

/// Reads `name=value` into its place and returns what follows; a second value for a name is a
/// fault.
fn parse_pair<'a>(text: &'a str, element: &mut Element<'a>) -> Option<&'a str> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => token(rest)?,
    };
    // nodes, hosts and schemes need no escapes, so none is taken
    if value.contains('\\') {
        return None;
    }
    let place = match name {
        name if name.eq_ignore_ascii_case("for") => &mut element.node,
        name if name.eq_ignore_ascii_case("host") => &mut element.host,
        name if name.eq_ignore_ascii_case("proto") => &mut element.proto,
        _ => return Some(rest),
    };
    place.replace(value).is_none().then_some(rest)
}

/// RFC 9110 section 5.6.2. The colon is no part of a token, but proxies write `for=1.2.3.4:80` and
/// `host=a:80` without quotes.
fn token(text: &str) -> Option<(&str, &str)> {
    let known = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(b);
    let length = text.bytes().take_while(|byte| known(byte)).count();
    text.split_at_checked(length).filter(|_| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element<'a>(
        node: Option<&'a str>,
        host: Option<&'a str>,
        proto: Option<&'a str>,
    ) -> Element<'a> {
        Element { node, host, proto }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (line, elements) in [
            (
                "for=\"_gazonk\"",
                vec![element(Some("_gazonk"), None, None)],
            ),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                vec![element(Some("[2001:db8:cafe::17]:4711"), None, None)],
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                vec![element(Some("192.0.2.60"), None, Some("http"))],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17;host=\"a, b;c\"",
                vec![
                    element(Some("192.0.2.43"), None, None),
                    element(Some("198.51.100.17"), Some("a, b;c"), None),
                ],
            ),
            ("", vec![]),
            (" , ,", vec![]),
        ] {
            assert_eq!(parse_line(line), Some(elements), "{line}");
        }
    }

    #[test]
    fn one_fault_silences_a_line() {
        for line in [
            "for",
            "for=",
            "for=\"x",
            "for=x\"",
            "for=\"x\"y",
            "for=x y",
            "for=x;",
            "for=x;;host=y",
            "for=x;for=y",
            "for=\"a\\\"b\"",
            "host=\"a\\.test\"",
            "=x",
            "for=x, \"",
            "for=1.1.1.1;x=\", for=\"[::1]\"",
            "for = x",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }
}
