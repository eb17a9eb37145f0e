//! The pages that mails lead to.

use super::{FieldProblem, Page, href, post};
use crate::text::page::{
    CheckMail, ConfirmLink, Forgot, MailDone, Names, NewPassword,
    login::LoginProblem,
    mail::{CodeProblem, DoneWhat, LinkWhat, WhyMail},
};

/// Each of them.
pub(super) fn pages(typed: &str) -> Vec<Page> {
    let forgot = Forgot {
        post: post("/.auth/forgot/members"),
        names: Names::EmailOrUsername,
        login: typed.to_owned(),
        problem: None,
        sign_in: href("/.auth/login"),
    };
    let again = Forgot {
        problem: Some(LoginProblem::TooManyTries { minutes: 3 }),
        ..forgot.clone()
    };
    let check = |why, problem| {
        Page::CheckMail(CheckMail {
            why,
            login: typed.to_owned(),
            post: post("/.auth/reset"),
            problem,
            again: post("/.auth/forgot/members"),
            sign_in: href("/.auth/login"),
        })
    };
    let new_password = NewPassword {
        post: post("/.auth/reset"),
        login: typed.to_owned(),
        rules: super::login::rules(None),
        new_problem: None,
        problem: None,
    };
    let refused = NewPassword {
        new_problem: Some(FieldProblem::PasswordRefused),
        rules: super::login::rules(Some(false)),
        problem: Some(LoginProblem::Busy),
        ..new_password.clone()
    };
    let link = |what| {
        Page::ConfirmLink(ConfirmLink {
            what,
            email: typed.to_owned(),
            post: post("/.auth/verify"),
        })
    };
    let done = |what| {
        Page::MailDone(MailDone {
            what,
            go_on: href("/.auth/login"),
        })
    };
    vec![
        Page::Forgot(forgot),
        Page::Forgot(again),
        check(WhyMail::ResetPassword, None),
        check(WhyMail::ResetPassword, Some(CodeProblem::Wrong)),
        check(
            WhyMail::VerifyEmail,
            Some(CodeProblem::TooManyTries { minutes: 1 }),
        ),
        Page::NewPassword(new_password),
        Page::NewPassword(refused),
        link(LinkWhat::Unblock),
        link(LinkWhat::VerifyEmail),
        link(LinkWhat::AllowNewEmail),
        link(LinkWhat::ConfirmNewEmail),
        done(DoneWhat::EmailChanged),
        done(DoneWhat::OtherSideAsked),
        done(DoneWhat::EmailVerified),
        done(DoneWhat::LinkGone),
        done(DoneWhat::PasswordChanged),
        done(DoneWhat::Unblocked),
    ]
}
