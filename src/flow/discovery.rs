//! Home realm discovery at the login: by what the person types, by where they are, and by what their
//! browser remembers.
//!
//! A private connection is shown to whom it is *known*: who comes from one of its networks, who
//! signed in with it last in this browser, and whoever wants a page that nothing else opens. To
//! everybody else an address of its domains is one of a domain that nobody has.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use http::StatusCode;

use super::{Engine, Fields, LoginFlow, Turn, Visit};
use crate::{
    connection::{Connections, Offer},
    identity::ConnectionId,
    protocol::{CanonicalPath, Host, ReturnTo},
    route::{Route, Router},
    text::page::{
        Page,
        login::{ChooseConnection, LoginForm, LoginProblem},
    },
};

/// What every route offers.
#[derive(Debug)]
pub(crate) struct Offers {
    /// By the number of the route.
    of_routes: Vec<Arc<Offer>>,
    /// Every enabled connection, where no route leads to the page that was wanted.
    everything: Arc<Offer>,
}

impl Offers {
    /// Works out what each route offers. Routes that share a list of connections share an offer.
    pub(crate) fn new(connections: &Connections, router: &Router) -> Self {
        let enabled = connections.all_enabled();
        let enabled: Vec<_> = enabled.map(|(one, _)| one.id().clone()).collect();
        let mut known: HashMap<*const ConnectionId, Arc<Offer>> = HashMap::new();
        let of_routes = router.routes().iter().map(|route| {
            let list = route.policy.offered();
            let offer = known.entry(list.as_ptr());
            let offer = offer.or_insert_with(|| Arc::new(connections.offer(list)));
            offer.clone()
        });
        Self {
            of_routes: of_routes.collect(),
            everything: Arc::new(connections.offer(&enabled)),
        }
    }

    fn of(&self, route: Option<&Arc<Route>>) -> &Arc<Offer> {
        let offer = route.and_then(|route| self.of_routes.get(route.index));
        offer.unwrap_or(&self.everything)
    }
}

impl Engine {
    /// What opens the page that was wanted.
    pub(super) fn offer(&self, return_to: &ReturnTo) -> &Offer {
        let (host, path) = self.target(return_to);
        self.offer_at(&host, &path)
    }

    /// What opens a page.
    pub(crate) fn offer_at(&self, host: &Host, path: &CanonicalPath<'_>) -> &Offer {
        self.offers.of(self.gate.route_to(host, path))
    }

    /// The connections that this visitor may know of although no page shows them to everybody.
    pub(super) fn known_to(&self, visit: &Visit, offer: &Offer) -> Vec<ConnectionId> {
        self.known_by(visit.address, self.last_choice(visit), offer)
    }

    /// The same, for a visitor from this address whose browser remembers this connection.
    pub(crate) fn known_by(
        &self,
        address: Option<IpAddr>,
        last: Option<ConnectionId>,
        offer: &Offer,
    ) -> Vec<ConnectionId> {
        let mut known = self.connections.near(address, offer);
        known.extend(last.filter(|id| offer.contains(id)));
        known.retain(|id| self.connections.is_private(id));
        known.extend(offer.sole.clone());
        known.sort();
        known.dedup();
        known
    }

    /// What somebody from this address begins with who has said nothing yet: one connection, or
    /// several to choose from.
    pub(crate) fn preselected(&self, address: Option<IpAddr>, offer: &Offer) -> Vec<ConnectionId> {
        let near = self.connections.near(address, offer);
        if near.is_empty() {
            offer.sole.clone().into_iter().collect()
        } else {
            near
        }
    }

    /// POST login: a name whose domain says which connection.
    pub(crate) async fn identify(&self, visit: &Visit, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        flow.add_fragment(fields.one("fragment"));
        flow.choose_anew();
        let return_to = self.parse_return(&flow.return_to);
        let offer = self.offer(&return_to);
        let typed = fields.one("login").unwrap_or_default().trim();
        let known = self.known_to(visit, offer);
        let found = self.connections.by_domain(typed, offer, &known);
        match found.as_ref().map(|found| found.connections.as_slice()) {
            Some([one]) => Box::pin(self.begin(visit, flow, one, Some(typed).into())).await,
            Some(several) => self.choose(visit, &flow, several, Some(typed)),
            None => self.unknown_realm(visit, &flow, typed).await,
        }
    }

    /// Nobody's domain was typed, or none at all: the password form, or a page that says so.
    async fn unknown_realm(&self, visit: &Visit, flow: &LoginFlow, typed: &str) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let offer = self.offer(&return_to);
        let mut page = self.login_page(visit, flow, offer);
        if let Some(form) = &offer.form {
            page.form = Some(self.shared_form(flow, form, typed));
            if let Some(LoginForm::Password { change, .. }) = &mut page.form {
                *change = Some(self.login_href(flow));
            }
            return self.show(visit, flow, page).await;
        }
        // Who is written to may be of any domain.
        let mut buttons = offer.buttons.iter();
        let by_message = buttons.find(|id| {
            let found = self.connections.enabled(id);
            found.is_some_and(|(connection, _)| {
                let passwordless = connection.passwordless();
                passwordless.is_some_and(|one| one.recipient(typed).is_some())
            })
        });
        if let Some(id) = by_message {
            return Box::pin(self.begin(visit, flow.clone(), id, Some(typed).into())).await;
        }
        super::login_page::suggest(&mut page, typed.to_owned());
        page.problem = Some(LoginProblem::NoConnection);
        let turn = self.show(visit, flow, page).await;
        turn.status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Several connections, of which the person chooses one.
    pub(super) fn choose(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        ids: &[ConnectionId],
        typed: Option<&str>,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let page = ChooseConnection {
            destination: self.destination(&return_to),
            login: typed.map(str::to_owned),
            buttons: self.buttons(visit, flow, ids, typed),
            change: self.login_href(flow),
        };
        let turn = Turn::page(StatusCode::OK, Page::ChooseConnection(page));
        turn.with(self.keep_flow(visit, flow))
    }
}
