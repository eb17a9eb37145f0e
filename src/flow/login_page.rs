//! What the login page shows: the ways in, the form of one connection, what went wrong.

use std::time::Duration;

use http::StatusCode;

use super::{Engine, LoginFlow, Turn, Visit, login::MADE_FOR, password_rules};
use crate::{
    connection::{
        AddressForm, AddressKind, Form, InlineForm, LoginNames, NewPasswordWhy, Offer,
        PasswordForm, SharedForm,
    },
    identity::ConnectionId,
    protocol::ReturnTo,
    text::page::{
        Button, Hidden, Href, Names, Page, Post,
        login::{AddressNames, Login, LoginForm, LoginProblem, StartAgainWhy, WhyNewPassword},
    },
};

impl Engine {
    /// The login page, with the cookie of its flow. It offers no sign-up that would be refused.
    pub(super) async fn show(&self, visit: &Visit, flow: &LoginFlow, mut page: Login) -> Turn {
        let passkey_sign_up = page
            .passkey
            .as_ref()
            .is_some_and(|way| way.sign_up.is_some());
        if (page.sign_up.is_some() || passkey_sign_up) && !self.strangers_welcome().await {
            page.sign_up = None;
            page.passkey.iter_mut().for_each(|way| way.sign_up = None);
        }
        flow.fragment()
            .unwrap_or_default()
            .clone_into(&mut page.fragment);
        Turn::page(StatusCode::OK, Page::Login(page)).with(self.keep_flow(visit, flow))
    }

    /// The form was wrong: the same page again, with what was typed but the password.
    pub(super) async fn try_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, typed): (&ConnectionId, &str),
        problem: LoginProblem,
    ) -> Turn {
        self.form_again(visit, flow, (id, typed), problem)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    pub(super) async fn too_many(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        id: &ConnectionId,
        wait: Duration,
    ) -> Turn {
        let minutes = wait.as_secs().div_ceil(60).max(1);
        let problem = LoginProblem::TooManyTries { minutes };
        self.form_again(visit, flow, (id, ""), problem)
            .await
            .status(StatusCode::TOO_MANY_REQUESTS)
            .retry_after(wait)
    }

    async fn form_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, typed): (&ConnectionId, &str),
        problem: LoginProblem,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let mut page = if flow.connection.is_some() {
            let form = self
                .connections
                .enabled(id)
                .and_then(|(one, _)| one.inline());
            let Some(InlineForm::Password(form)) = form else {
                return self.start_again(
                    visit,
                    StartAgainWhy::ConnectionChanged,
                    Some(&flow.return_to),
                );
            };
            self.prompt(flow, id, Form::Password(form), typed)
        } else {
            let offer = self.offer(&return_to);
            let mut page = self.login_page(visit, flow, offer);
            let form = offer.form.as_ref();
            page.form = form.map(|form| self.shared_form(flow, form, ""));
            page
        };
        suggest(&mut page, typed.to_owned());
        page.problem = Some(problem);
        self.show(visit, flow, page).await
    }

    /// The page with one connection's form alone.
    pub(super) fn prompt(
        &self,
        flow: &LoginFlow,
        id: &ConnectionId,
        form: Form,
        login: &str,
    ) -> Login {
        let return_to = self.parse_return(&flow.return_to);
        let mut passkey = None;
        let (form, signup, problem) = match form {
            Form::Address(AddressForm { kind }) => {
                let form = LoginForm::Address {
                    post: self.post_to(flow, "login", id),
                    names: address_names(kind),
                    login: login.to_owned(),
                };
                (Some(form), false, None)
            }
            Form::Passkey(form) => {
                passkey = self.passkey_alone(flow, id, form);
                (None, false, None)
            }
            Form::Password(form) => (
                Some(self.password_form((flow, id), self.post_to(flow, "login", id), &form, login)),
                form.signup,
                None,
            ),
            Form::NewPassword(form) => {
                let why = form.why;
                let refused = form.refused.then_some(LoginProblem::NewPasswordRefused);
                let form = LoginForm::NewPassword {
                    post: self.post_to(flow, "login", id),
                    login: form.login,
                    why: why.into(),
                    rules: password_rules::told(form.rules),
                };
                (Some(form), false, refused)
            }
        };
        Login {
            destination: self.destination(&return_to),
            notice: None,
            problem,
            sign_up: signup.then(|| self.sign_up_href(flow, id)),
            form,
            buttons: Vec::new(),
            passkey,
            others: Some(self.login_href(flow)),
            fragment: String::new(),
        }
    }

    /// The page with all ways in.
    pub(super) fn login_page(&self, visit: &Visit, flow: &LoginFlow, offer: &Offer) -> Login {
        let return_to = self.parse_return(&flow.return_to);
        let shared = offer.form.as_ref();
        let form = if offer.asks_for_name_first {
            Some(LoginForm::Identifier {
                post: self.post(flow, "login"),
                names: identifier_names(shared.map(|shared| shared.form.names)),
                login: String::new(),
            })
        } else if let Some(id) = &offer.address_form {
            let found = self.connections.enabled(id);
            let by_message = found.and_then(|(connection, _)| connection.passwordless());
            by_message.map(|by_message| LoginForm::Address {
                post: self.post_to(flow, "login", id),
                names: address_names(by_message.kind()),
                login: String::new(),
            })
        } else {
            shared.map(|shared| self.shared_form(flow, shared, ""))
        };
        let signup = shared.filter(|shared| shared.form.signup);
        let is_form = |id: &ConnectionId| shared.is_some_and(|shared| shared.id == *id);
        let mut buttons = self.known_to(visit, offer);
        buttons.retain(|id| !is_form(id) && !offer.buttons.contains(id));
        buttons.extend(offer.buttons.iter().cloned());
        let mut ways = buttons.iter();
        let passkey = ways.find_map(|id| Some((id.clone(), self.passkey_way(visit, flow, id)?)));
        let (first, passkey) = passkey.unzip();
        buttons.retain(|id| Some(id) != first.as_ref());
        Login {
            destination: self.destination(&return_to),
            notice: None,
            problem: None,
            form,
            buttons: self.buttons(visit, flow, &buttons, None),
            passkey,
            sign_up: signup.map(|shared| self.sign_up_href(flow, &shared.id)),
            others: None,
            fragment: String::new(),
        }
    }

    /// The form that shares the page with buttons.
    pub(super) fn shared_form(
        &self,
        flow: &LoginFlow,
        shared: &SharedForm,
        login: &str,
    ) -> LoginForm {
        let mut post = self.post(flow, &format!("login/{}", shared.id));
        let made_for = flow.made_for(&shared.id, shared.fingerprint);
        post.hidden.push(made_for_field(made_for));
        self.password_form((flow, &shared.id), post, &shared.form, login)
    }

    pub(super) fn buttons(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        ids: &[ConnectionId],
        hint: Option<&str>,
    ) -> Vec<Button> {
        let last = self.last_choice(visit);
        let mut buttons: Vec<_> = ids
            .iter()
            .filter_map(|id| self.connections.enabled(id))
            .map(|(connection, settings)| {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("flow", &flow.id);
                if let Some(hint) = hint {
                    query.append_pair("login_hint", hint);
                }
                let page = format!("login/{}?{}", connection.id(), query.finish());
                Button {
                    connection: connection.id().to_string(),
                    display_name: settings.display_name.clone(),
                    icon: Some(settings.icon().to_owned()),
                    href: self.href(&page),
                    last_used: Some(connection.id()) == last.as_ref(),
                }
            })
            .collect();
        buttons.sort_by_key(|button| !button.last_used);
        buttons
    }

    /// A form of a flow.
    pub(super) fn post(&self, flow: &LoginFlow, page: &str) -> Post {
        Post {
            action: self.href(page),
            csrf: flow.csrf().to_owned(),
            hidden: vec![
                Hidden {
                    name: "flow".to_owned(),
                    value: flow.id.clone(),
                },
                // The flow's cookie may be gone when the form comes back.
                Hidden {
                    name: "rd".to_owned(),
                    value: flow.return_to.clone(),
                },
            ],
        }
    }

    /// A form of a connection in a flow: good for as long as that is set as it is now.
    pub(super) fn post_to(&self, flow: &LoginFlow, page: &str, id: &ConnectionId) -> Post {
        let mut post = self.post(flow, &format!("{page}/{id}"));
        let settings = self.connections.enabled(id);
        let made_for = settings.map(|(_, settings)| flow.made_for(id, settings.fingerprint));
        post.hidden.extend(made_for.map(made_for_field));
        post
    }

    pub(super) fn login_href(&self, flow: &LoginFlow) -> Href {
        self.href(&format!("login?flow={}", flow.id))
    }

    /// A connection's form with a name and a password.
    fn password_form(
        &self,
        (flow, id): (&LoginFlow, &ConnectionId),
        post: Post,
        form: &PasswordForm,
        login: &str,
    ) -> LoginForm {
        let certificate = || self.href(&format!("login/{id}?flow={}&certificate=1", flow.id));
        LoginForm::Password {
            post,
            names: names(form.names),
            login: login.to_owned(),
            change: None,
            forgot: (self.resets(id).is_some())
                .then(|| self.href(&format!("forgot/{id}?flow={}", flow.id))),
            certificate: form.certificate.then(certificate),
        }
    }

    fn sign_up_href(&self, flow: &LoginFlow, id: &ConnectionId) -> Href {
        self.href(&format!("signup/{id}?flow={}", flow.id))
    }

    /// The host of the page that was wanted, when it is not this one.
    pub(super) fn destination(&self, return_to: &ReturnTo) -> Option<String> {
        return_to.host().map(|host| host.as_str().to_owned())
    }
}

