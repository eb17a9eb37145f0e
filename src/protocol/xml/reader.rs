//! The reader (XML 1.0 fifth edition, Namespaces in XML 1.0 third edition), for as much of XML as
//! security protocols need: no document type, no processing instruction, no comment, no CDATA
//! section, no entity but the five that are built in.

use std::sync::Arc;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event, attributes::Attribute as RawAttribute},
};

use super::{Attribute, Declaration, Document, Element, Node, XML_NAMESPACE};

/// The deepest nesting.
const MOST_DEPTH: usize = 48;
/// The most elements of a document.
const MOST_ELEMENTS: usize = 20_000;
/// The most attributes and declarations of one element.
const MOST_ATTRIBUTES: usize = 64;
/// The most declarations that are in force at once.
const MOST_DECLARATIONS: usize = 128;
/// The longest name, and the longest name of a namespace: canonical XML writes it at each element
/// that is in it.
const MOST_NAME: usize = 256;

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("it has a comment, a CDATA section or a processing instruction")]
    Extra,
    #[error("it has a document type")]
    DocumentType,
    #[error("it refers to an entity that is not built in")]
    Entity,
    #[error("an attribute or a declaration is there twice")]
    Duplicate,
    #[error("it is not one element, and nothing else")]
    NotOneRoot,
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it is nested too deep, or has too many parts")]
    TooMuch,
    #[error("a prefix is not declared, or a namespace is no absolute URI")]
    Namespace,
    #[error("it is not UTF-8 text as XML 1.0 has it")]
    NotText,
    #[error("it is not well-formed")]
    Malformed,
}

impl Document {
    /// Reads a document of at most `most` bytes.
    pub(crate) fn parse(octets: &[u8], most: usize) -> Result<Self, XmlError> {
        Self::read(octets, most, Comments::Refused)
    }

    /// The same, where comments and processing instructions are passed over, as canonical XML does
    /// with comments: for what operators publish.
    pub(crate) fn parse_commented(octets: &[u8], most: usize) -> Result<Self, XmlError> {
        Self::read(octets, most, Comments::PassedOver)
    }

    fn read(octets: &[u8], most: usize, comments: Comments) -> Result<Self, XmlError> {
        if octets.len() > most {
            return Err(XmlError::TooLarge(most));
        }
        let text = std::str::from_utf8(octets).map_err(|_| XmlError::NotText)?;
        // Section 2.2.
        if !text.chars().all(is_char) {
            return Err(XmlError::NotText);
        }
        let mut building = Building::default();
        let mut reader = Reader::from_str(text);
        let mut is_first = true;
        loop {
            let event = reader.read_event().map_err(|_| XmlError::Malformed)?;
            match event {
                Event::Start(start) => building.start(&start)?,
                Event::Empty(start) => {
                    building.start(&start)?;
                    building.end()?;
                }
                Event::End(_) => building.end()?,
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|_| XmlError::NotText)?;
                    // Section 2.4: not in content.
                    if text.contains("]]>") {
                        return Err(XmlError::Malformed);
                    }
                    building.text(&text)?;
                }
                Event::GeneralRef(reference) => {
                    let char = character(&reference)?;
                    building.text(char.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(declaration) if is_first => {
                    let version = declaration.version().map_err(|_| XmlError::Malformed)?;
                    let encoding = declaration.encoding().transpose();
                    let encoding = encoding.map_err(|_| XmlError::Malformed)?;
                    let utf_8 = encoding.is_none_or(|name| name.eq_ignore_ascii_case(b"utf-8"));
                    if *version != *b"1.0" || !utf_8 {
                        return Err(XmlError::NotText);
                    }
                }
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Comment(_) | Event::PI(_) if comments == Comments::PassedOver => {}
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {
                    return Err(XmlError::Extra);
                }
                Event::Eof => break,
            }
            is_first = false;
        }
        building.finish()
    }
}

/// What becomes of comments.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Comments {
    PassedOver,
    Refused,
}

/// Section 2.2.
fn is_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// What a reference stands for (sections 4.1 and 4.6).
fn character(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if reference.is_char_ref() {
        let char = reference.resolve_char_ref();
        let char = char.ok().flatten().filter(|char| is_char(*char));
        return char.ok_or(XmlError::Entity);
    }
    let name = reference.decode().map_err(|_| XmlError::NotText)?;
    match &*name {
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "gt" => Ok('>'),
        "lt" => Ok('<'),
        "quot" => Ok('"'),
        _ => Err(XmlError::Entity),
    }
}

/// What was read so far.
#[derive(Default)]
struct Building {
    root: Option<Element>,
    /// The elements that are not closed yet, with how many declarations they brought.
    open: Vec<Element>,
    /// The declarations that are in force, the inner ones last.
    declared: Vec<Declaration>,
    elements: usize,
}

