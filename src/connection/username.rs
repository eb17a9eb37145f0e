//! What a username is like, where people choose one.
//!
//! The rules bind whoever chooses a name, at sign-up and later, and nobody who signs in: a name that
//! was taken under other rules, or came from elsewhere, stays as good as it was. All that is looked
//! at is the one form in which names are compared ([`LoginName`]). There is never an `@` in one, so no
//! username is somebody's e-mail address.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BadLogin, LoginName};
use crate::{problem::Problem, store::Login};

/// What a username is like, and whether it can be another one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The shortest one, in characters: 1 to 128. Default: 1.
    #[schemars(range(min = 1, max = 128))]
    pub(super) min_length: usize,
    /// The longest one: 1 to 128. Default: 64.
    #[schemars(range(min = 1, max = 128))]
    pub(super) max_length: usize,
    /// Which letters and digits there are in it: those of all scripts (`any`, the default), or `ascii`.
    pub(super) letters: Letters,
    /// What else may be in it, out of ``! # $ ' + - . ^ _ ` ~``. Default: `._-`.
    pub(super) symbols: String,
    /// Names that nobody is given who chooses for themselves, in any case and with any symbols between.
    /// Instead of the list that is built in: `admin`, `root`, `support` and their like.
    pub(super) reserved: Option<Vec<String>>,
    /// Whether people change theirs on the account page. Default: false.
    pub(super) change: bool,
}

/// Which letters and digits there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Letters {
    /// Those of all scripts.
    #[default]
    Any,
    /// `a` to `z` and `0` to `9`.
    Ascii,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_length: 1,
            max_length: 64,
            letters: Letters::Any,
            symbols: "._-".to_owned(),
            reserved: None,
            change: false,
        }
    }
}

/// How short and how long the bounds can be.
const LENGTHS: RangeInclusive<usize> = 1..=128;

/// What can stand in a name besides letters and digits: what Auth0 allows but the `@`.
const SYMBOLS: &str = "!#$'+-.^_`~";

/// The longest list of reserved names.
const MOST_RESERVED: usize = 10_000;

/// Names that speak for the place or for nobody: those that RFC 2142 gives to roles, those of system
/// accounts, and what people take for the operator.
const RESERVED: &[&str] = &[
    "abuse",
    "accounts",
    "admin",
    "administrator",
    "administrators",
    "admins",
    "anonymous",
    "billing",
    "contact",
    "daemon",
    "everyone",
    "guest",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "legal",
    "mail",
    "mailerdaemon",
    "me",
    "mod",
    "moderator",
    "moderators",
    "news",
    "nobody",
    "noc",
    "noreply",
    "null",
    "official",
    "operator",
    "owner",
    "payments",
    "postmaster",
    "privacy",
    "root",
    "sales",
    "security",
    "self",
    "service",
    "staff",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "team",
    "undefined",
    "webmaster",
    "www",
];

impl Config {
    /// Whether people change theirs.
    pub(in crate::connection) fn lets_change(&self) -> bool {
        self.change
    }

    /// What does not fit, with keys that begin at `username`.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, message: String, hint: &str| {
            problems.push(Problem::new(format!("username.{key}"), message).hint(hint));
        };
        let (least, most) = (self.min_length, self.max_length);
        for (key, length) in [("min_length", least), ("max_length", most)] {
            if !LENGTHS.contains(&length) {
                let message = format!("{length} characters are no bound for a username");
                add(key, message, "use 1 to 128");
            }
        }
        if least > most {
            let message = format!("no name has at least {least} and at most {most} characters");
            add("min_length", message, "max_length is 64 unless set");
        }
        if let Some(other) = self.symbols.chars().find(|c| !SYMBOLS.contains(*c)) {
            let message = match other {
                '@' => "a name with @ could be somebody's e-mail address".to_owned(),
                other => format!("{other:?} cannot be in a username"),
            };
            add(
                "symbols",
                message,
                "letters and digits are in it anyway; use some of ! # $ ' + - . ^ _ ` ~",
            );
        }
        let reserved = self.reserved.iter().flatten();
        if reserved.clone().count() > MOST_RESERVED {
            let message = format!("more than {MOST_RESERVED} names");
            add("reserved", message, "keep back the most important ones");
        }
        for (index, name) in reserved.enumerate() {
            if LoginName::parse(name).map_or(true, |name| bare(name.as_str()).is_empty()) {
                let message = format!("{name:?} is nobody's name");
                add(
                    &format!("reserved[{index}]"),
                    message,
                    "write a name with a letter or a digit",
                );
            }
        }
        problems
    }
}

