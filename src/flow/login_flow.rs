//! One login under way, sealed in a cookie of the browser that began it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{At, CookieNames, Engine, Fields, Turn, Visit, cookies};
use crate::{
    clock::Timestamp,
    connection::{ConnectionData, Passed, Seen},
    crypto,
    identity::ConnectionId,
    protocol::cookie::SetCookie,
    random::hex,
    store::{OneTimeKey, OneTimeUse, Purpose, SessionId},
    text::page::login::{LoopCause, StartAgainWhy},
};

/// How long a login may take. People leave login pages open.
pub(crate) const FLOW_LIFETIME: std::time::Duration = std::time::Duration::from_secs(3600);
/// How many logins one browser may have under way.
const MOST_FLOWS: usize = 3;
/// The largest sealed value: browsers and servers cut off long before a jar of these does harm.
const MOST_BYTES: usize = 1536;

/// A login under way. It proves what was true, never how often: whatever must happen once is a row
/// in the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LoginFlow {
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "b")]
    pub(crate) began: Timestamp,
    /// Where the person wanted to go: a canonical path or an absolute URL, already checked and
    /// checked again when it is used.
    #[serde(rename = "r")]
    pub(crate) return_to: String,
    /// The connection that was begun, with a fingerprint of its settings.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<(ConnectionId, u64)>,
    /// What the strategy wants back.
    #[serde(rename = "k", default, skip_serializing_if = "String::is_empty")]
    kept: String,
    /// The hash of the nonce that another host gave the browser.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    /// The session that this login adds an identity to.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<SessionId>,
    /// What the query of the login had for the provider.
    #[serde(rename = "p", default, skip_serializing_if = "Passed::is_empty")]
    pub(crate) passed: Passed,
    /// What names the row of a first proof that waits for the second factor.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) factor: Option<String>,
    /// Whether the person is to prove anew who they are, however long ago they did.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fresh: bool,
    /// The token of a trial login, which signs nobody in.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial: Option<String>,
    /// Where the operator of such a login sees what the provider says at this request.
    #[serde(skip)]
    pub(crate) seen: Seen,
    #[serde(rename = "x")]
    csrf: String,
}

impl LoginFlow {
    /// What every form of this flow carries.
    pub(crate) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a form belongs to this flow.
    pub(crate) fn csrf_matches(&self, given: &str) -> bool {
        self.csrf.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// What a provider gives back with its answer. It names the flow, and holds what only the
    /// browser of this flow was told.
    pub(crate) fn state(&self) -> String {
        let secret = crypto::sha256(format!("state {}", self.csrf).as_bytes());
        let secret = secret.first_chunk::<16>().copied().unwrap_or_default();
        format!("{}.{}", self.id, URL_SAFE_NO_PAD.encode(secret))
    }

    /// What the strategy kept.
    pub(crate) fn kept(&self) -> ConnectionData {
        ConnectionData(
            URL_SAFE_NO_PAD
                .decode(&self.kept)
                .unwrap_or_default()
                .into(),
        )
    }

    /// Whether it began with this connection as it is set now.
    pub(crate) fn began_with(&self, id: &ConnectionId, fingerprint: u64) -> bool {
        let begun = self.connection.as_ref();
        begun.is_some_and(|(begun, was)| begun == id && *was == fingerprint)
    }

    /// What a form of this connection says about the settings it was made for. A page may hold a
    /// form before any connection has begun, so the cookie cannot know.
    pub(crate) fn made_for(&self, id: &ConnectionId, fingerprint: u64) -> String {
        let text = format!("{}.{id}.{fingerprint}", self.csrf);
        URL_SAFE_NO_PAD.encode(crypto::sha256(text.as_bytes()))
    }

    /// The fragment of the page that was wanted, if the browser told it.
    pub(crate) fn fragment(&self) -> Option<&str> {
        self.return_to.split_once('#').map(|(_, fragment)| fragment)
    }

    /// The browser told the fragment of the page that was wanted.
    pub(crate) fn add_fragment(&mut self, fragment: Option<&str>) {
        let plain =
            |text: &&str| text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let fragment = fragment
            .map(|text| text.strip_prefix('#').unwrap_or(text))
            .filter(plain);
        if let Some(fragment) = fragment.filter(|text| !text.is_empty() && !text.contains('#'))
            && !self.return_to.contains('#')
        {
            self.return_to = format!("{}#{fragment}", self.return_to);
        }
    }

    /// Lets the strategy keep something else.
    pub(crate) fn keep(&mut self, data: &ConnectionData) {
        self.kept = URL_SAFE_NO_PAD.encode(&data.0);
    }

    /// The person may choose another way in than the one that began. A trial is of one connection.
    pub(crate) fn choose_anew(&mut self) {
        if self.trial.is_none() {
            self.connection = None;
            self.kept.clear();
        }
    }

    /// The use of this flow: it ends in one session at most.
    pub(crate) fn once(&self) -> OneTimeUse {
        OneTimeUse::First {
            key: OneTimeKey {
                purpose: Purpose::Flow,
                hash: crypto::sha256(self.id.as_bytes()),
            },
            until: self.began + FLOW_LIFETIME,
        }
    }
}

impl Engine {
    /// A new flow that ends at `return_to`. Nothing is remembered here.
    pub(crate) fn begin_flow(&self, return_to: String, nonce: Option<String>) -> LoginFlow {
        let id: [u8; 8] = self.parts.random.bytes();
        let csrf: [u8; 16] = self.parts.random.bytes();
        LoginFlow {
            id: hex(&id),
            began: self.parts.clock.now(),
            return_to,
            connection: None,
            kept: String::new(),
            nonce,
            link: None,
            passed: Passed::new(),
            factor: None,
            fresh: false,
            trial: None,
            seen: Seen::default(),
            csrf: URL_SAFE_NO_PAD.encode(csrf),
        }
    }

