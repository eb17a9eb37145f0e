//! What the operator asks of sessions.

use anyhow::bail;
use serde_json::{Value, json};

use super::{MOST, Operator};
use crate::{
    cli::remote::Revoke,
    identity::ConnectionId,
    store::{EventKind, SessionId, SessionRecord, Whose},
};

impl Operator<'_> {
    pub(super) async fn sessions(&self, user: Option<&str>, most: usize) -> anyhow::Result<Value> {
        let whose = match user {
            Some(user) => Whose::User(self.user(user).await?.id),
            None => Whose::All,
        };
        let listed = self
            .app
            .sessions
            .store()
            .list(&whose, most.min(MOST))
            .await?;
        Ok(listed.iter().map(session).collect())
    }

    pub(super) async fn revoke(&self, which: Revoke) -> anyhow::Result<Value> {
        let event = self.event(EventKind::SessionRevoked);
        let sessions = &self.app.sessions;
        let ended = match which {
            Revoke::All => sessions.revoke_all(&Whose::All, event).await?,
            Revoke::Connection(name) => {
                let id: ConnectionId = name.parse()?;
                sessions
                    .revoke_all(&Whose::Connection(id.clone()), event.connection(&id))
                    .await?
            }
            Revoke::Session(id) => {
                let id: SessionId = id.parse()?;
                if !sessions.revoke(id, event.session(id)).await? {
                    bail!("there is no session {id}; it may have ended already");
                }
                1
            }
            Revoke::User(user) => {
                let user = self.user(&user).await?.id;
                sessions
                    .revoke_all(&Whose::User(user.clone()), event.user(&user))
                    .await?
            }
        };
        Ok(json!({ "ended": ended }))
    }
}

pub(super) fn session(record: &SessionRecord) -> Value {
    json!({
        "id": record.id,
        "user": record.user,
        "connections": record.authentications.iter().map(|held| &held.connection).collect::<Vec<_>>(),
        "amr": record.authentications.iter().flat_map(|held| &held.amr).collect::<Vec<_>>(),
        "created_at": record.created_at.to_string(),
        "last_used_at": record.last_used_at.to_string(),
        "expires_at": record.expires_at.to_string(),
        "address": record.address,
        "user_agent": record.user_agent,
    })
}
