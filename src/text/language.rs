//! The languages there are, which of them are spoken, and which of those suits a visitor.
//!
//! Another language is a catalogue in `messages/` and an entry of [`LANGUAGES`]; tests hold it to
//! the English keys, placeholders and forms.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::Problem;

/// A language that the pages can speak.
pub(crate) struct Language {
    /// The language tag (BCP 47).
    pub(crate) tag: &'static str,
    /// The writing direction, as `dir` wants it.
    pub(crate) dir: &'static str,
    /// Other tags whose speakers read it, too.
    also: &'static [&'static str],
    /// The catalogue.
    pub(super) source: &'static str,
    /// How things are counted.
    pub(super) plural: Plural,
}

/// Without the catalogue.
impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag)
    }
}

impl Language {
    const fn new(tag: &'static str, plural: Plural, source: &'static str) -> Self {
        Self {
            tag,
            dir: "ltr",
            also: &[],
            source,
            plural,
        }
    }

    const fn also(mut self, tags: &'static [&'static str]) -> Self {
        self.also = tags;
        self
    }

    fn is_called(&self, tag: &str) -> bool {
        let mut also = self.also.iter();
        self.tag.eq_ignore_ascii_case(tag) || also.any(|other| other.eq_ignore_ascii_case(tag))
    }
}

/// The form of a sentence that a number demands (Unicode CLDR, "Language Plural Rules").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    One,
    Few,
    Many,
    Other,
}

impl Form {
    /// The last part of the sentence's key.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Few => "few",
            Self::Many => "many",
            Self::Other => "other",
        }
    }
}

/// Which numbers take which form. Only whole numbers are ever said, and none in millions, so that
/// the forms for those (`many` in French, `other` in Polish) are not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plural {
    /// One form for all.
    Same,
    /// One thing, and any other number of things.
    One,
    /// None is said like one.
    NoneOrOne,
    Polish,
}

impl Plural {
    /// The forms that a counted sentence has.
    #[cfg(test)]
    pub(super) const fn forms(self) -> &'static [Form] {
        match self {
            Self::Same => &[Form::Other],
            Self::One | Self::NoneOrOne => &[Form::One, Form::Other],
            Self::Polish => &[Form::One, Form::Few, Form::Many],
        }
    }

    /// The form that a number takes.
    pub(super) const fn form(self, number: u64) -> Form {
        match (self, number) {
            (Self::One | Self::Polish, 1) | (Self::NoneOrOne, 0 | 1) => Form::One,
            (Self::Polish, _) => match (number % 10, number % 100) {
                (_, 12..=14) => Form::Many,
                (2..=4, _) => Form::Few,
                _ => Form::Many,
            },
            _ => Form::Other,
        }
    }
}

/// Every language there is, English first.
pub(crate) static LANGUAGES: [Language; 14] = [
    Language::new("en", Plural::One, include_str!("messages/en.toml")),
    Language::new("da", Plural::One, include_str!("messages/da.toml")),
    Language::new("de", Plural::One, include_str!("messages/de.toml")),
    Language::new("es", Plural::One, include_str!("messages/es.toml")),
    Language::new("fi", Plural::One, include_str!("messages/fi.toml")),
    Language::new("fr", Plural::NoneOrOne, include_str!("messages/fr.toml")),
    Language::new("it", Plural::One, include_str!("messages/it.toml")),
    Language::new("ja", Plural::Same, include_str!("messages/ja.toml")),
    // Who reads Nynorsk, or says no more than "Norwegian", reads Bokmål.
    Language::new("nb", Plural::One, include_str!("messages/nb.toml")).also(&["no", "nn"]),
    Language::new("nl", Plural::One, include_str!("messages/nl.toml")),
    Language::new("pl", Plural::Polish, include_str!("messages/pl.toml")),
    Language::new("pt", Plural::NoneOrOne, include_str!("messages/pt.toml")),
    Language::new("sv", Plural::One, include_str!("messages/sv.toml")),
    // Simplified characters.
    Language::new("zh", Plural::Same, include_str!("messages/zh.toml")),
];

/// The language of one answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("enum" = Locale::tags()))]
pub(crate) struct Locale(pub(crate) &'static Language);

impl Locale {
    /// Every language there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().map(Self)
    }

    fn tags() -> Vec<&'static str> {
        Self::all().map(|locale| locale.0.tag).collect()
    }
}

/// English.
impl Default for Locale {
    fn default() -> Self {
        let [english, ..] = &LANGUAGES;
        Self(english)
    }
}

