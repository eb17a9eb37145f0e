//! The names of an account to be, wherever it is kept.

use super::{AccountError, BadUsername, LoginName, LoginNames, Personal, SignUp, UsernameRules};
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

impl Names {
    /// Reads what was typed, as far as accounts with `needed` names can have it.
    pub(super) fn read(
        wish: &SignUp,
        (needed, rules): (LoginNames, &UsernameRules),
    ) -> Result<Self, AccountError> {
        let given = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let email = given(&wish.email);
        let email = email.map(|email| read_email(&email)).transpose()?;
        let username = given(&wish.username);
        let username = username
            .map(|name| rules.read(&name, wish.reserved))
            .transpose()?;
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
            LoginNames::Username if username.is_none() => Err(BadUsername::Missing.into()),
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
