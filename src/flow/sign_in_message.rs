//! The message by which somebody signs in: written and sent beside the request, by mail or to a
//! telephone.

use std::time::Duration;

use super::{
    Engine, Visit,
    mailing::{Scribe, absolute},
    passwordless::By,
};
use crate::{
    connection::{
        AccountKey, Asker, KnownBrowser, Phone, Recipient, SignInAsked, SignInSecret, Throttled,
    },
    mail,
    protocol::{EmailAddress, PhoneNumber},
    sms,
    text::{Letter, TextMessage, letter::Proof, page::Href},
};

/// How long it is tried to hand a text message to a gateway: each try may cost.
const TEXT_PATIENCE: Duration = Duration::from_mins(5);

/// A message by which somebody signs in.
#[derive(Debug)]
pub(super) struct SignInMessage {
    pub(super) asked: SignInAsked,
    pub(super) to: Recipient,
    pub(super) secret: SignInSecret,
    /// Whether it is sent to somebody who was never here.
    pub(super) strangers: bool,
}

/// What is in it.
struct Secret {
    code: String,
    link: Href,
    lifetime: Duration,
}

impl Engine {
    /// Pays for a message.
    pub(super) async fn pay_for_message(
        &self,
        visit: &Visit,
        by: By<'_>,
        (account, to): (&AccountKey, &Recipient),
        browser: Option<&KnownBrowser>,
    ) -> Result<(), Throttled> {
        let throttle = &self.parts.throttle;
        if let (Recipient::Phone(number), Some(phone)) = (to, by.passwordless.phone()) {
            let to = (account, number);
            return throttle
                .sign_in_text(to, (visit.address, browser), phone.cap)
                .await;
        }
        let asks = (account, visit.address);
        throttle.sign_in_message(asks, browser).await
    }

    /// Sends a message by which somebody signs in, if they may.
    pub(super) fn send_sign_in(&self, visit: &Visit, message: SignInMessage) {
        let id = &message.asked.connection;
        if self.mail.is_none() && matches!(message.to, Recipient::Email(_)) {
            return;
        }
        let Some(scribe) = self.scribe_of_any(visit, id) else {
            return;
        };
        match message.to.clone() {
            Recipient::Email(to) => {
                let written = scribe.sign_in_mail(to, message);
                self.parts.outbox.post_when(written);
            }
            Recipient::Phone(to) => {
                let by_message = scribe.connection.passwordless();
                let Some(phone) = by_message.and_then(|by_message| by_message.phone()) else {
                    return;
                };
                let gateway = phone.gateway.clone();
                let client = sms::Client {
                    address: visit.address,
                    user_agent: visit.user_agent.clone(),
                };
                let written = scribe.sign_in_text(to, message, client);
                self.parts.texts.post_when(gateway, written);
            }
        }
    }
}

impl Scribe {
    async fn sign_in_mail(self, to: EmailAddress, message: SignInMessage) -> Option<mail::Draft> {
        let secret = self.secret(&message).await?;
        let passwordless = self.connection.passwordless()?;
        let Asker {
            address, device, ..
        } = message.asked.asker;
        let lifetime = secret.lifetime;
        let letter = Letter::SignIn {
            proof: Proof {
                link: secret.link,
                lifetime,
                code: Some(secret.code),
                code_lifetime: lifetime,
            },
            code_in_subject: passwordless.has_code_in_subject(),
            address: address.map(|address| address.to_string()),
            device,
        };
        Some(self.draft(to, letter, lifetime))
    }

    async fn sign_in_text(
        self,
        to: PhoneNumber,
        message: SignInMessage,
        client: sms::Client,
    ) -> Option<sms::Draft> {
        let secret = self.secret(&message).await?;
        let phone: &Phone = self.connection.passwordless()?.phone()?;
        Some(sms::Draft {
            to,
            message: TextMessage {
                code: secret.code,
                lifetime: secret.lifetime,
                link: phone.link.then_some(secret.link),
                host: phone.fill_in_at.clone(),
            },
            locale: self.locale,
            until: self.now + secret.lifetime.min(TEXT_PATIENCE),
            client,
            text: self.text,
        })
    }

    /// What the message holds; `None`: nobody is written to. Whoever may not come in has a code too,
    /// which nobody is told: so what is typed is answered alike.
    async fn secret(&self, message: &SignInMessage) -> Option<Secret> {
        if !self.is_welcome(message).await? {
            return None;
        }
        let SignInSecret { token, code } = &message.secret;
        Some(Secret {
            link: absolute(&self.pages, &format!("code?token={token}")),
            code: code.clone(),
            lifetime: self.connection.passwordless()?.lifetime(),
        })
    }

    /// Whether somebody may sign in by a message.
    async fn is_welcome(&self, message: &SignInMessage) -> Option<bool> {
        let passwordless = self.connection.passwordless()?;
        if !passwordless.takes(&message.to) {
            return Some(false);
        }
        let subject = message.to.subject()?;
        let users = self.parts.directory.store();
        let user = users.find_by_identity(self.connection.id(), &subject).await;
        let user = user.map_err(|error| self.unsent(&error)).ok()?;
        Some(user.map_or(message.strangers, |user| !user.blocked))
    }
}
