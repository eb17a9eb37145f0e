//! Codes out of messages, and who types them.

use super::{
    sidecar::Sidecar,
    visitor::{Page, Visitor},
};

/// Somebody who comes from an address; the sidecar must trust loopback to tell it.
pub(crate) fn from(sidecar: &Sidecar, address: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    let forwarded = ("X-Forwarded-For".to_owned(), address.to_owned());
    visitor.extra.push(forwarded);
    visitor
}

/// Types a code into the form that takes one; redirects not followed.
#[track_caller]
pub(crate) fn type_code(visitor: &mut Visitor, page: &Page, code: &str) -> Page {
    let form = page.form_with("code").fill("code", code);
    visitor.submit(page, &form)
}

/// Another code than this one.
pub(crate) fn another(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + by) % 1_000_000)
}
