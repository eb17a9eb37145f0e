//! Login by plain OAuth 2.0: at Django, by hand and in Chromium, and at providers that answer as
//! their documentation shows.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Browser, DjangoProvider, Request, Sidecar, Upstream, Visitor, django_provider,
    federated::{APP, app, callback, go_to_provider, visitor},
    http::exchange,
    route,
    shapes::{Shapes, connect},
    sidecar::list,
    trial::{Trial, claims},
    visitor::Page,
};

/// Django's data: nothing in them is unusual but where the profile is.
const DJANGO: &str = r#"
authorization.endpoint = "ISSUER/authorize/"
token.endpoint = "ISSUER/token/"
scopes = ["read"]
profile = [{ endpoint = "ORIGIN/api/me" }, { endpoint = "ORIGIN/api/emails", emails = {} }]
claims = { preferred_username = "login" }
"#;

/// An app whose only connection is Django's.
struct Plain {
    upstream: Upstream,
    sidecar: Sidecar,
    django: DjangoProvider,
}

impl Plain {
    /// With these lines besides the data.
    fn with(lines: &str) -> Self {
        Self::with_tokens_for(lines, 600)
    }

    /// The same, with access tokens that are good for so many seconds and reach `/tokens`.
    fn with_tokens_for(lines: &str, seconds: u64) -> Self {
        let sidecar = app();
        let client = django_provider::client(&callback(&sidecar, "django"), true);
        let django = DjangoProvider::with_tokens_for(&client, seconds);
        let data = format!("{DJANGO}{lines}")
            .replace("ISSUER", &django.issuer())
            .replace("ORIGIN", &django.origin());
        let upstream = Upstream::start();
        let tokens = route("/tokens").to(&upstream);
        let sidecar = connect(sidecar, "django", &data)
            .route(route("/").to(&upstream))
            .route(tokens.set("tokens", list(&["access_token"])))
            .start();
        Self {
            upstream,
            sidecar,
            django,
        }
    }

    fn sign_in(&self, path: &str, login: &str) -> (Visitor, Page) {
        let mut visitor = visitor(&self.sidecar);
        let page = go_to_provider(&mut visitor, path, "django");
        let page = self.django.sign_in(&mut visitor, &page, login);
        (visitor, page)
    }

    #[track_caller]
    fn expect_session(&self, visitor: &Visitor, page: &Page) {
        assert!(
            visitor.session().is_some(),
            "no session, but {} {:?}\n{}\n{}",
            page.url,
            page.answer,
            self.sidecar.log_about("django"),
            self.django.output(),
        );
    }
}

#[test]
fn a_plain_server_lets_people_in_by_their_number() {
    let plain = Plain::with("");
    let (mut alice, page) = plain.sign_in("/page?x=1", "alice");
    plain.expect_session(&alice, &page);
    let seen = plain.upstream.last();
    assert_eq!(seen.target(), "/page?x=1");
    assert_eq!(seen.header("X-Forwarded-User"), Some("django|1"));
    assert_eq!(seen.header("X-Forwarded-Email"), Some("alice@example.org"));
    let me = alice.me().unwrap();
    assert_eq!(me["user"]["profile"]["preferred_username"], "alice", "{me}");
    assert!(!seen.everything().contains("access_token"));
    // somebody else is somebody else
    let (bob, page) = plain.sign_in("/", "bob");
    plain.expect_session(&bob, &page);
    assert_eq!(
        plain.upstream.last().header("X-Forwarded-User"),
        Some("django|2")
    );
}

#[test]
fn a_browser_signs_in_at_a_plain_server() {
    let plain = Plain::with("");
    let browser = Browser::start();
    let url = |path: &str| format!("{}{path}", plain.sidecar.origin_of(APP));
    browser.goto(&url("/page?x=1"));
    if browser.url().starts_with(&url("/.auth/login")) {
        browser.click("a[href*='/login/django']");
    }
    browser
        .arrives(&plain.django.origin())
        .fill("input[name=username]", "alice")
        .fill("input[name=password]", "password")
        .click("button");
    browser.arrives(&url("/page?x=1"));
    assert_eq!(
        plain.upstream.last().header("X-Forwarded-User"),
        Some("django|1")
    );
}

