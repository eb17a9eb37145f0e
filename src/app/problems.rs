//! What is wrong with settings, as far as it shows before anything is opened.

use super::{certificates, entries, keep, load_pages, routes, second_factor};
use crate::{
    config::{ConnectionEntry, Settings},
    connection::VerifyEmail,
    mail,
    policy::Known,
    problem::Problem,
    proxy::Peers,
};

/// Everything that building finds wrong with the settings, without opening a store.
pub(crate) fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known = Known::new(0, settings.connections.iter().map(entries::known).collect());
    if let Some(router) = keep(routes::build(settings, &known), &mut problems) {
        keep(Peers::build(&router), &mut problems);
    }
    keep(load_pages(settings), &mut problems);
    for entry in &settings.connections {
        let key = format!("connections.{}", entry.id);
        let found = entry.own.problems(&entry.common).into_iter();
        let mut found: Vec<_> = found.collect();
        if settings.mail.is_none() {
            found.extend(without_mail(entry));
        }
        found.extend(second_factor::misfits(entry, settings.mail.is_some()));
        problems.extend(found.into_iter().map(|problem| problem.under(&key)));
    }
    problems.extend(certificates::misfits(settings));
    let mail = settings.mail.as_ref();
    problems.extend(mail.into_iter().flat_map(mail::Settings::problems));
    if settings.routes.is_empty() {
        // A file that was cut short while it was written must not take every application away.
        let hint = "add [[routes]] with an upstream, or upstream = \"builtin:demo\"";
        problems.push(Problem::new("routes", "there is no route: nothing is served").hint(hint));
    }
    problems
}

/// What is to be done by mail where there is none.
fn without_mail(entry: &ConnectionEntry) -> Vec<Problem> {
    if entry.own.needs_mail() {
        let message = "it signs people in by mail, and there is none";
        return vec![Problem::new("strategy", message).hint("set [mail] url and from")];
    }
    let Some(accounts) = entry.own.accounts() else {
        return Vec::new();
    };
    let verifies = accounts
        .verify_email
        .is_some_and(|verify| verify != VerifyEmail::Off);
    let asked = [
        ("reset", accounts.reset == Some(true)),
        ("verify_email", verifies),
        ("welcome", accounts.welcome),
    ];
    let asked = asked.into_iter().filter(|(_, asked)| *asked);
    let problem = |(key, _): (&str, bool)| {
        let message = "it needs mail, and there is none";
        Problem::new(key, message).hint("set [mail] url and from")
    };
    asked.map(problem).collect()
}
