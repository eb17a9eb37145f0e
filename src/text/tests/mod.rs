use std::{collections::BTreeSet, fs, path::PathBuf};

use super::{
    message::Catalogue,
    page::{Href, Icon, Script, sample},
    *,
};

mod languages;

fn built() -> Pages {
    Pages::load(&Config::default(), "/.auth", &[]).unwrap()
}

fn with_folder(files: &[(&str, &str)]) -> Result<Pages, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        fs::write(folder.path().join(name), source).unwrap();
    }
    let config = Config {
        templates: Some(folder.path().to_owned()),
        ..Config::default()
    };
    Pages::load(&config, "/.auth", &[])
}

/// What a template of ours may hold at all: a value that broke out shows as something else.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|tag| tag.split('>').next().unwrap())
        .collect()
}

/// The same page with every text in it replaced. Addresses and names of templates' own choices
/// (what a `kind` or an icon is called) cannot hold foreign text, so they stay.
fn poisoned(page: &Page, with: &str) -> serde_json::Value {
    fn walk(value: &mut serde_json::Value, with: &str) {
        match value {
            serde_json::Value::String(text) => *text = with.to_owned(),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| walk(item, with)),
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let chosen = ["kind", "key", "icon", "names", "action", "href"];
                    let link = ["sign_up", "sign_in", "others", "change", "forgot", "stay"];
                    let more = ["again", "to", "back", "account", "sign_out", "class"];
                    let address = value.is_string()
                        && (chosen.contains(&name.as_str())
                            || link.contains(&name.as_str())
                            || more.contains(&name.as_str()));
                    if !address {
                        walk(value, with);
                    }
                }
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(page).unwrap();
    walk(&mut value, with);
    value
}

fn engine(pages: &Pages) -> &minijinja::Environment<'static> {
    pages.engines.of(Locale::default()).unwrap()
}

fn draw(pages: &Pages, template: &str, page: &serde_json::Value) -> String {
    engine(pages)
        .get_template(template)
        .unwrap()
        .render(context! { page => Value::from(Serde(page)) })
        .unwrap()
}

#[test]
fn every_template_is_drawn_by_a_sample() {
    let drawn: BTreeSet<_> = sample::pages().iter().map(Page::template).collect();
    let own = [
        "base.html",
        "mail.html",
        "mail.txt",
        "parts.html",
        "sms.txt",
        "style.css",
    ];
    let files: BTreeSet<_> = names().into_iter().filter(|n| !own.contains(n)).collect();
    assert_eq!(drawn, files);
}

#[test]
fn naughty_strings_stay_text() {
    let shared = std::env::var_os("VESTIBULE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let mut strings = vec![
        "\"><script>alert(1)</script>".to_owned(),
        "'-alert(1)-'".to_owned(),
        "</title><svg onload=alert(1)>".to_owned(),
        "{{ 7 * 7 }}{% raw %}".to_owned(),
        "{name}{count}".to_owned(),
    ];
    if let Ok(list) = fs::read_to_string(shared.join("data/naughty-strings/blns.txt")) {
        let lines = list
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        strings.extend(lines.map(str::to_owned));
        assert!(strings.len() > 400, "{}", strings.len());
    }
    let pages = built();
    for page in sample::pages() {
        let plain = draw(&pages, page.template(), &poisoned(&page, "x"));
        for strings in strings.chunks(12) {
            let string = &strings.join(" ");
            let html = draw(&pages, page.template(), &poisoned(&page, string));
            assert_eq!(tags(&html).len(), tags(&plain).len(), "{string:?} {html}");
            for (tag, expected) in tags(&html).iter().zip(tags(&plain)) {
                let quotes = |tag: &str| tag.matches('"').count();
                assert_eq!(quotes(tag), quotes(expected), "{string:?}: {tag}");
                let name = |tag: &str| tag.split(' ').next().unwrap().to_owned();
                assert_eq!(name(tag), name(expected), "{string:?}");
            }
        }
    }
}

#[test]
fn pages_need_nothing_that_the_policy_forbids() {
    let pages = built();
    for page in sample::pages() {
        let html = pages.render(&page, Locale::default()).unwrap();
        let policy = pages.content_security_policy(&page);
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for tag in tags(&html) {
            assert!(!tag.contains(" style="), "{tag}");
            assert!(!tag.contains(" on"), "{tag}");
            assert!(!tag.starts_with("style"), "{tag}");
        }
        let scripts: Vec<_> = html
            .split("<script>")
            .skip(1)
            .map(|rest| rest.split("</script>").next().unwrap())
            .collect();
        assert_eq!(html.matches("<script").count(), scripts.len());
        let allowed = page.scripts();
        for script in &scripts {
            assert!(
                allowed.iter().any(|allowed| allowed.source() == *script),
                "{script}"
            );
        }
        assert_eq!(policy.matches("'sha256-").count(), allowed.len());
        assert_eq!(policy.contains("script-src"), !allowed.is_empty());
        for address in html
            .split(" src=\"")
            .skip(1)
            .chain(html.split("<link ").skip(1))
        {
            assert!(
                !address.split('>').next().unwrap().contains("//"),
                "{address}"
            );
        }
    }
}