/// RFC 7636: Django demands a challenge, and so does whoever reads the code on its way.
#[test]
fn without_a_code_verifier_a_server_that_demands_one_refuses() {
    let plain = Plain::with("pkce = false");
    let (alice, page) = plain.sign_in("/", "alice");
    assert!(alice.session().is_none());
    assert!(page.answer.status >= 400, "{page:?}");
    let log = plain.sidecar.log();
    assert!(log.contains("authorization-response"), "{log}");
}

/// A provider as its documentation shows it, the data that describe it, and who comes out.
struct Documented {
    name: &'static str,
    data: &'static str,
    /// The person, percent-encoded as in a user id.
    subject: &'static str,
    /// What `/.auth/me` says of them.
    profile: fn() -> Value,
    /// A refused code ends here, with this in the log.
    error: &'static str,
}

const DOCUMENTED: &[Documented] = &[
    Documented {
        name: "github",
        data: r#"
scopes = ["read:user", "user:email"]
authorization.endpoint = "BASE/login/oauth/authorize"
token = { endpoint = "BASE/login/oauth/access_token", auth_method = "client_secret_post" }
profile = [{ endpoint = "BASE/user" }, { endpoint = "BASE/user/emails", emails = {} }]
claims = { preferred_username = "login", picture = "avatar_url", profile = "html_url" }
"#,
        subject: "583231",
        profile: || {
            json!({"email": "octocat@github.com", "email_verified": true, "name": "The Octocat",
                   "preferred_username": "octocat"})
        },
        error: "bad_verification_code",
    },
    Documented {
        name: "facebook",
        data: r#"
scopes = ["public_profile", "email"]
authorization = { endpoint = "BASE/v24.0/dialog/oauth", scope_separator = "," }
token = { endpoint = "BASE/v24.0/oauth/access_token", send = "get", auth_method = "client_secret_post", error = "error.code | error" }
claims = { picture = "picture.data.url" }

[[profile]]
endpoint = "BASE/v24.0/me"
params = { fields = "id,name,email,picture", appsecret_proof = "{appsecret_proof}" }
error = "error.code | error"
"#,
        subject: "10158",
        profile: || json!({"email": "og@example.org", "email_verified": false, "name": "Open Graph", "picture": "https://scontent.example/p.jpg"}),
        error: "\\\"100\\\"",
    },
    Documented {
        name: "x",
        data: r#"
scopes = ["users.read", "tweet.read"]
authorization.endpoint = "BASE/i/oauth2/authorize"
token.endpoint = "BASE/2/oauth2/token"
profile = [{ endpoint = "BASE/2/users/me?user.fields=profile_image_url", at = "data" }]
claims = { preferred_username = "username", picture = "profile_image_url" }
"#,
        subject: "2244994945",
        profile: || {
            json!({"name": "X Dev", "preferred_username": "XDevelopers",
                   "picture": "https://pbs.twimg.com/p.jpg"})
        },
        error: "invalid_request",
    },
    Documented {
        name: "amazon",
        data: r#"
scopes = ["profile"]
subject = "user_id"
authorization.endpoint = "BASE/ap/oa"
token = { endpoint = "BASE/auth/o2/token", auth_method = "client_secret_post" }
profile = [{ endpoint = "BASE/user/profile" }]
"#,
        subject: "amzn1.account.K2LI23KL2LK2",
        profile: || json!({"name": "Mork Hashimoto", "email": "mhashimoto@example.org", "email_verified": false}),
        error: "invalid_grant",
    },
    Documented {
        name: "dropbox",
        data: r#"
scopes = ["account_info.read"]
subject = "account_id"
authorization.endpoint = "BASE/oauth2/authorize"
token.endpoint = "BASE/oauth2/token"
profile = [{ endpoint = "BASE/2/users/get_current_account", send = "form" }]
claims = { name = "name.display_name", given_name = "name.given_name", family_name = "name.surname" }
"#,
        subject: "dbid%3AAAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
        profile: || {
            json!({"name": "Franz Ferdinand (Personal)", "family_name": "Ferdinand",
                   "email": "franz@example.org", "email_verified": true})
        },
        error: "invalid_grant",
    },
    Documented {
        name: "vk",
        data: r#"
scopes = ["vkid.personal_info", "email"]
subject = "user_id"
authorization = { endpoint = "BASE/authorize", carry = ["device_id", "state"] }
compose = { name = "{first_name} {last_name}" }
claims = { given_name = "first_name", family_name = "last_name", picture = "avatar" }

[token]
endpoint = "BASE/oauth2/auth"
auth_method = "none"
params = { device_id = "{device_id}", state = "{state}" }

[[profile]]
endpoint = "BASE/oauth2/user_info"
send = "form"
params = { access_token = "{access_token}", client_id = "{client_id}" }
at = "user"
"#,
        subject: "1234567890",
        profile: || json!({"name": "Ivan I.", "given_name": "Ivan", "email_verified": false}),
        error: "invalid_grant",
    },
    Documented {
        name: "weibo",
        data: r#"
pkce = false
subject = "uid"
authorization.endpoint = "BASE/oauth2/authorize"
claims = { name = "screen_name", picture = "avatar_large" }

[token]
endpoint = "BASE/oauth2/access_token"
auth_method = "client_secret_post"
token_type = "bearer_or_none"
carry = { uid = "uid" }

[[profile]]
endpoint = "BASE/2/users/show.json"
params = { access_token = "{access_token}", uid = "{uid}" }
"#,
        subject: "1404376560",
        profile: || json!({"name": "zaku", "picture": "https://tvax1.sinaimg.cn/p.jpg"}),
        error: "invalid_grant",
    },
    Documented {
        name: "shopify",
        data: r#"
pkce = false
scopes = ["read_products", "read_orders"]

[authorization]
endpoint = "BASE/admin/oauth/authorize"
params = { "grant_options[]" = "per-user" }
scope_separator = ","

[token]
endpoint = "BASE/admin/oauth/access_token"
auth_method = "client_secret_post"
token_type = "bearer_or_none"
carry = { id = "associated_user.id", email = "associated_user.email", email_verified = "associated_user.email_verified", given_name = "associated_user.first_name", family_name = "associated_user.last_name" }
"#,
        subject: "902541635",
        profile: || {
            json!({"given_name": "John", "family_name": "Smith", "email": "john@example.org",
                   "email_verified": true})
        },
        error: "invalid_request",
    },
    Documented {
        name: "slack",
        data: r#"
scopes = ["openid", "profile", "email"]
subject = "sub"
authorization.endpoint = "BASE/openid/connect/authorize"
token = { endpoint = "BASE/api/openid.connect.token", auth_method = "client_secret_post" }
profile = [{ endpoint = "BASE/api/openid.connect.userInfo" }]
"#,
        subject: "U0R7JM",
        profile: || {
            json!({"name": "krane", "email": "krane@example.org", "email_verified": true,
                   "family_name": "Labradoodle"})
        },
        error: "invalid_code",
    },
    Documented {
        name: "discord",
        data: r#"
scopes = ["identify", "email"]
authorization.endpoint = "BASE/oauth2/authorize"
token.endpoint = "BASE/api/oauth2/token"
profile = [{ endpoint = "BASE/api/users/@me" }]
claims = { name = "global_name | username", preferred_username = "username", email_verified = "verified" }
compose = { picture = "https://cdn.discordapp.com/avatars/{id}/{avatar}.png" }
"#,
        subject: "80351110224678912",
        profile: || {
            json!({"name": "Nelly", "preferred_username": "nelly", "email": "nelly@example.org",
                   "email_verified": true,
                   "picture": "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png"})
        },
        error: "invalid_grant",
    },
    Documented {
        name: "twitch",
        data: r#"
scopes = ["user:read:email"]
authorization.endpoint = "BASE/oauth2/authorize"
token = { endpoint = "BASE/oauth2/token", auth_method = "client_secret_post", error = "message" }
profile = [{ endpoint = "BASE/helix/users", headers = { Client-Id = "{client_id}" }, at = "data[0]" }]
claims = { name = "display_name", preferred_username = "login", picture = "profile_image_url" }
"#,
        subject: "141981764",
        profile: || json!({"name": "TwitchDev", "preferred_username": "twitchdev", "email_verified": false}),
        error: "Invalidauthorizationcode",
    },
    Documented {
        name: "wechat",
        data: r#"
pkce = false
scopes = ["snsapi_login"]
subject = "openid"
authorization = { endpoint = "BASE/connect/qrconnect#wechat_redirect", names = { client_id = "appid" } }
claims = { name = "nickname", picture = "headimgurl" }

[token]
endpoint = "BASE/sns/oauth2/access_token"
send = "get"
auth_method = "client_secret_post"
token_type = "bearer_or_none"
names = { client_id = "appid", client_secret = "secret", redirect_uri = "" }
error = "errcode"
carry = { openid = "openid" }

[[profile]]
endpoint = "BASE/sns/userinfo"
params = { access_token = "{access_token}", openid = "{openid}" }
error = "errcode"
"#,
        subject: "oLVPpjqs9BhvzwPj5A-vTYAX3GLc",
        profile: || json!({"name": "Band", "picture": "https://thirdwx.qlogo.cn/p/0"}),
        error: "40029",
    },
    Documented {
        name: "tiktok",
        data: r#"
pkce = false
scopes = ["user.info.basic"]
subject = "open_id"
authorization = { endpoint = "BASE/v2/auth/authorize/", names = { client_id = "client_key" }, scope_separator = "," }
token = { endpoint = "BASE/v2/oauth/token/", auth_method = "client_secret_post", names = { client_id = "client_key" } }
profile = [{ endpoint = "BASE/v2/user/info/?fields=open_id,union_id,avatar_url,display_name", at = "data.user", error = "error.code" }]
claims = { name = "display_name", picture = "avatar_url" }
"#,
        subject: "afd97af1-b87b-48b9-ac98-410aghda5344",
        profile: || json!({"name": "Tik Toker"}),
        error: "invalid_grant",
    },
];

