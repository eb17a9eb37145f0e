//! The part of an import or export that works on the users: in the running process, or in the
//! command's own when there is none.

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::{
    app::App,
    cli::remote::{Batch, Page},
    connection::Connection,
    identity::{ConnectionId, UserId},
    proxy::Live,
    store::{Event, EventKind, Whose},
    user::{FactorLine, ImportMode, Imported, Origin, PersonLine},
};

/// Imports some records; says how many became what, and what is wrong with the others.
pub(in crate::cli) async fn import_batch(
    app: &App,
    live: &Live,
    batch: Batch,
) -> anyhow::Result<Value> {
    let connection = batch.connection.as_deref().map(|name| database(live, name));
    let connection = connection.transpose()?;
    let directory = &app.directory;
    let (mut lines, mut numbers) = (Vec::new(), Vec::new());
    let (mut refused, mut notes) = (Vec::new(), Vec::new());
    for (number, text) in batch.records {
        match directory.read_record(&text, connection.as_ref()).await {
            Ok(read) => {
                if read.other_factors > 0 {
                    let why = format!(
                        "{} second factors are not imported: they are no TOTP",
                        read.other_factors
                    );
                    notes.push(json!({ "record": number, "what": read.line.id, "why": why }));
                }
                lines.push(read.line);
                numbers.push(number);
            }
            Err(why) => refused.push(json!({ "record": number, "what": null, "why": why })),
        }
    }
    let mode = ImportMode {
        dry_run: batch.dry_run,
        upsert: batch.upsert,
    };
    let (mut created, mut existed, mut updated) = (0_u64, 0_u64, 0_u64);
    let answers = directory.import_all(&lines, mode, &Origin::default()).await;
    for ((number, line), answer) in numbers.into_iter().zip(&lines).zip(answers) {
        if answer.is_ok()
            && !mode.dry_run
            && let Err(error) = import_factors(app, line).await
        {
            let why = format!("the second factor was not imported: {error:#}");
            refused.push(json!({ "record": number, "what": name(line), "why": why }));
            continue;
        }
        match answer {
            Ok(Imported::Created) => created += 1,
            Ok(Imported::Exists) => existed += 1,
            Ok(Imported::Updated(user)) => {
                updated += 1;
                if user.blocked && !mode.dry_run {
                    let event = Event::new(app.clock.now(), EventKind::SessionRevoked, "blocked");
                    let whose = Whose::User(user.id.clone());
                    app.sessions
                        .revoke_all(&whose, event.user(&user.id))
                        .await?;
                }
                app.sessions.forget_user(&user.id);
            }
            Err(why) => refused
                .push(json!({ "record": number, "what": name(line), "why": why.to_string() })),
        }
    }
    Ok(json!({
        "created": created, "updated": updated, "existed": existed,
        "refused": refused, "notes": notes,
    }))
}

/// Gives a user the factors of their line, unless they have some or were here: then they have chosen
/// themselves.
async fn import_factors(app: &App, line: &PersonLine) -> anyhow::Result<()> {
    if line.second_factors.is_empty() {
        return Ok(());
    }
    let user = app.directory.store().find(&line.id).await?;
    let Some(user) = user.filter(|user| user.last_login_at.is_none()) else {
        return Ok(());
    };
    if !app.factors.of(&user.id).await?.is_empty() {
        return Ok(());
    }
    for factor in &line.second_factors {
        let secret = factor.secret()?;
        let (factors, origin) = (&app.factors, Origin::default());
        factors.import(&user.id, &secret, &origin).await?;
    }
    Ok(())
}

/// What an operator knows somebody by.
fn name(line: &PersonLine) -> &str {
    let email = line.profile.email.as_deref();
    email.unwrap_or_else(|| line.id.as_str())
}

fn database(live: &Live, name: &str) -> anyhow::Result<ConnectionId> {
    let id: ConnectionId = name.parse()?;
    let (connection, _) = live
        .site
        .engine
        .connections
        .find(&id)
        .ok_or_else(|| anyhow!("there is no connection {id} in the configuration"))?;
    let keeps = Connection::accounts(connection.as_ref()).is_some();
    let keeps = keeps.then_some(id);
    keeps.ok_or_else(|| anyhow!("the connection {name} keeps no passwords of its own"))
}

/// Users after the last one of the page before, and where the next page begins.
pub(in crate::cli) async fn export_page(app: &App, page: Page) -> anyhow::Result<Value> {
    let store = app.directory.store();
    if page.after.is_none() {
        let mut event = Event::new(app.clock.now(), EventKind::UsersExported, "operator");
        match (page.with_hashes, page.with_second_factors) {
            (false, false) => {}
            (true, false) => "with-hashes".clone_into(&mut event.reason),
            (false, true) => "with-second-factors".clone_into(&mut event.reason),
            (true, true) => "with-hashes-and-second-factors".clone_into(&mut event.reason),
        }
        // Before the first line leaves: what cannot be noted does not happen.
        store.record(event.clone()).await?;
        event.log();
    }
    let after: Option<UserId> = page.after.as_deref().map(str::parse).transpose()?;
    let users = store.list(None, after.as_ref(), super::BATCH).await?;
    let next = users.last().map(|user| user.id.clone());
    let mut lines = Vec::new();
    for user in users {
        let secrets = if page.with_second_factors {
            app.factors.secrets(&user.id).await?
        } else {
            Vec::new()
        };
        let mut line = app.directory.export(user, page.with_hashes).await?;
        line.second_factors = secrets
            .iter()
            .map(|secret| FactorLine::Totp {
                secret: secret.base32().to_string(),
            })
            .collect();
        lines.push(serde_json::to_value(line)?);
    }
    Ok(json!({ "lines": lines, "next": next }))
}
