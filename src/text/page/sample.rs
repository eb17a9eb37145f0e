//! One of everything: the templates are tried with these when they are loaded, and the tests look
//! at them. The values are made up but likely.

use super::{
    Account, Button, ChooseConnection, Demo, Failure, Hidden, Href, Icon, Login, LoopBroken, Names,
    Onward, Owner, Page, Post, Repost, SignInAgain, SignOut, SignUp, SignedOut, StartAgain,
    SwitchUser,
    account::{
        AccountNotice, Email, IdentityRow, PasswordChange, ProfileFields, SessionRow, Visitor,
    },
    failure::{Action, ActionLabel, Denial, FailureKind},
    login::{
        Field, FieldProblem, LoginForm, LoginProblem, LoopCause, NewAccount, Notice, StartAgainWhy,
    },
};
use crate::clock::Timestamp;

/// The pages, in all the forms in which they look different.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages = logins("ada@example.com");
    pages.extend(on_the_way("Ada Lovelace", "Acme"));
    pages.extend(at_home("Ada Lovelace"));
    pages.extend(failures("Acme"));
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
        icon: Some(Icon::named(name)),
        href: href("/.auth/login/x?rd=%2F"),
        last_used,
    }
}

fn id() -> String {
    "01k9x3t4-7f2c".to_owned()
}

/// The forms of the login page.
fn logins(typed: &str) -> Vec<Page> {
    let buttons = vec![
        button("google", "Google", true),
        button("github", "GitHub", false),
        button("saml", "Acme Corporation", false),
    ];
    let password = |names, login: &str| LoginForm::Password {
        post: post("/.auth/login/members"),
        names,
        login: login.to_owned(),
        change: None,
        forgot: None,
    };
    let base = Login {
        destination: Some("wiki.example.com".to_owned()),
        notice: None,
        problem: None,
        form: Some(password(Names::Email, "")),
        buttons: buttons.clone(),
        sign_up: Some(href("/.auth/signup/members")),
        others: None,
        fragment: "section-2".to_owned(),
    };
    vec![
        Page::Login(base.clone()),
        Page::Login(Login {
            form: Some(LoginForm::Identifier {
                post: post("/.auth/login"),
                login: String::new(),
            }),
            notice: Some(Notice::SignedOut),
            ..base.clone()
        }),
        Page::Login(Login {
            form: Some(LoginForm::Password {
                post: post("/.auth/login/members"),
                names: Names::Email,
                login: typed.to_owned(),
                change: Some(href("/.auth/login")),
                forgot: Some(href("/.auth/forgot/members")),
            }),
            buttons: Vec::new(),
            others: Some(href("/.auth/login")),
            sign_up: None,
            ..base.clone()
        }),
        Page::Login(Login {
            form: Some(password(Names::EmailOrUsername, typed)),
            problem: Some(LoginProblem::WrongCredentials),
            ..base.clone()
        }),
        Page::Login(Login {
            form: Some(password(Names::Username, "")),
            notice: Some(Notice::OtherAccount {
                signed_in_as: typed.to_owned(),
            }),
            buttons: Vec::new(),
            ..base.clone()
        }),
        Page::Login(Login {
            form: None,
            problem: Some(LoginProblem::TooManyTries { minutes: 5 }),
            destination: None,
            sign_up: None,
            ..base.clone()
        }),
        Page::Login(Login {
            form: None,
            buttons: Vec::new(),
            notice: Some(Notice::SessionEnded),
            sign_up: None,
            ..base
        }),
        Page::ChooseConnection(ChooseConnection {
            destination: Some("wiki.example.com".to_owned()),
            login: typed.to_owned(),
            buttons,
            change: href("/.auth/login"),
        }),
    ]
}

