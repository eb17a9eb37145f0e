//! The account page: what a signed-in person sees and changes about themselves.

use http::StatusCode;

use super::{
    Engine, Fields, Turn, Visit, delete_account,
    email_change::WrongEmail,
    link::{names_of, removable},
    password_rules,
    sign_out::display_name,
    username::WrongUsername,
};
use crate::{
    connection::SyncProfile,
    identity::ConnectionId,
    session::{Session, Token},
    store::{EventKind, IdentityRecord, SessionRecord, UserRecord, Whose},
    text::{
        device::device,
        page::{
            Hidden, Page, PasswordRule, Post,
            account::{
                Account, AccountNotice, AccountProblem, Email, IdentityRow, PasswordChange,
                ProfileFields, SessionRow,
            },
            login::{Field, FieldProblem, LoginProblem},
        },
    },
};

/// More sessions than this are not listed one by one.
const MOST_SESSIONS: usize = 50;

/// What was wrong with a form of this page.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub(super) password: WrongPassword,
    pub(super) profile: Option<ProfileFields>,
    pub(super) factors: Option<AccountProblem>,
    pub(super) email: WrongEmail,
    pub(super) username: WrongUsername,
}

/// What was wrong with a change of the password.
#[derive(Debug, Default)]
pub(super) struct WrongPassword {
    pub(super) current: Option<FieldProblem>,
    pub(super) new: Option<(FieldProblem, Vec<PasswordRule>)>,
    /// What is wrong with neither of them.
    pub(super) problem: Option<LoginProblem>,
}

impl Engine {
    /// GET account.
    pub(crate) async fn account(&self, visit: &Visit, query: &Fields) -> Turn {
        if let (Some("totp"), Some((session, token))) = (query.one("add"), &visit.session) {
            return self.begin_to_add(visit, (session, token)).await;
        }
        if let (Some("passkey"), Some((session, token))) = (query.one("add"), &visit.session) {
            return Box::pin(self.begin_to_add_passkey(visit, (session, token))).await;
        }
        let done = query.one("done");
        self.account_page(visit, done.and_then(notice), Wrong::default())
            .await
    }

    /// POST account: `action` says which of its forms.
    pub(crate) async fn change_account(&self, visit: &Visit, fields: &Fields) -> Turn {
        let Some((session, token)) = visit.session.clone() else {
            return self.to_login(visit);
        };
        let given = fields.one("csrf").unwrap_or_default();
        if !token.csrf_matches(&self.parts.ring.load(), given) {
            return self.account_page(visit, None, Wrong::default()).await;
        }
        match fields.one("action") {
            Some("profile") => self.edit_profile(visit, &session, fields).await,
            Some("password") => self.change_password(visit, &session, fields).await,
            Some("revoke") => self.revoke_one(visit, &session, fields).await,
            Some("link") => self.begin_link(visit, &session, fields).await,
            Some("verify-email") => self.mail_link_again(visit, &session).await,
            Some("email") => self.change_email(visit, &session, fields).await,
            Some("username") => self.change_username(visit, &session, fields).await,
            Some("unlink") => self.unlink(visit, &session, fields).await,
            Some(
                action @ ("add-factor" | "add-passkey" | "new-recovery-codes" | "remove-factor"
                | "rename-factor"),
            ) => {
                self.change_factors(visit, (&session, &token), (action, fields))
                    .await
            }
            Some(delete_account::ASKED) => self.ask_to_delete(visit, (&session, &token)).await,
            Some(delete_account::CONFIRMED) => self.delete_account(visit, &session).await,
            Some("revoke-others") => self.revoke_others(visit, &session, "others-revoked").await,
            _ => self.account_page(visit, None, Wrong::default()).await,
        }
    }

    /// GET account at another host: the page lives at the login host, where who is signed in here
    /// has a session too.
    pub(crate) fn account_elsewhere(&self) -> Turn {
        Turn::see_other(format!("{}{}", self.base.login, self.path("account")))
    }

    fn to_login(&self, visit: &Visit) -> Turn {
        let back = self.path("account");
        Turn::see_other(self.login_for(visit, Some(&back)).as_str())
    }

    pub(super) fn done(&self, what: &str) -> Turn {
        Turn::see_other(self.path(&format!("account?done={what}")))
    }

