//! Where people go on to: the address that they wanted, read again and followed, and the ways to
//! another origin.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use url::Url;

use super::{Engine, Turn, Visit, login_flow::bare};
use crate::{
    connection::ProviderForm,
    protocol::{Destination, Host, Origin, ReturnRules, ReturnTo},
    text::page::{Hidden, Href, Onward, Page, PostOnward},
};

impl Engine {
    /// Sends a signed-in person to where they wanted to go. The address was checked when the flow
    /// began and is checked again against the configuration of now.
    pub(super) async fn go_on(&self, visit: &Visit, return_to: &str, nonce: Option<&str>) -> Turn {
        let return_to = self.parse_return(return_to);
        let Destination::Other { host, url } = return_to.destination() else {
            return Turn::see_other(return_to.target());
        };
        let Ok(mut to) = Url::parse(url) else {
            return Turn::see_other("/");
        };
        // Nothing binds a ticket to this browser yet: the other host begins.
        let (Some(session), Some(nonce)) = (visit.session(), nonce.and_then(hash_from_text)) else {
            return self.leave(visit, to, host.as_str());
        };
        match self
            .parts
            .sessions
            .hand_over(session, host.as_str(), &nonce)
            .await
        {
            Err(error) => self.store_is_away(visit, &error),
            Ok(ticket) => {
                let wanted = match to.query() {
                    Some(query) => format!("{}?{query}", to.path()),
                    None => to.path().to_owned(),
                };
                to.set_path(&self.path("handover"));
                to.query_pairs_mut()
                    .clear()
                    .append_pair("ticket", &URL_SAFE_NO_PAD.encode(ticket))
                    .append_pair("rd", &wanted);
                // The fragment of the page that was wanted travels on: this leads back to it.
                self.onward(visit, &to, host.as_str())
            }
        }
    }

    /// Sends the browser to another origin. A `Location` without a fragment inherits that of the
    /// address before it (RFC 9110 section 10.2.2), so one is always given.
    pub(super) fn leave(&self, visit: &Visit, mut to: Url, display_name: &str) -> Turn {
        if to.fragment().is_none() {
            to.set_fragment(Some(""));
        }
        self.onward(visit, &to, display_name)
    }

    /// After a form another origin takes a page: Chrome applies `form-action` to the redirects that
    /// follow a submit.
    fn onward(&self, visit: &Visit, to: &Url, display_name: &str) -> Turn {
        match Href::url(to) {
            Some(to) if visit.posted => {
                let display_name = display_name.to_owned();
                Turn::page(StatusCode::OK, Page::Onward(Onward { to, display_name }))
            }
            _ => Turn::see_other(to.as_str()),
        }
    }

    /// A return address that is good now; without its query if it is too long with it, and the
    /// start page in place of any other.
    pub(super) fn parse_return(&self, text: &str) -> ReturnTo {
        let here = &self.base.login;
        self.read_return(text, here)
            .or_else(|| self.read_return(bare(text), here))
            .unwrap_or_else(ReturnTo::root)
    }

    /// A return address as seen from `here`.
    pub(super) fn read_return(&self, text: &str, here: &Origin) -> Option<ReturnTo> {
        let allowed = |host: &Host| self.gate.knows(host);
        let rules = ReturnRules {
            login: here,
            reserved: &self.base.prefix,
            account: &self.path("account"),
            allowed: &allowed,
        };
        ReturnTo::parse(text, rules).ok()
    }
}

/// Sends the browser to a provider with a form.
pub(super) fn post_onward(form: ProviderForm, display_name: &str) -> Turn {
    let Some(action) = Href::url(&form.to) else {
        return Turn::see_other("/");
    };
    let fields = form.fields.into_iter().map(|(name, value)| Hidden {
        name: name.to_owned(),
        value,
    });
    let page = PostOnward {
        action,
        display_name: display_name.to_owned(),
        fields: fields.collect(),
    };
    Turn::page(StatusCode::OK, Page::PostOnward(page))
}

/// A SHA-256 in base64url, as a nonce's hash travels.
pub(super) fn hash_from_text(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bare_form() {
        assert_eq!(bare("/a/b?c=d#e?f"), "/a/b");
        assert_eq!(bare("https://a.test/b#c"), "https://a.test/b");
        assert_eq!(bare("/"), "/");
    }
}
