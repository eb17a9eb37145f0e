//! The pages of second factors.

use super::{Page, href, login, passkey::passkey_form, post};
use crate::text::page::{
    factor::{Enrol, Factor, FactorProblem, KeyUri, NewRecoveryCodes, Qr, WhyEnrol},
    passkey::{PasskeyCeremony, PasskeyProblem},
};

/// Asked for, set up, and the codes for when it is lost.
pub(super) fn pages() -> Vec<Page> {
    let asked = Factor {
        destination: Some("wiki.example.com".to_owned()),
        problem: None,
        post: post("/.auth/factor"),
        code: true,
        passkey: None,
        recovering: false,
        others: href("/.auth/login?switch=1"),
    };
    let wrong = Factor {
        problem: Some(FactorProblem::WrongCode),
        ..asked.clone()
    };
    let recovering = Factor {
        problem: Some(FactorProblem::WrongRecoveryCode),
        recovering: true,
        destination: None,
        ..asked.clone()
    };
    let both = Factor {
        passkey: Some(passkey_form("/.auth/factor", PasskeyCeremony::Get)),
        ..asked.clone()
    };
    let passkey = Factor {
        code: false,
        problem: Some(FactorProblem::Passkey(PasskeyProblem::Refused)),
        ..both.clone()
    };
    let late = Factor {
        problem: Some(FactorProblem::TooManyTries { minutes: 7 }),
        ..asked.clone()
    };
    let mut pages: Vec<_> = [asked, wrong, recovering, both, passkey, late]
        .map(Page::Factor)
        .into();
    let uri = "otpauth://totp/Wiki:ada%40example%2Ecom?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\
               &issuer=Wiki&algorithm=SHA1&digits=6&period=30";
    if let (Some(qr), Some(uri)) = (Qr::of(uri), KeyUri::new(uri)) {
        let wanted = Enrol {
            why: None,
            problem: None,
            post: post("/.auth/account"),
            qr,
            uri,
            secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".to_owned(),
            name: String::new(),
            passkey: None,
            passkey_problem: None,
            back: href("/.auth/account"),
        };
        let required = Enrol {
            why: Some(WhyEnrol::Required),
            problem: Some(FactorProblem::WrongCode),
            name: "Telephone".to_owned(),
            passkey: Some(passkey_form("/.auth/factor", PasskeyCeremony::Create)),
            passkey_problem: Some(PasskeyProblem::Late),
            ..wanted.clone()
        };
        pages.extend([wanted, required].map(Page::Enrol));
    }
    let codes = [
        "7k3vq-9xw2m",
        "0hj4t-c8y6e",
        "m2n9p-zq51r",
        "x8d3k-v7b4w",
        "5tg6h-j0c2s",
        "r9e1f-4ypz3",
        "a6w8n-q2m7x",
        "k1v5d-8thb0",
        "z3c9j-g6r4e",
        "p0y2s-n5kx8",
    ];
    let codes = NewRecoveryCodes {
        codes: codes.map(str::to_owned).into(),
        advice: None,
        go_on: href("/"),
    };
    let Page::Advised(advice) = login::advised() else {
        return pages;
    };
    let advised = NewRecoveryCodes {
        advice: Some(advice),
        ..codes.clone()
    };
    pages.extend([codes, advised].map(Page::NewRecoveryCodes));
    pages
}
