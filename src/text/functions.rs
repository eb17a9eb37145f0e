//! What templates can call besides minijinja's own: `t`, `ago`, `utc`, `initials`, `icon`,
//! `mark` and `script`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use minijinja::{
    Environment, Error, ErrorKind, HtmlEscape, Value,
    value::{Kwargs, Serde},
};
use serde::Deserialize;

use super::{
    message::Catalogue,
    page::{Icon, Script},
};
use crate::clock::Timestamp;

/// Makes the functions known to a language's environment.
pub(crate) fn add(
    environment: &mut Environment<'static>,
    catalogue: Catalogue,
    pictures: &Arc<BTreeMap<String, String>>,
) {
    let catalogue = Arc::new(catalogue);
    let speaker = Arc::clone(&catalogue);
    environment.add_function("t", move |text: Value, named: Kwargs| {
        translate(&speaker, &text, &named)
    });
    environment.add_function(
        "ago",
        move |then: Serde<Timestamp>, now: Serde<Timestamp>| ago(&catalogue, now.0.since(then.0)),
    );
    environment.add_function("utc", |at: Serde<Timestamp>| utc(at.0));
    environment.add_function("initials", |name: &str| initials(name));
    let pictures = Arc::clone(pictures);
    environment.add_function("icon", move |name: &str, of: Option<&str>| {
        Value::from_safe_string(match pictures.get(name) {
            Some(address) => {
                let address = HtmlEscape(address);
                format!("<img src=\"{address}\" width=\"20\" height=\"20\" alt=\"\">")
            }
            None => match (Icon::find(name), of.and_then(letter)) {
                (None, Some(letter)) => include_str!("templates/letter.svg")
                    .trim()
                    .replace("LETTER", &HtmlEscape(letter.as_str()).to_string()),
                (icon, _) => icon.unwrap_or(Icon::Key).svg().to_owned(),
            },
        })
    });
    environment.add_function("mark", || {
        Value::from_safe_string(include_str!("templates/icon.svg").trim().to_owned())
    });
    environment.add_function("script", script);
}

/// `t("login.title")`, `t("login.to", host=page.destination)`, `t(page.problem)`.
fn translate(catalogue: &Catalogue, text: &Value, named: &Kwargs) -> Result<String, Error> {
    let mut args: BTreeMap<&str, String> = BTreeMap::new();
    let mut count = None;
    for name in named.args() {
        let value: Value = named.get(name)?;
        if name == "count" {
            count = Some(u64::try_from(value)?);
        } else {
            args.insert(name, value.to_string());
        }
    }
    let said = if let Some(key) = text.as_str() {
        catalogue.say(key, &args, count)
    } else {
        let key = text.get_attr("key")?;
        let held = BTreeMap::<String, String>::deserialize(text.get_attr("args")?)?;
        let number = text.get_attr("count")?;
        if !number.is_none() {
            count = Some(u64::try_from(number)?);
        }
        let held = held
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        let args = args.into_iter().chain(held).collect();
        catalogue.say(key.as_str().unwrap_or_default(), &args, count)
    };
    said.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// How long ago something was, in one unit.
fn ago(catalogue: &Catalogue, past: Duration) -> Result<String, Error> {
    let minutes = past.as_secs() / 60;
    let (key, count) = match minutes {
        0 => ("time.now", None),
        1..60 => ("time.minutes", Some(minutes)),
        60..1440 => ("time.hours", Some(minutes / 60)),
        _ => ("time.days", Some(minutes / 1440)),
    };
    catalogue
        .say(key, &BTreeMap::new(), count)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// The time as `2026-01-31T12:00:00Z`, for `<time datetime>`.
fn utc(at: Timestamp) -> String {
    // Year 9999 is where the format ends.
    let seconds = u64::try_from(at.seconds())
        .unwrap_or(0)
        .min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// What stands for a name that has no picture.
fn letter(name: &str) -> Option<String> {
    let letter = name.chars().find(|c| c.is_alphanumeric())?;
    Some(letter.to_uppercase().collect())
}

/// The first letters of the first and the last word.
fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next_back();
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

/// `{{ script("fragment") }}`: the element with the very bytes that the policy hashes.
fn script(name: &str) -> Result<Value, Error> {
    let script = Script::ALL.into_iter().find(|script| script.name() == name);
    let script = script.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("there is no script {name:?}"),
        )
    })?;
    Ok(Value::from_safe_string(format!(
        "<script>{}</script>",
        script.source()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_the_outer_ones() {
        assert_eq!(initials("Ada Lovelace"), "AL");
        assert_eq!(initials("alice"), "A");
        assert_eq!(initials("José María de la Cruz"), "JC");
        assert_eq!(initials("ada.byron@example.com"), "AC");
        assert_eq!(initials("<script>"), "S");
        assert_eq!(initials(" \u{202e}"), "");
    }

    #[test]
    fn times_of_any_age_are_said() {
        assert_eq!(utc(Timestamp::from_millis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(utc(Timestamp::from_millis(-5)), "1970-01-01T00:00:00Z");
        assert!(utc(Timestamp::from_millis(i64::MAX)).starts_with("9999"));
    }
}
