//! The template engine of each language.
//!
//! One is made when its language is first spoken: most sites speak a few of those they could, and
//! a language takes a quarter of a megabyte before a page is drawn, and a whole one afterwards.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::{
    RenderError, Sources, functions,
    language::{Language, Languages, Locale},
    message::Catalogue,
};

/// What one render may cost; the largest sample takes less than a fiftieth of it.
const FUEL: u64 = 250_000;

type Engine = Environment<'static>;

/// What the languages have in common.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) sources: Arc<Sources>,
    /// The addresses of the pictures.
    pub(super) pictures: Arc<BTreeMap<String, String>>,
    pub(super) site: Value,
}

/// An engine for each language that is spoken.
#[derive(Debug)]
pub(super) struct Engines {
    parts: Parts,
    all: Vec<(Locale, OnceLock<Engine>)>,
}

impl Engines {
    /// For these languages. None is made yet.
    pub(super) fn new(languages: &Languages, parts: Parts) -> Self {
        let all = languages.iter().map(|locale| (locale, OnceLock::new()));
        let all = all.collect();
        Self { parts, all }
    }

    /// That of a language, which is spoken.
    pub(super) fn of(&self, locale: Locale) -> Result<&Engine, RenderError> {
        let mut all = self.all.iter();
        let found = all.find(|(spoken, _)| *spoken == locale);
        let (_, made) = found.ok_or(RenderError::NoLanguage)?;
        if let Some(engine) = made.get() {
            return Ok(engine);
        }
        let engine = engine(locale.0, &self.parts)?;
        Ok(made.get_or_init(|| engine))
    }

    /// All are made again when their languages are spoken.
    pub(super) fn forget(&mut self) {
        for (_, engine) in &mut self.all {
            drop(engine.take());
        }
    }
}

fn engine(language: &'static Language, parts: &Parts) -> Result<Engine, RenderError> {
    let catalogue = Catalogue::read(language)
        .map_err(|error| RenderError::Messages(language.tag, Box::new(error)))?;
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    let mut engine = Environment::new();
    let sources = Arc::clone(&parts.sources);
    engine.set_loader(move |name| Ok(sources.get(name).map(ToString::to_string)));
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_fuel(Some(FUEL));
    engine.set_syntax(syntax);
    engine.add_global("site", parts.site.clone());
    engine.add_global("lang", language.tag);
    engine.add_global("dir", language.dir);
    functions::add(&mut engine, catalogue, &parts.pictures);
    Ok(engine)
}
