//! Somebody new makes an account with a passkey: at a connection that takes strangers, or by the
//! first-run link.

use http::StatusCode;

use super::{
    Engine, Fields, LoginAsk, LoginFlow, Turn, Visit,
    passkey::{HANDLE, answer, handle_field, handle_of, problem_of},
    sign_up::bad_person,
};
use crate::{
    connection::{
        ConnectionSettings, Rejection, Throttled,
        passkey::{Ceremony, Made, Passkeys, Refused},
    },
    identity::{ConnectionId, Profile, UserId},
    protocol::{
        EmailAddress,
        webauthn::{Verification, Whose},
    },
    store::{EventKind, OneTimeUse},
    text::page::{
        Page, PasskeySignUp, Post,
        login::{Field, LoginProblem, StartAgainWhy},
        passkey::{PasskeyAccount, PasskeyCeremony, PasskeyProblem},
    },
    user::{Admitted, NewPasskey, NewPerson, Refusal},
};

impl Engine {
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
            let email = EmailAddress::parse(&typed);
            Some(email.map_err(|_| BadPerson::Email)?.to_string())
        }
    };
    Ok(Profile {
        name: Some(name),
        email,
        ..Profile::default()
    })
}
