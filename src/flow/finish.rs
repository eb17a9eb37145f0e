//! From a proof to a session.

use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    factor::Waiting,
    pending::{PENDING, Pending, pending_key},
};
use crate::{
    clock::Timestamp,
    connection::{Advice, Authenticated, ConnectionSettings, Once},
    identity::Authentication,
    session::{Brings, Login, OpenError},
    store::{OneTimeRow, OneTimeUse, Purpose, UserRecord},
    text::page::{Advised, Hidden, Page, SwitchUser, login::StartAgainWhy, onward::AdviceText},
    user::{Admission, Admitted},
};

/// A session to be opened or raised.
pub(super) struct Opening {
    pub(super) user: UserRecord,
    pub(super) authentication: Authentication,
    pub(super) brings: Brings,
    pub(super) proven_at: Timestamp,
    pub(super) uses: Vec<OneTimeUse>,
    pub(super) advice: Option<Advice>,
}

impl Engine {
    /// Turns the proof of a provider or a password into a user and a session.
    pub(super) async fn admit(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        settings: &ConnectionSettings,
        who: Authenticated,
    ) -> Turn {
        if let Some(user) = who.user().cloned() {
            let (directory, origin) = (&self.parts.directory, visit.origin());
            if let Err(error) = directory.claim(who.identity(), &user, &origin).await {
                return self.not_claimed(visit, who.identity(), &error);
            }
        }
        if flow.link.is_some() {
            return self.link(visit, flow, who).await;
        }
        let rules = Admission {
            sync_profile: settings.common.sync_profile,
            signup: settings.signup && self.strangers_welcome().await,
            // Whoever set a passkey up is known by what they came with then.
            rules: who.user().is_none(),
        };
        let connection = who.identity().connection.clone();
        match self
            .parts
            .directory
            .admit(who, rules, &visit.origin())
            .await
        {
            Ok(admitted) => self.enter(visit, flow, admitted).await,
            Err(refusal) => self.refused(visit, &connection, &refusal),
        }
    }

    /// Gives an admitted person a session, after the second factor if one is asked for.
    pub(super) async fn enter(&self, visit: &Visit, flow: &LoginFlow, admitted: Admitted) -> Turn {
        let Admitted { user, proof, .. } = admitted;
        let pending = Pending::new(&user, proof, (visit, flow));
        // An owner comes by the word of whoever runs this, and may be the one who sets the mail up.
        let pending = if user.owner {
            pending
        } else {
            match Box::pin(self.must_verify(visit, flow, pending)).await {
                Ok(pending) => pending,
                Err(turn) => return *turn,
            }
        };
        self.enter_proven(visit, flow, (user, pending), Vec::new())
            .await
    }

    /// The first proof is good, and so is the address: a session, after the second factor if one is
    /// asked for.
    pub(super) async fn enter_proven(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (user, pending): (UserRecord, Pending),
        uses: Vec<OneTimeUse>,
    ) -> Turn {
        let held = &pending.proof.authentication;
        match self.asked(flow, &user.id, held).await {
            Ok(None) => Box::pin(self.let_in(visit, flow, (user, pending), uses)).await,
            Ok(Some(asks)) => {
                if let Err(turn) = self.use_up(visit, flow, uses).await {
                    return *turn;
                }
                let waiting = Waiting {
                    pending,
                    asks,
                    raises: None,
                };
                Box::pin(self.await_factor(visit, flow, waiting)).await
            }
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// Takes the rows of a step away, where the next one has a row of its own.
    async fn use_up(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        uses: Vec<OneTimeUse>,
    ) -> Result<(), Box<Turn>> {
        for used in uses {
            let store = self.parts.sessions.store();
            match store.take(&used.key(), visit.now).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let why = StartAgainWhy::AlreadyUsed;
                    let turn = self.start_again(visit, why, Some(&flow.return_to));
                    return Err(Box::new(turn));
                }
                Err(error) => return Err(Box::new(self.store_is_away(visit, &error))),
            }
        }
        Ok(())
    }

    /// Everything is proven: a session, after a question if somebody else is signed in or another
    /// account is to be merged.
    pub(super) async fn let_in(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (user, pending): (UserRecord, Pending),
        uses: Vec<OneTimeUse>,
    ) -> Turn {
        // Whoever made an account on the way to link it is asked as well.
        let other = visit
            .session()
            .is_some_and(|held| held.user().id != user.id);
        if !other {
            return self.open_session(visit, flow, (user, pending), uses).await;
        }
        // The answer to the question is a row of its own.
        if let Err(turn) = self.use_up(visit, flow, uses).await {
            return *turn;
        }
        self.ask_to_switch(visit, flow, &user, pending).await
    }