    async fn revoke_one(&self, visit: &Visit, session: &Session, fields: &Fields) -> Turn {
        let wanted = fields.one("session").and_then(|id| id.parse().ok());
        let store = self.parts.sessions.store();
        let Some(id) = wanted else {
            return self.done("");
        };
        match store.find(id).await {
            Err(error) => self.store_is_away(visit, &error),
            // Nobody ends the sessions of others, nor learns whether an id is one.
            Ok(found)
                if found
                    .as_ref()
                    .is_none_or(|one| one.user != session.user().id) =>
            {
                self.done("")
            }
            Ok(_) => {
                let event = self
                    .event(visit, EventKind::SessionRevoked, "person")
                    .user(&session.user().id)
                    .session(id);
                match self.parts.sessions.revoke(id, event).await {
                    Ok(_) => self.done("session-revoked"),
                    Err(error) => self.store_is_away(visit, &error),
                }
            }
        }
    }

    pub(super) async fn revoke_others(&self, visit: &Visit, session: &Session, done: &str) -> Turn {
        let whose = Whose::UserExcept(session.user().id.clone(), session.id());
        let event = self
            .event(visit, EventKind::SessionRevoked, done)
            .user(&session.user().id);
        match self.parts.sessions.revoke_all(&whose, event).await {
            Ok(_) => self.done(done),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    pub(super) async fn account_page(
        &self,
        visit: &Visit,
        notice: Option<AccountNotice>,
        wrong: Wrong,
    ) -> Turn {
        let Some((session, token)) = &visit.session else {
            return self.to_login(visit);
        };
        // Changes of a moment ago must show: the store is asked, not the session.
        let directory = self.parts.directory.store();
        let user = match directory.find(&session.user().id).await {
            Ok(Some(user)) => user,
            Ok(None) => return self.to_login(visit),
            Err(error) => return self.store_is_away(visit, &error),
        };
        let sessions = &self.parts.sessions;
        let whose = Whose::User(user.id.clone());
        let (listed, identities) = match (
            sessions.store().list(&whose, MOST_SESSIONS).await,
            directory.identities(&user.id).await,
        ) {
            (Ok(listed), Ok(identities)) => (listed, identities),
            (Err(error), _) | (_, Err(error)) => return self.store_is_away(visit, &error),
        };
        let known = (identities.as_slice(), wrong.factors);
        let (factors, passkeys) = match (
            self.factor_rows(token, &user.id, known).await,
            self.passkey_rows(token, &user.id, known).await,
        ) {
            (Ok(factors), Ok(passkeys)) => (factors, passkeys),
            (Err(error), _) | (_, Err(error)) => return self.store_is_away(visit, &error),
        };
        let editable = self.sync_mode(&user.synced_by) != Some(SyncProfile::EachLogin);
        let value = |text: &Option<String>| Field {
            value: text.clone().unwrap_or_default(),
            problem: None,
        };
        let profile = wrong.profile.unwrap_or_else(|| ProfileFields {
            name: value(&user.profile.name),
            given_name: value(&user.profile.given_name),
            family_name: value(&user.profile.family_name),
            nickname: value(&user.profile.nickname),
            picture: value(&user.profile.picture),
        });
        let password = self.password_change((session, token), &user, wrong.password);
        let link = self.link_rows(|id| self.form(token, "link", Some(("connection", id))));
        let confirm = self.unverified(session).await;
        let confirm = confirm.map(|_| self.form(token, "verify-email", None));
        let change_email = self.email_form(session, token, wrong.email);
        let change_username = self.username_form(session, token, wrong.username).await;
        let change_username = match change_username {
            Ok(form) => form,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let others = listed.iter().any(|one| one.id != session.id());
        let page = Account {
            now: visit.now,
            notice,
            display_name: display_name(&user),
            user_id: user.id.to_string(),
            handle: user.handle.clone(),
            email: user.profile.email.clone().map(|address| Email {
                address,
                verified: user.profile.email_verified,
                confirm: confirm.clone(),
            }),
            owner: user.owner,
            profile,
            edit: editable.then(|| self.form(token, "profile", None)),
            ruled_by: self.name_of(&user.synced_by),
            password,
            factors,
            passkeys,
            change_email,
            change_username,
            sessions: listed
                .iter()
                .map(|one| self.session_row(session, token, one))
                .collect(),
            revoke_others: others.then(|| self.form(token, "revoke-others", None)),
            identities: self.identity_rows(token, &identities),
            link,
            delete: (self.may_delete(&user, &identities))
                .then(|| self.form(token, delete_account::ASKED, None)),
            sign_out: Post {
                action: self.href("logout"),
                csrf: token.csrf(&self.parts.ring.load()),
                hidden: Vec::new(),
            },
            back: crate::text::page::Href::path("/"),
        };
        Turn::page(StatusCode::OK, Page::Account(Box::new(page)))
    }

    fn identity_rows(&self, token: &Token, held: &[IdentityRecord]) -> Vec<IdentityRow> {
        let row = |known: &IdentityRecord| {
            let profile = &known.identity.profile;
            let label = profile.email.clone().or(profile.preferred_username.clone());
            IdentityRow {
                display_name: self.name_of(&known.identity.connection),
                icon: Some(self.icon_of(&known.identity.connection)),
                label: label.unwrap_or_else(|| known.identity.subject.to_string()),
                refreshed_at: known.refreshed_at,
                unlink: removable(known, held.len()).then(|| {
                    let mut post = self.form(token, "unlink", None);
                    post.hidden.extend(names_of(known));
                    post
                }),
            }
        };
        held.iter().map(row).collect()
    }

    fn session_row(&self, session: &Session, token: &Token, one: &SessionRecord) -> SessionRow {
        let this = one.id == session.id();
        let mut connections: Vec<_> = one
            .authentications
            .iter()
            .map(|held| self.name_of(&held.connection))
            .collect();
        connections.dedup();
        SessionRow {
            device: device(&one.user_agent),
            address: one.address.map(|address| address.to_string()),
            connections,
            created_at: one.created_at,
            last_used_at: if this {
                session.last_used_at()
            } else {
                one.last_used_at
            },
            this,
            revoke: (!this).then(|| self.form(token, "revoke", Some(("session", &one.id)))),
        }
    }

    /// The form for a new password, where a connection of this session keeps one.
    fn password_change(
        &self,
        (session, token): (&Session, &Token),
        user: &UserRecord,
        wrong: WrongPassword,
    ) -> Option<PasswordChange> {
        let (id, _) = self.keeper(session)?;
        let (connection, _) = self.connections.enabled(&id)?;
        let accounts = connection.accounts()?;
        let (new_problem, rules) = wrong.new.unzip();
        let email = user.profile.email.clone();
        Some(PasswordChange {
            post: self.form(token, "password", None),
            login: email.unwrap_or_else(|| user.handle.clone()),
            rules: rules.unwrap_or_else(|| password_rules::untold(accounts.next_password_rules())),
            current_problem: wrong.current,
            new_problem,
            problem: wrong.problem,
        })
    }

    /// A form of this page.
    pub(super) fn form(
        &self,
        token: &Token,
        action: &str,
        also: Option<(&str, &dyn std::fmt::Display)>,
    ) -> Post {
        let mut hidden = vec![Hidden {
            name: "action".to_owned(),
            value: action.to_owned(),
        }];
        hidden.extend(also.map(|(name, value)| Hidden {
            name: name.to_owned(),
            value: value.to_string(),
        }));
        Post {
            action: self.href("account"),
            csrf: token.csrf(&self.parts.ring.load()),
            hidden,
        }
    }

    /// How a connection syncs profiles; `None` when it is not configured any more.
    pub(crate) fn sync_mode(&self, id: &ConnectionId) -> Option<SyncProfile> {
        self.connections
            .find(id)
            .map(|(_, settings)| settings.common.sync_profile)
    }

    pub(super) fn name_of(&self, id: &ConnectionId) -> String {
        let known = self.connections.find(id);
        known.map_or_else(
            || id.to_string(),
            |(_, settings)| settings.display_name.clone(),
        )
    }

    fn icon_of(&self, id: &ConnectionId) -> String {
        let known = self.connections.find(id);
        known.map_or_else(String::new, |(_, settings)| settings.icon().to_owned())
    }
}

/// What was done, as the query says it.
fn notice(done: &str) -> Option<AccountNotice> {
    match done {
        "confirmed" => Some(AccountNotice::Confirmed),
        "factor-added" => Some(AccountNotice::FactorAdded),
        "factor-removed" => Some(AccountNotice::FactorRemoved),
        "factor-renamed" => Some(AccountNotice::FactorRenamed),
        "identity-linked" => Some(AccountNotice::IdentityLinked),
        "identity-unlinked" => Some(AccountNotice::IdentityUnlinked),
        "email-asked" => Some(AccountNotice::EmailAsked),
        "mail-sent" => Some(AccountNotice::MailSent),
        "others-revoked" => Some(AccountNotice::OthersRevoked),
        "passkey-added" => Some(AccountNotice::PasskeyAdded),
        "password-changed" => Some(AccountNotice::PasswordChanged),
        "profile-saved" => Some(AccountNotice::ProfileSaved),
        "session-revoked" => Some(AccountNotice::SessionRevoked),
        "username-changed" => Some(AccountNotice::UsernameChanged),
        _ => None,
    }
}
