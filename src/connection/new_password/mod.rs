//! What a new password must be like, where passwords are kept here.
//!
//! A password that somebody wants is a [`Password`]; held against the [`Rule`]s of its connection it
//! becomes a [`NewPassword`], and nothing else is hashed for an account. Rules are about the
//! password alone; names and addresses of the person come as [`Personal`]. Following NIST SP
//! 800-63B-4 section 3.1.1.2 the defaults demand length and that it is not easily guessed, and no
//! mixture of characters; what leaks know is looked up where a source is set. All rules are told
//! before, and after a refusal which of them are met.

mod breached;
mod config;
mod history;
mod rule;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt, sync::Arc};

use self::{breached::Breached, config::Classes};
pub(crate) use self::{
    config::{AtLogin, Config},
    history::{NextPassword, NotNext},
    rule::{Class, Judged, Rule},
};
use super::{MOST_PASSWORD, Password};
use crate::{egress::http::Client, identity::Profile, secret::Secret};

/// The rules of one connection.
#[derive(Debug)]
pub(crate) struct PasswordRules {
    rules: Arc<[Rule]>,
    /// The same with those about the passwords before.
    next_rules: Arc<[Rule]>,
    /// How many passwords of an account are not taken again.
    history: usize,
    breached: Option<Breached>,
    at_login: AtLogin,
}

/// A password that keeps the rules.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword(Password);

impl NewPassword {
    /// What is hashed.
    pub(crate) fn secret(&self) -> &Secret {
        self.0.secret()
    }
}

/// Why one is not taken. The person may know it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadNewPassword {
    #[error("the password does not keep the rules: {}", Broken(.0))]
    Refused(Vec<Judged>),
    #[error("the password is longer than {MOST_PASSWORD} bytes")]
    TooLong,
}

/// The rules that are not met, in a row.
struct Broken<'a>(&'a [Judged]);

impl fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = self.0.iter().filter(|judged| !judged.is_met());
        for (index, judged) in broken.enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{}", judged.rule)?;
        }
        Ok(())
    }
}

impl PasswordRules {
    /// As set. The settings were found good.
    pub(crate) fn open(set: &Config, http: &Client) -> Self {
        let breached = set.breached.as_ref();
        let opened = breached.and_then(|set| Breached::open(set, http));
        let rules = rules(set, opened.is_some());
        let last = set.history;
        let not_used = (last > 0).then_some(Rule::NotUsedBefore { last });
        let next_rules = rules.iter().cloned().chain(not_used).collect();
        Self {
            rules: rules.into(),
            next_rules,
            history: last,
            breached: opened,
            at_login: breached.map_or(AtLogin::Ignore, |set| set.at_login),
        }
    }

    /// What is demanded of the first password of an account.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What is demanded of each after that.
    pub(crate) fn next_rules(&self) -> &[Rule] {
        &self.next_rules
    }

    /// Takes a password that keeps all rules.
    pub(crate) async fn admit(
        &self,
        typed: &Secret,
        personal: Personal,
    ) -> Result<NewPassword, BadNewPassword> {
        let (new, _) = self.keeping(&self.rules, typed, personal).await?;
        Ok(new)
    }

    /// The password with how it was judged. Where it is looked up costs time, so that comes last.
    async fn keeping(
        &self,
        rules: &Arc<[Rule]>,
        typed: &Secret,
        personal: Personal,
    ) -> Result<(NewPassword, Vec<Judged>), BadNewPassword> {
        let password = Password::parse(typed).map_err(|_| BadNewPassword::TooLong)?;
        let mut judged = judge(rules.clone(), &password, personal).await;
        if judged.iter().all(Judged::is_met)
            && let Some(breached) = &self.breached
            && breached.knows(&password).await
        {
            for judged in &mut judged {
                judged.met = Some(judged.rule != Rule::NotBreached);
            }
        }
        if judged.iter().all(Judged::is_met) {
            Ok((NewPassword(password), judged))
        } else {
            Err(BadNewPassword::Refused(judged))
        }
    }

