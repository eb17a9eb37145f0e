//! Signing in with a passkey: its place on the login page, the form that comes back, and the account of
//! somebody new.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{
    Engine, Fields, LoginAsk, LoginFlow, Turn, Visit, login::MADE_FOR, sign_up::bad_person,
};
use crate::{
    connection::{
        self, ConnectionSettings, Rejection, Reply, Throttled,
        passkey::{
            ANSWER_FIELD, Answer, Asked, CHALLENGE_FIELD, Ceremony, Made, Passkeys, Refused,
        },
    },
    identity::{ConnectionId, Profile, UserId},
    protocol::webauthn::{Verification, Whose},
    store::{EventKind, OneTimeUse},
    text::page::{
        Hidden, Page, PasskeySignUp, Post,
        login::{Field, LoginProblem, StartAgainWhy},
        passkey::{PasskeyAccount, PasskeyCeremony, PasskeyForm, PasskeyProblem, PasskeyWay},
    },
    user::{Admitted, NewPasskey, NewPerson, Refusal},
};

/// The hidden field with the user handle of a passkey that is made.
pub(super) const HANDLE: &str = "handle";

impl Engine {
    /// The way in by a passkey on the login page: that of the first of these connections.
    pub(super) fn passkey_way(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        id: &ConnectionId,
    ) -> Option<PasskeyWay> {
        let (connection, _) = self.connections.enabled(id)?;
        let passkeys = connection.passkeys()?;
        let form = connection::PasskeyForm {
            asked: passkeys.ask(&flow.state(), visit.now),
            signup: passkeys.signup,
        };
        Some(PasskeyWay {
            last_used: self.last_choice(visit).as_ref() == Some(id),
            ..self.passkey_alone(flow, id, form)?
        })
    }

    /// The same on a page of its own.
    pub(super) fn passkey_alone(
        &self,
        flow: &LoginFlow,
        id: &ConnectionId,
        form: connection::PasskeyForm,
    ) -> Option<PasskeyWay> {
        let (_, settings) = self.connections.enabled(id)?;
        let post = self.post_to(flow, "login", id);
        let sign_up = || self.href(&format!("signup/{id}?flow={}", flow.id));
        Some(PasskeyWay {
            form: self.passkey_form(post, PasskeyCeremony::Get, form.asked, Some(flow)),
            display_name: settings.display_name.clone(),
            icon: settings.icon().to_owned(),
            last_used: false,
            sign_up: form.signup.then(sign_up),
        })
    }

    /// A form that a passkey answers.
    pub(super) fn passkey_form(
        &self,
        mut post: Post,
        ceremony: PasskeyCeremony,
        asked: Asked,
        flow: Option<&LoginFlow>,
    ) -> PasskeyForm {
        post.hidden.push(Hidden {
            name: CHALLENGE_FIELD.to_owned(),
            value: asked.challenge,
        });
        PasskeyForm {
            post,
            ceremony,
            options: asked.options,
            again: flow.map(|flow| self.login_href(flow)),
        }
    }

    /// POST login/{connection}, where that is one of passkeys.
    pub(super) async fn submit_passkey(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        (id, passkeys, settings): (&ConnectionId, Passkeys<'_>, &ConnectionSettings),
        fields: &Fields,
    ) -> Turn {
        let made_for = flow.made_for(id, settings.fingerprint);
        if fields.one(MADE_FOR) != Some(&made_for) {
            let why = StartAgainWhy::ConnectionChanged;
            return self.start_again(visit, why, Some(&flow.return_to));
        }
        let Some((way, _)) = self.connections.enabled(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged, None);
        };
        let body = fields.only(&[CHALLENGE_FIELD, ANSWER_FIELD]);
        let kept = passkeys.kept(&flow.state());
        let reply = Reply::Form(body.as_bytes());
        let peer = visit.peer_in(&flow);
        match way.resume(Some(&kept), reply, &peer).await {
            Ok(step) => {
                flow.connection = Some((id.clone(), settings.fingerprint));
                self.advance(visit, flow, settings, (step, None)).await
            }
            Err(rejection) if flow.trial.is_some() => {
                self.end_trial(visit, &flow, settings, Err(&rejection))
                    .await
            }
            Err(rejection) => match problem(&rejection) {
                Some(problem) => {
                    self.note_rejection(visit, &rejection);
                    let problem = LoginProblem::Passkey(problem);
                    self.passkey_again(visit, &flow, id, problem).await
                }
                None => self.rejected(visit, settings, &rejection, Some(&flow.return_to)),
            },
        }
    }

