//! How a browser comes by a token: by a login, or by a ticket from a host where it is signed in.
//!
//! Both pay with things that are used once, in the transaction that writes the handle: the same
//! answer of a provider, or the same ticket, never makes two. A token is new in every case, so
//! that nobody can plant one (session fixation).

use std::{sync::Arc, time::Duration};

use super::{Session, Sessions, Token};
use crate::{
    clock::Timestamp,
    connection::Kept,
    crypto,
    identity::Authentication,
    store::{
        Event, EventKind, HandleRecord, Issued, NewSession, OneTimeKey, OneTimeRow, OneTimeUse,
        Purpose, SessionId, SessionRecord, StoreError, UserRecord,
    },
};

/// How long a ticket for another host lives.
const HANDOVER: Duration = Duration::from_mins(1);
/// At most one authentication per connection and subject, and no more than this in all.
const MOST_AUTHENTICATIONS: usize = 16;
/// How often a login is written anew over a session that changed meanwhile.
const TRIES: u8 = 3;

/// What a login brings.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: UserRecord,
    pub(crate) authentication: Authentication,
    pub(crate) brings: Brings,
    /// When the request came that brought the proof.
    pub(crate) proven_at: Timestamp,
    /// The session and the token that the browser had so far on this host.
    pub(crate) held: Option<(Arc<Session>, Token)>,
    /// The host that the browser is at.
    pub(crate) host: String,
    pub(crate) address: Option<std::net::IpAddr>,
    pub(crate) user_agent: String,
    /// What this login used up: it counts once.
    pub(crate) uses: Vec<OneTimeUse>,
    pub(crate) request_id: String,
}

/// What the proof is.
#[derive(Clone, Debug)]
pub(crate) enum Brings {
    /// A login, with what stays with the session for the strategy.
    Login(Kept),
    /// More about an authentication that the session has. There is no session without it, and what
    /// it keeps stays.
    StepUp,
}

