//! Several ways to sign in for one person: who is signed in proves another identity as well, and it
//! becomes theirs. Equal e-mail addresses link nobody.
//!
//! The account page begins a login like any other, whose flow names the session that began it. What
//! that login proves is taken into the account of this session and of no other. An identity that is
//! a user of its own is merged after a question: the other account ends.

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    factor::{Asks, Waiting},
    pending::Pending,
};
use crate::{
    connection::Authenticated,
    identity::{ConnectionId, Identity, Subject, UserId},
    session::Session,
    store::{EventKind, IdentityRecord, OneTimeUse, UserRecord, Whose},
    text::{
        Letter,
        letter::AddedMethod,
        page::{
            Hidden, Post,
            account::LinkRow,
            failure::{ActionLabel, Denial, FailureKind},
            login::StartAgainWhy,
        },
    },
    user::{ChangeError, MetadataRule, Refusal},
};

/// The event's reason: the person proved both.
const REASON: &str = "person";

impl Engine {
    /// POST account, `action=link`: the login that proves another identity begins.
    pub(super) async fn begin_link(
        &self,
        visit: &Visit,
        session: &Session,
        fields: &Fields,
    ) -> Turn {
        let wanted = fields.one("connection").and_then(|id| id.parse().ok());
        let Some(id) = wanted.filter(|_| self.is_login_host(&visit.host)) else {
            return self.done("");
        };
        // Whoever took a session must not make a way in of their own.
        if let Err(turn) = self.demand_fresh_proof(visit, session).await {
            return *turn;
        }
        let mut flow = self.begin_flow(self.path("account"), None);
        flow.link = Some(session.id());
        self.begin(visit, flow, &id, None.into()).await
    }

    /// The login is done: whoever it proved becomes part of the signed-in person.
    pub(super) async fn link(&self, visit: &Visit, flow: &LoginFlow, who: Authenticated) -> Turn {
        let Some(session) = self.linking(visit, flow) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let (identity, proof) = who.into_parts();
        let to = &session.user().id;
        let pending = |user: &UserRecord| Pending::new(user, proof, (visit, flow));
        match self.add_identity(visit, to, &identity).await {
            Ok((user, None)) => {
                let pending = pending(&user);
                self.linked(visit, flow, (user, pending), Vec::new()).await
            }
            Ok((_, Some(other))) => {
                let pending = pending(&other);
                Box::pin(self.prove_the_other(visit, flow, (other, pending))).await
            }
            Err(error) => self.not_linked(visit, &identity.connection, &error),
        }
    }

