//! Search filters with holes (RFC 4515). What the operator wrote is read once; what a person typed
//! goes into a hole as the value that it is, so it is never read as a part of a filter.

use rasn_ldap::{
    AttributeValueAssertion, Filter, MatchingRuleAssertion, SubstringChoice, SubstringFilter,
};

use super::Values;

/// Filters that are nested deeper than that are refused.
const DEEPEST: usize = 16;

/// A filter whose values may have holes: `(&(objectClass=person)(uid={login}))`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FilterTemplate {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Equal(String, Value),
    GreaterOrEqual(String, Value),
    LessOrEqual(String, Value),
    Approx(String, Value),
    Present(String),
    Substrings {
        attribute: String,
        initial: Option<Value>,
        any: Vec<Value>,
        last: Option<Value>,
    },
    Extensible {
        attribute: Option<String>,
        rule: Option<String>,
        dn_attributes: bool,
        value: Value,
    },
}

/// Octets and holes, in this order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Value(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Octets(Vec<u8>),
    Hole(String),
}

/// Why a text is no filter.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadFilter {
    #[error("{0:?} is no attribute")]
    Attribute(String),
    #[error("a filter is nested deeper than {DEEPEST}")]
    Deep,
    #[error("a \\ stands for the two hexadecimal digits after it")]
    Escape,
    #[error("there is no value {{{0}}} here")]
    Hole(String),
    #[error("a filter is like (&(objectClass=person)(uid={{login}})), and this is none")]
    Syntax,
}

impl FilterTemplate {
    /// Reads a filter whose holes may have these names.
    pub(crate) fn parse(text: &str, holes: &[&str]) -> Result<Self, BadFilter> {
        let mut reader = Reader {
            rest: text.trim(),
            holes,
        };
        let filter = reader.filter(0)?;
        if reader.rest.is_empty() {
            Ok(filter)
        } else {
            Err(BadFilter::Syntax)
        }
    }

    /// Whether whatever fits has the value of one of these holes: not only under `!` or as one of
    /// several that are enough.
    pub(crate) fn depends_on(&self, holes: &[&str]) -> bool {
        match self {
            Self::And(each) => each.iter().any(|one| one.depends_on(holes)),
            Self::Or(each) => each.iter().all(|one| one.depends_on(holes)),
            Self::Not(_) | Self::Present(_) => false,
            Self::Equal(_, value)
            | Self::GreaterOrEqual(_, value)
            | Self::LessOrEqual(_, value)
            | Self::Approx(_, value)
            | Self::Extensible { value, .. } => value.has_any(holes),
            Self::Substrings {
                initial, any, last, ..
            } => {
                let mut parts = initial.iter().chain(any).chain(last);
                parts.any(|value| value.has_any(holes))
            }
        }
    }

    /// What holds whatever is in the holes, if anything does.
    pub(crate) fn without_holes(&self) -> Option<Self> {
        match self {
            Self::And(each) => {
                let kept: Vec<Self> = each.iter().filter_map(Self::without_holes).collect();
                (!kept.is_empty()).then_some(Self::And(kept))
            }
            other => (!other.has_holes()).then(|| other.clone()),
        }
    }

    fn has_holes(&self) -> bool {
        match self {
            Self::And(each) | Self::Or(each) => each.iter().any(Self::has_holes),
            Self::Not(one) => one.has_holes(),
            Self::Present(_) => false,
            Self::Equal(_, value)
            | Self::GreaterOrEqual(_, value)
            | Self::LessOrEqual(_, value)
            | Self::Approx(_, value)
            | Self::Extensible { value, .. } => value.has_holes(),
            Self::Substrings {
                initial, any, last, ..
            } => {
                let mut parts = initial.iter().chain(any).chain(last);
                parts.any(Value::has_holes)
            }
        }
    }

