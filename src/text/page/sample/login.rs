//! The pages on the way in.

use super::{Field, FieldProblem, Hidden, Page, button, field, href, id, post};
use crate::text::page::{
    Advised, Check, ChooseConnection, ConfirmSignIn, Login, LoopBroken, Names, Onward, Owner,
    PasswordRule, PostOnward, Repost, RuleText, SignInAgain, SignUp, StartAgain, SwitchUser, Trial,
    login::{
        AddressNames, LoginForm, LoginProblem, LoopCause, NewAccount, Notice, StartAgainWhy,
        UsernameHint, WhyNewPassword,
    },
    onward::AdviceText,
};

/// The login page that asks whom to write to.
fn by_message(base: &Login, typed: &str) -> Vec<Login> {
    let asks = |names, login: &str, problem| Login {
        form: Some(LoginForm::Address {
            post: post("/.auth/login/mail"),
            names,
            login: login.to_owned(),
        }),
        problem: Some(problem),
        ..base.clone()
    };
    let too_many = LoginProblem::TooManyMessages { minutes: 40 };
    vec![
        asks(AddressNames::Email, typed, LoginProblem::NoAddress),
        asks(AddressNames::Email, "", too_many),
        asks(AddressNames::Phone, typed, LoginProblem::NoPhone),
    ]
}

/// The login page in its forms.
pub(super) fn pages(typed: &str) -> Vec<Page> {
    let base = login();
    let identifier = LoginForm::Identifier {
        post: post("/.auth/login"),
        names: Names::EmailOrUsername,
        login: String::new(),
    };
    let settled = LoginForm::Password {
        post: post("/.auth/login/members"),
        names: Names::Email,
        login: typed.to_owned(),
        change: Some(href("/.auth/login")),
        forgot: Some(href("/.auth/forgot/members")),
        certificate: Some(href("/.auth/login/corp?certificate=1")),
    };
    let signed_in_as = typed.to_owned();
    let mut variants = by_message(&base, typed);
    variants.extend([
        base.clone(),
        Login {
            form: Some(identifier),
            notice: Some(Notice::SignedOut),
            ..base.clone()
        },
        Login {
            form: Some(LoginForm::Identifier {
                post: post("/.auth/login"),
                names: Names::EmailOrUsername,
                login: typed.to_owned(),
            }),
            problem: Some(LoginProblem::NoConnection),
            ..base.clone()
        },
        Login {
            form: Some(settled),
            buttons: Vec::new(),
            others: Some(href("/.auth/login")),
            sign_up: None,
            ..base.clone()
        },
        Login {
            form: Some(password(Names::EmailOrUsername, typed)),
            problem: Some(LoginProblem::WrongCredentials),
            ..base.clone()
        },
        Login {
            form: Some(password(Names::Username, "")),
            notice: Some(Notice::OtherAccount { signed_in_as }),
            buttons: Vec::new(),
            ..base.clone()
        },
        Login {
            form: Some(password(Names::EmailOrUsername, typed)),
            problem: Some(LoginProblem::AccountClosed),
            ..base.clone()
        },
        Login {
            form: Some(password(Names::EmailOrUsername, typed)),
            problem: Some(LoginProblem::PasswordExpired),
            ..base.clone()
        },
        new_password(typed, WhyNewPassword::Breached, None),
        new_password(typed, WhyNewPassword::Expired, None),
        new_password(
            typed,
            WhyNewPassword::MustChange,
            Some(LoginProblem::NewPasswordRefused),
        ),
        Login {
            form: None,
            problem: Some(LoginProblem::TooManyTries { minutes: 5 }),
            destination: None,
            ..base.clone()
        },
        Login {
            form: None,
            buttons: Vec::new(),
            sign_up: None,
            ..base.clone()
        },
    ]);
    let choose = ChooseConnection {
        destination: base.destination,
        login: Some(typed.to_owned()),
        buttons: base.buttons,
        change: href("/.auth/login"),
    };
    let by_network = ChooseConnection {
        login: None,
        ..choose.clone()
    };
    let logins = variants.into_iter().map(Page::Login);
    let choices = [choose, by_network].map(Page::ChooseConnection);
    logins.chain(choices).collect()
}

/// The login page with buttons and a password form.
pub(super) fn login() -> Login {
    Login {
        destination: Some("wiki.example.com".to_owned()),
        notice: None,
        problem: None,
        form: Some(password(Names::Email, "")),
        buttons: vec![
            button("google", "Google", true),
            button("github", "GitHub", false),
            button("saml", "Acme Corporation", false),
        ],
        passkey: None,
        sign_up: Some(href("/.auth/signup/members")),
        others: None,
        fragment: "section-2".to_owned(),
    }
}

