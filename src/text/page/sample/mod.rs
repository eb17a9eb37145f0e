//! One of everything: the templates are tried with these when they are loaded, and the tests look
//! at them. The values are made up but likely.

mod account;
mod factor;
mod failure;
mod login;
mod mail;
mod passkey;

use super::{
    Button, Hidden, Href, Page, Post,
    login::{Field, FieldProblem},
};

/// The pages, in all the forms in which they look different.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages = login::pages("ada@example.com");
    pages.extend(login::making_accounts("Ada Lovelace"));
    pages.push(login::advised());
    pages.extend(login::on_the_way("Ada Lovelace", "Acme"));
    pages.extend(account::pages("Ada Lovelace", "Acme"));
    pages.extend(mail::pages("ada@example.com"));
    pages.extend(factor::pages());
    pages.extend(passkey::pages("Ada Lovelace"));
    pages.extend(failure::pages("Acme"));
    pages
}

/// An address that is one for certain.
fn href(path: &str) -> Href {
    Href(path.to_owned())
}

fn post(path: &str) -> Post {
    Post {
        action: href(path),
        csrf: "c5rf".to_owned(),
        hidden: vec![Hidden {
            name: "flow".to_owned(),
            value: "f10w".to_owned(),
        }],
    }
}

fn button(name: &str, display_name: &str, last_used: bool) -> Button {
    Button {
        connection: name.to_owned(),
        display_name: display_name.to_owned(),
        icon: Some(name.to_owned()),
        href: href("/.auth/login/x?rd=%2F"),
        last_used,
    }
}

fn id() -> String {
    "01k9x3t4-7f2c".to_owned()
}

fn field(value: &str, problem: Option<FieldProblem>) -> Field {
    Field {
        value: value.to_owned(),
        problem,
    }
}
