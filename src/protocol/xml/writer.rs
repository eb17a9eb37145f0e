//! The writer: what was read, in one way that every reader understands alike.

use std::fmt::Write as _;

use super::{Document, Element, Node};

impl Document {
    /// The document as text.
    pub(crate) fn to_xml(&self) -> String {
        let mut text = String::new();
        self.root.write(&mut text);
        text
    }
}

impl Element {
    fn write(&self, to: &mut String) {
        to.push('<');
        push_name(to, &self.prefix, &self.name);
        for declaration in &self.declarations {
            match &*declaration.prefix {
                "" => to.push_str(" xmlns"),
                prefix => _ = write!(to, " xmlns:{prefix}"),
            }
            to.push_str("=\"");
            escape(to, &declaration.namespace, true);
            to.push('"');
        }
        for attribute in &self.attributes {
            to.push(' ');
            push_name(to, &attribute.prefix, &attribute.name);
            to.push_str("=\"");
            escape(to, &attribute.value, true);
            to.push('"');
        }
        to.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(to),
                Node::Text(text) => escape(to, text, false),
            }
        }
        to.push_str("</");
        push_name(to, &self.prefix, &self.name);
        to.push('>');
    }
}

fn push_name(to: &mut String, prefix: &str, name: &str) {
    if !prefix.is_empty() {
        to.push_str(prefix);
        to.push(':');
    }
    to.push_str(name);
}

/// What is read again must be the same: white space that a reader would normalise (XML 1.0 sections
/// 2.11 and 3.3.3) goes as a character reference.
pub(crate) fn escape(to: &mut String, text: &str, is_attribute: bool) {
    for char in text.chars() {
        match char {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' if is_attribute => to.push_str("&quot;"),
            '\t' | '\n' if is_attribute => _ = write!(to, "&#{};", u32::from(char)),
            '\r' => to.push_str("&#13;"),
            char => to.push(char),
        }
    }
}
