//! The answers of providers.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit};
use crate::{
    connection::{Authenticated, ConnectionSettings, Reply, Step},
    identity::ConnectionId,
    text::page::{ConfirmSignIn, Hidden, Page, Repost, failure::FailureKind, login::StartAgainWhy},
};

/// What a provider sent back.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) reply: Reply<'a>,
    /// By POST.
    pub(crate) posted: bool,
    /// By the page of ours that posts once more.
    pub(crate) reposted: bool,
    /// By the page of ours that asks whether the person wants this.
    pub(crate) confirmed: bool,
    /// The page of ours that it came to, under the prefix.
    pub(crate) page: String,
}

/// The query parameter that marks the second POST.
pub(crate) const REPOSTED: &str = "reposted";
/// The one that marks a POST that the person was asked about.
pub(crate) const CONFIRMED: &str = "confirmed";

impl Engine {
    /// GET and POST callback/{connection}: the provider's answer.
    pub(crate) async fn callback(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        answer: Answer<'_>,
    ) -> Turn {
        let Some((connection, settings)) = self.connections.enabled(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged, None);
        };
        if connection.inline().is_some() && (answer.posted || connection.certificates().is_none()) {
            // It asks with a form of ours and nobody else answers for it: a password that comes
            // here would come past everything that guards the form. Whoever shows a certificate
            // brings no form.
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        }
        // Each connection has its answers at one address.
        let page = if connection.takes_saml() {
            format!("saml/{id}/acs")
        } else {
            format!("callback/{id}")
        };
        if page != answer.page {
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        }
        if connection.is_cleanup(answer.reply) {
            return self.clean_up(visit, id).await;
        }
        let state = answer
            .fields
            .first_of(&["state", "RelayState", "wctx"])
            .unwrap_or_default();
        let flow = self.flow_of_answer(visit, state);
        if flow.is_none() && answer.posted && !answer.reposted && !answer.confirmed {
            return self.repost(&answer);
        }
        match flow {
            Some(flow) if flow.began_with(id, settings.fingerprint) => {
                let wanted = Some(flow.return_to.as_str());
                let _turn = match self.answer_turn(visit, &flow).await {
                    Ok(Some(turn)) => turn,
                    Ok(None) if visit.session.is_some() => {
                        return self.pass_on(visit, &flow.return_to, None).await;
                    }
                    Ok(None) => return self.start_again(visit, StartAgainWhy::AlreadyUsed, wanted),
                    Err(error) => return self.store_is_away(visit, &error),
                };
                let kept = flow.kept();
                let peer = visit.peer_in(&flow);
                match connection.resume(Some(&kept), answer.reply, &peer).await {
                    Ok(step) => self.advance(visit, flow, settings, (step, None)).await,
                    // One answer ends the flow, whatever it is.
                    Err(rejection) => {
                        self.answer_failed(&flow);
                        let turn = if flow.trial.is_some() {
                            let failed = Err(&rejection);
                            self.end_trial(visit, &flow, settings, failed).await
                        } else {
                            self.rejected(visit, settings, &rejection, wanted)
                        };
                        turn.with(self.end_flow(&flow))
                    }
                }
            }
            Some(flow) => self.start_again(
                visit,
                StartAgainWhy::ConnectionChanged,
                Some(&flow.return_to),
            ),
            // The button was pressed twice, or the page was kept: who is signed in goes on.
            None if visit.session.is_some() => {
                self.pass_on(visit, &wanted_unasked(state), None).await
            }
            None => match connection.resume(None, answer.reply, &visit.peer()).await {
                Ok(Step::Done { who }) if answer.confirmed => {
                    let flow = self.begin_flow(wanted_unasked(state), None);
                    Box::pin(self.admit(visit, &flow, settings, *who)).await
                }
                Ok(Step::Done { who }) => self.ask_to_confirm(&answer, &who, settings),
                // What nobody asked for begins nothing.
                Ok(_) => self.start_again(visit, StartAgainWhy::NoFlow, None),
                Err(rejection) => {
                    self.note_rejection(visit, &rejection);
                    self.start_again(visit, StartAgainWhy::NoFlow, None)
                }
            },
        }
    }

    /// A cross-site POST comes without our Lax cookies. The same fields posted once more by a page
    /// of ours come with them; only that second POST is looked at.
    fn repost(&self, answer: &Answer<'_>) -> Turn {
        let page = Repost {
            action: self.href(&format!("{}?{REPOSTED}=1", answer.page)),
            fields: once_more(answer),
        };
        Turn::page(StatusCode::OK, Page::Repost(page))
    }

    /// A login that began at the provider signs nobody in who was not asked: another site may have
    /// brought the answer, so that the person acts as somebody else (SAML profiles section 4.1.5).
    fn ask_to_confirm(
        &self,
        answer: &Answer<'_>,
        who: &Authenticated,
        settings: &ConnectionSettings,
    ) -> Turn {
        let identity = who.identity();
        let profile = &identity.profile;
        let name = profile.email.as_ref().or(profile.name.as_ref());
        let name = name.map_or_else(|| identity.subject.to_string(), ToString::to_string);
        let page = ConfirmSignIn {
            action: self.href(&format!("{}?{CONFIRMED}=1", answer.page)),
            fields: once_more(answer),
            display_name: settings.display_name.clone(),
            name,
            stay: self.href("login"),
        };
        Turn::page(StatusCode::OK, Page::ConfirmSignIn(page))
    }
}

/// The fields of an answer, to be posted again from here.
fn once_more(answer: &Answer<'_>) -> Vec<Hidden> {
    let fields = answer.fields.iter().map(|(name, value)| Hidden {
        name: name.to_owned(),
        value: value.to_owned(),
    });
    fields.collect()
}

/// Where a login leads that began at the provider: a path of ours, if that is what RelayState says.
fn wanted_unasked(relay_state: &str) -> String {
    let path = Some(relay_state).filter(|path| path.starts_with('/'));
    path.unwrap_or("/").to_owned()
}