impl PartialEq for Locale {
    fn eq(&self, other: &Self) -> bool {
        self.0.tag == other.0.tag
    }
}

impl Eq for Locale {}

impl TryFrom<String> for Locale {
    type Error = String;

    fn try_from(tag: String) -> Result<Self, String> {
        let known = Self::all().find(|locale| locale.0.tag == tag);
        let there_are = || Self::tags().join(", ");
        known.ok_or_else(|| format!("there is no language {tag:?}: use some of {}", there_are()))
    }
}

/// The languages that are spoken: at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Languages {
    default: Locale,
    others: Vec<Locale>,
}

/// English alone.
impl Default for Languages {
    fn default() -> Self {
        Self {
            default: Locale::default(),
            others: Vec::new(),
        }
    }
}

/// The most language ranges of a header that are looked at.
const MOST_RANGES: usize = 32;

impl Languages {
    /// Those of a list. Without a word about the default it is English, or else the first.
    ///
    /// # Errors
    ///
    /// The list is empty, or the default is not in it.
    pub(crate) fn new(spoken: &[Locale], default: Option<Locale>) -> Result<Self, Problem> {
        let english = spoken.contains(&Locale::default()).then(Locale::default);
        let first = english.or(spoken.first().copied()).ok_or_else(|| {
            let hint = "name one at least, or leave the key out for all of them";
            Problem::new("pages.languages", "no language is spoken").hint(hint)
        })?;
        let default = default.unwrap_or(first);
        if !spoken.contains(&default) {
            let message = format!("{:?} is not one of pages.languages", default.0.tag);
            let tags: Vec<_> = spoken.iter().map(|locale| locale.0.tag).collect();
            let hint = format!("those are {}", tags.join(", "));
            return Err(Problem::new("pages.default_language", message).hint(hint));
        }
        let mut others: Vec<Locale> = Vec::new();
        for locale in spoken {
            if *locale != default && !others.contains(locale) {
                others.push(*locale);
            }
        }
        Ok(Self { default, others })
    }

    /// What is spoken, the default first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Locale> {
        std::iter::once(self.default).chain(self.others.iter().copied())
    }

    /// This language if it is spoken, or else the default: what was begun before a change of the
    /// settings may name one that is spoken no more.
    pub(crate) fn or_default(&self, locale: Locale) -> Locale {
        let mut spoken = self.iter();
        spoken.find(|one| *one == locale).unwrap_or(self.default)
    }

    /// The language that suits an `Accept-Language` best (RFC 9110 section 12.5.4, by the lookup
    /// of RFC 4647 section 3.4), or the default.
    pub(crate) fn negotiate(&self, accept_language: Option<&str>) -> Locale {
        let mut ranges: Vec<(u16, &str)> = accept_language
            .unwrap_or_default()
            .split(',')
            .take(MOST_RANGES)
            .filter_map(|item| {
                let (range, weight) = item.split_once(';').unwrap_or((item, "q=1"));
                Some((quality(weight)?, range.trim()))
            })
            .filter(|(quality, _)| *quality > 0)
            .collect();
        ranges.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        let mut found = ranges.iter().filter_map(|(_, range)| self.lookup(range));
        found.next().unwrap_or(self.default)
    }

    /// The language of a range, or of what is left of it when it is cut from the end.
    fn lookup(&self, range: &str) -> Option<Locale> {
        if range == "*" {
            return Some(self.default);
        }
        let mut range = range;
        loop {
            let known = self.iter().find(|locale| locale.0.is_called(range));
            if known.is_some() {
                return known;
            }
            range = range.rsplit_once('-')?.0;
        }
    }
}

