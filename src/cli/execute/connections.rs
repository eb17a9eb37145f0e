//! What the operator asks of connections.

use anyhow::{anyhow, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Operator;
use crate::{identity::ConnectionId, user::Origin};

impl Operator<'_> {
    /// What a connection knows of its provider.
    pub(super) async fn facts(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let found = self.live.site.engine.connections.find(&id);
        let (connection, _) = found.ok_or_else(|| anyhow!("there is no connection {name:?}"))?;
        Ok(Value::Object(connection.facts().await))
    }

    /// How far people have come who move here from a store elsewhere.
    pub(super) async fn migration(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let found = self.live.site.engine.connections.find(&id);
        let (connection, _) = found.ok_or_else(|| anyhow!("there is no connection {name:?}"))?;
        let Some(migration) = connection.migration().await else {
            bail!("nobody moves here from {id}: it has no \"import\"");
        };
        let imported = self.app.directory.store().count_accounts(&id).await?;
        let in_old_store = match migration {
            Ok(migration) => migration.in_old_store,
            Err(rejection) => bail!("{}", crate::problem::causes(&rejection)),
        };
        let left = in_old_store.map(|all| all.saturating_sub(imported));
        Ok(json!({
            "connection": id,
            "imported": imported,
            "in_old_store": in_old_store,
            "left": left,
        }))
    }

    /// A link for one trial login.
    pub(super) async fn begin_trial(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let engine = &self.live.site.engine;
        let (connection, _) = engine
            .connections
            .enabled(&id)
            .ok_or_else(|| anyhow!("there is no connection {id} that is enabled"))?;
        if connection.checks().is_empty() {
            bail!("{id} asks with a form of ours: there is no provider to try");
        }
        let drawn: [u8; 32] = self.app.random.bytes();
        let token = URL_SAFE_NO_PAD.encode(drawn);
        let url = engine.offer_trial(&id, &token).await?;
        Ok(json!({ "url": url, "token": token }))
    }

    /// What became of a trial login.
    pub(super) async fn trial_report(&self, token: &str) -> anyhow::Result<Value> {
        let report = self.live.site.engine.trial(token).await?;
        let report = report.ok_or_else(|| anyhow!("there is no such trial any more"))?;
        Ok(serde_json::to_value(report)?)
    }

    pub(super) async fn adopt(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let connections = &self.live.site.engine.connections;
        let (connection, _) = connections
            .find(&id)
            .ok_or_else(|| anyhow!("there is no connection {id} in the configuration"))?;
        self.app
            .directory
            .adopt(connection.as_ref(), &Origin::default())
            .await?;
        Ok(json!({ "adopted": id }))
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> anyhow::Result<Value> {
        let (from, to): (ConnectionId, ConnectionId) = (from.parse()?, to.parse()?);
        let directory = &self.app.directory;
        let identities = directory.rename(&from, &to, &Origin::default()).await?;
        // Those that the users' store does not hold.
        self.app.sessions.rename_connection(&from, &to).await?;
        Ok(json!({ "renamed": from, "to": to, "identities": identities }))
    }

    pub(super) async fn count(&self) -> anyhow::Result<Value> {
        let counts = self.app.directory.store().counts().await?;
        Ok(counts
            .into_iter()
            .map(|(id, users)| json!({ "connection": id, "users": users }))
            .collect())
    }
}
