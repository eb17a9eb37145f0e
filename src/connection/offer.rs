//! What one page offers for signing in, worked out once for each generation of the configuration.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Connections, InlineForm, LoginNames, PasswordForm};
use crate::identity::ConnectionId;

/// The connections that open one page, as the login page needs them: a visit to it costs the same
/// whether they are two or ten thousand.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    all: HashSet<ConnectionId>,
    /// Those that the page shows as buttons, in the order of the route.
    pub(crate) buttons: Vec<ConnectionId>,
    pub(crate) form: Option<SharedForm>,
    /// The connection whose form for an address shares the page, where no password is asked for and
    /// no name first.
    pub(crate) address_form: Option<ConnectionId>,
    /// Those that ask somebody else about passwords, and perhaps for tickets.
    pub(crate) directories: Vec<ConnectionId>,
    /// Whether the domain of what is typed may lead somewhere else: then the name is asked for first.
    pub(crate) asks_for_name_first: bool,
    /// The only way in, where that is neither a button nor the form.
    pub(crate) sole: Option<ConnectionId>,
}

/// The form with a name and a password on the login page. It is that of one connection, and serves
/// others whose people are told apart by their domains when it comes back.
#[derive(Clone, Debug)]
pub(crate) struct SharedForm {
    /// Whose it is: whoever no domain says otherwise signs in there.
    pub(crate) id: ConnectionId,
    pub(crate) form: PasswordForm,
    /// Changes with the settings of any connection that it serves.
    pub(crate) fingerprint: u64,
    /// Whether one that it serves is private: then nothing may tell which of them said no.
    pub(crate) keeps_a_secret: bool,
}

impl Offer {
    /// Whether this connection opens the page.
    pub(crate) fn contains(&self, id: &ConnectionId) -> bool {
        self.all.contains(id)
    }
}

/// A connection that asks with a password form.
struct Inline<'a> {
    id: &'a ConnectionId,
    form: PasswordForm,
    private: bool,
    /// Passwords that are kept here come before those that somebody else is asked about.
    is_elsewhere: bool,
    button: bool,
    by_domain: bool,
    fingerprint: u64,
}

impl Connections {
    /// What the login page offers where these connections open the page that was wanted.
    pub(crate) fn offer(&self, ids: &[ConnectionId]) -> Offer {
        let enabled: Vec<_> = ids.iter().filter(|id| self.enabled(id).is_some()).collect();
        let form = self.shared_form(&enabled);
        let settings = |id: &ConnectionId| self.enabled(id).map(|(_, settings)| settings);
        let is_form = |id: &ConnectionId| form.as_ref().is_some_and(|form| form.id == *id);
        let mut buttons: Vec<_> = enabled
            .iter()
            .filter(|id| settings(id).is_some_and(|settings| settings.common.is_button()))
            .filter(|id| !is_form(id))
            .map(|id| (*id).clone())
            .collect();
        let asks_for_name_first = enabled.iter().any(|id| {
            settings(id).is_some_and(|settings| {
                !settings.common.is_private() && !settings.common.domains.is_empty()
            })
        });
        let is_passwordless = |id: &&ConnectionId| {
            let found = self.enabled(id);
            found.is_some_and(|(connection, _)| connection.passwordless().is_some())
        };
        let address_form = if form.is_some() || asks_for_name_first {
            None
        } else {
            buttons.iter().find(is_passwordless).cloned()
        };
        buttons.retain(|id| address_form.as_ref() != Some(id));
        let directories = enabled
            .iter()
            .filter(|id| self.as_inline(id).is_some_and(|inline| inline.is_elsewhere));
        let directories = directories.map(|id| (*id).clone()).collect();
        let sole = match enabled.as_slice() {
            [one] if buttons.is_empty() && address_form.is_none() && !is_form(one) => {
                Some((*one).clone())
            }
            _ => None,
        };
        Offer {
            all: enabled.into_iter().cloned().collect(),
            buttons,
            form,
            address_form,
            directories,
            asks_for_name_first,
            sole,
        }
    }

    fn shared_form(&self, enabled: &[&ConnectionId]) -> Option<SharedForm> {
        let mut inline: Vec<_> = enabled.iter().filter_map(|id| self.as_inline(id)).collect();
        inline.sort_by_key(|one| (one.private, one.is_elsewhere, one.id));
        let alone = enabled.len() == 1;
        let may_be_first =
            |one: &&Inline<'_>| alone || one.button || (one.private && one.by_domain);
        let first = inline.iter().find(may_be_first)?;
        let mut hasher = DefaultHasher::new();
        let serves = |one: &&Inline<'_>| one.id == first.id || one.by_domain;
        for one in inline.iter().filter(serves) {
            (one.id, one.fingerprint).hash(&mut hasher);
        }
        let keeps_a_secret = inline.iter().any(|one| one.private && one.by_domain);
        let mut form = first.form.clone();
        if keeps_a_secret && form.names == LoginNames::Username {
            // Addresses are typed here too.
            form.names = LoginNames::EmailOrUsername;
        }
        Some(SharedForm {
            id: first.id.clone(),
            form,
            fingerprint: hasher.finish(),
            keeps_a_secret,
        })
    }

    fn as_inline<'a>(&self, id: &'a ConnectionId) -> Option<Inline<'a>> {
        let (connection, settings) = self.enabled(id)?;
        let InlineForm::Password(form) = connection.inline()?;
        let common = &settings.common;
        Some(Inline {
            id,
            form,
            private: common.is_private(),
            is_elsewhere: connection.accounts().is_none(),
            button: common.is_button(),
            by_domain: !common.domains.is_empty(),
            fingerprint: settings.fingerprint,
        })
    }

    /// Which connection reads what came back with the shared form: that whose domain was typed, if
    /// it asks with a password form, else the form's own. Of several the first by the order in which
    /// they would have the form.
    pub(crate) fn behind_form(
        &self,
        offer: &Offer,
        form: &SharedForm,
        typed: &str,
    ) -> ConnectionId {
        let of_domain = super::discovery::realm_of(typed).and_then(|domain| {
            self.realms().of(&domain).find_map(|(_, ids)| {
                let offered = ids.iter().filter(|id| offer.contains(id));
                let inline = offered.filter_map(|id| self.as_inline(id));
                inline
                    .min_by_key(|one| (one.private, one.is_elsewhere, one.id))
                    .map(|one| one.id.clone())
            })
        });
        of_domain.unwrap_or_else(|| form.id.clone())
    }
}
