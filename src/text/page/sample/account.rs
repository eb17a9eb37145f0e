//! The pages of those who are in, or just left.

use super::{Field, FieldProblem, Page, field, href, post};
use crate::{
    clock::Timestamp,
    text::page::{
        Account, DeleteAccount, Demo, SignOut, SignedOut,
        account::{
            AccountNotice, AccountProblem, Email, EmailForm, FactorRow, FactorRows, IdentityRow,
            LinkRow, PasskeyRows, PasswordChange, ProfileFields, SessionRow, StillAt, UsernameForm,
            Visitor,
        },
        login::Notice,
    },
};

/// The account page, edited and ruled, the demo, signed in and not, and the way out.
pub(super) fn pages(name: &str, provider: &str) -> Vec<Page> {
    let ruled = account(name);
    let edited = Account {
        edit: Some(post("/.auth/account/profile")),
        notice: Some(AccountNotice::ProfileSaved),
        password: None,
        factors: Some(FactorRows {
            rows: Vec::new(),
            emailed_to: Some("ada@example.com".to_owned()),
            problem: None,
            add: Some(href("/.auth/account?add=totp")),
            recovery_codes_left: None,
            new_recovery_codes: None,
        }),
        passkeys: Some(PasskeyRows {
            rows: Vec::new(),
            problem: None,
            add: Some(href("/.auth/account?add=passkey")),
        }),
        change_email: None,
        change_username: Some(UsernameForm {
            post: post("/.auth/account"),
            current: None,
            new: field(name, Some(FieldProblem::UsernameCharacters)),
            hint: super::login::username_hint(),
            problem: None,
        }),
        owner: false,
        email: Some(Email {
            address: "ada@example.com".to_owned(),
            verified: false,
            confirm: Some(post("/.auth/account")),
        }),
        delete: Some(post("/.auth/account")),
        link: Vec::new(),
        profile: ProfileFields {
            picture: field("ftp://x", Some(FieldProblem::BadPicture)),
            ..ruled.profile.clone()
        },
        ..ruled.clone()
    };
    let demo = demo(name);
    let public = Demo {
        visitor: None,
        identity_headers: Vec::new(),
        ..demo.clone()
    };
    vec![
        Page::Account(Box::new(ruled)),
        Page::Account(Box::new(edited)),
        Page::DeleteAccount(DeleteAccount {
            display_name: name.to_owned(),
            handle: "ada".to_owned(),
            ways: vec!["Members".to_owned(), provider.to_owned()],
            post: post("/.auth/account"),
            stay: href("/.auth/account"),
        }),
        Page::Demo(demo),
        Page::Demo(public),
        Page::SignOut(SignOut {
            display_name: name.to_owned(),
            post: post("/.auth/logout"),
            stay: href("/"),
        }),
        Page::SignedOut(SignedOut {
            notice: Some(Notice::AccountDeleted),
            still_at: None,
            sign_in: href("/.auth/login"),
        }),
        Page::SignedOut(SignedOut {
            notice: None,
            still_at: Some(StillAt::Provider(provider.to_owned())),
            sign_in: href("/.auth/login"),
        }),
    ]
}

