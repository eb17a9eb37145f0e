//! The languages beside each other: what one says, all say, and every page can be drawn in each.

use super::{
    super::{language::Form, letter, page::sample},
    *,
};

fn catalogue(locale: Locale) -> BTreeMap<String, String> {
    let catalogue = Catalogue::read(locale.0).unwrap();
    catalogue.sentences().clone()
}

fn foreign() -> impl Iterator<Item = Locale> {
    Locale::all().filter(|locale| *locale != Locale::default())
}

/// `time.days` and `one` of `time.days.one`, if it is a counted sentence.
fn counted(key: &str) -> Option<(&str, &str)> {
    let (base, form) = key.rsplit_once('.')?;
    let forms = [Form::One, Form::Few, Form::Many, Form::Other];
    forms
        .iter()
        .any(|one| one.name() == form)
        .then_some((base, form))
}

fn placeholders(sentence: &str) -> BTreeSet<&str> {
    let inside = sentence.split('{').skip(1);
    inside.map(|rest| rest.split('}').next().unwrap()).collect()
}

#[test]
fn languages_have_the_same_sentences_in_their_own_forms() {
    let english = catalogue(Locale::default());
    for locale in Locale::all() {
        let forms = locale.0.plural.forms();
        let mut expected = BTreeSet::new();
        for key in english.keys() {
            match counted(key) {
                Some((base, _)) => {
                    expected.extend(forms.iter().map(|form| format!("{base}.{}", form.name())));
                }
                None => drop(expected.insert(key.clone())),
            }
        }
        let known: BTreeSet<_> = catalogue(locale).into_keys().collect();
        let tag = locale.0.tag;
        let missing: Vec<_> = expected.difference(&known).collect();
        assert!(missing.is_empty(), "{tag} lacks {missing:#?}");
        let superfluous: Vec<_> = known.difference(&expected).collect();
        assert!(superfluous.is_empty(), "{tag} has besides {superfluous:#?}");
    }
}

