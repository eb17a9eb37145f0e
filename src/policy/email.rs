//! Which e-mail address counts.

use std::{collections::HashMap, sync::Arc};

use crate::{
    connection::TrustEmail, identity::ConnectionId, protocol::EmailAddress, store::IdentityRecord,
};

/// How far each connection's word about e-mail addresses is believed. A connection that is not in
/// it is not believed at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct EmailTrust(Arc<HashMap<ConnectionId, TrustEmail>>);

impl EmailTrust {
    /// The address that rules and applications may see: one that this identity's own connection
    /// asserts and is trusted for, in a form that every reader understands alike. The user's
    /// profile is not asked, for another connection may have written it.
    pub(crate) fn email(&self, known: &IdentityRecord) -> Option<EmailAddress> {
        let identity = &known.identity;
        let believed = match self.0.get(&identity.connection)? {
            TrustEmail::Always => true,
            TrustEmail::Never => false,
            TrustEmail::Verified => identity.profile.email_verified,
        };
        let email = identity.profile.email.as_deref().filter(|_| believed)?;
        EmailAddress::parse(email).ok()
    }
}

impl FromIterator<(ConnectionId, TrustEmail)> for EmailTrust {
    fn from_iter<I: IntoIterator<Item = (ConnectionId, TrustEmail)>>(pairs: I) -> Self {
        Self(Arc::new(pairs.into_iter().collect()))
    }
}
