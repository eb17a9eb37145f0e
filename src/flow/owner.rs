//! The first-run link: whoever holds it makes the owner's account.
//!
//! It is made anew at each start as long as there is no owner, kept hashed, good for an hour, and
//! used up by the POST that makes the account, in the same transaction. Looking at it uses up
//! nothing: messengers and mail scanners fetch every link they see.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    passkey_sign_up::{Joining, NotMade},
    sign_up::{mark, new_account, taken, wish},
};
use crate::{
    clock::Clock,
    connection::{
        AccountError, Accounts, ConnectionSettings, Throttled,
        passkey::{ANSWER_FIELD, Passkeys},
    },
    crypto,
    identity::ConnectionId,
    random::Random,
    store::{EventKind, OneTimeKey, OneTimeRow, OneTimeStore, OneTimeUse, Purpose, StoreError},
    text::page::{
        Page,
        failure::FailureKind,
        login::{NewAccount, Owner, StartAgainWhy},
        passkey::PasskeyAccount,
    },
    user::{Admitted, Refusal},
};

/// How long a link is good for.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Makes a link's token. The text goes to the terminal and nowhere else.
pub(crate) async fn new_owner_token(
    once: &dyn OneTimeStore,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<String, StoreError> {
    let token: [u8; 32] = random.bytes();
    let key = OneTimeKey {
        purpose: Purpose::Owner,
        hash: crypto::sha256(&token),
    };
    once.put(OneTimeRow {
        key,
        payload: Vec::new(),
        until: clock.now() + LIFETIME,
    })
    .await?;
    Ok(URL_SAFE_NO_PAD.encode(token))
}

impl Engine {
    /// GET owner/{token}.
    pub(crate) async fn owner_page(&self, visit: &Visit, token: &str) -> Turn {
        if let Err(turn) = self.owner_key(visit, token).await {
            return *turn;
        }
        if self.keeps_accounts().is_none() && self.takes_passkeys().is_none() {
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        }
        let flow = self.begin_flow("/".to_owned(), None);
        let form = self.owner_account(&flow, token, &Fields::default());
        let passkey = self.owner_passkey(visit, &flow, token);
        self.owner_form(visit, &flow, (form, passkey), StatusCode::OK)
    }

    /// The form that claims by a password.
    fn owner_account(&self, flow: &LoginFlow, token: &str, fields: &Fields) -> Option<NewAccount> {
        let (_, accounts, settings) = self.keeps_accounts()?;
        let post = self.post(flow, &format!("owner/{token}"));
        Some(new_account(post, settings, accounts, fields))
    }

    /// The form that claims by a passkey.
    fn owner_passkey(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        token: &str,
    ) -> Option<PasskeyAccount> {
        let (id, passkeys, _) = self.takes_passkeys()?;
        let post = self.post(flow, &format!("owner/{token}"));
        Some(self.passkey_account(visit, flow, (&id, passkeys, post), None))
    }

    /// Claims by a passkey.
    async fn claim_by_passkey(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (key, token): (OneTimeKey, &str),
        fields: &Fields,
    ) -> Turn {
        let Some((id, passkeys, settings)) = self.takes_passkeys() else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged, None);
        };
        let post = self.post(flow, &format!("owner/{token}"));
        let used = vec![OneTimeUse::Row {
            key,
            now: visit.now,
        }];
        let joining = Joining {
            id: &id,
            passkeys,
            post,
            fields,
        };
        match self.new_person(visit, flow, &joining, (true, used)).await {
            Ok(admitted) => self.claimed(visit, flow, admitted).await,
            Err(NotMade::Account(account, status)) => {
                let form = self.owner_account(flow, token, &Fields::default());
                self.owner_form(visit, flow, (form, Some(*account)), status)
            }
            Err(NotMade::Refused(Refusal::AlreadyUsed(_))) => {
                self.failure(visit, FailureKind::OwnerLinkGone, Vec::new())
            }
            Err(NotMade::Refused(refusal)) => self.refused(visit, &id, &refusal),
            Err(NotMade::Rejected(rejection)) => self.rejected(visit, settings, &rejection, None),
        }
    }

    /// There is an owner now.
    async fn claimed(&self, visit: &Visit, flow: &LoginFlow, admitted: Admitted) -> Turn {
        let event = self.event(visit, EventKind::OwnerClaimed, "first-run-link");
        event.user(&admitted.user.id).log();
        self.enter(visit, flow, admitted).await
    }

    /// POST owner/{token}.
    pub(crate) async fn claim(&self, visit: &Visit, token: &str, fields: &Fields) -> Turn {
        let key = match self.owner_key(visit, token).await {
            Ok(key) => key,
            Err(turn) => return *turn,
        };
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        flow.add_fragment(fields.one("fragment"));
        if fields.one(ANSWER_FIELD).is_some() {
            let claimed = self.claim_by_passkey(visit, &flow, (key, token), fields);
            return Box::pin(claimed).await;
        }
        let Some((id, accounts, settings)) = self.keeps_accounts() else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged, None);
        };
        let post = self.post(&flow, &format!("owner/{token}"));
        let mut form = new_account(post, settings, accounts, fields);
        let both = |form| (Some(form), self.owner_passkey(visit, &flow, token));
        let allowance = match self.parts.throttle.sign_up(visit.address).await {
            Ok(allowance) => allowance,
            Err(Throttled::Until(until)) => return self.throttled(visit, until.since(visit.now)),
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
        };
        let peer = visit.peer_allowed(allowance.proof());
        let prepared = match accounts.sign_up(wish(fields, true), &peer).await {
            Ok(prepared) => prepared,
            Err(AccountError::Rejected(rejection)) => {
                return self.rejected(visit, settings, &rejection, None);
            }
            Err(error) => {
                mark(&mut form, accounts, &error);
                return self.owner_form(visit, &flow, both(form), StatusCode::UNPROCESSABLE_ENTITY);
            }
        };
        let used = vec![OneTimeUse::Row {
            key,
            now: visit.now,
        }];
        match self.make_account(visit, prepared, (true, used)).await {
            Ok(admitted) => self.claimed(visit, &flow, admitted).await,
            Err(Refusal::LoginTaken | Refusal::Exists) => {
                taken(&mut form);
                self.owner_form(visit, &flow, both(form), StatusCode::UNPROCESSABLE_ENTITY)
            }
            Err(Refusal::AlreadyUsed(_)) => {
                self.failure(visit, FailureKind::OwnerLinkGone, Vec::new())
            }
            Err(refusal) => self.refused(visit, &id, &refusal),
        }
    }

    /// The claim form, as it stands.
    pub(super) fn owner_form(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (form, passkey): (Option<NewAccount>, Option<PasskeyAccount>),
        status: StatusCode,
    ) -> Turn {
        let page = Owner {
            form,
            passkey,
            fragment: flow.fragment().unwrap_or_default().to_owned(),
        };
        Turn::page(status, Page::Owner(page)).with(self.keep_flow(visit, flow))
    }

    /// The link's row, if it is good and there is no owner yet.
    async fn owner_key(&self, visit: &Visit, token: &str) -> Result<OneTimeKey, Box<Turn>> {
        let away = |error| Box::new(self.store_is_away(visit, &error));
        let gone = || Box::new(self.failure(visit, FailureKind::OwnerLinkGone, Vec::new()));
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| gone())?;
        let key = OneTimeKey {
            purpose: Purpose::Owner,
            hash: crypto::sha256(&token),
        };
        let links = &self.parts.owner_links;
        let row = links.peek(&key, visit.now).await.map_err(away)?;
        let owned = self
            .parts
            .directory
            .store()
            .has_owner()
            .await
            .map_err(away)?;
        if row.is_some() && !owned {
            Ok(key)
        } else {
            Err(gone())
        }
    }

    /// The first connection, by name, that keeps accounts.
    fn keeps_accounts(&self) -> Option<(ConnectionId, &dyn Accounts, &ConnectionSettings)> {
        self.connections
            .all_enabled()
            .find_map(|(connection, settings)| {
                let accounts = connection.accounts()?;
                Some((connection.id().clone(), accounts, settings.as_ref()))
            })
    }

    /// The first connection, by name, that takes passkeys.
    fn takes_passkeys(&self) -> Option<(ConnectionId, Passkeys<'_>, &ConnectionSettings)> {
        self.connections
            .all_enabled()
            .find_map(|(connection, settings)| {
                let passkeys = connection.passkeys()?;
                Some((connection.id().clone(), passkeys, settings.as_ref()))
            })
    }
}
