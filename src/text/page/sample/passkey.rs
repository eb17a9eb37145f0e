//! The pages of passkeys.

use super::{Field, FieldProblem, Page, field, href, login, post};
use crate::text::page::{
    Hidden, Login, Names, NewPasskey, Owner, PasskeySignUp,
    login::LoginProblem,
    passkey::{
        NewPasskeyWhy, PasskeyAccount, PasskeyCeremony, PasskeyForm, PasskeyProblem, PasskeyWay,
    },
};

/// A form of its kind.
pub(super) fn passkey_form(action: &str, ceremony: PasskeyCeremony) -> PasskeyForm {
    let mut post = post(action);
    post.hidden.push(Hidden {
        name: "challenge".to_owned(),
        value: "Y2hhbGxlbmdl".to_owned(),
    });
    PasskeyForm {
        post,
        ceremony,
        options: r#"{"challenge":"Y2hhbGxlbmdl","rpId":"wiki.example.com"}"#.to_owned(),
        again: Some(href("/.auth/login?flow=f10w")),
    }
}

fn account(name: Field, problem: Option<LoginProblem>) -> PasskeyAccount {
    PasskeyAccount {
        form: passkey_form("/.auth/signup/passkey", PasskeyCeremony::Create),
        name,
        email: field("", None),
        problem,
    }
}

/// Asked for, made, and offered.
pub(super) fn pages(typed: &str) -> Vec<Page> {
    let way = PasskeyWay {
        form: passkey_form("/.auth/login/passkey", PasskeyCeremony::Get),
        display_name: "Passkey".to_owned(),
        icon: "passkey".to_owned(),
        last_used: true,
        sign_up: Some(href("/.auth/signup/passkey")),
    };
    let shared = Login {
        passkey: Some(way),
        ..login::login()
    };
    let alone = Login {
        form: None,
        buttons: Vec::new(),
        sign_up: None,
        problem: Some(LoginProblem::Passkey(PasskeyProblem::Unknown)),
        ..shared.clone()
    };
    let sign_up = |name, problem| PasskeySignUp {
        destination: Some("wiki.example.com".to_owned()),
        account: account(name, problem),
        sign_in: href("/.auth/login"),
        fragment: String::new(),
    };
    let new = |why, problem| NewPasskey {
        why,
        problem,
        form: passkey_form("/.auth/account", PasskeyCeremony::Create),
        go_on: href("/"),
    };
    let owner = Owner {
        form: None,
        passkey: Some(account(field("", None), None)),
        fragment: String::new(),
    };
    let both = Owner {
        form: Some(login::new_account(Names::EmailOrUsername)),
        ..owner.clone()
    };
    vec![
        Page::Login(shared),
        Page::Login(alone),
        Page::PasskeySignUp(sign_up(field("", None), None)),
        Page::PasskeySignUp(sign_up(
            field(typed, Some(FieldProblem::TooLong { most: 256 })),
            Some(LoginProblem::Passkey(PasskeyProblem::Late)),
        )),
        Page::NewPasskey(new(NewPasskeyWhy::Wanted, Some(PasskeyProblem::Exists))),
        Page::NewPasskey(new(NewPasskeyWhy::Offered, None)),
        Page::Owner(owner),
        Page::Owner(both),
    ]
}