    /// The page that the form was on, with a new challenge.
    async fn passkey_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        id: &ConnectionId,
        problem: LoginProblem,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let mut page = self.login_page(visit, flow, self.offer(&return_to));
        let shown = page.passkey.is_some();
        if !shown || flow.connection.is_some() {
            page.passkey = self.passkey_way(visit, flow, id);
        }
        page.problem = Some(problem);
        self.show(visit, flow, page)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// The passkeys of a connection that takes strangers now.
    async fn passkeys_for_strangers(
        &self,
        id: &ConnectionId,
    ) -> Option<(Passkeys<'_>, &ConnectionSettings)> {
        let (connection, settings) = self.connections.enabled(id)?;
        let passkeys = connection.passkeys()?;
        (passkeys.signup && self.strangers_welcome().await).then_some((passkeys, settings))
    }

    /// GET signup/{connection}, where that is one of passkeys; `None`: it takes nobody.
    pub(super) async fn passkey_sign_up_page(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        ask: &LoginAsk,
    ) -> Option<Turn> {
        let (passkeys, _) = self.passkeys_for_strangers(id).await?;
        let held = ask.flow.as_deref();
        let held = held.and_then(|flow| self.find_flow(visit, flow));
        let mut flow = held.unwrap_or_else(|| {
            let return_to = self.parse_return(ask.rd.as_deref().unwrap_or("/"));
            self.begin_flow(return_to.target().to_owned(), ask.nonce.clone())
        });
        flow.add_fragment(ask.fragment.as_deref());
        let post = self.post_to(&flow, "signup", id);
        let account = self.passkey_account(visit, &flow, (id, passkeys, post), None);
        Some(self.passkey_sign_up_form(visit, &flow, account, StatusCode::OK))
    }

    /// The form that makes an account with a passkey; with what was typed, if it was.
    pub(super) fn passkey_account(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, passkeys, mut post): (&ConnectionId, Passkeys<'_>, Post),
        fields: Option<&Fields>,
    ) -> PasskeyAccount {
        let handle = self.parts.passkeys.draw_handle();
        post.hidden.push(handle_field(&handle));
        let ceremony = Ceremony::SignUp {
            connection: id.as_str(),
            flow: &flow.state(),
            handle: &handle,
        };
        // The script has the browser show what is typed.
        let whose = Whose {
            handle: &handle,
            name: passkeys.desk.party(),
            display_name: passkeys.desk.party(),
        };
        let how = (Verification::Required, &[][..]);
        let asked = passkeys.desk.ask_new(&ceremony, whose, how, visit.now);
        let field = |name: &str| {
            let typed = fields.and_then(|fields| fields.one(name));
            Field {
                value: typed.unwrap_or_default().to_owned(),
                problem: None,
            }
        };
        PasskeyAccount {
            form: self.passkey_form(post, PasskeyCeremony::Create, asked, None),
            name: field("name"),
            email: field("email"),
            problem: None,
        }
    }

    fn passkey_sign_up_form(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        account: PasskeyAccount,
        status: StatusCode,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let page = PasskeySignUp {
            destination: self.destination(&return_to),
            account,
            sign_in: self.login_href(flow),
            fragment: flow.fragment().unwrap_or_default().to_owned(),
        };
        Turn::page(status, Page::PasskeySignUp(page)).with(self.keep_flow(visit, flow))
    }