#[test]
fn the_policy_hashes_the_script_it_allows() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let hash = BASE64_STANDARD.encode(openssl::sha::sha256(Script::Submit.source().as_bytes()));
    let repost = sample::pages()
        .into_iter()
        .find(|p| matches!(p, Page::Repost(_)))
        .unwrap();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'; script-src 'sha256-{hash}'"
    );
    assert_eq!(built().content_security_policy(&repost), policy);
}

#[test]
fn every_form_of_ours_carries_its_token() {
    let pages = built();
    for page in sample::pages() {
        let html = pages.render(&page, Locale::default()).unwrap();
        for form in html.split("<form ").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.starts_with("method=\"post\""), "{form}");
            let token = form.matches("name=\"csrf\" value=\"c5rf\"").count();
            let expected = usize::from(!matches!(
                page,
                Page::ConfirmSignIn(_) | Page::PostOnward(_) | Page::Repost(_)
            ));
            assert_eq!(token, expected, "{}", page.template());
        }
    }
}

#[test]
fn forms_that_lead_to_a_login_keep_the_fragment() {
    let pages = built();
    let input = "name=\"fragment\" value=\"section-2\"";
    for page in sample::pages() {
        let html = pages.render(&page, Locale::default()).unwrap();
        if let Page::Login(login) = &page {
            assert_eq!(
                html.matches(input).count(),
                usize::from(login.form.is_some()) + usize::from(login.passkey.is_some())
            );
            let links = login.buttons.len() + usize::from(login.sign_up.is_some());
            assert!(html.matches(" data-fragment").count() >= links);
        }
    }
    assert!(Script::Fragment.source().contains("input[name=fragment]"));
    assert!(Script::Fragment.source().contains("'fragment='"));
}

#[test]
fn every_input_has_a_label_and_every_reference_a_target() {
    let pages = built();
    for page in sample::pages() {
        let html = pages.render(&page, Locale::default()).unwrap();
        let attribute = |tag: &str, name: &str| {
            tag.split(&format!(" {name}=\""))
                .nth(1)
                .map(|v| v.split('"').next().unwrap().to_owned())
        };
        let mut ids = BTreeSet::new();
        for tag in tags(&html) {
            if let Some(id) = attribute(tag, "id") {
                assert!(ids.insert(id.clone()), "{id} twice in {}", page.template());
            }
        }
        assert!(html.matches(" autofocus").count() <= 1, "{html}");
        for tag in tags(&html) {
            let unseen = tag.contains("type=\"hidden\"") || tag.ends_with(" hidden");
            if tag.starts_with("input ") && !unseen {
                let id = attribute(tag, "id").unwrap();
                assert!(html.contains(&format!("<label for=\"{id}\"")), "{tag}");
                assert!(attribute(tag, "autocomplete").is_some(), "{tag}");
            }
            for name in ["aria-describedby", "aria-labelledby", "for"] {
                for id in attribute(tag, name).unwrap_or_default().split_whitespace() {
                    assert!(ids.contains(id), "{tag} in {}", page.template());
                }
            }
        }
    }
}

#[test]
fn messages_that_are_used_exist_and_those_that_exist_are_used() {
    let catalogue = Catalogue::read(Locale::default().0).unwrap();
    let base = |key: &str| {
        let key = key
            .strip_suffix(".one")
            .or(key.strip_suffix(".other"))
            .unwrap_or(key);
        key.to_owned()
    };
    let known: BTreeSet<_> = catalogue.sentences().keys().map(|key| base(key)).collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/text");
    let mut everything = String::new();
    for file in [
        "page/login.rs",
        "page/mail.rs",
        "page/onward.rs",
        "page/account.rs",
        "page/factor.rs",
        "page/passkey.rs",
        "page/failure.rs",
        "page/password.rs",
        "functions.rs",
        "letter/mod.rs",
        "sms.rs",
    ] {
        everything += &fs::read_to_string(folder.join(file)).unwrap();
    }
    for (name, source) in BUILT_IN {
        for call in source.split(" t(\"").chain(source.split("(t(\"")).skip(1) {
            if let Some((key, rest)) = call.split_once('"')
                && (rest.starts_with(')') || rest.starts_with(", "))
                && key.contains('.')
                && !key.contains(' ')
            {
                assert!(known.contains(key), "{key} in {name}");
            }
        }
        everything += source;
    }
    for call in everything.split("Self::new(\"").skip(1) {
        let key = call.split('"').next().unwrap();
        assert!(known.contains(key), "{key}");
    }
    for key in &known {
        assert!(
            everything.contains(&format!("\"{key}\"")),
            "{key} is not used"
        );
    }
}

