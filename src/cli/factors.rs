//! `vestibule users factors` and `users reset-factors`, where the storage is.

use anyhow::bail;
use serde_json::{Value, json};

use crate::{
    app::App,
    store::{Event, EventKind, UserRecord, Whose},
    user::Origin,
};

/// The longest reason, in characters: it is a line of the audit trail.
const MOST_REASON: usize = 200;

/// What a user has. Secrets and codes are not told.
pub(super) async fn list(app: &App, user: &UserRecord) -> anyhow::Result<Value> {
    Ok(json!({
        "user": user.id,
        "factors": told(app, user).await?,
        "recovery_codes_left": app.factors.recovery_codes_left(&user.id).await?,
    }))
}

/// Their factors, each with what may be told of it.
pub(super) async fn told(app: &App, user: &UserRecord) -> anyhow::Result<Vec<Value>> {
    let factors = app.factors.of(&user.id).await?;
    let mut told = Vec::new();
    for factor in &factors {
        // These two say something of passkeys alone.
        let credential = app.factors.passkey(factor)?;
        let (rp_id, synced) = credential.map(|one| (one.party, one.backed_up)).unzip();
        told.push(json!({
            "id": factor.id,
            "kind": factor.kind.name(),
            "name": factor.name,
            "created_at": factor.created_at.to_string(),
            "last_used_at": factor.last_used_at.map(|at| at.to_string()),
            "rp_id": rp_id,
            "synced": synced,
        }));
    }
    Ok(told)
}

/// Takes everything away. Sessions end too, and so do logins under way: somebody else may have lost
/// nothing.
pub(super) async fn reset(app: &App, user: &UserRecord, reason: &str) -> anyhow::Result<Value> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        bail!("say in one line with --reason why they are reset");
    }
    if reason.chars().count() > MOST_REASON {
        bail!("--reason is longer than {MOST_REASON} characters");
    }
    let removed = app
        .factors
        .reset(&user.id, reason, &Origin::default())
        .await?;
    if removed == 0 {
        bail!("{} has no second factor", user.id);
    }
    let event = Event::new(app.clock.now(), EventKind::SessionRevoked, "factors-reset");
    let whose = Whose::User(user.id.clone());
    let ended = app
        .sessions
        .revoke_all(&whose, event.user(&user.id))
        .await?;
    Ok(json!({ "user": user.id, "removed": removed, "sessions_ended": ended }))
}