/// An app with these connections, at providers that are running.
fn documented(all: &[Documented]) -> (Shapes, Upstream, Sidecar) {
    let shapes = Shapes::start();
    let upstream = Upstream::start();
    let mut sidecar = app();
    for one in all {
        sidecar = shapes.connect(sidecar, one.name, one.data);
    }
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    (shapes, upstream, sidecar)
}

fn the(name: &str) -> &'static Documented {
    DOCUMENTED.iter().find(|one| one.name == name).unwrap()
}

/// Somebody new who goes through the provider, which asks nothing.
fn go(sidecar: &Sidecar, name: &str) -> (Visitor, Page) {
    let mut somebody = visitor(sidecar);
    let page = somebody.go(&format!("/.auth/login/{name}?rd=/"));
    (somebody, page)
}

#[test]
fn providers_are_understood_as_their_documentation_shows_them() {
    let (shapes, upstream, sidecar) = documented(DOCUMENTED);
    for one in DOCUMENTED {
        let (mut somebody, page) = go(&sidecar, one.name);
        assert!(
            somebody.session().is_some(),
            "{}: {} {:?}\n{}\n{}",
            one.name,
            page.url,
            page.answer,
            sidecar.log_about(one.name),
            shapes.output()
        );
        let me = somebody.me().unwrap();
        let id = format!("{}|{}", one.name, one.subject);
        assert_eq!(me["user"]["id"], id.as_str(), "{me}");
        for (field, value) in (one.profile)().as_object().unwrap() {
            assert_eq!(
                &me["user"]["profile"][field], value,
                "{}: {field} in {me}",
                one.name
            );
        }
        somebody.go("/");
        let seen = upstream.last();
        assert_eq!(seen.header("X-Forwarded-User"), Some(id.as_str()));
    }
}

