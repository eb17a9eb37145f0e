//! What people read: the pages' templates, the messages in them, and how they look.
//!
//! A caller fills in a [`Page`] and asks [`Pages::render`] for HTML in the visitor's [`Locale`].
//! The templates (`templates/*.html`, minijinja) are built in; a file of the same name in the
//! operator's folder replaces one. Then they are all tried with sample data when they are loaded, so
//! a broken one stops the start or the reload and never a visitor; ours are tried by the tests, and
//! one is compiled when it is first drawn. They hold no sentences: those come from the catalogue ([`message`]) by `t("key")`.
//!
//! Values are escaped because every template's name ends in `.html`; there is no inline style, no
//! address outside this host, and no script but those whose hashes
//! [`Pages::content_security_policy`] names. Everything but passkeys works without JavaScript. A render has a
//! fuel limit, so that an operator's endless loop ends in an error.

pub(crate) mod assets;
pub(crate) mod colour;
pub(crate) mod config;
pub(crate) mod device;
mod engine;
mod folder;
mod functions;
pub(crate) mod language;
pub(crate) mod letter;
pub(crate) mod message;
pub(crate) mod page;
mod sms;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use minijinja::{ErrorKind, Value, context, value::Serde};

pub(crate) use self::{
    assets::Asset, config::Config, language::Locale, letter::Letter, page::Page, sms::TextMessage,
};
use self::{
    assets::Policies,
    engine::{Engines, Parts},
    language::Languages,
};
use crate::problem::Problem;

/// The pages, ready to be drawn.
#[derive(Debug)]
pub(crate) struct Pages {
    languages: Languages,
    engines: Engines,
    assets: Vec<Asset>,
    policies: Policies,
}

impl Pages {
    /// Reads what the operator has of their own, and tries it. `prefix` is `server.auth_prefix`; `icons` are
    /// the keys and values of each connection's `icon`.
    pub(crate) fn load(
        config: &Config,
        prefix: &str,
        icons: &[(String, &str)],
    ) -> Result<Self, Vec<Problem>> {
        let (sources, mut problems) = match &config.templates {
            Some(folder) => folder::over_ours(folder),
            None => (built_in(), Vec::new()),
        };
        let languages = config.spoken().unwrap_or_else(|problem| {
            problems.push(problem);
            Languages::default()
        });
        let logo = logo(config, prefix).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let pictures = pictures(prefix, icons, &mut problems);
        if config.title.trim().is_empty() {
            problems.push(Problem::new("pages.title", "the title is empty"));
        }
        let css = sources.get("style.css").map_or("", |css| css);
        let css = format!("{css}\n{}", config.accent.accent_css());
        let css = Asset::new(prefix, ("style", "css"), "text/css; charset=utf-8", css);
        let icon =
            include_str!("templates/icon.svg").replace("currentColor", &config.accent.to_string());
        let icon = Asset::new(prefix, ("icon", "svg"), "image/svg+xml", icon);
        let site = context! {
            title => &config.title,
            logo => logo.as_ref().map(|asset| &asset.path),
            css => &css.path,
            icon => &icon.path,
            accent => config.accent.to_string(),
            on_accent => config.accent.ink().to_string(),
        };
        let addresses = pictures
            .iter()
            .map(|(file, one)| (file.clone(), one.path.clone()));
        let parts = Parts {
            sources: Arc::new(sources),
            pictures: Arc::new(addresses.collect()),
            site,
        };
        let files = [css, icon].into_iter().chain(logo);
        let mut pages = Self {
            engines: Engines::new(&languages, parts),
            languages,
            assets: files.chain(pictures.into_values()).collect(),
            policies: Policies::new(),
        };
        if config.templates.is_some() {
            problems.extend(pages.try_out());
        }
        if problems.is_empty() {
            Ok(pages)
        } else {
            Err(problems)
        }
    }

    /// The languages that are spoken.
    pub(crate) fn languages(&self) -> &Languages {
        &self.languages
    }