impl Building {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        self.elements += 1;
        if self.open.len() >= MOST_DEPTH || self.elements > MOST_ELEMENTS {
            return Err(XmlError::TooMuch);
        }
        if self.root.is_some() {
            return Err(XmlError::NotOneRoot);
        }
        let mut written = Vec::new();
        let mut declarations: Vec<Declaration> = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Malformed)?;
            if written.len() + declarations.len() >= MOST_ATTRIBUTES {
                return Err(XmlError::TooMuch);
            }
            let (prefix, name) = qualified(attribute.key.as_ref())?;
            let value = value(&attribute)?;
            match (prefix, name) {
                ("", "xmlns") => declarations.push(declaration("", value)?),
                ("xmlns", prefix) => declarations.push(declaration(prefix, value)?),
                _ => written.push((prefix.to_owned(), name.to_owned(), value)),
            }
        }
        self.declared.extend(declarations.iter().cloned());
        if self.declared.len() > MOST_DECLARATIONS {
            return Err(XmlError::TooMuch);
        }
        let start_name = start.name();
        let (prefix, name) = qualified(start_name.as_ref())?;
        if prefix == "xmlns" {
            return Err(XmlError::Namespace);
        }
        let mut attributes: Vec<Attribute> = Vec::with_capacity(written.len());
        for (prefix, name, value) in written {
            let namespace = match prefix.as_str() {
                "" => Arc::from(""),
                prefix => self.namespace(prefix)?,
            };
            // Others would take it for an ID.
            if &*namespace == XML_NAMESPACE && name == "id" {
                return Err(XmlError::Namespace);
            }
            let twice = |one: &Attribute| *one.name == *name && one.namespace == namespace;
            if attributes.iter().any(twice) {
                return Err(XmlError::Duplicate);
            }
            attributes.push(Attribute {
                prefix: prefix.into(),
                name: name.into(),
                namespace,
                value,
            });
        }
        self.open.push(Element {
            prefix: prefix.into(),
            name: name.into(),
            namespace: self.namespace(prefix)?,
            declarations,
            attributes,
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Malformed)?;
        let left = self.declared.len() - element.declarations.len();
        self.declared.truncate(left);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(parent) = self.open.last_mut() else {
            let blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
            return blank.then_some(()).ok_or(XmlError::NotOneRoot);
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
        Ok(())
    }

    /// What a prefix stands for here.
    fn namespace(&self, prefix: &str) -> Result<Arc<str>, XmlError> {
        if prefix == "xml" {
            return Ok(XML_NAMESPACE.into());
        }
        let mut inner = self.declared.iter().rev();
        match inner.find(|one| &*one.prefix == prefix) {
            Some(declaration) => Ok(declaration.namespace.clone()),
            None if prefix.is_empty() => Ok(Arc::from("")),
            None => Err(XmlError::Namespace),
        }
    }

    fn finish(self) -> Result<Document, XmlError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(Document { root }),
            _ => Err(XmlError::NotOneRoot),
        }
    }
}

/// A declaration (Namespaces in XML 1.0 sections 3 and 5). A relative URI, or one that is none, has
/// canonicalisation fail elsewhere, and a failure was taken for an empty text there once.
fn declaration(prefix: &str, value: String) -> Result<Declaration, XmlError> {
    let reserved = ["xml", "xmlns"].contains(&prefix)
        || [XML_NAMESPACE, "http://www.w3.org/2000/xmlns/"].contains(&value.as_str());
    if value.len() > MOST_NAME {
        return Err(XmlError::TooMuch);
    }
    let is_none = prefix.is_empty() && value.is_empty();
    if reserved || !(is_none || is_absolute(&value)) {
        return Err(XmlError::Namespace);
    }
    Ok(Declaration {
        prefix: prefix.into(),
        namespace: value.into(),
    })
}

/// An absolute URI (RFC 3986), as far as namespaces are made of them: no user, no address of IPv6,
/// and no `&`, which the library reads as something else in a namespace.
fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme);
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = match path.strip_prefix("//") {
        Some(from_host) => {
            let end = from_host.find('/').unwrap_or(from_host.len());
            from_host.split_at(end)
        }
        None => ("", path),
    };
    let (host, port) = host.split_once(':').unwrap_or((host, "0"));
    is_scheme
        && consists_of(host, "-._~")
        && (1..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && consists_of(path, "-._~!$'()*+,;=:@/")
        && [query, fragment]
            .iter()
            .all(|part| consists_of(part, "-._~!$'()*+,;=:@/?"))
}

/// Letters, digits, these, and octets in percent-encoding.
fn consists_of(part: &str, others: &str) -> bool {
    let mut pieces = part.split('%');
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.as_bytes().contains(&byte))
    };
    let encoded = |text: &str| {
        let octet = text.as_bytes().first_chunk::<2>();
        octet.is_some_and(|octet| octet.iter().all(u8::is_ascii_hexdigit))
    };
    pieces.next().is_none_or(plain) && pieces.all(|piece| encoded(piece) && plain(piece))
}

/// Prefix and local name. Names are ASCII: no protocol here has others.
fn qualified(octets: &[u8]) -> Result<(&str, &str), XmlError> {
    let text = std::str::from_utf8(octets).map_err(|_| XmlError::NotText)?;
    if text.len() > MOST_NAME {
        return Err(XmlError::TooMuch);
    }
    let (prefix, name) = match text.split_once(':') {
        Some((prefix, name)) if is_name(prefix) => (prefix, name),
        Some(_) => return Err(XmlError::Malformed),
        None => ("", text),
    };
    is_name(name)
        .then_some((prefix, name))
        .ok_or(XmlError::Malformed)
}

pub(super) fn is_name(text: &str) -> bool {
    let start = |char: char| char.is_ascii_alphabetic() || char == '_';
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.starts_with(start) && text.bytes().all(rest)
}

/// The value of an attribute (section 3.3.3).
fn value(attribute: &RawAttribute<'_>) -> Result<String, XmlError> {
    // Section 3.1: no `<` in it.
    if attribute.value.contains(&b'<') {
        return Err(XmlError::Malformed);
    }
    let value = attribute
        .normalized_value(XmlVersion::Explicit1_0)
        .map_err(|_| XmlError::Entity)?;
    if !value.chars().all(is_char) {
        return Err(XmlError::NotText);
    }
    Ok(value.into_owned())
}