/// What the catalogue knows of a provider, at the one of the tests: its own lines, with another host
/// in each endpoint.
fn catalogued(shapes: &Shapes, name: &str) -> Option<String> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/src/connection/catalog/data");
    let text = std::fs::read_to_string(format!("{data}/{name}.toml")).unwrap();
    let mut file: toml::Table = toml::from_str(&text).unwrap();
    if file["about"]["protocol"].as_str() != Some("oauth2") {
        return None;
    }
    let mut provider = file["connection"]["provider"].clone();
    let elsewhere = |place: &mut toml::Value| {
        let endpoint = place.get_mut("endpoint").unwrap();
        let (_, path) = endpoint.as_str().unwrap()[8..].split_once('/').unwrap();
        *endpoint = format!("{}/{path}", shapes.base(name)).into();
    };
    for part in ["authorization", "token"] {
        elsewhere(&mut provider[part]);
    }
    let calls = provider.get_mut("profile");
    for call in calls
        .into_iter()
        .flat_map(|all| all.as_array_mut().unwrap())
    {
        elsewhere(call);
    }
    let mut text = toml::to_string(&provider).unwrap();
    let none = toml::Table::new().into();
    let variables = file.entry("variables").or_insert(none);
    for (variable, about) in variables.as_table().unwrap() {
        let default = about.get("default").map(|value| value.as_str().unwrap());
        let value = default.unwrap_or("acme");
        text = text.replace(&format!("{{{variable}}}"), value);
    }
    Some(text)
}

