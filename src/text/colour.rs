//! Colours, and how well one can be read on another (WCAG 2.2, "relative luminance").

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Deserialize;

/// An opaque sRGB colour, written `#rgb` or `#rrggbb`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"))]
pub(crate) struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// The least contrast of text (WCAG 2.2 success criterion 1.4.3).
pub(crate) const TEXT_CONTRAST: f64 = 4.5;
/// The least contrast of the edge of a control (success criterion 1.4.11).
pub(crate) const EDGE_CONTRAST: f64 = 3.0;

impl Colour {
    /// The accent where the operator names none.
    pub(crate) const DEFAULT_ACCENT: Self = Self::new(0x44, 0x53, 0xd6);
    /// What cards are made of in the light scheme; `--surface` in the style sheet.
    pub(crate) const SURFACE_LIGHT: Self = Self::new(0xff, 0xff, 0xff);
    /// What cards are made of in the dark scheme.
    pub(crate) const SURFACE_DARK: Self = Self::new(0x17, 0x19, 0x1e);
    const BLACK: Self = Self::new(0, 0, 0);
    const WHITE: Self = Self::new(255, 255, 255);

    const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The variables that follow from an accent, as a style sheet for both schemes.
    ///
    /// Every accent can be a button, because black or white reaches 4.5:1 on any colour. As text,
    /// as a focus ring and as a button's edge it is shifted until it stands out from the card.
    pub(crate) fn accent_css(self) -> String {
        let scheme = |surface: Self| {
            let on = self.ink();
            format!(
                "--accent:{self};--on-accent:{on};--accent-hover:{};--accent-edge:{};\
                 --accent-text:{}",
                self.towards(on.opposite(), 0.12),
                self.readable_on(surface, EDGE_CONTRAST),
                self.readable_on(surface, TEXT_CONTRAST + 0.5),
            )
        };
        format!(
            ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
            scheme(Self::SURFACE_LIGHT),
            scheme(Self::SURFACE_DARK)
        )
    }

    /// How well the two can be told apart: 1 to 21.
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// White text where it can be read on this colour, else black.
    pub(super) fn ink(self) -> Self {
        if self.contrast(Self::WHITE) >= TEXT_CONTRAST {
            Self::WHITE
        } else {
            Self::BLACK
        }
    }

    fn opposite(self) -> Self {
        if self == Self::WHITE {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }

    /// The nearest shade of this colour that has this contrast on a surface.
    fn readable_on(self, surface: Self, least: f64) -> Self {
        (0..=20_u8)
            .map(|step| self.towards(surface.ink(), f64::from(step) / 20.0))
            .find(|shade| shade.contrast(surface) >= least)
            .unwrap_or_else(|| surface.ink())
    }

    /// A mixture: `share` of the other colour.
    fn towards(self, other: Self, share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of two bytes is one"
        )]
        let mix = |from: u8, to: u8| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8
        };
        Self::new(
            mix(self.red, other.red),
            mix(self.green, other.green),
            mix(self.blue, other.blue),
        )
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl FromStr for Colour {
    type Err = BadColour;

    fn from_str(text: &str) -> Result<Self, BadColour> {
        let bad = || BadColour(text.to_owned());
        let digits: Vec<u8> = text
            .strip_prefix('#')
            .ok_or_else(bad)?
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<_>>()
            .ok_or_else(bad)?;
        match *digits.as_slice() {
            [r, g, b] => Ok(Self::new(r * 17, g * 17, b * 17)),
            [r, r0, g, g0, b, b0] => Ok(Self::new(r * 16 + r0, g * 16 + g0, b * 16 + b0)),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Colour {
    type Error = BadColour;

    fn try_from(text: String) -> Result<Self, BadColour> {
        text.parse()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// Not a colour.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0:?} is not a colour like \"#0a7\" or \"#4453d6\"")]
pub(crate) struct BadColour(String);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The custom properties of both schemes, the dark ones over the light ones.
    fn schemes(css: &str) -> [HashMap<String, Colour>; 2] {
        let mut schemes = [HashMap::new(), HashMap::new()];
        let mut before = "";
        for (number, block) in css.split(":root").enumerate() {
            let dark = before
                .trim_end()
                .trim_end_matches('{')
                .trim_end()
                .ends_with("dark)");
            before = block;
            if number == 0 {
                continue;
            }
            let inside = block.split_once('{').unwrap().1.split('}').next().unwrap();
            for line in inside.split(';') {
                let Some((name, value)) = line.split_once(':') else {
                    continue;
                };
                if let Ok(colour) = value.trim().parse::<Colour>() {
                    if !dark {
                        schemes[0].insert(name.trim().to_owned(), colour);
                    }
                    schemes[1].insert(name.trim().to_owned(), colour);
                }
            }
        }
        schemes
    }

    const TEXT_ON: [(&str, &str); 18] = [
        ("--text", "--page"),
        ("--text", "--surface"),
        ("--text", "--sunken"),
        ("--text", "--hover"),
        ("--muted", "--page"),
        ("--muted", "--surface"),
        ("--muted", "--sunken"),
        ("--muted", "--hover"),
        ("--accent-text", "--surface"),
        ("--accent-text", "--page"),
        ("--on-accent", "--accent"),
        ("--on-accent", "--accent-hover"),
        ("--bad", "--surface"),
        ("--bad", "--bad-back"),
        ("--good", "--good-back"),
        ("--note", "--note-back"),
        ("--text", "--badge"),
        ("--muted", "--badge"),
    ];
    const EDGE_ON: [(&str, &str); 5] = [
        ("--edge", "--surface"),
        ("--edge", "--page"),
        ("--bad", "--surface"),
        ("--accent-edge", "--surface"),
        ("--accent-text", "--page"),
    ];

    #[test]
    fn every_pair_of_colours_can_be_read_in_both_schemes() {
        let accents = [
            "#4453d6", "#ffffff", "#000000", "#ffee00", "#ff0000", "#777777", "#0af",
        ];
        for accent in accents {
            let accent: Colour = accent.parse().unwrap();
            let css = format!(
                "{}{}",
                include_str!("templates/style.css"),
                accent.accent_css()
            );
            for (scheme, name) in schemes(&css).iter().zip(["light", "dark"]) {
                for (pairs, least) in [(&TEXT_ON[..], TEXT_CONTRAST), (&EDGE_ON, EDGE_CONTRAST)] {
                    for (front, back) in pairs {
                        let contrast = scheme[*front].contrast(scheme[*back]);
                        assert!(
                            contrast >= least,
                            "{front} on {back}, {name}, accent {accent}: {contrast:.2}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_schemes_are_told_apart() {
        let [light, dark] = schemes(include_str!("templates/style.css"));
        assert_eq!(light["--surface"], Colour::SURFACE_LIGHT);
        assert_eq!(dark["--surface"], Colour::SURFACE_DARK);
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 1e-9);
        let grey: Colour = "#767676".parse().unwrap();
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01);
        assert!("4453d6".parse::<Colour>().is_err());
        assert!("#ä5".parse::<Colour>().is_err());
    }
}