    /// What follows a login with this password, which was right: [`AtLogin::Ignore`] unless it is
    /// known from a leak.
    pub(crate) async fn at_login(&self, password: &Password) -> AtLogin {
        match (&self.breached, self.at_login) {
            (Some(breached), AtLogin::Replace | AtLogin::Warn)
                if breached.knows(password).await =>
            {
                self.at_login
            }
            _ => AtLogin::Ignore,
        }
    }
}

/// Estimating takes some milliseconds, apart from those who are signed in.
async fn judge(rules: Arc<[Rule]>, password: &Password, personal: Personal) -> Vec<Judged> {
    let (all, secret) = (rules.clone(), password.secret().clone());
    let judging =
        tokio::task::spawn_blocking(move || rule::judge(&all, secret.expose(), &personal));
    let nothing_met = |rule: &Rule| Judged {
        rule: rule.clone(),
        met: Some(false),
    };
    judging
        .await
        .unwrap_or_else(|_| rules.iter().map(nothing_met).collect())
}

/// In the order in which they are told.
fn rules(set: &Config, breached: bool) -> Vec<Rule> {
    let mut rules = vec![Rule::Length {
        least: set.min_length,
    }];
    match &set.classes {
        Classes::Some(0) => {}
        Classes::Some(least) => rules.push(Rule::Classes {
            least: *least,
            of: Class::ALL.to_vec(),
        }),
        Classes::These(these) => {
            let of: Vec<_> = (Class::ALL.into_iter())
                .filter(|class| these.contains(class))
                .collect();
            if !of.is_empty() {
                rules.push(Rule::Classes {
                    least: of.len(),
                    of,
                });
            }
        }
    }
    rules.extend(set.most_identical.map(|most| Rule::Identical { most }));
    rules.extend(set.most_sequential.map(|most| Rule::Sequential { most }));
    if set.refuse_personal {
        rules.push(Rule::NotPersonal);
    }
    if !set.words.is_empty() {
        let words = set.words.iter().map(|word| word.to_lowercase());
        rules.push(Rule::NoWords(words.collect()));
    }
    if set.refuse_common {
        rules.push(Rule::NotCommon);
    }
    if set.min_score > 0 {
        let least = set.min_score;
        rules.push(Rule::Score { least });
    }
    if breached {
        rules.push(Rule::NotBreached);
    }
    rules
}

/// What somebody who knows the person would try first: the words of their names and address, in
/// lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Personal(HashSet<String>);

/// A shorter word is in too many passwords by chance, in characters.
const SHORTEST_WORD: usize = 4;

impl Personal {
    /// From the names to sign in with and the rest of the profile.
    pub(crate) fn new(profile: &Profile, names: &[Option<&str>]) -> Self {
        let of_profile = [
            &profile.name,
            &profile.given_name,
            &profile.family_name,
            &profile.middle_name,
            &profile.nickname,
            &profile.preferred_username,
            &profile.email,
        ];
        let texts = of_profile
            .into_iter()
            .filter_map(Option::as_deref)
            .chain(names.iter().copied().flatten());
        let mut words = HashSet::new();
        for text in texts {
            // The domain is shared by everybody there.
            let own = text.rsplit_once('@').map_or(text, |(local, _)| local);
            let lower = own.to_lowercase();
            let parts = lower.split(|c: char| !c.is_alphanumeric());
            let long = |part: &&str| part.chars().count() >= SHORTEST_WORD;
            words.extend(parts.filter(long).map(str::to_owned));
        }
        Self(words)
    }

    /// The words, in no order.
    fn words(&self) -> &HashSet<String> {
        &self.0
    }

    /// Whether a password, in lower case, holds any of them.
    fn is_in(&self, lower: &str) -> bool {
        self.0.iter().any(|word| lower.contains(word.as_str()))
    }
}