#[test]
fn the_catalogue_knows_providers_as_their_documentation_shows_them() {
    let shapes = Shapes::start();
    let upstream = Upstream::start();
    let mut sidecar = app();
    let mut known = Vec::new();
    for one in DOCUMENTED {
        if let Some(data) = catalogued(&shapes, one.name) {
            sidecar = connect(sidecar, one.name, &data);
            known.push(one);
        }
    }
    assert!(known.len() >= 9, "{}", known.len());
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    let mut wrong = Vec::new();
    for one in known {
        let (mut somebody, page) = go(&sidecar, one.name);
        let Some(me) = somebody.me() else {
            let log = sidecar.log_about(&format!("connection {}", one.name));
            wrong.push(format!("{}: {} {log}", one.name, page.url));
            continue;
        };
        let id = format!("{}|{}", one.name, one.subject);
        let fields = (one.profile)();
        let fields = fields.as_object().unwrap().iter();
        let same = fields
            .clone()
            .all(|(field, value)| &me["user"]["profile"][field] == value);
        if me["user"]["id"] != id.as_str() || !same {
            wrong.push(format!("{}: {me}", one.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        shapes.output()
    );
}

/// Login names and numbers are two ways to say who it is, and one may look like the other.
#[test]
fn accounts_do_not_go_over_to_another_subject() {
    let shapes = Shapes::start();
    let upstream = Upstream::start();
    let data = catalogued(&shapes, "github").unwrap();
    let mut sidecar = connect(app(), "github", &data)
        .route(route("/").to(&upstream))
        .start();
    sidecar.stop();
    sidecar.change("connections.github.provider.subject", "login");
    sidecar.write();
    let said = String::from_utf8(sidecar.refused().stderr).unwrap();
    assert!(said.contains("github") && said.contains("#login"), "{said}");
}

#[test]
fn a_request_is_what_the_data_and_the_operator_say() {
    let shapes = Shapes::start();
    let upstream = Upstream::start();
    let named = format!(
        "authorization.names = {{ login_hint = \"login\" }}\n{}",
        the("github").data
    );
    let sidecar = shapes.connect(app(), "github", &named);
    let sidecar = shapes.connect(sidecar, "facebook", the("facebook").data);
    let sidecar = sidecar
        .set("connections.facebook.scopes", list(&["a", "b"]))
        .set("connections.github.upstream_params.allow_signup", "false")
        .route(route("/").to(&upstream))
        .start();
    let asked = |name: &str| {
        let page = visitor(&sidecar).open(&format!("/.auth/login/{name}?rd=/&login_hint=octocat"));
        let url: url::Url = page.answer.location().parse().unwrap();
        url.query_pairs().into_owned().collect::<Vec<_>>()
    };
    let has = |all: &[(String, String)], name: &str, value: &str| {
        all.iter()
            .any(|(known, held)| known == name && held == value)
    };
    let github = asked("github");
    assert!(has(&github, "login", "octocat"), "{github:?}");
    assert!(has(&github, "allow_signup", "false"), "{github:?}");
    assert!(has(&github, "scope", "read:user user:email"), "{github:?}");
    assert!(has(&github, "code_challenge_method", "S256"), "{github:?}");
    let facebook = asked("facebook");
    assert!(has(&facebook, "scope", "a,b"), "{facebook:?}");
    assert!(
        !facebook.iter().any(|(_, value)| value == "octocat"),
        "{facebook:?}"
    );
}

/// Fails the test unless the login ended at this step, with a page that says so plainly.
#[track_caller]
fn expect_refused(sidecar: &Sidecar, visitor: &Visitor, page: &Page, words: &[&str]) {
    let log = sidecar.log();
    assert!(visitor.session().is_none(), "a session: {page:?}");
    assert!(page.answer.status >= 400, "{page:?}\n{log}");
    let told = log
        .lines()
        .filter(|line| line.contains("flow::failures"))
        .any(|line| words.iter().all(|word| line.contains(word)));
    assert!(told, "the log does not name {words:?}:\n{log}");
}

#[test]
fn a_refusal_is_understood_in_each_providers_own_words() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    for one in DOCUMENTED {
        shapes.fail(one.name);
        let (somebody, page) = go(&sidecar, one.name);
        let words = [one.name, "token-request", one.error];
        expect_refused(&sidecar, &somebody, &page, &words);
        // and it passes
        let (somebody, page) = go(&sidecar, one.name);
        assert!(somebody.session().is_some(), "{page:?}");
    }
}

/// Somebody new at the last moment before the provider's answer arrives, and the answer.
fn before_the_answer(sidecar: &Sidecar, name: &str) -> (Visitor, url::Url) {
    let mut somebody = visitor(sidecar);
    let back = format!("/.auth/callback/{name}");
    let mut page = somebody.open(&format!("/.auth/login/{name}?rd=/"));
    for _ in 0..5 {
        let next = page.url.join(page.answer.location()).unwrap();
        if next.path() == back {
            return (somebody, next);
        }
        page = somebody.open(next.as_str());
    }
    panic!("no answer: {page:?}");
}

fn with(answer: &url::Url, more: &[(&str, &str)]) -> String {
    let mut answer = answer.clone();
    answer.query_pairs_mut().extend_pairs(more);
    answer.to_string()
}

/// FLOW-22: who it is comes from our own exchange, whatever else came with the browser.
#[test]
fn a_token_or_a_person_in_the_callback_is_ignored() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    let (mut mallory, answer) = before_the_answer(&sidecar, "weibo");
    let more = [
        ("access_token", "stolen"),
        ("uid", "1"),
        ("id", "1"),
        ("token_type", "bearer"),
    ];
    let page = mallory.go(&with(&answer, &more));
    assert!(mallory.session().is_some(), "{page:?}");
    assert_eq!(mallory.me().unwrap()["user"]["id"], "weibo|1404376560");
    let asked = &shapes.calls("weibo", "/2/users/show.json")[0]["query"];
    assert!(
        asked["access_token"]
            .as_str()
            .unwrap()
            .starts_with("weibo."),
        "{asked}"
    );
    assert_eq!(asked["uid"], "1404376560");
}

/// FLOW-6: one code, one exchange.
#[test]
fn an_answer_counts_once() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    let (mut alice, answer) = before_the_answer(&sidecar, "github");
    let mut stranger = visitor(&sidecar);
    let page = stranger.go(answer.as_str());
    assert!(stranger.session().is_none(), "{page:?}");
    alice.go(answer.as_str());
    assert!(alice.session().is_some());
    alice.go(answer.as_str());
    assert_eq!(shapes.calls("github", "/login/oauth/access_token").len(), 1);
}