/// A session that now exists.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The value of the session cookie.
    pub(crate) cookie: String,
    pub(crate) token: Token,
    pub(crate) session: Arc<Session>,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The proof was used before: somebody replays, or pressed the button twice.
    #[error("this {0:?} was used before")]
    AlreadyUsed(Purpose),
    /// The session that was to be extended ended or changed meanwhile.
    #[error("the session changed meanwhile")]
    Changed,
    /// All sessions of this person were ended since they proved who they are, maybe because it was
    /// somebody else who did.
    #[error("all sessions were ended since this was proven")]
    Outdated,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Signs somebody in. The browser gets a new token in every case; a session of the same user
    /// is extended, one of another user ends.
    pub(crate) async fn open(&self, login: Login) -> Result<Opened, OpenError> {
        let mut tries_left = TRIES;
        let (new, token, cookie) = loop {
            let (new, token, cookie) = self.draft(&login).await?;
            match self.store.issue(new.clone()).await? {
                Issued::AlreadyUsed(purpose) => return Err(OpenError::AlreadyUsed(purpose)),
                Issued::Issued => break (new, token, cookie),
                // Another tab signed in at the same time; nothing of this login is used up.
                Issued::Changed if tries_left > 0 => tries_left -= 1,
                Issued::Changed => return Err(OpenError::Changed),
                Issued::Outdated => return Err(OpenError::Outdated),
            }
        };
        new.event.log();
        if let Some((held, _)) = &login.held {
            self.forget_session(held.id(), new.ends.is_some());
        }
        // The user is read again: they may have been barred since they proved who they are.
        let session = self.load(&token).await?.ok_or(OpenError::Changed)?;
        Ok(Opened {
            cookie,
            token,
            session,
        })
    }

    /// What a login writes, over the session as the store has it now.
    async fn draft(&self, login: &Login) -> Result<(NewSession, Token, String), OpenError> {
        let now = self.clock.now();
        let held = login.held.as_ref().map(|(held, _)| held);
        let extended = match held.filter(|held| held.user.id == login.user.id) {
            Some(held) => self.store.find(held.id()).await?,
            None => None,
        };
        let extended = extended.filter(|record| now < record.expires_at);
        let was = extended.as_ref().map(|record| record.version);
        let mut record = match (&login.brings, extended) {
            (Brings::StepUp, None) => return Err(OpenError::Changed),
            (Brings::StepUp, Some(mut record)) => {
                raise(&mut record.authentications, &login.authentication)?;
                record
            }
            (Brings::Login(kept), extended) => {
                let mut record = extended.unwrap_or_else(|| self.new_record(login, now));
                add(&mut record.authentications, login.authentication.clone());
                self.keep(&mut record, &login.authentication, kept.clone())?;
                if let Some(ends) = kept.ends {
                    record.expires_at = record.expires_at.min(ends);
                }
                record
            }
        };
        record.last_used_at = now;
        let (token, cookie) = Token::issue(&self.ring.load(), &login.host, self.random.as_ref());
        let reason = login.authentication.amr.join("+");
        let event = Event {
            address: login.address,
            request_id: Some(login.request_id.clone()),
            ..Event::new(now, EventKind::LoginSucceeded, reason)
        }
        .user(&login.user.id)
        .connection(&login.authentication.connection)
        .session(record.id);
        let new = NewSession {
            handle: HandleRecord {
                hash: token.hash(),
                session: record.id,
                host: login.host.clone(),
                created_at: now,
            },
            ends: held.map(|held| held.id()).filter(|_| was.is_none()),
            record,
            was,
            drops: login.held.as_ref().map(|(_, token)| token.hash()),
            uses: login.uses.clone(),
            proven_at: login.proven_at,
            event,
        };
        Ok((new, token, cookie))
    }

    fn new_record(&self, login: &Login, now: Timestamp) -> SessionRecord {
        SessionRecord {
            id: SessionId(self.random.bytes()),
            user: login.user.id.clone(),
            authentications: Vec::new(),
            created_at: now,
            last_used_at: now,
            expires_at: now + self.lifetimes().absolute,
            address: login.address,
            user_agent: login.user_agent.clone(),
            sids: Vec::new(),
            sealed: Vec::new(),
            version: 1,
        }
    }

    /// A ticket with which the browser that holds the nonce gets a token at another host.
    pub(crate) async fn hand_over(
        &self,
        session: &Session,
        host: &str,
        nonce_hash: &[u8; 32],
    ) -> Result<[u8; 32], StoreError> {
        let ticket: [u8; 32] = self.random.bytes();
        let mut payload = Vec::with_capacity(48 + host.len());
        payload.extend_from_slice(&session.id().0);
        payload.extend_from_slice(nonce_hash);
        payload.extend_from_slice(host.as_bytes());
        let until = self.clock.now() + HANDOVER;
        self.store
            .put(OneTimeRow {
                key: ticket_key(&ticket),
                payload,
                until,
            })
            .await?;
        Ok(ticket)
    }

    /// A token for `host` in exchange for a ticket; `None` when the ticket is for another host or
    /// another browser, was used, or ran out. A ticket that was shown wrongly is void. The token
    /// that the session had there is void from now on: the browser keeps one cookie for each host.
    pub(crate) async fn redeem(
        &self,
        ticket: &[u8; 32],
        (host, nonce_hash): (&str, &[u8; 32]),
        event: Event,
    ) -> Result<Option<String>, StoreError> {
        let (key, now) = (ticket_key(ticket), self.clock.now());
        let Some(payload) = self.store.peek(&key, now).await? else {
            return Ok(None);
        };
        let session = payload.split_first_chunk::<16>().and_then(|(id, rest)| {
            let (nonce, for_host) = rest.split_first_chunk::<32>()?;
            (nonce == nonce_hash && for_host == host.as_bytes()).then_some(SessionId(*id))
        });
        let Some(session) = session else {
            self.store.take(&key, now).await?;
            return Ok(None);
        };
        let Some(record) = self.store.find(session).await? else {
            return Ok(None);
        };
        let (token, cookie) = Token::issue(&self.ring.load(), host, self.random.as_ref());
        let handle = HandleRecord {
            hash: token.hash(),
            session,
            host: host.to_owned(),
            created_at: now,
        };
        let event = event.user(&record.user).session(session);
        let paid = OneTimeUse::Row { key, now };
        if !self.store.add_handle(handle, paid, event.clone()).await? {
            return Ok(None);
        }
        event.log();
        self.forget_session(session, false);
        Ok(Some(cookie))
    }
}

fn ticket_key(ticket: &[u8; 32]) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::Handover,
        hash: crypto::sha256(ticket),
    }
}

/// Puts more about an authentication in its place. One that was renewed meanwhile, or is gone, is not
/// the one that was spoken of.
fn raise(held: &mut [Authentication], more: &Authentication) -> Result<(), OpenError> {
    let same = |one: &&mut Authentication| {
        one.connection == more.connection
            && one.subject == more.subject
            && one.auth_time == more.auth_time
            && one.proven_at == more.proven_at
    };
    let place = held.iter_mut().find(same).ok_or(OpenError::Changed)?;
    place.clone_from(more);
    Ok(())
}

/// The newest proof of each identity stays; the oldest others go when there are too many.
fn add(held: &mut Vec<Authentication>, new: Authentication) {
    held.retain(|one| one.connection != new.connection || one.subject != new.subject);
    held.push(new);
    let excess = held.len().saturating_sub(MOST_AUTHENTICATIONS);
    held.drain(..excess);
}
