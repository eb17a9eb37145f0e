//! Telephone numbers that can be sent a text message, in the one form of ITU-T E.164.
//!
//! What a country's numbers look like is data of Google's libphonenumber, which the `phonenumber`
//! crate brings. A number is taken that is in use in its country's plan and may be a mobile one.

use std::{fmt, str::FromStr};

use phonenumber::{
    country::Id,
    metadata::{DATABASE, Descriptor},
};
use serde::{Deserialize, Deserializer};

use crate::units::from_text;

/// The most bytes that are read: 15 digits (E.164 section 6.2.1) with much between them.
const MOST_TYPED: usize = 40;
/// How many digits, from the country code on, a block of numbers shares that is handed out as one.
const BLOCK: usize = 7;

/// A country with numbers of its own, by its two letters (ISO 3166-1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Country(Id);

/// A number that may be a mobile one: `+` and at most 15 digits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PhoneNumber {
    text: String,
    country: Country,
}

impl Country {
    /// The two letters, in upper case.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref()
    }
}

impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let id = text.parse().map_err(|_| NoCountry)?;
        // Somebody there must have a number.
        let found = DATABASE
            .by_id(text)
            .and_then(|country| country.descriptors().mobile());
        found.map(|_| Self(id)).ok_or(NoCountry)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Not the two letters of a country.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this is no country with mobile numbers; its two letters are meant, like \"GB\"")]
pub(crate) struct NoCountry;