    /// Another account is to end in this one: whoever has only its first factor does not take it.
    async fn prove_the_other(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (other, pending): (UserRecord, Pending),
    ) -> Turn {
        let held = &pending.proof.authentication;
        match self.asked(flow, &other.id, held).await {
            Ok(Some(asks @ (Asks::Code | Asks::Email))) => {
                let waiting = Waiting {
                    pending,
                    asks,
                    raises: None,
                };
                self.await_factor(visit, flow, waiting).await
            }
            Ok(Some(Asks::Enrol) | None) => self.ask_to_switch(visit, flow, &other, pending).await,
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// The signed-in user, and the other one that the identity belongs to and may leave.
    async fn add_identity(
        &self,
        visit: &Visit,
        to: &UserId,
        identity: &Identity,
    ) -> Result<(UserRecord, Option<UserRecord>), ChangeError> {
        let (directory, origin) = (&self.parts.directory, visit.origin());
        let other = directory
            .add_identity(identity, to, (REASON, &origin))
            .await?;
        let user = directory.store().find(to).await?;
        let user = user.ok_or_else(|| ChangeError::UnknownUser(to.clone()))?;
        Ok((user, other))
    }

    /// The person agreed that the other account ends in theirs.
    pub(super) async fn merge(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        pending: Pending,
        uses: Vec<OneTimeUse>,
    ) -> Turn {
        let Some(session) = self.linking(visit, flow) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let proven = &pending.proof.authentication;
        // All sessions of the other user may have been ended since, because it was somebody else who
        // proved this. The session below asks too late, and for another user.
        let (store, proof) = (self.parts.sessions.store(), (&pending.user, proven));
        match store.outdated(proof, pending.proven_at).await {
            Ok(false) => {}
            Ok(true) => {
                return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
            }
            Err(error) => return self.store_is_away(visit, &error),
        }
        let (to, identity) = (&session.user().id, (&proven.connection, &proven.subject));
        let (directory, how) = (&self.parts.directory, (REASON, MetadataRule::default()));
        let was = match directory.link(identity, to, how, &visit.origin()).await {
            Ok(was) => was,
            Err(error) => return self.not_linked(visit, &proven.connection, &error),
        };
        if let Some(was) = was {
            let event = self.event(visit, EventKind::SessionRevoked, "identity-linked");
            let (whose, event) = (Whose::User(was.clone()), event.user(&was));
            if let Err(error) = self.parts.sessions.revoke_all(&whose, event).await {
                return self.store_is_away(visit, &error);
            }
        }
        match directory.store().find(to).await {
            Ok(Some(user)) => self.linked(visit, flow, (user, pending), uses).await,
            Ok(None) => self.start_again(visit, StartAgainWhy::Expired, None),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// The session goes on with one authentication more.
    async fn linked(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (user, pending): (UserRecord, Pending),
        uses: Vec<OneTimeUse>,
    ) -> Turn {
        let added = &pending.proof.authentication.connection;
        let method = self.connections.find(added);
        let method = method.map(|(_, settings)| settings.display_name.clone());
        let keeper = visit.session().and_then(|held| self.keeper(held));
        if let (Some(method), Some((id, subject))) = (method, keeper) {
            let account = self.page_in_mail("account");
            let method = AddedMethod::Connection(method);
            let letter = Letter::SignInMethodAdded { method, account };
            self.mail_notice(visit, (&id, &subject), letter);
        }
        let mut flow = flow.clone();
        flow.return_to = self.path("account?done=identity-linked");
        self.open_session(visit, &flow, (user, pending), uses).await
    }

    /// What somebody set up while they were signed in did not become theirs.
    pub(super) fn not_claimed(
        &self,
        visit: &Visit,
        identity: &Identity,
        error: &ChangeError,
    ) -> Turn {
        let refusal = match error {
            ChangeError::Store(error) => return self.store_is_away(visit, error),
            ChangeError::Blocked(_) => Refusal::Blocked,
            _ => Refusal::UnknownUser,
        };
        tracing::info!(%error, request_id = visit.request_id, "an identity is not whose passkey it is");
        self.refused(visit, &identity.connection, &refusal)
    }

    fn not_linked(&self, visit: &Visit, connection: &ConnectionId, error: &ChangeError) -> Turn {
        if let ChangeError::Store(error) = error {
            return self.store_is_away(visit, error);
        }
        let denial = Denial::IdentityTaken;
        tracing::info!(%error, request_id = visit.request_id, "an identity was not linked");
        self.event(visit, EventKind::LoginFailed, denial.class())
            .connection(connection)
            .log();
        let back = self.action(ActionLabel::Account, "account");
        self.failure(visit, FailureKind::Denied(denial), back)
    }

    /// The session that began this flow, if it is the one of this browser still.
    fn linking<'a>(&self, visit: &'a Visit, flow: &LoginFlow) -> Option<&'a Session> {
        let session = visit.session()?;
        (flow.link == Some(session.id())).then_some(session.as_ref())
    }

    /// POST account, `action=unlink`. Sessions that came by this identity end.
    pub(super) async fn unlink(&self, visit: &Visit, session: &Session, fields: &Fields) -> Turn {
        let connection = fields.one("connection").and_then(|id| id.parse().ok());
        let subject = fields.one("subject").and_then(|id| id.parse().ok());
        let Some((connection, subject)) = connection.zip(subject) else {
            return self.done("");
        };
        if let Err(turn) = self.demand_fresh_proof(visit, session).await {
            return *turn;
        }
        let identity: (&ConnectionId, &Subject) = (&connection, &subject);
        let (directory, user) = (&self.parts.directory, &session.user().id);
        let held = match directory.store().identities(user).await {
            Ok(held) => held,
            Err(error) => return self.store_is_away(visit, &error),
        };
        // Nobody takes away what is another's, nor their own last way in.
        if !held.iter().any(|one| may_leave(one, held.len(), identity)) {
            return self.done("");
        }
        match directory.unlink(identity, REASON, &visit.origin()).await {
            Ok(_) => {}
            Err(ChangeError::Store(error)) => return self.store_is_away(visit, &error),
            Err(_) => return self.done(""),
        }
        let event = self
            .event(visit, EventKind::SessionRevoked, "identity-unlinked")
            .user(user);
        let whose = Whose::Identity(connection.clone(), subject.clone());
        match self.parts.sessions.revoke_all(&whose, event).await {
            Ok(_) => self.done("identity-unlinked"),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// The ways in that can be added.
    pub(super) fn link_rows(&self, form: impl Fn(&ConnectionId) -> Post) -> Vec<LinkRow> {
        let offered = self.connections.all_enabled();
        let rows = offered.filter(|(_, settings)| settings.common.is_button());
        let rows = rows.map(|(connection, settings)| LinkRow {
            display_name: settings.display_name.clone(),
            icon: Some(settings.icon().to_owned()),
            post: form(connection.id()),
        });
        rows.collect()
    }
}

/// Whether this is the identity that is meant, and the person has another one by which the store
/// knows them.
fn may_leave(
    one: &IdentityRecord,
    of: usize,
    (connection, subject): (&ConnectionId, &Subject),
) -> bool {
    one.identity.connection == *connection && one.identity.subject == *subject && removable(one, of)
}

/// Whether a person with so many identities can do without this one.
pub(super) fn removable(one: &IdentityRecord, of: usize) -> bool {
    let founding = UserId::new(&one.identity.connection, &one.identity.subject);
    of > 1 && one.user != founding
}

/// What an unlink form says besides.
pub(super) fn names_of(one: &IdentityRecord) -> [Hidden; 2] {
    let field = |name: &str, value: String| Hidden {
        name: name.to_owned(),
        value,
    };
    [
        field("connection", one.identity.connection.to_string()),
        field("subject", one.identity.subject.to_string()),
    ]
}