#[test]
fn every_message_of_every_variant_is_said() {
    use page::{
        account::{AccountNotice, AccountProblem},
        factor::{FactorProblem, WhyEnrol},
        failure::ActionLabel,
        login::{FieldProblem, LoginProblem, Notice, StartAgainWhy, UsernameHint},
    };
    let name = || "x".to_owned();
    let username_hint = |ascii, symbols: &str| UsernameHint {
        least: 1,
        most: 64,
        ascii,
        symbols: symbols.to_owned(),
    };
    let texts: Vec<message::Text> = vec![
        Notice::OtherAccount {
            signed_in_as: name(),
        }
        .into(),
        Notice::Reauthenticate.into(),
        Notice::SignedOut.into(),
        Notice::StepUp.into(),
        LoginProblem::Busy.into(),
        LoginProblem::NoConnection.into(),
        LoginProblem::TooManyTries { minutes: 1 }.into(),
        LoginProblem::WrongCredentials.into(),
        FieldProblem::BadEmail.into(),
        FieldProblem::BadPicture.into(),
        FieldProblem::PasswordTooLong { most: 1 }.into(),
        FieldProblem::PasswordRefused.into(),
        FieldProblem::Taken.into(),
        FieldProblem::TooLong { most: 1 }.into(),
        FieldProblem::TooShort { least: 2 }.into(),
        FieldProblem::UsernameCharacters.into(),
        FieldProblem::UsernameIsAddress.into(),
        FieldProblem::UsernameMissing.into(),
        FieldProblem::UsernameReserved.into(),
        FieldProblem::UsernameTaken.into(),
        username_hint(false, "._-").into(),
        username_hint(false, "").into(),
        username_hint(true, "-").into(),
        username_hint(true, "").into(),
        FieldProblem::WrongPassword.into(),
        StartAgainWhy::AlreadyUsed.into(),
        StartAgainWhy::ConnectionChanged.into(),
        StartAgainWhy::Expired.into(),
        StartAgainWhy::NoFlow.into(),
        AccountNotice::Confirmed.into(),
        AccountNotice::FactorAdded.into(),
        AccountNotice::FactorRemoved.into(),
        AccountNotice::FactorRenamed.into(),
        AccountProblem::FactorNeeded.into(),
        AccountProblem::FactorsFull.into(),
        FactorProblem::TooManyTries { minutes: 1 }.into(),
        FactorProblem::WrongCode.into(),
        FactorProblem::WrongRecoveryCode.into(),
        WhyEnrol::Required.into(),
        AccountNotice::EmailAsked.into(),
        AccountNotice::IdentityLinked.into(),
        AccountNotice::IdentityUnlinked.into(),
        AccountNotice::MailSent.into(),
        AccountNotice::OthersRevoked.into(),
        AccountNotice::PasswordChanged.into(),
        AccountNotice::ProfileSaved.into(),
        AccountNotice::SessionRevoked.into(),
        ActionLabel::Account.into(),
        ActionLabel::OtherAccount.into(),
        ActionLabel::SignOut.into(),
        ActionLabel::TryAgain.into(),
    ];
    let pages = built();
    for locale in Locale::all() {
        let environment = pages.engines.of(locale).unwrap();
        for text in &texts {
            let said = environment
                .render_str("{{ t(text) }}", context! { text => Serde(text) })
                .unwrap();
            assert!(!said.contains('{'), "{said}");
        }
    }
}

#[test]
fn the_operators_template_replaces_ours() {
    let own = "{% extends 'base.html' %}{% block main %}<h1>Howdy</h1>{% include '_foot.html' %}{% endblock %}";
    let pages = with_folder(&[
        ("signed-out.html", own),
        ("_foot.html", "<p>{{ site.title }}</p>"),
        ("style.css", "body{color:red}"),
        ("README.md", "notes"),
    ])
    .unwrap();
    let page = sample::pages()
        .into_iter()
        .find(|p| matches!(p, Page::SignedOut(_)))
        .unwrap();
    let html = pages.render(&page, Locale::default()).unwrap();
    assert!(html.contains("<h1>Howdy</h1><p>Vestibule</p>"), "{html}");
    let css = &pages.assets()[0];
    assert!(
        css.bytes
            .starts_with(b"body{color:red}\n:root{--accent:#4453d6")
    );
    assert_ne!(css.path, built().assets()[0].path);
}