/// FLOW-8, FLOW-10.
#[test]
fn doubled_parameters_and_errors_end_the_login_with_our_own_words() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    for (name, more) in [
        ("github", ("code", "other")),
        ("github", ("error", "x")),
        ("vk", ("device_id", "device-8")),
    ] {
        let (mut somebody, answer) = before_the_answer(&sidecar, name);
        let twice = [more, more];
        let page = somebody.go(&with(&answer, &twice));
        let words = ["authorization-response", "is there twice", more.0];
        expect_refused(&sidecar, &somebody, &page, &words);
    }
    let (mut somebody, answer) = before_the_answer(&sidecar, "discord");
    let more = [
        ("error", "access_denied"),
        ("error_description", "<script>alert(1)</script>"),
        ("error_uri", "https://evil.example/"),
    ];
    let page = somebody.go(&with(&answer, &more));
    expect_refused(
        &sidecar,
        &somebody,
        &page,
        &["authorization-response", "access_denied"],
    );
    for words in ["alert(1)", "evil.example"] {
        assert!(!page.text().contains(words), "{page:?}");
        assert!(!sidecar.log().contains(words));
    }
    for (name, path) in [
        ("github", "/login/oauth/access_token"),
        ("vk", "/oauth2/auth"),
        ("discord", "/api/oauth2/token"),
    ] {
        assert!(shapes.calls(name, path).is_empty(), "{name}");
    }
}