    /// The flow with this id, if this browser holds it and it is not too old.
    pub(crate) fn find_flow(&self, visit: &Visit, id: &str) -> Option<LoginFlow> {
        let name = self.names().flow(id);
        let value = visit.jar.one(&name)?;
        let ring = self.parts.ring.load();
        let mut flow: LoginFlow = cookies::open(&ring, flow_at(&name, visit), value)?;
        if flow.trial.is_some() {
            flow.seen = Seen::on();
        }
        let age = self.parts.clock.now().since(flow.began);
        (flow.id == id && age < FLOW_LIFETIME).then_some(flow)
    }

    /// The flow that a provider's answer belongs to, by what it gave back.
    pub(super) fn flow_of_answer(&self, visit: &Visit, state: &str) -> Option<LoginFlow> {
        let (id, _) = state.split_once('.')?;
        let flow = self.find_flow(visit, id)?;
        let same: bool = flow.state().as_bytes().ct_eq(state.as_bytes()).into();
        same.then_some(flow)
    }

    /// The flow that a form belongs to, or what to answer instead.
    pub(super) fn flow_of_form(
        &self,
        visit: &Visit,
        fields: &Fields,
    ) -> Result<LoginFlow, Box<Turn>> {
        let flow = fields.one("flow").and_then(|id| self.find_flow(visit, id));
        // Only for the link to begin again, where it is checked like any other.
        let wanted = fields.one("rd");
        let Some(flow) = flow else {
            let turn = if visit.jar.is_empty() {
                self.loop_broken(visit, LoopCause::CookiesBlocked, wanted)
            } else {
                self.start_again(visit, StartAgainWhy::NoFlow, wanted)
            };
            return Err(Box::new(turn));
        };
        if flow.csrf_matches(fields.one("csrf").unwrap_or_default()) {
            Ok(flow)
        } else {
            Err(Box::new(self.start_again(
                visit,
                StartAgainWhy::NoFlow,
                wanted,
            )))
        }
    }

    /// The cookies that keep a flow: its own, and the ends of the oldest ones beyond the bound.
    pub(crate) fn keep_flow(&self, visit: &Visit, flow: &LoginFlow) -> Vec<SetCookie> {
        let name = self.names().flow(&flow.id);
        let ring = self.parts.ring.load();
        let at = flow_at(&name, visit);
        let mut flow = flow.clone();
        let mut value = cookies::seal(&ring, at, &flow, self.parts.random.as_ref());
        // Too long an address to carry: the bare page is better than no login, and so is the start
        // page.
        for shorter in [bare(&flow.return_to).to_owned(), "/".to_owned()] {
            if value.as_ref().is_some_and(|value| value.len() > MOST_BYTES) {
                flow.return_to = shorter;
                value = cookies::seal(&ring, at, &flow, self.parts.random.as_ref());
            }
        }
        let Some(value) = value else {
            return Vec::new();
        };
        let mut set = self.end_oldest_flows(visit, &flow.id);
        set.extend(self.names().set(&name, &value, FLOW_LIFETIME));
        set
    }

    fn end_oldest_flows(&self, visit: &Visit, but: &str) -> Vec<SetCookie> {
        let names: &CookieNames = self.names();
        let mut others: Vec<_> = visit
            .jar
            .names()
            .filter_map(|name| names.flow_id(name))
            .filter(|id| *id != but)
            .map(|id| (self.find_flow(visit, id).map(|flow| flow.began), id))
            .collect();
        // Unreadable ones sort first: they are of no use to anybody.
        others.sort_unstable();
        let excess = (others.len() + 1).saturating_sub(MOST_FLOWS);
        others
            .iter()
            .take(excess)
            .filter_map(|(_, id)| names.clear(&names.flow(id)))
            .collect()
    }

    /// The end of a flow's cookie.
    pub(crate) fn end_flow(&self, flow: &LoginFlow) -> Option<SetCookie> {
        self.names().clear(&self.names().flow(&flow.id))
    }
}

/// An address without its query and fragment.
pub(super) fn bare(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

fn flow_at<'a>(name: &'a str, visit: &'a Visit) -> At<'a> {
    At {
        purpose: crypto::Purpose::Flow,
        name,
        host: visit.host.as_str(),
    }
}
