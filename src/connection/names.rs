//! The names of an account to be, wherever it is kept.

use super::{AccountError, LoginName, LoginNames, Personal, SignUp};
use crate::{identity::Profile, protocol::EmailAddress, store::Login};

/// What somebody who signs up is called and signs in with.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) email: Option<Login>,
    pub(super) username: Option<Login>,
    pub(super) name: Option<String>,
}

/// The longest name, in bytes.
const MOST_NAME: usize = 256;
/// The longest username, in characters.
const MOST_USERNAME: usize = 64;

impl Names {
    /// Reads what was typed, as far as accounts with `needed` names can have it.
    pub(super) fn read(wish: &SignUp, needed: LoginNames) -> Result<Self, AccountError> {
        let given = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let email = given(&wish.email);
        let email = email.map(|email| read_email(&email)).transpose()?;
        let username = given(&wish.username);
        let username = username.map(|name| read_username(&name)).transpose()?;
        let name = given(&wish.name);
        let bad = |name: &String| name.len() > MOST_NAME || name.chars().any(char::is_control);
        if name.as_ref().is_some_and(bad) {
            return Err(AccountError::BadName);
        }
        match needed {
            LoginNames::Email if email.is_none() => Err(AccountError::BadEmail),
            LoginNames::EmailOrUsername if email.is_none() && username.is_none() => {
                Err(AccountError::BadEmail)
            }
            LoginNames::Username if username.is_none() => Err(AccountError::BadUsername),
            _ => Ok(Self {
                email,
                username,
                name,
            }),
        }
    }

    /// What is known of them so far.
    pub(super) fn profile(&self) -> Profile {
        Profile {
            name: self.name.clone(),
            ..Profile::default()
        }
    }

    /// What a password must not be made of.
    pub(super) fn personal(&self) -> Personal {
        let typed = |login: &Option<Login>| login.as_ref().map(|login| login.typed.clone());
        let (email, username) = (typed(&self.email), typed(&self.username));
        Personal::new(&self.profile(), &[email.as_deref(), username.as_deref()])
    }
}

fn read_email(text: &str) -> Result<Login, AccountError> {
    let email = EmailAddress::parse(text).map_err(|_| AccountError::BadEmail)?;
    let name = LoginName::parse(email.as_str()).map_err(|_| AccountError::BadEmail)?;
    Ok(Login {
        typed: email.as_str().to_owned(),
        normalised: name.as_str().to_owned(),
    })
}

/// A username has no `@`, so it is never somebody's e-mail address.
fn read_username(text: &str) -> Result<Login, AccountError> {
    let name = LoginName::parse(text).map_err(|_| AccountError::BadUsername)?;
    let known = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if name.as_str().chars().count() > MOST_USERNAME || !name.as_str().chars().all(known) {
        return Err(AccountError::BadUsername);
    }
    Ok(Login {
        typed: text.to_owned(),
        normalised: name.as_str().to_owned(),
    })
}
