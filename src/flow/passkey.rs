//! Signing in with a passkey: its place on the login page, and the form that comes back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{Engine, Fields, LoginFlow, Turn, Visit, login::MADE_FOR};
use crate::{
    connection::{
        self, ConnectionSettings, Rejection, Reply,
        passkey::{ANSWER_FIELD, Answer, Asked, CHALLENGE_FIELD, Passkeys},
    },
    identity::ConnectionId,
    text::page::{
        Hidden, Post,
        login::{LoginProblem, StartAgainWhy},
        passkey::{PasskeyCeremony, PasskeyForm, PasskeyProblem, PasskeyWay},
    },
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