impl PhoneNumber {
    /// Reads what somebody typed. Without `+` in front it is a number as it is dialled in `home`.
    pub(crate) fn parse(typed: &str, home: Option<Country>) -> Result<Self, NoPhoneNumber> {
        let plain = plain(typed)?;
        // With its own country code, the habits of another country say nothing about it.
        let home = home.filter(|_| !plain.starts_with('+'));
        if home.is_none() && !plain.starts_with('+') {
            return Err(NoPhoneNumber::NoCountryCode);
        }
        let read = phonenumber::parse(home.map(|home| home.0), &plain);
        let number = read.map_err(|_| NoPhoneNumber::NotInUse)?;
        if !number.is_valid() {
            return Err(NoPhoneNumber::NotInUse);
        }
        if !is_mobile(&number) {
            return Err(NoPhoneNumber::NotMobile);
        }
        let country = number.country().id().ok_or(NoPhoneNumber::NotInUse)?;
        let text = number.format().to_string();
        let digits = text.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoPhoneNumber::NotInUse);
        }
        Ok(Self {
            text,
            country: Country(country),
        })
    }

    /// `+` and digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The digits alone, which some gateways want.
    pub(crate) fn digits(&self) -> &str {
        self.text.strip_prefix('+').unwrap_or_default()
    }

    /// Whose numbering plan it is of.
    pub(crate) fn country(&self) -> Country {
        self.country
    }

    /// What it shares with the numbers around it, which often have one owner.
    pub(crate) fn block(&self) -> &str {
        self.digits().get(..BLOCK).unwrap_or(self.digits())
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether it may be a mobile number, and none that costs whoever writes to it or that no telephone of
/// somebody's has. The crate's own answer drops zeros in front, which are a part of the number in
/// some countries.
fn is_mobile(number: &phonenumber::PhoneNumber) -> bool {
    let Some(metadata) = number.metadata(&DATABASE) else {
        return false;
    };
    let national = number.national().to_string();
    let kinds = metadata.descriptors();
    let others = [
        kinds.premium_rate(),
        kinds.toll_free(),
        kinds.shared_cost(),
        kinds.voip(),
        kinds.personal_number(),
        kinds.pager(),
        kinds.uan(),
        kinds.voicemail(),
    ];
    let is = |kind: &Descriptor| kind.is_match(&national);
    kinds.mobile().is_some_and(is) && !others.into_iter().flatten().any(is)
}

/// A `+`, if there is one, and the digits, without what people put between them (E.123).
fn plain(typed: &str) -> Result<String, NoPhoneNumber> {
    if typed.len() > MOST_TYPED {
        return Err(NoPhoneNumber::NotANumber);
    }
    let typed = typed.trim();
    let (plus, rest) = match typed.strip_prefix('+') {
        Some(rest) => ("+", rest),
        None => ("", typed),
    };
    let mut plain = plus.to_owned();
    for letter in rest.chars() {
        match letter {
            '0'..='9' => plain.push(letter),
            ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/' => {}
            _ => return Err(NoPhoneNumber::NotANumber),
        }
    }
    Ok(plain)
}

/// Why no text message goes there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NoPhoneNumber {
    #[error("it does not say which country it is of")]
    NoCountryCode,
    #[error("something else than digits is in it")]
    NotANumber,
    #[error("nobody can have this number")]
    NotInUse,
    #[error("it is no mobile number")]
    NotMobile,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(text: &str) -> Country {
        text.parse().unwrap()
    }

    fn read(typed: &str, home: Option<&str>) -> Result<String, NoPhoneNumber> {
        let number = PhoneNumber::parse(typed, home.map(country))?;
        Ok(format!("{number} {}", number.country().as_str()))
    }

    #[test]
    fn every_spelling_is_one_number() {
        let gb = Ok("+447400123456 GB".to_owned());
        for typed in [
            "+447400123456",
            " +44 7400 123456 ",
            "+44 (0)7400 123-456",
            "+44\u{a0}7400.123.456",
        ] {
            assert_eq!(read(typed, None), gb, "{typed}");
            assert_eq!(read(typed, Some("DE")), gb, "{typed}");
        }
        for typed in ["07400 123456", "7400123456", "00447400123456"] {
            assert_eq!(read(typed, Some("GB")), gb, "{typed}");
        }
        assert_eq!(read("+1 415 555 2671", None).unwrap(), "+14155552671 US");
        assert_eq!(read("+1 506 234 5678", None).unwrap(), "+15062345678 CA");
        assert_eq!(
            read("0151 23456789", Some("DE")).unwrap(),
            "+4915123456789 DE"
        );
        // The same country code, another country.
        assert_eq!(read("+44 7781 123456", None).unwrap(), "+447781123456 GG");
    }

    #[test]
    fn what_is_dear_or_no_telephone_is_refused() {
        use NoPhoneNumber::{NoCountryCode, NotANumber, NotInUse, NotMobile};
        for (typed, home, why) in [
            ("+44 9012 345678", None, NotMobile),  // premium rate
            ("+44 800 1234567", None, NotMobile),  // free of charge
            ("+44 70 1234 5678", None, NotMobile), // personal
            ("+44 121 234 5678", None, NotMobile), // in a wall
            ("+1 900 234 5678", None, NotMobile),
            ("+882 16 12345678", None, NotMobile), // satellite and others of no country
            ("+979 1 2345 6789", None, NotMobile), // premium rate of no country
            ("+44 7400", None, NotInUse),
            ("+999 123456789", None, NotInUse),
            ("07400 123456", None, NoCountryCode),
            ("112", Some("GB"), NotInUse),
            ("", Some("GB"), NotInUse),
            ("", None, NoCountryCode),
            ("+447400123456,+4915123456789", None, NotANumber),
            ("+447400123456;ext=1", None, NotANumber),
            ("tel:+447400123456", None, NotANumber),
            ("+44 7400 12345\u{0666}", None, NotANumber),
            ("\u{ff0b}447400123456", None, NotANumber),
            ("+44\r\n7400123456", None, NotANumber),
            ("++447400123456", None, NotANumber),
            (
                "+44 7400 123456 00000000000000000000000000",
                None,
                NotANumber,
            ),
        ] {
            let found = read(typed, home);
            assert!(
                found == Err(why) || (why == NotMobile && found == Err(NotInUse)),
                "{typed}: {found:?}"
            );
        }
    }

    #[test]
    fn the_example_of_each_country_is_read_and_is_itself_when_read_again() {
        let mut read = 0;
        for metadata in DATABASE.iter() {
            let Ok(home) = metadata.id().parse::<Country>() else {
                continue;
            };
            let Some(example) = metadata
                .descriptors()
                .mobile()
                .and_then(|mobile| mobile.example())
            else {
                continue;
            };
            let typed = format!("+{}{example}", metadata.country_code());
            let Ok(number) = PhoneNumber::parse(&typed, None) else {
                panic!("{typed} of {home:?}");
            };
            let again = PhoneNumber::parse(number.as_str(), Some(home)).unwrap();
            assert_eq!(again, number);
            read += 1;
        }
        assert!(read > 200, "{read}");
    }

    #[test]
    fn a_country_has_two_capital_letters() {
        for good in ["GB", "DE", "US"] {
            assert_eq!(country(good).as_str(), good);
        }
        for bad in ["", "gb", "UK", "GBR", "001", "+44", "XX"] {
            assert!(bad.parse::<Country>().is_err(), "{bad}");
        }
    }
}