    /// POST signup/{connection}, where that is one of passkeys; `None`: it takes nobody.
    pub(super) async fn passkey_sign_up(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        (id, fields): (&ConnectionId, &Fields),
    ) -> Option<Turn> {
        let (passkeys, settings) = self.passkeys_for_strangers(id).await?;
        flow.add_fragment(fields.one("fragment"));
        let post = self.post_to(&flow, "signup", id);
        let joining = Joining {
            id,
            passkeys,
            post,
            fields,
        };
        let nothing = (false, Vec::new());
        Some(
            match self.new_person(visit, &flow, &joining, nothing).await {
                Ok(admitted) => self.enter(visit, &flow, admitted).await,
                Err(NotMade::Account(account, status)) => {
                    self.event(visit, EventKind::SignUpFailed, "not-acceptable")
                        .connection(id)
                        .log();
                    self.passkey_sign_up_form(visit, &flow, *account, status)
                }
                Err(NotMade::Refused(Refusal::AlreadyUsed(_))) => {
                    let why = StartAgainWhy::AlreadyUsed;
                    self.start_again(visit, why, Some(&flow.return_to))
                }
                Err(NotMade::Refused(refusal)) => self.refused(visit, id, &refusal),
                Err(NotMade::Rejected(rejection)) => {
                    self.rejected(visit, settings, &rejection, None)
                }
            },
        )
    }

    /// Makes the user of a passkey that was made just now.
    pub(super) async fn new_person(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        joining: &Joining<'_>,
        (owner, mut uses): (bool, Vec<OneTimeUse>),
    ) -> Result<Admitted, NotMade> {
        let throttle = &self.parts.throttle;
        let allowance = match throttle.sign_up(visit.address).await {
            Ok(allowance) => allowance,
            Err(Throttled::Until(until)) => {
                let minutes = until.since(visit.now).as_secs().div_ceil(60).max(1);
                let problem = LoginProblem::TooManyTries { minutes };
                let again = self.join_again(visit, flow, joining, problem);
                return Err(again.status(StatusCode::TOO_MANY_REQUESTS));
            }
            Err(Throttled::Store(error)) => return Err(Refusal::Store(error).into()),
        };
        let made = match self.join(visit, flow, joining) {
            Ok((profile, handle, made)) => {
                uses.push(made.once.first());
                let about = (profile, handle.as_slice(), &made);
                self.write_person(visit, joining.passkeys, about, (owner, uses))
                    .await
            }
            Err(not_made) => Err(not_made),
        };
        if made.is_err() {
            throttle.made_nobody(allowance).await;
        }
        match made {
            Err(NotMade::Refused(Refusal::Exists)) => {
                let exists = LoginProblem::Passkey(PasskeyProblem::Exists);
                Err(self.join_again(visit, flow, joining, exists))
            }
            made => made,
        }
    }

    /// Checks what came with the form of somebody new: who they are, their handle and their passkey.
    fn join(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        joining: &Joining<'_>,
    ) -> Result<(Profile, Vec<u8>, Made), NotMade> {
        let Joining {
            id,
            passkeys,
            fields,
            ..
        } = joining;
        let profile = person(fields).map_err(|bad| {
            let mut account = self.account_again(visit, flow, joining);
            bad_person(&mut account, bad);
            NotMade::account(account)
        })?;
        let refused = |refused: &Refused| {
            let problem = LoginProblem::Passkey(problem_of(refused.check()));
            self.join_again(visit, flow, joining, problem)
        };
        let handle = fields.one(HANDLE).and_then(handle_of);
        let handle = handle.ok_or_else(|| refused(&Refused::Challenge))?;
        let ceremony = Ceremony::SignUp {
            connection: id.as_str(),
            flow: &flow.state(),
            handle: &handle,
        };
        let how = Verification::Required;
        let made = passkeys
            .desk
            .made(&ceremony, answer(fields), how, visit.now);
        let made = made.map_err(|error| refused(&error))?;
        Ok((profile, handle, made))
    }