/// The form for a new password.
fn new_password(typed: &str, why: WhyNewPassword, problem: Option<LoginProblem>) -> Login {
    Login {
        form: Some(LoginForm::NewPassword {
            post: post("/.auth/login/corp"),
            login: typed.to_owned(),
            why,
            rules: match why {
                WhyNewPassword::Breached => rules(None),
                _ => Vec::new(),
            },
        }),
        problem,
        buttons: Vec::new(),
        others: Some(href("/.auth/login")),
        sign_up: None,
        ..login()
    }
}

fn password(names: Names, login: &str) -> LoginForm {
    LoginForm::Password {
        post: post("/.auth/login/members"),
        names,
        login: login.to_owned(),
        change: None,
        forgot: None,
        certificate: None,
    }
}

/// The rules for a password, before and after one was refused.
pub(super) fn rules(met: Option<bool>) -> Vec<PasswordRule> {
    let rule = |text, check, met| PasswordRule { text, check, met };
    let length = Check {
        kind: "length",
        number: 15,
        of: String::new(),
    };
    vec![
        PasswordRule {
            text: RuleText::Length { least: 15 },
            check: Some(length),
            met,
        },
        rule(RuleText::NotUsedBefore { last: 5 }, None, met),
        rule(RuleText::NotPersonal, None, met.map(|met| !met)),
        rule(RuleText::NotCommon, None, met.map(|met| !met)),
        rule(RuleText::HardToGuess, None, met),
    ]
}

/// What somebody is told who has signed in.
pub(super) fn advised() -> Page {
    Page::Advised(Advised {
        advice: AdviceText::LeakedPassword,
        follow: href("/.auth/account#password"),
        go_on: href("/a/page"),
    })
}

/// What usernames are like, unless set.
pub(super) fn username_hint() -> UsernameHint {
    UsernameHint {
        least: 1,
        most: 64,
        ascii: false,
        symbols: "._-".to_owned(),
    }
}

/// The form that makes an account, empty.
pub(super) fn new_account(names: Names) -> NewAccount {
    NewAccount {
        post: post("/.auth/signup/members"),
        display_name: "Members".to_owned(),
        names,
        name: Field::default(),
        email: Field::default(),
        username: Field::default(),
        username_hint: username_hint(),
        password_problem: None,
        rules: rules(None),
        problem: None,
    }
}

/// The sign-up page, empty and refused, and the owner's.
pub(super) fn making_accounts(name: &str) -> Vec<Page> {
    let wrong = NewAccount {
        name: field(name, None),
        email: field("ada@", Some(FieldProblem::BadEmail)),
        username: field("ada", Some(FieldProblem::Taken)),
        password_problem: Some(FieldProblem::PasswordRefused),
        rules: rules(Some(false)),
        problem: Some(LoginProblem::Busy),
        ..new_account(Names::EmailOrUsername)
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
        sign_up(new_account(Names::Email)),
        sign_up(new_account(Names::Username)),
        sign_up(wrong),
        Page::Owner(Owner {
            form: Some(new_account(Names::Email)),
            passkey: None,
            fragment: String::new(),
        }),
    ]
}

/// What comes between the login page and the application.
pub(super) fn on_the_way(name: &str, provider: &str) -> Vec<Page> {
    vec![
        switch(name, false),
        switch(name, true),
        Page::Onward(Onward {
            to: href("https://idp.example.com/authorize?state=abc&nonce=d"),
            display_name: provider.to_owned(),
        }),
        Page::PostOnward(PostOnward {
            action: href("https://idp.example.com/saml2/sso"),
            display_name: provider.to_owned(),
            fields: vec![Hidden {
                name: "SAMLRequest".to_owned(),
                value: "PHNhbWw+".to_owned(),
            }],
        }),
        Page::ConfirmSignIn(ConfirmSignIn {
            action: href("/.auth/saml/acme/acs?confirmed=1"),
            fields: vec![Hidden {
                name: "SAMLResponse".to_owned(),
                value: "PHNhbWw+".to_owned(),
            }],
            display_name: provider.to_owned(),
            name: name.to_owned(),
            stay: href("/"),
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
        trial(true),
        trial(false),
        loop_broken(LoopCause::CookiesBlocked),
        loop_broken(LoopCause::SessionRefused),
    ]
}

fn switch(name: &str, link: bool) -> Page {
    Page::SwitchUser(SwitchUser {
        current: name.to_owned(),
        new: "Grace Hopper".to_owned(),
        link,
        go_on: post("/.auth/login/google"),
        stay: href("/"),
    })
}

fn trial(worked: bool) -> Page {
    Page::Trial(Trial {
        display_name: "Acme".to_owned(),
        worked,
    })
}

fn loop_broken(cause: LoopCause) -> Page {
    Page::LoopBroken(LoopBroken {
        cause,
        again: href("/.auth/login?rd=%2F"),
        request_id: id(),
    })
}