    /// Draws a page, in the default language if this one is not spoken.
    pub(crate) fn render(&self, page: &Page, locale: Locale) -> Result<String, RenderError> {
        let engine = self.engines.of(self.languages.or_default(locale))?;
        let template = engine.get_template(page.template())?;
        Ok(template.render(context! { page => Value::from(Serde(page)) })?)
    }

    /// Writes a message by mail, in the default language if this one is not spoken.
    pub(crate) fn write(&self, letter: &Letter, locale: Locale) -> Result<Written, RenderError> {
        let locale = self.languages.or_default(locale);
        let engine = self.engines.of(locale)?;
        let context = context! { letter => Value::from(Serde(letter)) };
        let draw = |name: &str| engine.get_template(name)?.render(&context);
        Ok(Written {
            locale,
            subject: engine.render_named_str("subject.txt", SUBJECT, &context)?,
            html: draw("mail.html")?,
            text: draw("mail.txt")?,
        })
    }

    /// Writes a text message, in the default language if this one is not spoken.
    pub(crate) fn write_text(
        &self,
        message: &TextMessage,
        locale: Locale,
    ) -> Result<String, RenderError> {
        let engine = self.engines.of(self.languages.or_default(locale))?;
        let template = engine.get_template("sms.txt")?;
        let text = template.render(context! { sms => Value::from(Serde(message)) })?;
        Ok(text.trim().to_owned())
    }

    /// The files to serve, each under its own path for ever.
    pub(crate) fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The value of `Content-Security-Policy` for a page.
    pub(crate) fn content_security_policy(&self, page: &Page) -> String {
        self.policies.of(page)
    }

    /// What goes wrong when every page and every mail is drawn once in every language.
    fn try_out(&mut self) -> Vec<Problem> {
        // What is broken in one language mostly is in all.
        let mut found = self.languages.iter().map(|locale| self.try_all(locale));
        let problems = found.find(|problems| !problems.is_empty());
        self.engines.forget();
        problems.unwrap_or_default()
    }

    /// What goes wrong in one language.
    fn try_all(&self, locale: Locale) -> Vec<Problem> {
        let mut problems = Vec::new();
        let pages = page::sample::pages();
        let pages = pages.iter().map(|page| self.render(page, locale).err());
        let letters = letter::samples();
        let letters = letters.iter().map(|one| self.write(one, locale).err());
        let texts = sms::samples();
        let texts = texts.iter().map(|one| self.write_text(one, locale).err());
        for error in pages.chain(letters).chain(texts).flatten() {
            let problem = Problem::new("pages.templates", error.to_string());
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        problems
    }
}

/// The subject line: the templates decide about what is below it.
const SUBJECT: &str = "{{ t(letter.subject, title=site.title) }}";

/// A message by mail in one language, in both its forms.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) locale: Locale,
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
}

/// The operator's logo, if there is one.
fn logo(config: &Config, prefix: &str) -> Result<Option<Asset>, Problem> {
    let logo = config.logo.as_deref();
    let logo = logo.map(|file| Asset::picture(prefix, "logo", ("pages.logo", file)));
    logo.transpose()
}