    /// The form once more, with what was typed.
    fn account_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        joining: &Joining<'_>,
    ) -> PasskeyAccount {
        let form = (joining.id, joining.passkeys, joining.post.clone());
        self.passkey_account(visit, flow, form, Some(joining.fields))
    }

    fn join_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        joining: &Joining<'_>,
        problem: LoginProblem,
    ) -> NotMade {
        NotMade::account(PasskeyAccount {
            problem: Some(problem),
            ..self.account_again(visit, flow, joining)
        })
    }

    async fn write_person(
        &self,
        visit: &Visit,
        passkeys: Passkeys<'_>,
        (profile, handle, made): (Profile, &[u8], &Made),
        (owner, uses): (bool, Vec<OneTimeUse>),
    ) -> Result<Admitted, NotMade> {
        let who = passkeys.new_person(handle, profile, made, visit.now);
        let who = who.map_err(|rejection| NotMade::Rejected(Box::new(rejection)))?;
        let identity = who.identity().clone();
        let user = UserId::new(&identity.connection, &identity.subject);
        let new = NewPasskey {
            handle,
            made,
            party: passkeys.desk.party(),
            name: "",
        };
        let person = NewPerson {
            factor: Some(self.parts.factors.passkey_record(&user, new)),
            identity,
            account: None,
            owner,
            uses,
        };
        let directory = &self.parts.directory;
        Ok(directory.sign_up(person, who, &visit.origin()).await?)
    }
}

/// Somebody who wants an account, and the form that they filled in.
#[derive(Debug)]
pub(super) struct Joining<'a> {
    pub(super) id: &'a ConnectionId,
    pub(super) passkeys: Passkeys<'a>,
    /// Where the form is sent.
    pub(super) post: Post,
    pub(super) fields: &'a Fields,
}

/// Why nobody was made.
#[derive(Debug)]
pub(super) enum NotMade {
    /// The form is shown again.
    Account(Box<PasskeyAccount>, StatusCode),
    Refused(Refusal),
    Rejected(Box<Rejection>),
}

impl NotMade {
    fn account(account: PasskeyAccount) -> Self {
        Self::Account(Box::new(account), StatusCode::UNPROCESSABLE_ENTITY)
    }

    fn status(self, status: StatusCode) -> Self {
        match self {
            Self::Account(account, _) => Self::Account(account, status),
            other => other,
        }
    }
}

impl From<Refusal> for NotMade {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is wrong with a name or an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadPerson {
    Email,
    Name,
}

/// Who somebody says that they are. The address is unverified, and their own to type.
fn person(fields: &Fields) -> Result<Profile, BadPerson> {
    let text = |name: &str| {
        let typed = fields.one(name).unwrap_or_default().trim();
        (!typed.is_empty()).then(|| typed.to_owned())
    };
    let name = text("name").ok_or(BadPerson::Name)?;
    if name.len() > 256 || name.chars().any(char::is_control) {
        return Err(BadPerson::Name);
    }
    let email = match text("email") {
        None => None,
        Some(typed) => {
            let email = crate::protocol::EmailAddress::parse(&typed);
            Some(email.map_err(|_| BadPerson::Email)?.to_string())
        }
    };
    Ok(Profile {
        name: Some(name),
        email,
        ..Profile::default()
    })
}

/// What a form brought back.
pub(super) fn answer(fields: &Fields) -> Answer<'_> {
    Answer {
        challenge: fields.one(CHALLENGE_FIELD).unwrap_or_default(),
        credential: fields.one(ANSWER_FIELD).unwrap_or_default(),
    }
}

/// A user handle as a form has it.
pub(super) fn handle_field(handle: &[u8]) -> Hidden {
    Hidden {
        name: HANDLE.to_owned(),
        value: URL_SAFE_NO_PAD.encode(handle),
    }
}

/// What [`handle_field`] wrote.
pub(super) fn handle_of(text: &str) -> Option<Vec<u8>> {
    let handle = URL_SAFE_NO_PAD.decode(text).ok()?;
    (handle.len() == 32).then_some(handle)
}

/// What a page says of a check that failed.
pub(super) fn problem_of(check: Option<&'static str>) -> PasskeyProblem {
    match check {
        Some("counter") => PasskeyProblem::Cloned,
        Some("late") => PasskeyProblem::Late,
        Some("nothing") => PasskeyProblem::NoScript,
        Some("known") => PasskeyProblem::Unknown,
        _ => PasskeyProblem::Refused,
    }
}

/// The same of a login; `None`: it is our fault.
fn problem(rejection: &Rejection) -> Option<PasskeyProblem> {
    (rejection.fault == connection::Fault::Denied).then(|| problem_of(rejection.check))
}
