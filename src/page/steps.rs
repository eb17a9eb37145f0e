//! The pages of further steps: the second factor, and what mails lead to.

use super::{Endpoint, Site};
use crate::flow::{Fields, Turn, Visit};

impl Site {
    /// The second factor; what mails lead to, and what leads to mails.
    pub(super) async fn further_step(
        &self,
        visit: &Visit,
        endpoint: &Endpoint,
        (query, form): (&Fields, Option<&Fields>),
    ) -> Turn {
        let engine = &self.engine;
        let token = query.one("token").unwrap_or_default();
        match (endpoint, form) {
            (Endpoint::Code, None) => engine.code_link_page(visit, token).await,
            (Endpoint::Code, Some(form)) => engine.code_link(visit, form).await,
            (Endpoint::Email, None) => engine.email_page(visit, token).await,
            (Endpoint::Email, Some(form)) => engine.email(visit, form).await,
            (Endpoint::Factor, None) => engine.factor_page(visit, query.one("flow")).await,
            (Endpoint::Factor, Some(form)) => Box::pin(engine.prove_factor(visit, form)).await,
            (Endpoint::Forgot(id), None) => engine.forgot_page(visit, id, query.one("flow")),
            (Endpoint::Forgot(id), Some(form)) => engine.forgot(visit, id, form).await,
            (Endpoint::Unblock, None) => engine.unblock_page(visit, token).await,
            (Endpoint::Unblock, Some(form)) => engine.unblock(visit, form).await,
            (Endpoint::Verify, None) => engine.verify_page(visit, token).await,
            (Endpoint::Verify, Some(form)) => engine.verify(visit, form).await,
            (_, None) => engine.reset_page(visit, token).await,
            (_, Some(form)) => engine.reset(visit, form).await,
        }
    }
}