/// The pictures among the icons, by what the file says; an icon of no known name is a problem.
fn pictures(
    prefix: &str,
    icons: &[(String, &str)],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Asset> {
    let mut pictures = BTreeMap::new();
    for (key, icon) in icons {
        if icon.contains(['/', '.']) {
            match Asset::picture(prefix, "connection", (key, Path::new(icon))) {
                Ok(asset) => drop(pictures.insert((*icon).to_owned(), asset)),
                Err(problem) => problems.push(problem),
            }
        } else if page::Icon::find(icon).is_none() {
            let names: Vec<_> = page::Icon::ALL.iter().map(|icon| icon.name()).collect();
            let message = format!("there is no icon {icon:?}");
            let hint = format!("use a picture file, or one of {}", names.join(", "));
            problems.push(Problem::new(key.clone(), message).hint(hint));
        }
    }
    pictures
}

/// Template sources by file name.
type Sources = BTreeMap<String, Arc<str>>;

/// The files that come with the program.
const BUILT_IN: [(&str, &str); 37] = [
    ("account.html", include_str!("templates/account.html")),
    ("advised.html", include_str!("templates/advised.html")),
    ("base.html", include_str!("templates/base.html")),
    ("check-mail.html", include_str!("templates/check-mail.html")),
    (
        "choose-connection.html",
        include_str!("templates/choose-connection.html"),
    ),
    (
        "confirm-link.html",
        include_str!("templates/confirm-link.html"),
    ),
    (
        "confirm-sign-in.html",
        include_str!("templates/confirm-sign-in.html"),
    ),
    (
        "delete-account.html",
        include_str!("templates/delete-account.html"),
    ),
    ("demo.html", include_str!("templates/demo.html")),
    ("enrol.html", include_str!("templates/enrol.html")),
    ("factor.html", include_str!("templates/factor.html")),
    ("failure.html", include_str!("templates/failure.html")),
    ("forgot.html", include_str!("templates/forgot.html")),
    ("login.html", include_str!("templates/login.html")),
    (
        "loop-broken.html",
        include_str!("templates/loop-broken.html"),
    ),
    ("mail-done.html", include_str!("templates/mail-done.html")),
    ("mail.html", include_str!("templates/mail.html")),
    ("mail.txt", include_str!("templates/mail.txt")),
    (
        "new-passkey.html",
        include_str!("templates/new-passkey.html"),
    ),
    ("onward.html", include_str!("templates/onward.html")),
    ("owner.html", include_str!("templates/owner.html")),
    ("parts.html", include_str!("templates/parts.html")),
    (
        "passkey-sign-up.html",
        include_str!("templates/passkey-sign-up.html"),
    ),
    (
        "post-onward.html",
        include_str!("templates/post-onward.html"),
    ),
    (
        "recovery-codes.html",
        include_str!("templates/recovery-codes.html"),
    ),
    ("repost.html", include_str!("templates/repost.html")),
    ("reset.html", include_str!("templates/reset.html")),
    (
        "sign-in-again.html",
        include_str!("templates/sign-in-again.html"),
    ),
    ("sign-out.html", include_str!("templates/sign-out.html")),
    ("sign-up.html", include_str!("templates/sign-up.html")),
    ("signed-out.html", include_str!("templates/signed-out.html")),
    (
        "start-again.html",
        include_str!("templates/start-again.html"),
    ),
    ("sms.txt", include_str!("templates/sms.txt")),
    ("style.css", include_str!("templates/style.css")),
    (
        "switch-user.html",
        include_str!("templates/switch-user.html"),
    ),
    ("trial.html", include_str!("templates/trial.html")),
    ("type-code.html", include_str!("templates/type-code.html")),
];

fn built_in() -> Sources {
    BUILT_IN
        .iter()
        .map(|(name, source)| ((*name).to_owned(), Arc::from(*source)))
        .collect()
}

/// The names of the files that can be replaced.
fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

/// A page that cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// The language's own messages are broken.
    #[error("messages for {0}: {1}")]
    Messages(&'static str, #[source] Box<toml::de::Error>),
    /// The language is not spoken.
    #[error("the language is not spoken")]
    NoLanguage,
    /// The template is broken; with the file and the line.
    #[error("{}", at_line(.0))]
    Template(#[from] minijinja::Error),
}

/// `login.html line 3: …`, with the causes behind it.
fn at_line(error: &minijinja::Error) -> String {
    let mut innermost = error;
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        match next.downcast_ref::<minijinja::Error>() {
            Some(deeper) => innermost = deeper,
            None => break,
        }
        cause = next.source();
    }
    let what = match (innermost.kind(), innermost.detail()) {
        (ErrorKind::OutOfFuel, _) => "it runs for too long".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    match (innermost.name(), innermost.line()) {
        (Some(name), Some(line)) => format!("{name} line {line}: {what}"),
        (Some(name), None) => format!("{name}: {what}"),
        (None, _) => what,
    }
}