/// `q=0.8` in thousandths.
fn quality(parameter: &str) -> Option<u16> {
    let number: f32 = parameter.trim().strip_prefix("q=")?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000 after the check"
    )]
    (0.0..=1.0)
        .contains(&number)
        .then(|| (number * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(tag: &str) -> Locale {
        Locale::try_from(tag.to_owned()).unwrap()
    }

    fn some(tags: &[&str], default: &str) -> Languages {
        let tags: Vec<_> = tags.iter().map(|tag| named(tag)).collect();
        Languages::new(&tags, Some(named(default))).unwrap()
    }

    fn all() -> Languages {
        Languages::new(&Locale::all().collect::<Vec<_>>(), None).unwrap()
    }

    #[test]
    fn the_best_language_that_is_spoken_is_found() {
        let all = all();
        for (header, expected) in [
            ("de-CH, en;q=0.8", "de"),
            ("en;q=0.8, de;q=0.9", "de"),
            ("en;q=0.8,de ; q=0.9", "de"),
            ("de;q=0, EN-gb, fr;q=0.3", "en"),
            ("xx, yy;q=0.9, it;q=0.1", "it"),
            ("fr-Latn-CA-x-y, de;q=0.9", "fr"),
            ("no", "nb"),
            ("nn", "nb"),
            ("no-NO", "nb"),
            ("nn-NO, en;q=0.5", "nb"),
            ("NB-no", "nb"),
            ("zh-Hant-TW", "zh"),
            ("zh-CN, zh;q=0.9", "zh"),
            ("zh-HK", "zh"),
            ("pt-BR", "pt"),
            ("pt-PT, en;q=0.9", "pt"),
            ("*", "en"),
            ("xx, *;q=0.5, de;q=0.3", "en"),
            ("sv, *;q=0.5", "sv"),
            ("xx", "en"),
            ("de;q=0", "en"),
            ("dee, d, de_DE", "en"),
        ] {
            assert_eq!(all.negotiate(Some(header)).0.tag, expected, "{header:?}");
        }
        for nonsense in ["", ";;;", "q=1", "de;q=2", "de;q=NaN", "de;x=1", "-", "ü"] {
            assert_eq!(all.negotiate(Some(nonsense)), Locale::default());
        }
        assert_eq!(all.negotiate(None), Locale::default());
        let within = "xx,".repeat(MOST_RANGES - 1) + "de";
        let beyond = "xx,".repeat(MOST_RANGES) + "de";
        assert_eq!(all.negotiate(Some(&within)).0.tag, "de");
        assert_eq!(all.negotiate(Some(&beyond)).0.tag, "en");
    }

    #[test]
    fn nothing_else_than_what_is_spoken_is_found() {
        let two = some(&["pl", "de", "pl"], "pl");
        assert_eq!(two.iter().count(), 2);
        for (header, expected) in [
            ("en, de;q=0.1", "de"),
            ("en", "pl"),
            ("*", "pl"),
            ("en, *;q=0.1", "pl"),
            ("", "pl"),
        ] {
            assert_eq!(two.negotiate(Some(header)).0.tag, expected, "{header:?}");
        }
        assert_eq!(two.or_default(named("fr")), named("pl"));
        assert_eq!(two.or_default(named("de")), named("de"));
    }

    #[test]
    fn the_default_is_english_or_the_first() {
        let default = |tags: &[&str]| {
            let tags: Vec<_> = tags.iter().map(|tag| named(tag)).collect();
            Languages::new(&tags, None).unwrap().default.0.tag
        };
        assert_eq!(default(&["sv", "en", "da"]), "en");
        assert_eq!(default(&["sv", "da"]), "sv");
        assert_eq!(all().default.0.tag, "en");
        let none = Languages::new(&[], None).unwrap_err();
        assert_eq!(none.key, "pages.languages");
        let other = Languages::new(&[named("de")], Some(named("en"))).unwrap_err();
        assert_eq!(other.key, "pages.default_language");
    }

    #[test]
    fn numbers_take_the_forms_of_their_language() {
        let numbers = [
            0, 1, 2, 4, 5, 11, 12, 14, 21, 22, 25, 101, 102, 112, 1_000_000,
        ];
        for (tags, forms) in [
            ("en da de es fi it nb nl sv", "o1ooooooooooooo"),
            ("fr pt", "11ooooooooooooo"),
            ("ja zh", "ooooooooooooooo"),
            ("pl", "m1ffmmmmmfmmfmm"),
        ] {
            for tag in tags.split(' ') {
                let plural = named(tag).0.plural;
                let taken = numbers.map(|number| plural.form(number));
                let said: String = taken
                    .iter()
                    .map(|form| match form {
                        Form::One => '1',
                        Form::Few => 'f',
                        Form::Many => 'm',
                        Form::Other => 'o',
                    })
                    .collect();
                assert_eq!(said, forms, "{tag}");
                assert!(taken.iter().all(|form| plural.forms().contains(form)));
            }
        }
    }

    #[test]
    fn a_language_is_named_once() {
        let mut tags: Vec<_> = LANGUAGES.iter().flat_map(|l| l.also).copied().collect();
        tags.extend(Locale::tags());
        let count = tags.len();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), count);
        let unknown = Locale::try_from("xx".to_owned()).unwrap_err();
        assert!(
            unknown.contains("\"xx\"") && unknown.contains("en, da, de"),
            "{unknown}"
        );
    }
}