/// FLOW-5, RFC 9207: where the data name an issuer, so must the answer.
#[test]
fn an_answer_of_another_issuer_is_refused() {
    let shapes = Shapes::start();
    let data = format!(
        "issuer = \"https://discord.example\"\n{}",
        the("discord").data
    );
    let upstream = Upstream::start();
    let sidecar = shapes.connect(app(), "discord", &data);
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    for (iss, good) in [
        (None, false),
        (Some("https://discord.example/"), false),
        (Some("https://discord.example"), true),
    ] {
        let (mut somebody, answer) = before_the_answer(&sidecar, "discord");
        let more: Vec<_> = iss.map(|iss| ("iss", iss)).into_iter().collect();
        let page = somebody.go(&with(&answer, &more));
        if good {
            assert!(somebody.session().is_some(), "{page:?}");
        } else {
            expect_refused(
                &sidecar,
                &somebody,
                &page,
                &["authorization-response", "issuer"],
            );
        }
    }
}

#[test]
fn only_a_verified_main_address_reaches_the_application() {
    let (shapes, upstream, sidecar) = documented(DOCUMENTED);
    let seen = |visitor: &mut Visitor| {
        visitor.go("/");
        upstream
            .last()
            .header("X-Forwarded-Email")
            .map(str::to_owned)
    };
    let entry = |primary: bool, verified: bool| json!([{"email": "octocat@github.com", "primary": primary, "verified": verified}]);
    for (emails, email) in [
        (entry(true, true), Some("octocat@github.com")),
        (entry(true, false), None),
        (entry(false, true), None),
        (json!([]), None),
    ] {
        shapes.profile(
            "github",
            &json!({"email": "public@github.com", "email_verified": true}),
        );
        shapes.profile("github/emails", &emails);
        let (mut somebody, _) = go(&sidecar, "github");
        assert_eq!(seen(&mut somebody).as_deref(), email, "{emails}");
    }
    for (verified, email) in [
        (json!(true), Some("nelly@example.org")),
        (json!(false), None),
        (json!("true"), None),
    ] {
        shapes.profile("discord", &json!({"verified": verified}));
        let (mut somebody, _) = go(&sidecar, "discord");
        assert_eq!(seen(&mut somebody).as_deref(), email, "{verified}");
    }
}

#[test]
fn nobody_comes_in_without_a_subject() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    for id in [
        json!(null),
        json!(""),
        json!({"id": 1}),
        json!(7.5),
        json!(true),
    ] {
        shapes.profile("github", &json!({"id": id}));
        let (somebody, page) = go(&sidecar, "github");
        expect_refused(&sidecar, &somebody, &page, &["github", "identity"]);
    }
    // a rename makes nobody somebody else
    for login in ["octocat", "octopus"] {
        shapes.profile("github", &json!({"login": login}));
        let (mut somebody, _) = go(&sidecar, "github");
        assert_eq!(somebody.me().unwrap()["user"]["id"], "github|583231");
    }
}

/// Also where nobody comes of it, since that is when an operator must know.
#[test]
fn a_trial_shows_each_answer_as_it_came() {
    let (shapes, _upstream, sidecar) = documented(DOCUMENTED);
    shapes.profile("github", &json!({"id": null}));
    let emails = json!([{"email": "octocat@github.com", "primary": true, "verified": true}]);
    shapes.profile("github/emails", &emails);
    let trial = Trial::begin(&sidecar, "github");
    let page = visitor(&sidecar).go(&trial.url);
    assert!(page.text().contains("does not work yet"), "{page:?}");
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "{report:#}");
    let said = claims(&report);
    let steps: Vec<_> = said.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, ["profile-request", "profile-request"], "{report:#}");
    assert_eq!(said[0].1["login"], "octocat");
    assert_eq!(said[1].1, &emails);
}

