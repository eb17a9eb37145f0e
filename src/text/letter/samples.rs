//! Sample letters: every kind, with everything optional there at least once.

use std::time::Duration;

use super::{AddedMethod, Letter, Proof};
use crate::text::page::Href;

/// One of everything, for trying the templates.
pub(crate) fn samples() -> Vec<Letter> {
    let proof = |page: &str| Proof {
        link: Href::sample(&format!(
            "https://login.example.com/.auth/{page}?token=b2theTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA"
        )),
        lifetime: Duration::from_hours(24),
        code: Some("314159".to_owned()),
        code_lifetime: Duration::from_mins(15),
    };
    let page = |page: &str| Href::sample(&format!("https://login.example.com/.auth/{page}"));
    let new = "ada.lovelace@example.org".to_owned();
    vec![
        Letter::AccountExists {
            sign_in: page("login"),
            reset: Some(page("forgot/members")),
        },
        Letter::AccountExists {
            sign_in: page("login"),
            reset: None,
        },
        Letter::AddressChanged { new: new.clone() },
        Letter::AllowNewAddress {
            new,
            link: page("email?token=b2theTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA"),
            lifetime: Duration::from_hours(72),
        },
        Letter::ConfirmAddress(proof("verify")),
        Letter::ConfirmNewAddress(proof("email")),
        Letter::PasswordChanged {
            reset: Some(page("forgot/members")),
        },
        Letter::ResetPassword(Proof {
            lifetime: Duration::from_hours(1),
            ..proof("reset")
        }),
        Letter::SecondStep {
            code: "314159".to_owned(),
            lifetime: Duration::from_mins(5),
            address: Some("192.0.2.7".to_owned()),
            device: Some("Firefox · Linux".to_owned()),
        },
        Letter::SignIn {
            proof: Proof {
                lifetime: Duration::from_mins(5),
                code_lifetime: Duration::from_mins(5),
                ..proof("code")
            },
            code_in_subject: true,
            address: Some("192.0.2.7".to_owned()),
            device: Some("Firefox · Linux".to_owned()),
        },
        Letter::SignIn {
            proof: proof("code"),
            code_in_subject: false,
            address: None,
            device: None,
        },
        Letter::SignInMethodAdded {
            method: AddedMethod::Connection("GitHub".to_owned()),
            account: page("account"),
        },
        Letter::SignInMethodAdded {
            method: AddedMethod::Passkey,
            account: page("account"),
        },
        Letter::Unblock {
            link: page("unblock?token=b2theTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA"),
            lifetime: Duration::from_hours(1),
        },
        Letter::UsernameChanged {
            account: page("account"),
        },
        Letter::Welcome {
            sign_in: page("login"),
        },
    ]
}
