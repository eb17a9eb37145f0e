//! The servers of a directory: connections that wait for use, and what happens when a server is
//! gone.
//!
//! Whoever has something to ask [tries](Servers::tries). A try holds a connection: one that waited
//! for use, then a new one to the same server, then to the next. What was asked is asked again as
//! long as nobody has answered: a server that goes away in the middle costs nobody their login.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::refused::{self, Refused};
use crate::{
    clock::{Clock, Timestamp},
    egress::ldap::{LdapError, LdapStream, Limits, Server, Tls},
    protocol::ldap::BindDiagnosis,
    secret::Secret,
};

/// A server that failed is asked after all others for so long.
const REST: Duration = Duration::from_secs(30);
/// A connection that waited longer is not used any more: what is between may have forgotten it.
const LONGEST_IDLE: Duration = Duration::from_mins(2);
/// After so many servers that said nothing no other is asked: a password that each of them has counted
/// as wrong would lock its account.
const MOST_TIMEOUTS: usize = 2;
/// So many connections of a kind wait for use.
const MOST_IDLE: usize = 16;

/// A name and its password.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: Secret,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// It is bound as the account that looks people up.
    Look,
    /// People bind on it. Each bind begins anew (RFC 4513 section 4), so nothing is left of the one
    /// before.
    Bind,
}

/// All servers of one directory.
#[derive(Debug)]
pub(super) struct Servers {
    all: Vec<One>,
    tls: Tls,
    limits: Limits,
    reader: Option<Credentials>,
    at_once: Semaphore,
}

#[derive(Debug)]
struct One {
    server: Server,
    look: Mutex<Vec<Idle>>,
    bind: Mutex<Vec<Idle>>,
    /// In milliseconds since the epoch; it failed some time before.
    rests_until: AtomicI64,
}

#[derive(Debug)]
struct Idle {
    stream: LdapStream,
    since: Timestamp,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) stream: LdapStream,
    of: &'a One,
    purpose: Use,
    fresh: bool,
}

/// One question, and whom to put it to.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    servers: &'a Servers,
    purpose: Use,
    clock: &'a dyn Clock,
    _turn: SemaphorePermit<'a>,
    /// Those that were not asked yet, the next one last.
    left: Vec<&'a One>,
    last: Option<LdapError>,
    timeouts: usize,
}

impl Servers {
    /// Nothing is opened before the first question.
    pub(super) fn new(
        servers: Vec<Server>,
        tls: Tls,
        limits: Limits,
        (at_once, reader): (usize, Option<Credentials>),
    ) -> Self {
        let one = |server| One {
            server,
            look: Mutex::default(),
            bind: Mutex::default(),
            rests_until: AtomicI64::new(i64::MIN),
        };
        Self {
            all: servers.into_iter().map(one).collect(),
            tls,
            limits,
            reader,
            at_once: Semaphore::new(at_once),
        }
    }

    /// A question. It waits for its turn for as long as a connection may take.
    pub(super) async fn tries<'s>(
        &'s self,
        purpose: Use,
        clock: &'s dyn Clock,
    ) -> Result<Tries<'s>, Refused> {
        let turn = timeout(self.limits.connect, self.at_once.acquire()).await;
        let turn = turn
            .map_err(|_| Refused::Busy)?
            .map_err(|_| Refused::Busy)?;
        let now = clock.now();
        let rests = |one: &&One| one.rests_until.load(Ordering::Relaxed) > now.millis();
        let (resting, mut left): (Vec<_>, Vec<_>) = self.all.iter().partition(rests);
        left.extend(resting);
        left.reverse();
        Ok(Tries {
            servers: self,
            purpose,
            clock,
            _turn: turn,
            left,
            last: None,
            timeouts: 0,
        })
    }

    /// Opens a connection to each server that looks people up, for the operator.
    pub(super) async fn reach_each(&self) -> Vec<(String, Result<(), Refused>)> {
        let mut found = Vec::new();
        for one in &self.all {
            let reached = self.open(one, Use::Look).await.map(drop);
            found.push((one.server.to_string(), reached));
        }
        found
    }

    async fn open(&self, one: &One, purpose: Use) -> Result<LdapStream, Refused> {
        let opened = LdapStream::open(&one.server, &self.tls, self.limits).await;
        let mut stream = opened.map_err(Refused::connect)?;
        if let (Use::Look, Some(reader)) = (purpose, &self.reader) {
            let said = stream.bind(&reader.name, &reader.password).await;
            let said = said.map_err(|error| Refused::ldap(refused::READER, error))?;
            match BindDiagnosis::of(said.code, &said.text, &said.policy) {
                None => {}
                Some(BindDiagnosis::Unavailable) => {
                    let (code, text) = (said.code, said.text);
                    return Err(Refused::ldap(
                        refused::READER,
                        LdapError::Refused { code, text },
                    ));
                }
                Some(why) => {
                    let text = said.text;
                    return Err(Refused::Reader { why, text });
                }
            }
        }
        Ok(stream)
    }
}

