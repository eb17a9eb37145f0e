//! Going on without a question: how often, and when not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CookieKind, Engine, Turn, Visit, cookies, device::device_at};
use crate::{clock::Timestamp, protocol::cookie::SetCookie, text::page::login::LoopCause};

/// How often in how long somebody is passed on without a question before that is a loop.
/// Browsers give up after 20 redirects, and one round over another host takes four.
const MOST_TRIPS: u32 = 3;
const TRIPS_WITHIN: Duration = Duration::from_secs(30);
/// How long nobody is sent to a provider unasked after they signed out, or after that failed.
const STAY: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize, Serialize)]
struct Trips {
    to: String,
    began: Timestamp,
    count: u32,
}

/// One more time of going on without a question.
pub(super) enum Trip {
    Goes(Option<SetCookie>),
    TooMany,
}

impl Engine {
    /// Goes on without a question, unless that has happened too often just now: then something
    /// keeps the browser from holding its session, and going on would not end.
    pub(super) async fn pass_on(
        &self,
        visit: &Visit,
        return_to: &str,
        nonce: Option<&str>,
    ) -> Turn {
        match self.trip(visit, return_to) {
            Trip::Goes(counted) => self.go_on(visit, return_to, nonce).await.with(counted),
            Trip::TooMany => self
                .loop_broken(visit, LoopCause::SessionRefused, Some(return_to))
                .with(self.names().clear(&self.names().of(CookieKind::Trips))),
        }
    }

    /// Counts a trip to `to`.
    pub(super) fn trip(&self, visit: &Visit, to: &str) -> Trip {
        let name = self.names().of(CookieKind::Trips);
        let at = device_at(&name, visit);
        let ring = self.parts.ring.load_full();
        let held = visit
            .jar
            .one(&name)
            .and_then(|value| cookies::open::<Trips>(&ring, at, value));
        let count = match held {
            Some(trips) if trips.to == to && visit.now.since(trips.began) < TRIPS_WITHIN => Trips {
                count: trips.count + 1,
                ..trips
            },
            _ => Trips {
                to: to.to_owned(),
                began: visit.now,
                count: 1,
            },
        };
        if count.count > MOST_TRIPS {
            return Trip::TooMany;
        }
        let value = cookies::seal(&ring, at, &count, self.parts.random.as_ref());
        Trip::Goes(value.and_then(|value| self.names().set(&name, &value, TRIPS_WITHIN)))
    }

    /// For a while nobody is sent to a provider from here unasked: they would come back in where
    /// they have just left, or fail again.
    pub(super) fn stay(&self) -> Option<SetCookie> {
        let name = self.names().of(CookieKind::Stay);
        let matters = self.connections.may_be_preselected();
        let set = matters.then(|| self.names().set(&name, "1", STAY));
        set.flatten()
    }

    /// Whether [`stay`](Self::stay) holds for this browser.
    pub(super) fn stays(&self, visit: &Visit) -> bool {
        let name = self.names().of(CookieKind::Stay);
        visit.jar.one(&name).is_some()
    }

    /// Whoever has signed in is sent on again next time.
    pub(super) fn end_of_stay(&self, visit: &Visit) -> Option<SetCookie> {
        let held = self.stays(visit);
        let ended = held.then(|| self.names().clear(&self.names().of(CookieKind::Stay)));
        ended.flatten()
    }
}