/// The rules of one connection.
#[derive(Clone, Debug)]
pub(crate) struct UsernameRules {
    lengths: RangeInclusive<usize>,
    letters: Letters,
    symbols: Arc<str>,
    /// In lower case, without symbols.
    reserved: Arc<HashSet<String>>,
}

impl UsernameRules {
    /// As set. The settings were found good.
    pub(in crate::connection) fn open(set: &Config) -> Self {
        let own = set
            .reserved
            .as_ref()
            .map(|list| list.iter().map(String::as_str).collect());
        let reserved: Vec<&str> = own.unwrap_or_else(|| RESERVED.to_vec());
        let reserved = reserved
            .into_iter()
            .filter_map(|name| LoginName::parse(name).ok());
        Self {
            lengths: set.min_length..=set.max_length,
            letters: set.letters,
            symbols: set.symbols.as_str().into(),
            reserved: Arc::new(reserved.map(|name| bare(name.as_str())).collect()),
        }
    }

    /// How short and how long a name can be, in characters.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (*self.lengths.start(), *self.lengths.end())
    }

    /// Which letters and digits can be in it.
    pub(crate) fn letters(&self) -> Letters {
        self.letters
    }

    /// What else can be in it.
    pub(crate) fn symbols(&self) -> &str {
        &self.symbols
    }

    /// Reads a name that somebody chooses; only an operator is given one that is `reserved`.
    pub(in crate::connection) fn read(
        &self,
        typed: &str,
        reserved: bool,
    ) -> Result<Login, BadUsername> {
        let typed = typed.trim();
        let (least, most) = self.lengths();
        let name = LoginName::parse(typed).map_err(|bad| match bad {
            BadLogin::Control => BadUsername::Characters,
            BadLogin::Empty => BadUsername::Missing,
            BadLogin::TooLong => BadUsername::TooLong { most },
        })?;
        let name = name.as_str();
        if name.contains('@') {
            return Err(BadUsername::Address);
        }
        if !name.chars().all(|c| self.knows(c)) {
            return Err(BadUsername::Characters);
        }
        match name.chars().count() {
            length if length < least => Err(BadUsername::TooShort { least }),
            length if length > most => Err(BadUsername::TooLong { most }),
            _ if !reserved && self.reserved.contains(&bare(name)) => Err(BadUsername::Reserved),
            _ => Ok(Login {
                typed: typed.to_owned(),
                normalised: name.to_owned(),
            }),
        }
    }

    fn knows(&self, c: char) -> bool {
        let letter = match self.letters {
            Letters::Any => c.is_alphanumeric(),
            Letters::Ascii => c.is_ascii_alphanumeric(),
        };
        letter || self.symbols.contains(c)
    }
}

/// A normalised name without its symbols: `_root_` is read as `root`.
fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Why a name is not taken. The person may know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadUsername {
    #[error("a username is not an e-mail address")]
    Address,
    #[error("the username has a character that is not allowed (see connections.NAME.username)")]
    Characters,
    #[error("there is no username")]
    Missing,
    #[error("the username is reserved (connections.NAME.username.reserved)")]
    Reserved,
    #[error("a username has at most {most} characters")]
    TooLong { most: usize },
    #[error("a username has at least {least} characters")]
    TooShort { least: usize },
}

/// A username became another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UsernameChange {
    pub(crate) was: Option<String>,
    pub(crate) now: String,
}