#[test]
fn a_broken_template_is_named_when_it_is_loaded() {
    let message = |name: &str, source: &str| {
        let problems = with_folder(&[(name, source)]).unwrap_err();
        assert_eq!(problems[0].key, "pages.templates");
        problems[0].message.clone()
    };
    let cases = [
        ("login.html", "<p>\n{% if %}", "login.html line 2: "),
        (
            "login.html",
            "\n\n{{ page.nonsense }}",
            "login.html line 3: undefined value",
        ),
        (
            "login.html",
            "{{ t('no.such') }}",
            "login.html line 1: invalid operation: there is no message \"no.such\"",
        ),
        (
            "login.html",
            "{{ t('login.to') }}",
            "needs a value for {host}",
        ),
        (
            "base.html",
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
            "base.html",
        ),
        ("parts.html", "", "login.html"),
        (
            "demo.html",
            "{% include 'x.html' %}",
            "demo.html line 1: template not found",
        ),
        ("loggin.html", "", "no page is drawn by loggin.html"),
        (
            "demo.html",
            &" ".repeat((1 << 20) + 1),
            "demo.html: it is larger than 1 MiB",
        ),
    ];
    for (name, source, expected) in cases {
        let message = message(name, source);
        assert!(message.contains(expected), "{message}");
    }
    let config = Config {
        templates: Some("/nonexistent".into()),
        ..Config::default()
    };
    let problems = Pages::load(&config, "/.auth", &[]).unwrap_err();
    assert!(problems[0].message.contains("cannot read the folder"));
}

#[test]
fn a_long_account_page_is_far_from_the_fuel_limit() {
    let mut page = sample::pages()
        .into_iter()
        .find_map(|page| match page {
            Page::Account(account) => Some(account),
            _ => None,
        })
        .unwrap();
    page.sessions = page.sessions.iter().cycle().take(500).cloned().collect();
    let html = built()
        .render(&Page::Account(page), Locale::default())
        .unwrap();
    assert!(html.len() > 100_000);
}

#[test]
fn an_endless_template_runs_out_of_fuel() {
    let endless = "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}";
    let problems = with_folder(&[("demo.html", endless)]).unwrap_err();
    assert!(
        problems[0].message.contains("it runs for too long"),
        "{}",
        problems[0].message
    );
}

#[test]
fn a_logo_is_a_small_picture() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let logo = folder.path().join(name);
        fs::write(&logo, bytes).unwrap();
        let config = Config {
            logo: Some(logo),
            ..Config::default()
        };
        Pages::load(&config, "/.auth", &[])
    };
    let pages = load("Logo.PNG", b"png").unwrap();
    let logo = &pages.assets()[2];
    assert_eq!(logo.media_type, "image/png");
    let html = pages
        .render(&sample::pages()[0], Locale::default())
        .unwrap();
    let address = logo.path.replace('/', "&#x2f;");
    assert!(
        html.contains(&format!("<img src=\"{address}\" alt=\"\"")),
        "{html}"
    );
    for (name, bytes) in [
        ("logo.html", &b"x"[..]),
        ("big.svg", &vec![b'x'; (512 << 10) + 1]),
    ] {
        assert_eq!(load(name, bytes).unwrap_err()[0].key, "pages.logo");
    }
    let config = Config {
        logo: Some("/nonexistent.svg".into()),
        title: " ".to_owned(),
        ..Config::default()
    };
    assert_eq!(Pages::load(&config, "/.auth", &[]).unwrap_err().len(), 2);
}