/// The demo as it is after the first sign-in.
fn demo(name: &str) -> Demo {
    Demo {
        visitor: Some(Visitor {
            display_name: name.to_owned(),
            user_id: "members|ada%40example.com".to_owned(),
            email: Some("ada@example.com".to_owned()),
        }),
        request: "GET /reports?year=2026".to_owned(),
        host: "localhost:8080".to_owned(),
        identity_headers: pairs(&[
            ("X-Forwarded-User", "members|4f1c9a7e2b"),
            ("X-Forwarded-Email", "ada@example.com"),
            ("X-Forwarded-Preferred-Username", "ada"),
            ("X-Forwarded-Groups", "engineering,admins"),
        ]),
        other_headers: pairs(&[
            ("Host", "localhost:8080"),
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            ),
            ("Accept", "text/html,application/xhtml+xml"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X-Forwarded-Proto", "http"),
        ]),
        sign_in: href("/.auth/login"),
        account: href("/.auth/account"),
        sign_out: href("/.auth/logout"),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    pairs.iter().map(own).collect()
}

fn factor(id: &str, name: &str, created_at: Timestamp) -> FactorRow {
    FactorRow {
        id: id.to_owned(),
        name: name.to_owned(),
        created_at,
        last_used_at: (!name.is_empty()).then_some(created_at),
        synced: None,
        rename: post("/.auth/account"),
        remove: post("/.auth/account"),
    }
}

fn account(name: &str) -> Account {
    let at = |minutes: i64| Timestamp::from_millis(1_780_000_000_000 - minutes * 60_000);
    let session = |device: &str, minutes, this: bool| SessionRow {
        device: device.to_owned(),
        address: Some("203.0.113.7".to_owned()),
        connections: vec!["Members".to_owned()],
        created_at: at(minutes * 9 + 1),
        last_used_at: at(minutes),
        this,
        revoke: (!this).then(|| post("/.auth/account/sessions")),
    };
    let identity = |name: &str, icon: &str, label: &str| IdentityRow {
        display_name: name.to_owned(),
        icon: Some(icon.to_owned()),
        label: label.to_owned(),
        refreshed_at: at(3000),
        unlink: Some(post("/.auth/account/identities")),
    };
    Account {
        now: at(0),
        notice: None,
        display_name: name.to_owned(),
        user_id: "members|4f1c9a7e2b".to_owned(),
        handle: "ada".to_owned(),
        email: Some(Email {
            address: "ada@example.com".to_owned(),
            verified: true,
            confirm: None,
        }),
        owner: true,
        profile: ProfileFields {
            name: field(name, None),
            given_name: field("Ada", None),
            family_name: field("Lovelace", None),
            nickname: Field::default(),
            picture: Field::default(),
        },
        edit: None,
        ruled_by: "Members".to_owned(),
        password: Some(PasswordChange {
            post: post("/.auth/account/password"),
            login: "ada@example.com".to_owned(),
            rules: super::login::rules(None),
            current_problem: Some(FieldProblem::WrongPassword),
            new_problem: None,
            problem: None,
        }),
        passkeys: Some(PasskeyRows {
            rows: vec![
                FactorRow {
                    synced: Some(true),
                    ..factor("c", "Laptop", at(9000))
                },
                FactorRow {
                    synced: Some(false),
                    ..factor("d", "", at(70))
                },
            ],
            problem: Some(AccountProblem::LastPasskey),
            add: Some(href("/.auth/account?add=passkey")),
        }),
        factors: Some(FactorRows {
            rows: vec![factor("a", "Telephone", at(9000)), factor("b", "", at(50))],
            emailed_to: None,
            problem: Some(AccountProblem::FactorNeeded),
            add: Some(href("/.auth/account?add=totp")),
            recovery_codes_left: Some(8),
            new_recovery_codes: Some(post("/.auth/account")),
        }),
        change_email: Some(EmailForm {
            post: post("/.auth/account"),
            new: field("ada@", Some(FieldProblem::BadEmail)),
            current_problem: Some(FieldProblem::WrongPassword),
            problem: None,
        }),
        change_username: Some(UsernameForm {
            post: post("/.auth/account"),
            current: Some("ada".to_owned()),
            new: field("", None),
            hint: super::login::username_hint(),
            problem: None,
        }),
        sessions: vec![
            session("Firefox · Linux", 0, true),
            session("Safari · iPhone", 95, false),
        ],
        revoke_others: Some(post("/.auth/account/sessions")),
        identities: vec![
            identity("Members", "person", "ada@example.com"),
            identity("GitHub", "github", "ada-l"),
        ],
        link: vec![LinkRow {
            display_name: "Google".to_owned(),
            icon: Some("google".to_owned()),
            post: post("/.auth/account"),
        }],
        delete: None,
        sign_out: post("/.auth/logout"),
        back: Some(href("/")),
    }
}
