//! Names and values from a query or a form (`application/x-www-form-urlencoded`).

use url::form_urlencoded;

/// More names than any form of ours or of a provider has.
const MOST: usize = 64;

/// The fields in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a query or a body.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(bytes)
                .into_owned()
                .take(MOST)
                .collect(),
        )
    }

    /// The value of a name that occurs once. Twice is as good as none: it is not for us to choose.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The value of the first of these names that occurs.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.one(name))
    }

    /// These fields alone, as a form again.
    pub(crate) fn only(&self, names: &[&str]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.iter().filter(|(name, _)| names.contains(name)) {
            form.append_pair(name, value);
        }
        form.finish()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn a_name_that_comes_twice_has_no_value() {
        let fields = Fields::parse(b"a=1&b=2&a=3&c=%00x");
        assert_eq!(fields.one("a"), None);
        assert_eq!(fields.one("b"), Some("2"));
        assert_eq!(fields.one("c"), Some("\0x"));
        assert_eq!(fields.only(&["b"]), "b=2");
    }
}