    /// The filter for these values. `None`: one of them is not there. Where one of several is enough,
    /// those are left out whose value is not there.
    pub(crate) fn fill(&self, values: Values<'_>) -> Option<Filter> {
        let all = |each: &[Self]| -> Option<Vec<Filter>> {
            each.iter().map(|one| one.fill(values)).collect()
        };
        let assertion = |attribute: &str, value: &Value| {
            let value = value.fill(values)?;
            Some(AttributeValueAssertion::new(attribute.into(), value.into()))
        };
        Some(match self {
            Self::And(each) => Filter::And(all(each).map(Vec::into)?),
            Self::Or(each) => {
                let filled: Vec<Filter> = each.iter().filter_map(|one| one.fill(values)).collect();
                (!filled.is_empty()).then(|| Filter::Or(filled.into()))?
            }
            Self::Not(one) => Filter::Not(Box::new(one.fill(values)?)),
            Self::Equal(attribute, value) => Filter::EqualityMatch(assertion(attribute, value)?),
            Self::GreaterOrEqual(attribute, value) => {
                Filter::GreaterOrEqual(assertion(attribute, value)?)
            }
            Self::LessOrEqual(attribute, value) => {
                Filter::LessOrEqual(assertion(attribute, value)?)
            }
            Self::Approx(attribute, value) => Filter::ApproxMatch(assertion(attribute, value)?),
            Self::Present(attribute) => Filter::Present(attribute.as_str().into()),
            Self::Substrings {
                attribute,
                initial,
                any,
                last,
            } => {
                let mut parts = Vec::new();
                if let Some(value) = initial {
                    parts.push(SubstringChoice::Initial(value.fill(values)?.into()));
                }
                for value in any {
                    parts.push(SubstringChoice::Any(value.fill(values)?.into()));
                }
                if let Some(value) = last {
                    parts.push(SubstringChoice::Final(value.fill(values)?.into()));
                }
                Filter::Substrings(SubstringFilter::new(attribute.as_str().into(), parts))
            }
            Self::Extensible {
                attribute,
                rule,
                dn_attributes,
                value,
            } => Filter::ExtensibleMatch(MatchingRuleAssertion::new(
                rule.as_deref().map(Into::into),
                attribute.as_deref().map(Into::into),
                value.fill(values)?.into(),
                *dn_attributes,
            )),
        })
    }
}

impl Value {
    fn has_any(&self, holes: &[&str]) -> bool {
        let is =
            |piece: &Piece| matches!(piece, Piece::Hole(name) if holes.contains(&name.as_str()));
        self.0.iter().any(is)
    }

    fn has_holes(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Hole(_)))
    }

    fn fill(&self, values: Values<'_>) -> Option<Vec<u8>> {
        let mut filled = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Octets(octets) => filled.extend_from_slice(octets),
                Piece::Hole(name) => filled.extend(values(name)?),
            }
        }
        // An empty value would match what has none, or nothing: neither was meant.
        (!filled.is_empty()).then_some(filled)
    }
}

struct Reader<'a> {
    rest: &'a str,
    holes: &'a [&'a str],
}

