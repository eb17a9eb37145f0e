//! Signing out at the provider, and by its word (WS-Federation 1.2 section 13.2.4).

use async_trait::async_trait;
use url::form_urlencoded;

use super::{Refused, Wsfed};
use crate::connection::{Departure, Leaving, Rejection, Reply, SignOut};

const SIGN_OUT: &str = "wsignout1.0";
const CLEANUP: &str = "wsignoutcleanup1.0";

#[async_trait]
impl SignOut for Wsfed {
    async fn begin(&self, leaving: Leaving<'_>) -> Result<Departure, Rejection> {
        if !self.set.logout {
            return Ok(Departure::Nowhere);
        }
        let provider = self.provider.now().await;
        let provider = provider.map_err(|error| self.reject(Refused::from(error)))?;
        // There is no parameter that comes back by itself.
        let mut back = leaving.back.clone();
        back.query_pairs_mut().append_pair("state", leaving.state);
        let mut to = provider.passive_requestor.clone();
        to.query_pairs_mut()
            .append_pair("wa", SIGN_OUT)
            .append_pair("wtrealm", &self.wtrealm)
            .append_pair("wreply", back.as_str());
        Ok(Departure::Redirect(to))
    }
}

/// Whether the provider has the browser say that the person signed out there. Nothing is signed in
/// it, and everything else in it means nothing.
pub(super) fn is_cleanup(reply: Reply<'_>) -> bool {
    let Reply::Query(query) = reply else {
        return false;
    };
    let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "wa");
    let is_word = |(_, wa): (_, std::borrow::Cow<'_, str>)| wa == CLEANUP || wa == SIGN_OUT;
    all.next().is_some_and(is_word) && all.next().is_none()
}