#[test]
fn translated_sentences_have_the_same_placeholders() {
    let english = catalogue(Locale::default());
    let mut wrong = Vec::new();
    for locale in foreign() {
        for (key, sentence) in catalogue(locale) {
            let form = counted(&key);
            let of = form.map_or(key.clone(), |(base, _)| format!("{base}.other"));
            let (mut theirs, mut ours) = (placeholders(&sentence), placeholders(&english[&of]));
            let one_thing = locale.0.plural.form(0) != Form::One;
            if one_thing && form.is_some_and(|(_, form)| form == "one") {
                // "A minute ago" needs no number, unless it is said of none, too.
                theirs.remove("count");
                ours.remove("count");
            }
            if theirs != ours {
                wrong.push(format!("{} {key}: {sentence}", locale.0.tag));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sentences_are_whole_and_translated() {
    // What is said in the same words in that language.
    let same: [(&str, &str); 0] = [];
    let english = catalogue(Locale::default());
    let mut wrong = Vec::new();
    for locale in Locale::all() {
        let tag = locale.0.tag;
        for (key, sentence) in catalogue(locale) {
            let trimmed = sentence.trim() == sentence && !sentence.is_empty();
            let one_line = !sentence.contains(['\n', '\r', '\t']) && !sentence.contains("  ");
            let text = !sentence.contains(['<', '>', '&']) || english.get(&key) == Some(&sentence);
            let left = locale != Locale::default()
                && sentence.len() > 25
                && english.get(&key) == Some(&sentence)
                && !same.contains(&(tag, key.as_str()));
            if !trimmed || !one_line || !text || left {
                wrong.push(format!("{tag} {key}: {sentence}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_is_drawn_in_every_language() {
    let pages = built();
    for locale in Locale::all() {
        let (tag, dir) = (locale.0.tag, locale.0.dir);
        let start = format!("<html lang=\"{tag}\" dir=\"{dir}\">");
        for page in sample::pages() {
            let name = page.template();
            let html = pages.render(&page, locale).unwrap();
            assert!(html.contains(&start), "{tag} {name}: {html}");
            assert!(html.contains("<title>"), "{tag} {name}");
            assert_eq!(html.matches("<h1").count(), 1, "{tag} {name}");
            assert!(!html.contains("undefined"), "{tag} {name}: {html}");
            let texts = html.split("<script>").map(without_script);
            let mut texts = texts.flat_map(|part| part.split('<'));
            let broken = texts.find(|text| text.split_once('>').is_some_and(|t| t.1.contains('{')));
            assert_eq!(broken, None, "{tag} {name}");
        }
    }
}

fn without_script(part: &str) -> &str {
    part.split_once("</script>").map_or(part, |(_, rest)| rest)
}

#[test]
fn every_letter_is_written_in_every_language() {
    let pages = built();
    let mut subjects = BTreeSet::new();
    for locale in Locale::all() {
        let tag = locale.0.tag;
        for letter in letter::samples() {
            let kind = letter.kind();
            let written = pages.write(&letter, locale).unwrap();
            assert_eq!(written.locale, locale);
            let html = written.html.replace('\n', " ");
            assert!(html.contains(&format!("<html lang=\"{tag}\"")), "{kind}");
            let (_, body) = html.split_once("</style>").unwrap();
            for part in [&written.subject, &written.text, body] {
                assert!(!part.contains('{'), "{tag} {kind}: {part}");
                assert!(!part.contains("undefined"), "{tag} {kind}: {part}");
            }
            if kind == "reset-password" {
                subjects.insert(written.subject);
            }
        }
    }
    assert_eq!(subjects.len(), Locale::all().count(), "{subjects:#?}");
}

/// What a page shows besides the values of the sample: a sentence that is written into a template
/// and not into the catalogue would stay English everywhere.
#[test]
fn no_page_shows_english_in_another_language() {
    let english: BTreeSet<_> = catalogue(Locale::default())
        .into_values()
        .filter(|sentence| sentence.len() > 25 && !sentence.contains('{'))
        .map(|sentence| minijinja::HtmlEscape(&sentence).to_string())
        .collect();
    let pages = built();
    for locale in foreign() {
        for page in sample::pages() {
            let html = pages.render(&page, locale).unwrap();
            for sentence in &english {
                let at = format!("{} {}", locale.0.tag, page.template());
                assert!(!html.contains(&format!(">{sentence}<")), "{at}: {sentence}");
            }
        }
    }
}

#[test]
fn numbers_are_said_in_the_form_of_the_language() {
    for locale in Locale::all() {
        let sentences = catalogue(locale);
        let spoken = Catalogue::read(locale.0).unwrap();
        for key in ["time.minutes", "mail.link-hours", "problem.too-many-tries"] {
            for number in [0, 1, 2, 5, 22] {
                let said = spoken.say(key, &BTreeMap::new(), Some(number)).unwrap();
                let form = locale.0.plural.form(number).name();
                let written = &sentences[&format!("{key}.{form}")];
                assert_eq!(said, written.replace("{count}", &number.to_string()));
                let with_number = said.contains(&number.to_string());
                assert!(with_number || form == "one", "{}: {said}", locale.0.tag);
            }
        }
    }
    let say = |tag: &str, number| {
        let locale = Locale::try_from(tag.to_owned()).unwrap();
        let catalogue = Catalogue::read(locale.0).unwrap();
        catalogue.say("time.minutes", &BTreeMap::new(), Some(number))
    };
    for (tag, number, expected) in [
        ("pl", 2, "2 minuty temu"),
        ("pl", 5, "5 minut temu"),
        ("pl", 22, "22 minuty temu"),
        ("pl", 12, "12 minut temu"),
        ("de", 2, "vor 2 Minuten"),
        ("fr", 2, "il y a 2 minutes"),
        ("sv", 5, "för 5 minuter sedan"),
        ("nb", 22, "for 22 minutter siden"),
    ] {
        assert_eq!(say(tag, number).as_deref(), Ok(expected));
    }
}

#[test]
fn only_what_is_spoken_is_drawn() {
    let named = |tag: &str| Locale::try_from(tag.to_owned()).unwrap();
    let config = Config {
        languages: vec![named("de"), named("pl")],
        default_language: Some(named("pl")),
        ..Config::default()
    };
    let pages = Pages::load(&config, "/.auth", &[]).unwrap();
    assert!(pages.engines.of(named("en")).is_err());
    let lang = |asked: &str| {
        let html = pages.render(&sample::pages()[0], named(asked)).unwrap();
        let tag = html.split("lang=\"").nth(1).unwrap().split('"').next();
        tag.unwrap().to_owned()
    };
    assert_eq!(lang("de"), "de");
    assert_eq!(lang("fr"), "pl");
    let letter = &letter::samples()[0];
    let written = pages.write(letter, named("fr")).unwrap();
    assert_eq!(written.locale, named("pl"));
}

#[test]
fn languages_that_do_not_fit_together_stop_the_load() {
    let named = |tag: &str| Locale::try_from(tag.to_owned()).unwrap();
    for (languages, default_language, key) in [
        (vec![], None, "pages.languages"),
        (
            vec![named("de")],
            Some(named("en")),
            "pages.default_language",
        ),
    ] {
        let config = Config {
            languages,
            default_language,
            ..Config::default()
        };
        let problems = Pages::load(&config, "/.auth", &[]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, key);
    }
}

/// The operator's template may do in one language what it does in no other.
#[test]
fn an_operators_template_is_tried_in_every_language() {
    let wrong = "{% if lang == 'ja' %}{{ page.nonsense }}{% endif %}";
    let problems = with_folder(&[("demo.html", wrong)]).unwrap_err();
    assert!(problems[0].message.contains("demo.html line 1"));
    let right = "{% extends 'base.html' %}{% block main %}<h1>{{ lang }}</h1>{% endblock %}";
    let pages = with_folder(&[("demo.html", right)]).unwrap();
    let demo = sample::pages()
        .into_iter()
        .find(|page| matches!(page, Page::Demo(_)))
        .unwrap();
    for locale in Locale::all() {
        let html = pages.render(&demo, locale).unwrap();
        assert!(
            html.contains(&format!("<h1>{}</h1>", locale.0.tag)),
            "{html}"
        );
    }
}