#[test]
fn data_that_cannot_work_are_refused_with_what_is_wrong() {
    let upstream = Upstream::start();
    let good = "authorization.endpoint = \"https://a.example/authorize\"\n\
                token.endpoint = \"https://a.example/token\"\n";
    let call =
        |rest: &str| format!("{good}profile = [{{ endpoint = \"https://a.example/me\", {rest} }}]");
    for (data, words) in [
        (String::new(), "the endpoint is missing"),
        (
            good.replace("a.example/token", "{host}/token"),
            "braces in the host",
        ),
        (
            good.replace("https://a.example/token", "http://a.example/token"),
            "can be forged",
        ),
        (
            good.replace("https://a.example/token", "file:///etc/passwd"),
            "https URL",
        ),
        (
            format!("{good}authorization.params.state = \"x\""),
            "set by us",
        ),
        (
            format!("{good}authorization.carry = [\"access_token\"]"),
            "is no name for a value",
        ),
        (
            format!("{good}authorization.carry = [\"uid\"]\ntoken.carry = {{ uid = \"uid\" }}"),
            "carried twice",
        ),
        (call("params = { uid = \"{uid}\" }"), "nothing gives {uid}"),
        (call("headers = { \"a b\" = \"x\" }"), "no header's name"),
        (call("at = \"a[\""), "is not closed"),
        (call("sned = \"get\""), "sned"),
        (format!("{good}subject = \"\""), "a name is missing"),
    ] {
        let sidecar = connect(app(), "acme", &data).route(route("/").to(&upstream));
        sidecar.write();
        let output = sidecar.cli(&["check"]);
        assert!(!output.status.success(), "{data}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(words), "{data}\n{told}");
        assert!(told.contains("connections.acme"), "{told}");
    }
}

const TOKEN: &str = "X-Forwarded-Access-Token";

/// How long a short token is good for, in seconds, and when a new one is fetched.
const TTL: u64 = 6;
const RENEWED: Duration = Duration::from_millis(4200);

#[test]
fn an_application_gets_the_token_where_a_route_says_so_and_a_fresh_one_in_time() {
    let plain = Plain::with_tokens_for("", TTL);
    let (mut alice, page) = plain.sign_in("/page", "alice");
    plain.expect_session(&alice, &page);
    assert_eq!(plain.upstream.last().header(TOKEN), None);
    let mut token = || {
        assert_eq!(alice.go("/tokens/x").answer.status, 200);
        plain.upstream.last().header(TOKEN).unwrap().to_owned()
    };
    let first = token();
    assert_eq!(token(), first);
    thread::sleep(RENEWED);
    let second = token();
    assert_ne!(second, first);
    // what the application would do with it
    let bearer = format!("Bearer {second}");
    let request = Request::get("/api/me").header("Authorization", &bearer);
    let django = plain.django.port();
    let answer = exchange(django, &format!("127.0.0.1:{django}"), &request);
    assert_eq!(answer.expect(200).json()["login"], "alice");
}

#[test]
fn a_provider_that_takes_its_word_back_ends_the_session() {
    let shapes = Shapes::with(json!({"access_token_ttl": TTL}));
    let upstream = Upstream::start();
    let sidecar = shapes
        .connect(app(), "discord", the("discord").data)
        .route(
            route("/")
                .to(&upstream)
                .set("tokens", list(&["access_token"])),
        )
        .start();
    let sign_in = || {
        shapes.profile("discord", &json!({}));
        let (somebody, page) = go(&sidecar, "discord");
        assert!(somebody.session().is_some(), "{page:?}");
        somebody
    };
    let (mut refused, mut other, mut same) = (sign_in(), sign_in(), sign_in());
    thread::sleep(RENEWED);
    assert_eq!(same.fetch("/x").status, 200);
    shapes.fail("discord");
    assert_eq!(refused.fetch("/x").status, 401);
    shapes.profile("discord", &json!({"id": "1"}));
    assert_eq!(other.fetch("/x").status, 401);
    assert_eq!(same.fetch("/x").status, 200);
    let refreshed = shapes.calls("discord", "/api/oauth2/token");
    let grants = |call: &&Value| call["form"]["grant_type"] == "refresh_token";
    assert_eq!(refreshed.iter().filter(grants).count(), 3, "{refreshed:?}");
}
