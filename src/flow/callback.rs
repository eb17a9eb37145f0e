//! The answers of providers.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit};
use crate::{
    connection::Reply,
    identity::ConnectionId,
    text::page::{
        Hidden, Page,
        failure::FailureKind,
        login::{Repost, StartAgainWhy},
    },
};

/// What a provider sent back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) reply: Reply<'a>,
    /// By POST.
    pub(crate) posted: bool,
    /// By the page of ours that posts once more.
    pub(crate) reposted: bool,
}

/// The query parameter that marks the second POST.
pub(crate) const REPOSTED: &str = "reposted";

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
        if connection.inline().is_some() {
            // It asks with a form of ours and nobody else answers for it: a password that comes
            // here would come past everything that guards the form.
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        }
        let state = answer
            .fields
            .first_of(&["state", "RelayState", "wctx"])
            .unwrap_or_default();
        let flow = self.flow_of_answer(visit, state);
        if flow.is_none() && answer.posted && !answer.reposted {
            return self.repost(&answer, id);
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
            None if visit.session.is_some() => self.pass_on(visit, "/", None).await,
            None => match connection.resume(None, answer.reply, &visit.peer()).await {
                Ok(step) => {
                    let flow = self.begin_flow("/".to_owned(), None);
                    self.advance(visit, flow, settings, (step, None)).await
                }
                Err(rejection) => {
                    self.note_rejection(visit, &rejection);
                    self.start_again(visit, StartAgainWhy::NoFlow, None)
                }
            },
        }
    }

    /// A cross-site POST comes without our Lax cookies. The same fields posted once more by a page
    /// of ours come with them; only that second POST is looked at.
    fn repost(&self, answer: &Answer<'_>, id: &ConnectionId) -> Turn {
        let fields = answer.fields.iter().map(|(name, value)| Hidden {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        let action = self.href(&format!("callback/{id}?{REPOSTED}=1"));
        Turn::page(
            StatusCode::OK,
            Page::Repost(Repost {
                action,
                fields: fields.collect(),
            }),
        )
    }
}