fn made_for_field(value: String) -> Hidden {
    Hidden {
        name: MADE_FOR.to_owned(),
        value,
    }
}

pub(super) fn names(names: LoginNames) -> Names {
    match names {
        LoginNames::Email => Names::Email,
        LoginNames::EmailOrUsername => Names::EmailOrUsername,
        LoginNames::Username => Names::Username,
    }
}

impl From<NewPasswordWhy> for WhyNewPassword {
    fn from(why: NewPasswordWhy) -> Self {
        match why {
            NewPasswordWhy::Breached => Self::Breached,
            NewPasswordWhy::Expired => Self::Expired,
            NewPasswordWhy::MustChange => Self::MustChange,
        }
    }
}

fn address_names(kind: AddressKind) -> AddressNames {
    match kind {
        AddressKind::Email => AddressNames::Email,
        AddressKind::Phone => AddressNames::Phone,
    }
}

/// What the field before the password takes: the e-mail addresses whose domains lead somewhere, and
/// whatever signs in with the form that follows.
fn identifier_names(inline: Option<LoginNames>) -> Names {
    match inline {
        None | Some(LoginNames::Email) => Names::Email,
        Some(LoginNames::EmailOrUsername | LoginNames::Username) => Names::EmailOrUsername,
    }
}

/// Fills in the name to sign in with.
pub(super) fn suggest(page: &mut Login, name: String) {
    if let Some(
        LoginForm::Address { login, .. }
        | LoginForm::Identifier { login, .. }
        | LoginForm::Password { login, .. },
    ) = page.form.as_mut()
    {
        *login = name;
    }
}