/// What comes between the login page and the application.
fn on_the_way(name: &str, provider: &str) -> Vec<Page> {
    let form = |names| NewAccount {
        post: post("/.auth/signup/members"),
        display_name: "Members".to_owned(),
        names,
        name: Field::default(),
        email: Field::default(),
        username: Field::default(),
        password_problem: None,
        least: 12,
        problem: None,
    };
    let wrong = NewAccount {
        name: field(name, None),
        email: field("ada@", Some(FieldProblem::BadEmail)),
        username: field("ada", Some(FieldProblem::Taken)),
        password_problem: Some(FieldProblem::PasswordTooShort { least: 12 }),
        problem: Some(LoginProblem::Busy),
        ..form(Names::EmailOrUsername)
    };
    let sign_up = |form| {
        Page::SignUp(SignUp {
            destination: Some("wiki.example.com".to_owned()),
            form,
            sign_in: href("/.auth/login"),
            fragment: String::new(),
        })
    };
    vec![
        sign_up(form(Names::Email)),
        sign_up(form(Names::Username)),
        sign_up(wrong),
        Page::Owner(Owner {
            form: form(Names::Email),
            fragment: String::new(),
        }),
        Page::SwitchUser(SwitchUser {
            current: name.to_owned(),
            new: "Grace Hopper".to_owned(),
            go_on: post("/.auth/login/google"),
            stay: href("/"),
        }),
        Page::Onward(Onward {
            to: href("https://idp.example.com/authorize?state=abc&nonce=d"),
            display_name: provider.to_owned(),
        }),
        Page::Repost(Repost {
            action: href("/.auth/saml/acme/acs"),
            fields: vec![Hidden {
                name: "SAMLResponse".to_owned(),
                value: "PHNhbWw+".to_owned(),
            }],
        }),
        Page::SignInAgain(SignInAgain {
            destination: "wiki.example.com".to_owned(),
            sign_in: href("/.auth/login?rd=%2F"),
        }),
        Page::StartAgain(StartAgain {
            why: StartAgainWhy::Expired,
            again: href("/.auth/login?rd=%2F"),
            request_id: id(),
        }),
        Page::LoopBroken(LoopBroken {
            cause: LoopCause::CookiesBlocked,
            again: href("/.auth/login?rd=%2F"),
            request_id: id(),
        }),
        Page::LoopBroken(LoopBroken {
            cause: LoopCause::HostMismatch {
                seen: "wiki.local".to_owned(),
                expected: "wiki.example.com".to_owned(),
            },
            again: href("/.auth/login?rd=%2F"),
            request_id: id(),
        }),
        Page::SignOut(SignOut {
            display_name: name.to_owned(),
            post: post("/.auth/logout"),
            stay: href("/"),
        }),
        Page::SignedOut(SignedOut {
            notice: None,
            still_at: Some(provider.to_owned()),
            sign_in: href("/.auth/login"),
        }),
    ]
}

fn field(value: &str, problem: Option<FieldProblem>) -> Field {
    Field {
        value: value.to_owned(),
        problem,
    }
}

/// The account page, edited and ruled, and the demo, signed in and not.
fn at_home(name: &str) -> Vec<Page> {
    let ruled = account(name);
    let edited = Account {
        edit: Some(post("/.auth/account/profile")),
        notice: Some(AccountNotice::ProfileSaved),
        password: None,
        owner: false,
        email: None,
        link: Vec::new(),
        profile: ProfileFields {
            picture: field("ftp://x", Some(FieldProblem::BadPicture)),
            ..ruled.profile.clone()
        },
        ..ruled.clone()
    };
    let demo = Demo {
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
    };
    let public = Demo {
        visitor: None,
        identity_headers: Vec::new(),
        ..demo.clone()
    };
    vec![
        Page::Account(Box::new(ruled)),
        Page::Account(Box::new(edited)),
        Page::Demo(demo),
        Page::Demo(public),
    ]
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    pairs.iter().map(own).collect()
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
    let identity = |name: &str, icon, label: &str| IdentityRow {
        display_name: name.to_owned(),
        icon: Some(icon),
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
            least: 12,
            current_problem: Some(FieldProblem::WrongPassword),
            new_problem: None,
            problem: None,
        }),
        sessions: vec![
            session("Firefox · Linux", 0, true),
            session("Safari · iPhone", 95, false),
        ],
        revoke_others: Some(post("/.auth/account/sessions")),
        identities: vec![
            identity("Members", Icon::Person, "ada@example.com"),
            identity("GitHub", Icon::GitHub, "ada-l"),
        ],
        link: vec![button("google", "Google", false)],
        sign_out: post("/.auth/logout"),
        back: Some(href("/")),
    }
}

/// An error page of each kind.
fn failures(provider: &str) -> Vec<Page> {
    let display_name = provider.to_owned();
    let mut kinds = vec![
        FailureKind::AppUnreachable,
        FailureKind::AppTimeout,
        FailureKind::BadRequest,
        FailureKind::BodyTooLarge,
        FailureKind::Busy,
        FailureKind::ConnectionBroken {
            display_name: display_name.clone(),
        },
        FailureKind::FormExpired,
        FailureKind::HeadTooLarge,
        FailureKind::Internal,
        FailureKind::MethodNotAllowed,
        FailureKind::NotFound,
        FailureKind::OwnerLinkGone,
        FailureKind::ProviderMisbehaved {
            display_name: display_name.clone(),
        },
        FailureKind::ProviderRefused {
            display_name: display_name.clone(),
        },
        FailureKind::ProviderUnreachable { display_name },
        FailureKind::RequestTimeout,
        FailureKind::TooManyTries { minutes: 15 },
        FailureKind::Unavailable,
        FailureKind::UnknownHost {
            host: "nobody.example.com".to_owned(),
        },
    ];
    kinds.extend(Denial::ALL.map(FailureKind::Denied));
    let action = |label, path| Action {
        label,
        href: href(path),
    };
    kinds
        .into_iter()
        .map(|kind| {
            let denied = kind.class().is_some();
            Page::Failure(Failure {
                actions: if denied {
                    vec![
                        action(ActionLabel::OtherAccount, "/.auth/login?rd=%2F"),
                        action(ActionLabel::SignOut, "/.auth/logout"),
                    ]
                } else {
                    vec![action(ActionLabel::TryAgain, "/")]
                },
                signed_in_as: denied.then(|| "Ada Lovelace".to_owned()),
                request_id: id(),
                kind,
            })
        })
        .collect()
}
