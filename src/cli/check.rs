//! `vestibule check`: everything that is wrong with the configuration, before it is taken into use.

use serde_json::json;

use super::{Ended, Place, output};
use crate::{app, config::Report, problem::causes};

/// What `check` takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Open the storage too, see that the connections still stand for what they stood for, and ask
    /// each provider for its metadata and keys, and the mail server whether it takes our login.
    #[arg(long)]
    online: bool,
}

/// Checks.
pub(super) fn run(place: &Place, arguments: &Arguments, json: bool) -> anyhow::Result<Ended> {
    match check(place, arguments.online) {
        Ok(summary) => {
            if json {
                output::json(&json!({ "ok": true, "summary": summary }));
            } else {
                output::line(&summary);
            }
            Ok(Ended::Done)
        }
        Err(error) => match error.downcast::<Report>() {
            Ok(report) if json => {
                output::json(
                    &json!({ "ok": false, "problems": report.to_string().lines().collect::<Vec<_>>() }),
                );
                Ok(Ended::NotAsAsked)
            }
            Ok(report) => {
                output::report(&report.to_string());
                Ok(Ended::NotAsAsked)
            }
            Err(error) => Err(error),
        },
    }
}

fn check(place: &Place, online: bool) -> anyhow::Result<String> {
    if place.file().is_none() {
        let why = "there is no config.toml here; name the file with --config";
        return Err(anyhow::anyhow!(why));
    }
    let loaded = place.load()?;
    let settings = &loaded.settings;
    super::run::try_certificates(&loaded)?;
    if online {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let app = app::App::open(settings, false).await?;
            let live = app
                .build(settings)
                .map_err(|problems| loaded.report(problems))?;
            let mut refused = app.check_pins(&live).await;
            for (connection, _) in live.site.engine.connections.all_enabled() {
                if let Err(rejection) = connection.reach().await {
                    refused.push(causes(&rejection));
                }
            }
            if let Some(post) = &live.site.engine.mail
                && let Err(why) = post.try_out().await
            {
                refused.push(why);
            }
            if refused.is_empty() {
                Ok(())
            } else {
                Err(anyhow::anyhow!(refused.join("\n")))
            }
        })?;
    }
    Ok(format!(
        "{} is good: {} connection(s), {} route(s), login at {}",
        place
            .file()
            .map_or_else(|| "the trial".to_owned(), |file| file.display().to_string()),
        settings.connections.len(),
        settings.routes.len(),
        settings.public_url,
    ))
}
