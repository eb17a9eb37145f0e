//! A person deletes their own account: asked for on the account page, by whoever has proven a moment
//! ago who they are, and confirmed on a page that says what goes.

use http::StatusCode;

use super::{Engine, Turn, Visit, sign_out::display_name};
use crate::{
    connection::AccountError,
    identity::{Identity, UserId},
    session::{Session, Token},
    store::{EventKind, IdentityRecord, StoreError, UserRecord, Whose},
    text::page::{DeleteAccount, Page, SignedOut, login::Notice},
    user::ChangeError,
};

/// The actions of the account page.
pub(super) const ASKED: &str = "delete-account";
pub(super) const CONFIRMED: &str = "delete-account-confirmed";

/// The event's reason.
const REASON: &str = "person";

impl Engine {
    /// Whether this is for the person to do: the operator may have kept it from the people of a
    /// connection, and whoever owns the place does not leave it by a button.
    pub(super) fn may_delete(&self, user: &UserRecord, held: &[IdentityRecord]) -> bool {
        let allows = |one: &IdentityRecord| {
            let Identity {
                connection,
                subject,
                ..
            } = &one.identity;
            let known = self.connections.find(connection);
            known.is_some_and(|(known, settings)| {
                // Who set up a passkey beside another way in came by that one.
                let beside = user.id != UserId::new(connection, subject);
                settings.deletes_accounts() || (beside && known.passkeys().is_some())
            })
        };
        !user.owner && held.iter().all(allows)
    }

    /// POST account, `action=delete-account`.
    pub(super) async fn ask_to_delete(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
    ) -> Turn {
        let (user, held) = match self.leaving(visit, session).await {
            Ok(Ok(leaving)) => leaving,
            Ok(Err(turn)) => return *turn,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let page = DeleteAccount {
            display_name: display_name(&user),
            handle: user.handle,
            ways: (held.iter())
                .map(|one| self.name_of(&one.identity.connection))
                .collect(),
            post: self.form(token, CONFIRMED, None),
            stay: self.href("account"),
        };
        Turn::page(StatusCode::OK, Page::DeleteAccount(page))
    }

    /// POST account, `action=delete-account-confirmed`.
    pub(super) async fn delete_account(&self, visit: &Visit, session: &Session) -> Turn {
        let (user, held) = match self.leaving(visit, session).await {
            Ok(Ok(leaving)) => leaving,
            Ok(Err(turn)) => return *turn,
            Err(error) => return self.store_is_away(visit, &error),
        };
        // Whoever is still in a store elsewhere would be back with the next login.
        for one in &held {
            let id = &one.identity.connection;
            let Some((connection, settings)) = self.connections.find(id) else {
                continue;
            };
            let Some(accounts) = connection.accounts() else {
                continue;
            };
            match accounts.delete(&one.identity.subject).await {
                Ok(()) => {}
                Err(AccountError::Rejected(rejection)) => {
                    return self.rejected(visit, settings, &rejection, None);
                }
                Err(_) => return self.done(""),
            }
        }
        let deleted = (self.parts.directory)
            .delete(&user.id, REASON, &visit.origin())
            .await;
        match deleted {
            Ok(()) | Err(ChangeError::UnknownUser(_)) => {}
            Err(ChangeError::Store(error)) => return self.store_is_away(visit, &error),
            Err(_) => return self.done(""),
        }
        let event = self
            .event(visit, EventKind::SessionRevoked, "deleted")
            .user(&user.id);
        let whose = Whose::User(user.id);
        if let Err(error) = self.parts.sessions.revoke_all(&whose, event).await {
            return self.store_is_away(visit, &error);
        }
        let page = SignedOut {
            notice: Some(Notice::AccountDeleted),
            still_at: None,
            sign_in: self.href("login"),
        };
        let names = self.names();
        Turn::page(StatusCode::OK, Page::SignedOut(page))
            .with(names.clear(names.session()))
            .with(self.stay())
    }

    /// Who may delete their account now; or where else they go.
    async fn leaving(
        &self,
        visit: &Visit,
        session: &Session,
    ) -> Result<Result<(UserRecord, Vec<IdentityRecord>), Box<Turn>>, StoreError> {
        let directory = self.parts.directory.store();
        let id = &session.user().id;
        let Some(user) = directory.find(id).await? else {
            return Ok(Err(Box::new(self.done(""))));
        };
        let held = directory.identities(id).await?;
        if !self.may_delete(&user, &held) {
            return Ok(Err(Box::new(self.done(""))));
        }
        if !self.has_fresh_proof(visit, session).await? {
            let back = self.path("account?done=confirmed");
            return Ok(Err(Box::new(self.to_fresh_login(&back, None))));
        }
        Ok(Ok((user, held)))
    }
}
