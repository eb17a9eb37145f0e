//! Forms as a browser without JavaScript finds them in a page.

/// One `<form>`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    /// Names and values of its inputs and named buttons, in order.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == field)
    }

    pub(crate) fn value(&self, field: &str) -> Option<&str> {
        let held = self.fields.iter().find(|(name, _)| name == field);
        held.map(|(_, value)| value.as_str())
    }

    /// Types into a field; one that the form lacks fails the test.
    #[track_caller]
    pub(crate) fn fill(mut self, field: &str, value: &str) -> Self {
        let known = self
            .fields
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>();
        let held = self.fields.iter_mut().find(|(name, _)| name == field);
        held.unwrap_or_else(|| panic!("no field {field:?} among {known:?}"))
            .1 = value.into();
        self
    }

    /// The body as `application/x-www-form-urlencoded`.
    pub(crate) fn body(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.fields)
            .finish()
    }
}

/// Every form of a page.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut found = Vec::new();
    let mut open: Option<Form> = None;
    for tag in tags(page) {
        match tag.name.as_str() {
            "form" => {
                let method = tag.value("method").unwrap_or_else(|| "get".to_owned());
                open = Some(Form {
                    method: method.to_ascii_uppercase(),
                    action: tag.value("action").unwrap_or_default(),
                    fields: Vec::new(),
                });
            }
            "/form" => found.extend(open.take()),
            "input" | "button" | "select" | "textarea" => {
                let kind = tag.value("type").unwrap_or_default();
                let unchecked = kind == "checkbox" && tag.value("checked").is_none();
                if let (Some(form), Some(name), false) = (&mut open, tag.value("name"), unchecked) {
                    form.fields
                        .push((name, tag.value("value").unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    found
}

/// The `href` of every link of a page.
pub(crate) fn links(page: &str) -> Vec<String> {
    tags(page)
        .into_iter()
        .filter(|tag| tag.name == "a")
        .filter_map(|tag| tag.value("href"))
        .collect()
}

/// A start or end tag with its attributes.
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn value(&self, attribute: &str) -> Option<String> {
        let held = self.attributes.iter().find(|(name, _)| name == attribute);
        held.map(|(_, value)| value.clone())
    }
}

/// Every tag of a page, in order.
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '>')
            .unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('/').to_ascii_lowercase();
        rest = &rest[end..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let end = rest
                .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
                .unwrap_or(rest.len());
            let key = rest[..end].to_ascii_lowercase();
            rest = rest[end..].trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                (value, rest) = attribute_value(after.trim_start());
            }
            attributes.push((key, unescape(value)));
        }
        found.push(Tag { name, attributes });
    }
    found
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Resolves the character references that templates write.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out += before;
        let (name, tail) = after.split_once(';').unwrap_or(("", after));
        let number = name.strip_prefix('#').and_then(|number| {
            let hex = number.strip_prefix(['x', 'X']);
            hex.map_or_else(
                || number.parse().ok(),
                |hex| u32::from_str_radix(hex, 16).ok(),
            )
        });
        let named = match name {
            "amp" => Some('&'),
            "apos" => Some('\''),
            "gt" => Some('>'),
            "lt" => Some('<'),
            "quot" => Some('"'),
            _ => number.and_then(char::from_u32),
        };
        if let Some(character) = named {
            out.push(character);
            rest = tail;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out + rest
}