impl Reader<'_> {
    fn filter(&mut self, depth: usize) -> Result<FilterTemplate, BadFilter> {
        if depth > DEEPEST {
            return Err(BadFilter::Deep);
        }
        self.expect('(')?;
        let filter = if self.skip('&') {
            FilterTemplate::And(self.list(depth)?)
        } else if self.skip('|') {
            FilterTemplate::Or(self.list(depth)?)
        } else if self.skip('!') {
            FilterTemplate::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        self.expect(')')?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<FilterTemplate>, BadFilter> {
        let mut all = Vec::new();
        while self.rest.starts_with('(') {
            all.push(self.filter(depth + 1)?);
            self.rest = self.rest.trim_start();
        }
        // The filters without parts, always true and always false (RFC 4526), are no one's wish.
        if all.is_empty() {
            return Err(BadFilter::Syntax);
        }
        Ok(all)
    }

    fn item(&mut self) -> Result<FilterTemplate, BadFilter> {
        let sign = self.rest.find('=').ok_or(BadFilter::Syntax)?;
        let (left, right) = self.rest.split_at_checked(sign).ok_or(BadFilter::Syntax)?;
        let right = right.strip_prefix('=').ok_or(BadFilter::Syntax)?;
        let end = right.find(')').ok_or(BadFilter::Syntax)?;
        let (value, rest) = right.split_at_checked(end).ok_or(BadFilter::Syntax)?;
        self.rest = rest;
        let one = |value: &str| self.value(value);
        if let Some(name) = left.strip_suffix('>') {
            return Ok(FilterTemplate::GreaterOrEqual(
                attribute(name)?,
                one(value)?,
            ));
        }
        if let Some(name) = left.strip_suffix('<') {
            return Ok(FilterTemplate::LessOrEqual(attribute(name)?, one(value)?));
        }
        if let Some(name) = left.strip_suffix('~') {
            return Ok(FilterTemplate::Approx(attribute(name)?, one(value)?));
        }
        if let Some(name) = left.strip_suffix(':') {
            return extensible(name, one(value)?);
        }
        let name = attribute(left)?;
        if value == "*" {
            return Ok(FilterTemplate::Present(name));
        }
        let mut parts: Vec<&str> = value.split('*').collect();
        let Some(last) = parts.pop() else {
            return Err(BadFilter::Syntax);
        };
        if parts.is_empty() {
            return Ok(FilterTemplate::Equal(name, one(last)?));
        }
        let initial = parts.remove(0);
        let filled = |part: &str| (!part.is_empty()).then(|| one(part)).transpose();
        Ok(FilterTemplate::Substrings {
            attribute: name,
            initial: filled(initial)?,
            any: parts.into_iter().map(one).collect::<Result<_, _>>()?,
            last: filled(last)?,
        })
    }

    fn value(&self, text: &str) -> Result<Value, BadFilter> {
        let mut pieces = Vec::new();
        let mut octets = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            match first {
                '\\' => {
                    let (escape, after) = rest.split_at_checked(3).ok_or(BadFilter::Escape)?;
                    let digits = escape.strip_prefix('\\').ok_or(BadFilter::Escape)?;
                    let signed = digits.starts_with(['+', '-']);
                    let octet = u8::from_str_radix(digits, 16).ok().filter(|_| !signed);
                    octets.push(octet.ok_or(BadFilter::Escape)?);
                    rest = after;
                }
                '{' => {
                    let (name, after) = rest.split_once('}').ok_or(BadFilter::Syntax)?;
                    let name = name.strip_prefix('{').unwrap_or_default();
                    if !self.holes.contains(&name) {
                        return Err(BadFilter::Hole(name.to_owned()));
                    }
                    if !octets.is_empty() {
                        pieces.push(Piece::Octets(std::mem::take(&mut octets)));
                    }
                    pieces.push(Piece::Hole(name.to_owned()));
                    rest = after;
                }
                '(' | '*' | '\0' => return Err(BadFilter::Syntax),
                other => {
                    let mut buffer = [0; 4];
                    octets.extend_from_slice(other.encode_utf8(&mut buffer).as_bytes());
                    rest = rest.strip_prefix(other).unwrap_or_default();
                }
            }
        }
        if !octets.is_empty() {
            pieces.push(Piece::Octets(octets));
        }
        if pieces.is_empty() {
            return Err(BadFilter::Syntax);
        }
        Ok(Value(pieces))
    }

    fn skip(&mut self, sign: char) -> bool {
        let after = self.rest.strip_prefix(sign);
        if let Some(after) = after {
            self.rest = after.trim_start();
        }
        after.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), BadFilter> {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix(sign).ok_or(BadFilter::Syntax)?;
        Ok(())
    }
}

/// `attr`, `attr:dn`, `attr:rule`, `:dn:rule` and the like, without the last colon.
fn extensible(left: &str, value: Value) -> Result<FilterTemplate, BadFilter> {
    let mut parts = left.split(':');
    let name = parts.next().unwrap_or_default();
    let mut rest: Vec<&str> = parts.collect();
    let dn_attributes = rest
        .first()
        .is_some_and(|one| one.eq_ignore_ascii_case("dn"));
    if dn_attributes {
        rest.remove(0);
    }
    let rule = match &rest[..] {
        [] => None,
        [rule] => Some(attribute(rule)?),
        _ => return Err(BadFilter::Syntax),
    };
    if name.is_empty() && rule.is_none() {
        return Err(BadFilter::Syntax);
    }
    Ok(FilterTemplate::Extensible {
        attribute: (!name.is_empty()).then(|| attribute(name)).transpose()?,
        rule,
        dn_attributes,
        value,
    })
}