impl One {
    fn idle(&self, purpose: Use) -> &Mutex<Vec<Idle>> {
        match purpose {
            Use::Look => &self.look,
            Use::Bind => &self.bind,
        }
    }

    fn take_idle(&self, purpose: Use, now: Timestamp) -> Option<LdapStream> {
        let mut idle = self.idle(purpose).lock();
        idle.retain(|one| now.since(one.since) < LONGEST_IDLE);
        idle.pop().map(|one| one.stream)
    }
}

impl<'s> Tries<'s> {
    /// The next connection. An error when all servers were tried.
    pub(super) async fn next(&mut self) -> Result<Held<'s>, Refused> {
        loop {
            let asked_enough = self.timeouts >= MOST_TIMEOUTS;
            let Some(one) = self.left.last().copied().filter(|_| !asked_enough) else {
                return Err(Refused::Away(self.last.take()));
            };
            if let Some(stream) = one.take_idle(self.purpose, self.clock.now()) {
                return Ok(self.held(one, stream, false));
            }
            match self.servers.open(one, self.purpose).await {
                Ok(stream) => return Ok(self.held(one, stream, true)),
                Err(refused) => {
                    let error = refused.passing()?;
                    self.rest(one, error);
                }
            }
        }
    }

    fn held(&self, of: &'s One, stream: LdapStream, fresh: bool) -> Held<'s> {
        Held {
            stream,
            of,
            purpose: self.purpose,
            fresh,
        }
    }

    fn rest(&mut self, one: &One, error: LdapError) {
        let until = self.clock.now() + REST;
        one.rests_until.store(until.millis(), Ordering::Relaxed);
        tracing::warn!(server = %one.server, %error, "a server of a directory failed: others are asked");
        self.left.pop();
        self.last = Some(error);
    }
}

impl Tries<'_> {
    /// The answer to the question; `None`: it is for the next server.
    pub(super) fn settle<T>(
        &mut self,
        held: Held<'_>,
        answer: Result<T, Refused>,
    ) -> Result<Option<T>, Refused> {
        let refused = match answer {
            Ok(answer) => {
                self.keep(held);
                return Ok(Some(answer));
            }
            Err(refused) => refused,
        };
        let error = refused.passing()?;
        // Those that wait with it will have gone the same way.
        held.of.idle(held.purpose).lock().clear();
        let hangs = matches!(error, LdapError::TimedOut(_));
        self.timeouts += usize::from(hangs);
        // That a connection is closed which had waited says nothing about its server.
        if held.fresh || hangs {
            self.rest(held.of, error);
        } else {
            self.last = Some(error);
        }
        Ok(None)
    }

    /// The connection is good for the next question.
    pub(super) fn keep(&self, held: Held<'_>) {
        held.of.rests_until.store(i64::MIN, Ordering::Relaxed);
        let mut idle = held.of.idle(held.purpose).lock();
        if idle.len() < MOST_IDLE {
            idle.push(Idle {
                stream: held.stream,
                since: self.clock.now(),
            });
        }
    }
}
