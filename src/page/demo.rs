//! The application that is built in: it shows what arrives.

use http::{HeaderMap, Method};

use super::Site;
use crate::{
    gate::Permitted,
    text::page::{
        Href, Page,
        account::{Demo, Visitor},
    },
};

impl Site {
    /// The page of a request as an application would get it.
    pub(crate) fn demo(
        &self,
        permitted: &Permitted,
        target: &str,
        (method, headers): (&Method, &HeaderMap),
    ) -> Page {
        let permit = permitted.permit();
        let visitor = permit.with_principal(|who| Visitor {
            display_name: who
                .user
                .profile
                .name
                .clone()
                .unwrap_or(who.user.handle.clone()),
            user_id: who.user.id.to_string(),
            email: permitted
                .route()
                .policy
                .trust()
                .email(who.identity)
                .map(|email| email.to_string()),
        });
        let edits = permitted.edits().unwrap_or_default();
        let ours: Vec<_> = edits.iter().map(|(name, _)| name.clone()).collect();
        let (mut identity_headers, mut other_headers) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            let shown = (
                title_case(name.as_str()),
                String::from_utf8_lossy(value.as_bytes()).into(),
            );
            if ours.contains(name) || name == "x-vestibule-assertion" {
                identity_headers.push(shown);
            } else {
                other_headers.push(shown);
            }
        }
        let host = headers
            .get("host")
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let href = |page: &str| Href::path(&self.engine.path(page)).unwrap_or_else(Href::root);
        Page::Demo(Demo {
            visitor,
            request: format!("{method} {target}"),
            host: host.to_owned(),
            identity_headers,
            other_headers,
            sign_in: href("login"),
            account: href("account"),
            sign_out: href("logout"),
        })
    }
}

/// `x-forwarded-user` as people write it: `X-Forwarded-User`.
fn title_case(name: &str) -> String {
    let mut first = true;
    let letters = name.chars().map(|letter| {
        let upper = first;
        first = letter == '-';
        if upper {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    });
    letters.collect()
}
