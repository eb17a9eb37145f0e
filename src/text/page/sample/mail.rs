//! The pages that mails lead to.

use super::{FieldProblem, Page, href, post};
use crate::text::page::{
    CheckMail, ConfirmLink, Forgot, MailDone, Names, NewPassword, TypeCode,
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
    let type_code = |address: Option<&str>| {
        Page::TypeCode(TypeCode {
            code: "314159".to_owned(),
            to: typed.to_owned(),
            address: address.map(str::to_owned),
            device: address.map(|_| "Firefox · Linux".to_owned()),
            minutes: 2,
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
        check(WhyMail::SecondStep, None),
        check(
            WhyMail::SecondStep,
            Some(CodeProblem::TooManyMessages { minutes: 7 }),
        ),
        check(WhyMail::SignIn, None),
        check(WhyMail::SignIn, Some(CodeProblem::Gone)),
        check(WhyMail::SignIn, Some(CodeProblem::MailIsAway)),
        check(WhyMail::SignIn, Some(CodeProblem::JustSent { seconds: 20 })),
        check(WhyMail::SignIn, Some(CodeProblem::UseLink { minutes: 9 })),
        check(WhyMail::SignInByPhone, None),
        check(WhyMail::SignInByPhoneCode, None),
        check(WhyMail::SignInByPhone, Some(CodeProblem::TextsAreAway)),
        type_code(Some("192.0.2.7")),
        type_code(None),
        link(LinkWhat::SignIn),
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
