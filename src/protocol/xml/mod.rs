//! XML that came from elsewhere: a small, strict reader, a writer, and signatures (XML Signature
//! Syntax and Processing 1.1) that are verified over what the writer made of what the reader saw.
//!
//! Two readers that see the same octets differently have broken more SAML libraries than any
//! mathematics has. Here there is one: no octet of a sender reaches the library in C that verifies.
//! It is given what [`Document::to_xml`] writes, and what it returns, the octets that were
//! digested, is read by the same reader once more.

mod certificate;
mod detached;
mod encryption;
#[cfg(test)]
pub(crate) mod fixture;
mod library;
mod reader;
mod signature;
mod signing;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

pub(crate) use self::{
    certificate::{CertificateError, SigningCertificate},
    detached::verify_octets,
    encryption::*,
    reader::XmlError,
    signature::*,
    signing::{signature_algorithm_of, signed},
    writer::escape,
};

/// The namespace of `xml:lang` and its like, which needs no declaration (Namespaces in XML 1.0
/// section 3).
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A document that was read completely.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Document {
    pub(crate) root: Element,
}

/// An element. Prefixes are kept, since canonical XML is made of them; what it is, its namespace
/// says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Element {
    prefix: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Empty: none.
    pub(crate) namespace: Arc<str>,
    declarations: Vec<Declaration>,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
}

/// A namespace declaration; an empty prefix is the default one.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Declaration {
    prefix: Arc<str>,
    namespace: Arc<str>,
}

/// An attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Attribute {
    prefix: Arc<str>,
    name: Arc<str>,
    /// Empty: none, as for all without a prefix.
    namespace: Arc<str>,
    value: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// Whether it is that element.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        &*self.namespace == namespace && &*self.name == name
    }

    /// The value of an attribute without a namespace.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|one| one.namespace.is_empty() && &*one.name == name);
        found.map(|one| one.value.as_str())
    }

    /// The value of an attribute with one.
    pub(crate) fn attribute_of(&self, namespace: &str, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|one| &*one.namespace == namespace && &*one.name == name);
        found.map(|one| one.value.as_str())
    }

    /// Its elements, in order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Those of its elements that have this name.
    pub(crate) fn all<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Self> {
        self.elements()
            .filter(move |child| child.is(namespace, name))
    }

    /// The only one of that name; `None` if there are none, or several.
    pub(crate) fn only(&self, namespace: &str, name: &str) -> Option<&Self> {
        let mut all = self.elements().filter(|child| child.is(namespace, name));
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// Its text, if there is nothing else in it: what has elements in it is no text, and cutting it
    /// short at one would be somebody else's name.
    pub(crate) fn text(&self) -> Option<String> {
        let texts = self.children.iter().map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// This element and all below it.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { left: vec![self] }
    }
}

/// See [`Element::walk`].
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    left: Vec<&'a Element>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Element;

    fn next(&mut self) -> Option<&'a Element> {
        let next = self.left.pop()?;
        let before = self.left.len();
        self.left.extend(next.elements());
        if let Some(children) = self.left.get_mut(before..) {
            children.reverse();
        }
        Some(next)
    }
}

impl Document {
    /// One of its elements as a document of its own, with the declarations that are in force
    /// around it.
    pub(crate) fn detach(&self, element: &Element) -> Option<Self> {
        let mut path = Vec::new();
        find(&self.root, element, &mut path).then_some(())?;
        let mut root = element.clone();
        let known = |root: &Element, prefix: &str| {
            let mut own = root.declarations.iter();
            own.any(|one| &*one.prefix == prefix)
        };
        for outer in path.iter().rev().skip(1) {
            for declaration in &outer.declarations {
                if !known(&root, &declaration.prefix) {
                    root.declarations.push(declaration.clone());
                }
            }
        }
        Some(Self { root })
    }
}

/// The way from an element down to that very one.
fn find<'a>(from: &'a Element, wanted: &Element, path: &mut Vec<&'a Element>) -> bool {
    path.push(from);
    if std::ptr::eq(from, wanted) || from.elements().any(|child| find(child, wanted, path)) {
        return true;
    }
    path.pop();
    false
}