/// Who changes usernames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UsernamesChange {
    /// There are none here, or they are kept elsewhere.
    ByNobody,
    ByOperator,
    /// People their own, too.
    ByPerson,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(config: &str) -> UsernameRules {
        let config: Config = toml::from_str(config).unwrap();
        assert_eq!(config.problems(), [], "{config:?}");
        UsernameRules::open(&config)
    }

    #[test]
    fn a_username_is_what_it_always_was_unless_set() {
        let rules = rules("");
        let read = |typed: &str| rules.read(typed, false).map(|login| login.normalised);
        for (typed, is) in [
            ("a", "a"),
            ("Alice.B_c-9", "alice.b_c-9"),
            (" ａｌｉｃｅ ", "alice"),
            ("日本", "日本"),
            (&"a".repeat(64), &"a".repeat(64)),
        ] {
            assert_eq!(read(typed).as_deref(), Ok(is));
        }
        assert_eq!(rules.read(" Alice ", false).unwrap().typed, "Alice");
        for (typed, why) in [
            ("", BadUsername::Missing),
            (" ", BadUsername::Missing),
            ("a@b", BadUsername::Address),
            ("ａ＠ｂ", BadUsername::Address),
            ("a b", BadUsername::Characters),
            ("a/b", BadUsername::Characters),
            ("a!b", BadUsername::Characters),
            ("a\0b", BadUsername::Characters),
            (&"a".repeat(65), BadUsername::TooLong { most: 64 }),
            (&"a".repeat(300), BadUsername::TooLong { most: 64 }),
        ] {
            assert_eq!(read(typed), Err(why), "{typed:?}");
        }
    }

    #[test]
    fn the_bounds_are_counted_in_characters_of_the_normal_form() {
        let rules = rules("min_length = 3\nmax_length = 5\nsymbols = \"'+\"");
        let read = |typed: &str| rules.read(typed, false).map(drop);
        assert_eq!(read("ab"), Err(BadUsername::TooShort { least: 3 }));
        assert_eq!(read("äöü"), Ok(()));
        assert_eq!(
            read("A\u{308}b"),
            Err(BadUsername::TooShort { least: 3 }),
            "Ä is one"
        );
        assert_eq!(read("abcde"), Ok(()));
        assert_eq!(read("abcdef"), Err(BadUsername::TooLong { most: 5 }));
        assert_eq!(read("ﬃs"), Ok(()), "a ligature is its letters");
        assert_eq!(read("o'a+b"), Ok(()));
        assert_eq!(read("a.bc"), Err(BadUsername::Characters));
    }

    #[test]
    fn ascii_keeps_look_alikes_out() {
        let rules = rules("letters = 'ascii'");
        for typed in ["\u{430}lice", "älice", "日本", "al\u{131}ce", "a١"] {
            assert_eq!(
                rules.read(typed, false),
                Err(BadUsername::Characters),
                "{typed}"
            );
        }
        assert!(rules.read("Ａlice.1", false).is_ok(), "a wide A is an a");
    }

    #[test]
    fn reserved_names_are_for_the_operator() {
        let built_in = rules("");
        for typed in [
            "admin",
            "Admin",
            "ＡＤＭＩＮ",
            "_admin_",
            "ad.min",
            "no-reply",
            "root",
        ] {
            assert_eq!(
                built_in.read(typed, false),
                Err(BadUsername::Reserved),
                "{typed}"
            );
            assert!(built_in.read(typed, true).is_ok(), "{typed}");
        }
        for typed in ["administra", "admin2", "chroot", "mel"] {
            assert!(built_in.read(typed, false).is_ok(), "{typed}");
        }
        let own = rules("reserved = ['Acme Inc', 'o-o']");
        assert!(own.read("admin", false).is_ok(), "the list is another one");
        assert_eq!(own.read("acme-inc", false), Err(BadUsername::Reserved));
        assert_eq!(own.read("oo", false), Err(BadUsername::Reserved));
        assert!(rules("reserved = []").read("root", false).is_ok());
        for name in RESERVED {
            assert_eq!(bare(name), *name, "as it is compared");
        }
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        for (config, key) in [
            ("min_length = 0", "min_length"),
            ("min_length = 65", "min_length"),
            ("max_length = 129", "max_length"),
            ("max_length = 0", "max_length"),
            ("min_length = 9\nmax_length = 8", "min_length"),
            ("symbols = '.@'", "symbols"),
            ("symbols = 'a'", "symbols"),
            ("symbols = ' '", "symbols"),
            ("symbols = '<'", "symbols"),
            ("reserved = ['ok', '-']", "reserved[1]"),
            ("reserved = ['']", "reserved[0]"),
        ] {
            let config: Config = toml::from_str(config).unwrap();
            let problems = config.problems();
            let found = problems
                .iter()
                .any(|one| one.key == format!("username.{key}"));
            assert!(found, "{config:?}: {problems:?}");
        }
        let many = vec!["a"; MOST_RESERVED + 1];
        let config = Config {
            reserved: Some(many.into_iter().map(str::to_owned).collect()),
            ..Config::default()
        };
        assert_eq!(config.problems()[0].key, "username.reserved");
        for bad in [
            "min_length = -1",
            "letters = 'latin'",
            "lenght = 3",
            "reserved = 'root'",
        ] {
            assert!(toml::from_str::<Config>(bad).is_err(), "{bad}");
        }
        let widest = toml::from_str::<Config>("max_length = 128\nsymbols = \"!#$'+-.^_`~\"");
        assert_eq!(widest.unwrap().problems(), []);
    }
}