/// An attribute description: a name or an OID, with options (RFC 4512 section 2.5).
pub(crate) fn attribute(name: &str) -> Result<String, BadFilter> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-.;".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(sound) {
        Ok(name.to_owned())
    } else {
        Err(BadFilter::Attribute(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLES: [&str; 2] = ["login", "dn"];

    fn fill(text: &str, login: &str) -> Filter {
        let template = FilterTemplate::parse(text, &HOLES).unwrap();
        let login = login.as_bytes().to_vec();
        template
            .fill(&|name| (name == "login").then(|| login.clone()))
            .unwrap()
    }

    fn equal(attribute: &str, value: &str) -> Filter {
        let value = value.as_bytes().to_vec().into();
        Filter::EqualityMatch(AttributeValueAssertion::new(attribute.into(), value))
    }

    #[test]
    fn a_filter_is_read_and_filled() {
        assert_eq!(
            fill(
                "(&(objectClass=person)(|(uid={login})(mail={login})))",
                "alice"
            ),
            Filter::And(
                vec![
                    equal("objectClass", "person"),
                    Filter::Or(vec![equal("uid", "alice"), equal("mail", "alice")].into()),
                ]
                .into()
            )
        );
        assert_eq!(
            fill("(!(uid=x))", ""),
            Filter::Not(Box::new(equal("uid", "x")))
        );
        assert_eq!(fill("(cn=a\\2ab\\28)", ""), equal("cn", "a*b("));
        assert_eq!(fill("(cn=*)", ""), Filter::Present("cn".into()));
        assert_eq!(
            fill("(cn={login}*b*c)", "a"),
            Filter::Substrings(SubstringFilter::new(
                "cn".into(),
                vec![
                    SubstringChoice::Initial(b"a".to_vec().into()),
                    SubstringChoice::Any(b"b".to_vec().into()),
                    SubstringChoice::Final(b"c".to_vec().into()),
                ]
            ))
        );
        assert_eq!(
            fill("(member:1.2.840.113556.1.4.1941:={login})", "cn=a"),
            Filter::ExtensibleMatch(MatchingRuleAssertion::new(
                Some("1.2.840.113556.1.4.1941".into()),
                Some("member".into()),
                b"cn=a".to_vec().into(),
                false,
            ))
        );
    }

    /// LDAP-2: nothing that is typed is read as a part of the filter.
    #[test]
    fn what_is_typed_stays_a_value() {
        for typed in [
            "*",
            "*)(uid=*",
            ")(|(uid=*",
            "a\\2a",
            "a\0b",
            "{dn}",
            "b*o)b",
            "admin)(!(uid=x",
        ] {
            assert_eq!(
                fill("(uid={login})", typed),
                equal("uid", typed),
                "{typed:?}"
            );
        }
    }

    #[test]
    fn a_value_that_is_missing_or_empty_fills_nothing() {
        let login = |name: &str| (name == "login").then(|| b"a".to_vec());
        let empty = |_: &str| Some(Vec::new());
        let parse = |text| FilterTemplate::parse(text, &HOLES).unwrap();
        for text in [
            "(&(uid={login})(cn={dn}))",
            "(!(cn={dn}))",
            "(|(cn={dn})(sn={dn}))",
        ] {
            assert_eq!(parse(text).fill(&login), None, "{text}");
            assert_eq!(parse(text).fill(&empty), None, "{text}");
        }
        assert_eq!(
            parse("(|(uid={login})(cn={dn}))").fill(&login),
            Some(Filter::Or(vec![equal("uid", "a")].into()))
        );
    }

    #[test]
    fn a_filter_for_somebody_is_not_one_for_everybody() {
        let parse = |text| FilterTemplate::parse(text, &HOLES).unwrap();
        for (text, depends) in [
            ("(uid={login})", true),
            ("(&(objectClass=person)(|(uid={login})(mail={dn})))", true),
            ("(member:1.2.3:={dn})", true),
            ("(cn={login}*)", true),
            ("(objectClass=groupOfNames)", false),
            ("(|(uid={login})(objectClass=person))", false),
            ("(!(uid={login}))", false),
            ("(uid=*)", false),
        ] {
            assert_eq!(parse(text).depends_on(&HOLES), depends, "{text}");
        }
        assert!(!parse("(uid={login})").depends_on(&["dn"]));
    }

    #[test]
    fn what_holds_for_everybody_is_what_has_no_holes() {
        let parse = |text| FilterTemplate::parse(text, &HOLES).unwrap();
        let kept = |text| parse(text).without_holes();
        assert_eq!(
            kept("(&(objectClass=person)(uid={login})(!(locked=TRUE)))"),
            Some(parse("(&(objectClass=person)(!(locked=TRUE)))"))
        );
        assert_eq!(kept("(&(uid={login})(|(mail={login})(a=b)))"), None);
        assert_eq!(kept("(uid={login})"), None);
        assert_eq!(kept("(a=b)"), Some(parse("(a=b)")));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "uid=a",
            "(uid=a",
            "(uid=a))",
            "()",
            "(uid)",
            "(&)",
            "(=a)",
            "(uid=)",
            "(u id=a)",
            "(uid=a(b)",
            "(:=a)",
            "(a:b:c:=d)",
            "(uid={login)",
            "(uid=a**b)",
        ] {
            assert!(FilterTemplate::parse(text, &HOLES).is_err(), "{text}");
        }
        let parse = |text| FilterTemplate::parse(text, &HOLES).unwrap_err();
        assert_eq!(parse("(uid={name})"), BadFilter::Hole("name".to_owned()));
        assert_eq!(parse("(uid=\\2)"), BadFilter::Escape);
        assert_eq!(parse("(uid=\\+1)"), BadFilter::Escape);
        let deep = format!("{}(a=b){}", "(!".repeat(40), ")".repeat(40));
        assert_eq!(parse(&deep), BadFilter::Deep);
    }
}