#[test]
fn only_addresses_of_the_web_are_links() {
    for good in ["/", "/a?rd=%2F&b=c", "/.auth/login/x"] {
        assert_eq!(Href::path(good).unwrap().as_str(), good);
    }
    let bad = [
        "",
        "a",
        "//evil",
        "/\\evil",
        "/a b",
        "/\u{e4}",
        "/a\"",
        "javascript:x",
        "/a\n",
    ];
    for bad in bad {
        assert!(Href::path(bad).is_none(), "{bad:?}");
    }
    let url = |text: &str| Href::url(&text.parse().unwrap());
    assert!(
        url("https://idp.example.com/a'b")
            .unwrap()
            .as_str()
            .ends_with("/a%27b")
    );
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
    ] {
        assert!(url(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_connection_without_a_picture_of_its_own_gets_one() {
    assert_eq!(Icon::find("github"), Some(Icon::GitHub));
    assert_eq!(Icon::find("saml"), Some(Icon::Building));
    assert_eq!(Icon::find("<script>"), None);
    let pages = built();
    let environment = engine(&pages);
    let drawn = |name: &str, of: &str| {
        let about = context! { name, of };
        environment
            .render_str("{{ icon(name, of) }}", about)
            .unwrap()
    };
    assert_eq!(drawn("line", "github"), drawn("spotify", "Gitlab"));
    for (of, letter) in [
        ("élan", ">É</text>"),
        ("(9 lives)", ">9</text>"),
        ("ßt", ">SS</text>"),
    ] {
        assert!(drawn("line", of).contains(letter), "{}", drawn("line", of));
    }
    assert_eq!(drawn("line", "<&>"), Icon::Key.svg());
    assert_eq!(drawn("github", "Other"), Icon::GitHub.svg());
    for icon in Icon::ALL {
        assert!(icon.svg().starts_with("<svg "), "{icon:?}");
        assert!(!icon.svg().contains(" style="), "{icon:?}");
        assert_eq!(Icon::find(icon.name()), Some(*icon));
    }
}

#[test]
fn samples_are_left_in_the_target_folder_to_look_at() {
    let pages = built();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let folder = target.join("pages");
    fs::create_dir_all(&folder).unwrap();
    for asset in pages.assets() {
        let name = asset.path.rsplit('/').next().unwrap();
        fs::write(folder.join(name), &asset.bytes).unwrap();
    }
    for locale in Locale::all() {
        // English beside the assets, each other language in a folder there
        let (folder, assets) = if locale == Locale::default() {
            (folder.clone(), "")
        } else {
            (folder.join(locale.0.tag), "../")
        };
        fs::create_dir_all(&folder).unwrap();
        for (number, page) in sample::pages().iter().enumerate() {
            let html = pages.render(page, locale).unwrap();
            // without a refresh or a submit that leads away
            let html = html
                .replace("&#x2f;.auth&#x2f;assets&#x2f;", assets)
                .replace("http-equiv=\"refresh\"", "")
                .replace(Script::Submit.source(), "");
            let name = format!("{number:02}-{}", page.template());
            fs::write(folder.join(name), html).unwrap();
        }
    }
}

#[test]
fn an_icon_is_a_known_name_or_a_small_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.png");
    fs::write(&file, b"\x89PNG").unwrap();
    let file = file.to_str().unwrap();
    let load = |icon: &str| {
        let icons = [("connections.acme.icon".to_owned(), icon)];
        Pages::load(&Config::default(), "/.auth", &icons)
    };
    let pages = load(file).unwrap();
    let picture = &pages.assets()[2];
    assert!(picture.path.starts_with("/.auth/assets/connection-"));
    assert_eq!(
        (picture.media_type, &picture.bytes[..]),
        ("image/png", &b"\x89PNG"[..])
    );
    let drawn = |icon: &str| {
        let source = "{{ icon(name) }}";
        let environment = engine(&pages);
        environment
            .render_str(source, context! { name => icon })
            .unwrap()
    };
    let address = picture.path.replace('/', "&#x2f;");
    assert!(drawn(file).starts_with("<img src="), "{}", drawn(file));
    assert!(drawn(file).contains(&address), "{}", drawn(file));
    assert!(drawn("github").starts_with("<svg "));
    for name in ["github", "entra", "key"] {
        assert!(load(name).is_ok(), "{name}");
    }
    for (bad, says) in [
        ("gitbuh", "there is no icon"),
        ("/nonexistent.svg", "cannot read"),
        ("icons/page.html", "no picture"),
    ] {
        let problems = load(bad).unwrap_err();
        assert_eq!(problems[0].key, "connections.acme.icon");
        assert!(problems[0].message.contains(says), "{problems:?}");
    }
}

/// What an operator's template may use is told there.
#[test]
fn every_page_and_what_it_shows_is_documented() {
    let guide = include_str!("../../../docs/templates.md");
    for (name, _) in BUILT_IN {
        let own = [".js", ".svg"].iter().any(|end| name.ends_with(end));
        assert!(own || guide.contains(&format!("`{name}`")), "{name}");
    }
    for page in page::sample::pages() {
        let row = format!("| `{}`", page.template());
        let row = guide.lines().find(|line| line.starts_with(&row)).unwrap();
        let shown = serde_json::to_value(&page).unwrap();
        for field in shown.as_object().unwrap().keys() {
            let told = row.contains(&format!("`{field}`"));
            assert!(told, "{}: {field}", page.template());
        }
    }
}
