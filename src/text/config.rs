//! `[pages]` as the operator writes it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    colour::Colour,
    language::{Languages, Locale},
};
use crate::problem::Problem;

/// The `[pages]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// What the pages call this place. Default: `Vestibule`.
    pub(crate) title: String,
    /// A picture file (svg, png, jpg, webp; at most 512 KiB) shown above the title.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) logo: Option<PathBuf>,
    /// The colour of buttons and links, `#rgb` or `#rrggbb`. Shades for dark mode and for text are
    /// worked out from it so that they stay readable. Default: `#4453d6`.
    pub(crate) accent: Colour,
    /// A folder with templates of your own: `login.html` there replaces the built-in `login.html`,
    /// `style.css` the style sheet. Files for `include` begin with an underscore.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) templates: Option<PathBuf>,
    /// The languages of pages and messages, of which each browser gets the one that it prefers.
    /// Default: all there are.
    #[schemars(length(min = 1))]
    pub(crate) languages: Vec<Locale>,
    /// The one of them for browsers that prefer none. Default: `en`, or the first of `languages`
    /// where English is not among them.
    pub(crate) default_language: Option<Locale>,
}

impl Config {
    /// What is spoken.
    ///
    /// # Errors
    ///
    /// No language is, or not the default.
    pub(crate) fn spoken(&self) -> Result<Languages, Problem> {
        Languages::new(&self.languages, self.default_language)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            title: "Vestibule".to_owned(),
            logo: None,
            accent: Colour::DEFAULT_ACCENT,
            templates: None,
            languages: Locale::all().collect(),
            default_language: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_known_and_checked() {
        let all = "title = 'Acme'\nlogo = 'l.svg'\naccent = '#0a7'\ntemplates = 'pages'\n\
                   languages = ['de', 'zh']\ndefault_language = 'zh'";
        let config: Config = toml::from_str(all).unwrap();
        assert_eq!(config.accent.to_string(), "#00aa77");
        let tags = |config: &Config| -> Vec<_> {
            let spoken = config.spoken().unwrap();
            spoken.iter().map(|locale| locale.0.tag).collect()
        };
        assert_eq!(tags(&config), ["zh", "de"]);
        assert_eq!(tags(&Config::default()).len(), Locale::all().count());
        assert_eq!(toml::from_str::<Config>("").unwrap().title, "Vestibule");
        for bad in [
            "titel = 'x'",
            "accent = 'red'",
            "accent = '#12345'",
            "accent = '#ggg'",
            "languages = ['tlh']",
            "languages = 'de'",
            "default_language = 'DE'",
        ] {
            assert!(toml::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }
}