    /// The person confirmed that another session ends.
    pub(crate) async fn switch(&self, visit: &Visit, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let gone = || self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        let ticket = fields.one("ticket");
        let Some(key) = ticket.and_then(|ticket| pending_key(Purpose::Pending, ticket, &flow.id))
        else {
            return gone();
        };
        let now = visit.now;
        let row = match self.parts.sessions.store().peek(&key, now).await {
            Ok(row) => row.and_then(|row| self.open_row::<Pending>(&key, &row)),
            Err(error) => return self.store_is_away(visit, &error),
        };
        let Some(pending) = row else { return gone() };
        // A connection that was removed meanwhile opens no session any more.
        let connection = &pending.proof.authentication.connection;
        if self.connections.enabled(connection).is_none() {
            return gone();
        }
        // Between two steps somebody may have been blocked.
        let user = match self.parts.directory.store().find(&pending.user).await {
            Ok(user) => user,
            Err(error) => return self.store_is_away(visit, &error),
        };
        match user {
            Some(user) if !user.blocked => {
                let uses = vec![OneTimeUse::Row { key, now }];
                if flow.link.is_some() {
                    return self.merge(visit, &flow, pending, uses).await;
                }
                self.open_session(visit, &flow, (user, pending), uses).await
            }
            _ => gone(),
        }
    }

    pub(super) async fn ask_to_switch(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        user: &UserRecord,
        pending: Pending,
    ) -> Turn {
        let ticket = self.draw_ticket();
        let key = pending_key(Purpose::Pending, &ticket, &flow.id);
        let row = key.and_then(|key| Some((self.seal_row(&key, &pending)?, key)));
        let Some((payload, key)) = row else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let put = OneTimeRow {
            key,
            payload,
            until: visit.now + PENDING,
        };
        if let Err(error) = self.parts.sessions.store().put(put).await {
            return self.store_is_away(visit, &error);
        }
        let mut go_on = self.post(flow, "switch");
        go_on.hidden.push(Hidden {
            name: "ticket".to_owned(),
            value: ticket,
        });
        let page = SwitchUser {
            current: visit
                .session()
                .map(|held| held.contents().user.handle)
                .unwrap_or_default(),
            new: user.handle.clone(),
            link: flow.link.is_some(),
            go_on,
            stay: self.href("account"),
        };
        Turn::page(StatusCode::OK, Page::SwitchUser(page)).with(self.keep_flow(visit, flow))
    }

    pub(super) async fn open_session(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (user, pending): (UserRecord, Pending),
        mut uses: Vec<OneTimeUse>,
    ) -> Turn {
        let Pending {
            proof, proven_at, ..
        } = pending;
        uses.push(flow.once());
        uses.extend(proof.once.as_ref().map(Once::first));
        let login = Opening {
            user,
            authentication: proof.authentication,
            brings: Brings::Login(proof.kept),
            proven_at,
            uses,
            advice: proof.advice,
        };
        self.open(visit, flow, login).await
    }

    pub(super) async fn open(&self, visit: &Visit, flow: &LoginFlow, opening: Opening) -> Turn {
        let (proven, advice) = (opening.authentication.clone(), opening.advice);
        let is_login = matches!(opening.brings, Brings::Login(_));
        let login = Login {
            user: opening.user,
            authentication: opening.authentication,
            brings: opening.brings,
            proven_at: opening.proven_at,
            held: visit.session.clone(),
            host: visit.host.as_str().to_owned(),
            address: visit.address,
            user_agent: visit.user_agent.clone(),
            uses: opening.uses,
            request_id: visit.request_id.clone(),
        };
        let opened = match self.parts.sessions.open(login).await {
            Ok(opened) => opened,
            Err(OpenError::Store(error)) => return self.store_is_away(visit, &error),
            // Pressed twice: the first press has signed them in.
            Err(OpenError::AlreadyUsed(_)) if visit.session.is_some() => {
                return self
                    .go_on(visit, &flow.return_to, flow.nonce.as_deref())
                    .await;
            }
            Err(error) => {
                tracing::info!(%error, request_id = visit.request_id, "a login did not end in a session");
                let why = match error {
                    OpenError::Outdated => StartAgainWhy::Expired,
                    _ => StartAgainWhy::AlreadyUsed,
                };
                return self.start_again(visit, why, Some(&flow.return_to));
            }
        };
        let names = self.names();
        let lifetime = self.parts.sessions.lifetimes().absolute;
        let set = [
            names.set(names.session(), &opened.cookie, lifetime),
            self.end_flow(flow),
            self.remember_choice(visit, &proven.connection),
            self.remember_browser(visit, &proven),
            self.end_of_stay(visit),
        ];
        let here = Visit {
            session: Some((opened.session, opened.token)),
            ..visit.clone()
        };
        let turn = self
            .go_on(&here, &flow.return_to, flow.nonce.as_deref())
            .await;
        let turn = match advice {
            None if is_login => Box::pin(self.offer_passkey(&here, flow, &proven, turn)).await,
            None => turn,
            Some(advice) => self.advise(advice, turn),
        };
        turn.with(set.into_iter().flatten())
    }

    /// Tells somebody who has signed in what they should do, before they go on.
    fn advise(&self, advice: Advice, turn: Turn) -> Turn {
        let go_on = turn.leads_to();
        let Some(go_on) = go_on else { return turn };
        let page = match advice {
            Advice::LeakedPassword => Advised {
                advice: AdviceText::LeakedPassword,
                follow: self.href("account#password"),
                go_on,
            },
        };
        Turn::page(StatusCode::OK, Page::Advised(page)).with(turn.cookies)
    }
}
