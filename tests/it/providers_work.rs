//! The identity providers of the tests: each signs somebody in for a client that does by hand what
//! a relying party does, so that a failing test of the sidecar is about the sidecar.

use openssl::{base64::encode_block, sha::sha256};
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    DjangoProvider, LyingProvider, OpenIdProvider, Request, Upstream, Visitor, django_provider,
    http::exchange,
    jwt::part,
    openid_provider::{self, CLIENT, SECRET},
    visitor::Page,
};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

/// A relying party in the hands of the test: an application that records what comes back.
struct Client {
    app: Upstream,
}

impl Client {
    fn new() -> Self {
        Self {
            app: Upstream::start(),
        }
    }

    fn redirect_uri(&self) -> String {
        format!("http://app.localhost:{}/back", self.app.port())
    }

    /// Goes to `endpoint` with an authorization request (OpenID Connect Core, section 3.1.2.1).
    fn authorize(&self, endpoint: &str, more: &[(&str, &str)]) -> (Visitor, Page) {
        let mut url: Url = endpoint.parse().unwrap();
        let challenge = encode_block(&sha256(VERIFIER.as_bytes()))
            .replace('+', "-")
            .replace('/', "_")
            .replace('=', "");
        url.query_pairs_mut()
            .append_pair("client_id", CLIENT)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("state", "s1")
            .append_pair("nonce", "n1")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(more);
        let mut visitor = Visitor::new(&self.redirect_uri());
        let page = visitor.open(url.as_str());
        (visitor, page)
    }

    /// A parameter of the answer that came back to the application.
    fn answered(&self, name: &str) -> Option<String> {
        let seen = self.app.last();
        let query = match seen.method() {
            "POST" => String::from_utf8(seen.body.clone()).unwrap(),
            _ => seen.target().split_once('?')?.1.to_owned(),
        };
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Redeems the code that came back (OpenID Connect Core, section 3.1.3.1).
    fn redeem(&self, port: u16, path: &str) -> Value {
        let code = self.answered("code").expect("no code came back");
        let redirect_uri = self.redirect_uri();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        token_call(port, path, &form)
    }
}

fn token_call(port: u16, path: &str, form: &[(&str, &str)]) -> Value {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = encode_block(format!("{CLIENT}:{secret}").as_bytes());
    let request = Request::new("POST", path)
        .header("Authorization", &format!("Basic {basic}"))
        .body("application/x-www-form-urlencoded", body);
    exchange(port, &format!("127.0.0.1:{port}"), &request).json()
}

fn userinfo(port: u16, path: &str, tokens: &Value) -> Value {
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request::get(path).header("Authorization", &bearer);
    exchange(port, &format!("127.0.0.1:{port}"), &request)
        .expect(200)
        .json()
}

#[test]
fn the_openid_provider_signs_in_refreshes_and_rotates() {
    let client = Client::new();
    let provider = OpenIdProvider::with(json!({
        "clients": [openid_provider::client(&client.redirect_uri())],
        "accounts": {"alice": {"groups": ["ops"]}},
    }));
    let endpoint = format!("{}/auth", provider.issuer());
    let wanted = [
        ("scope", "openid email groups"),
        ("acr_values", "high low"),
        ("response_mode", "form_post"),
    ];
    let (mut visitor, page) = client.authorize(&endpoint, &wanted);
    let page = visitor.follow(page);
    provider.sign_in(&mut visitor, &page, "alice");
    assert_eq!(client.app.last().method(), "POST", "{}", provider.output());
    assert_eq!(client.answered("state").as_deref(), Some("s1"));
    assert_eq!(client.answered("iss"), Some(provider.issuer()));
    let tokens = client.redeem(provider.port(), "/token");
    let claims = part(&tokens["id_token"], 1);
    assert_eq!(claims["iss"], provider.issuer());
    assert_eq!(
        (&claims["sub"], &claims["nonce"]),
        (&"alice".into(), &"n1".into())
    );
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&"high".into(), &json!(["pwd"]))
    );
    let told = userinfo(provider.port(), "/me", &tokens);
    assert_eq!(
        (&told["email"], &told["groups"]),
        (&"alice@example.org".into(), &json!(["ops"]))
    );

    let key = part(&tokens["id_token"], 0)["kid"].clone();
    provider.rotate_keys(false);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let renewed = token_call(provider.port(), "/token", &refresh);
    assert_ne!(part(&renewed["id_token"], 0)["kid"], key, "{renewed}");
    assert_ne!(renewed["refresh_token"], tokens["refresh_token"]);
    assert_eq!(
        token_call(provider.port(), "/token", &refresh)["error"],
        "invalid_grant"
    );
    let calls = provider.calls("/token");
    assert_eq!(calls.len(), 3);
    assert_eq!(
        (&calls[0]["scheme"], &calls[0]["form"]["grant_type"]),
        (&"Basic".into(), &"authorization_code".into())
    );
}

#[test]
fn the_lying_provider_is_honest_but_for_its_switch() {
    let client = Client::new();
    let liar = LyingProvider::start();
    let log_in = |issuer: &str| {
        let endpoint = format!("{}/auth", liar.issuer(issuer));
        let (mut visitor, page) = client.authorize(&endpoint, &[("scope", "openid")]);
        visitor.carry_on(page);
        client.redeem(liar.port(), &format!("/{issuer}/token"))
    };
    let tokens = log_in("honest");
    let claims = part(&tokens["id_token"], 1);
    assert_eq!(claims["iss"], liar.issuer("honest"));
    assert_eq!(
        (&claims["sub"], &claims["nonce"]),
        (&"alice".into(), &"n1".into())
    );
    let told = userinfo(liar.port(), "/honest/userinfo", &tokens);
    assert_eq!(told["email"], "alice@example.org");
    let lying = log_in("invalid-iss");
    assert_eq!(
        part(&lying["id_token"], 1)["iss"],
        "http://other.localhost/"
    );
    liar.lie("honest", &["missing-sub"]);
    liar.claims("honest", &json!({"groups": ["ops"]}));
    let changed = part(&log_in("honest")["id_token"], 1);
    assert_eq!(
        (&changed["sub"], &changed["groups"]),
        (&Value::Null, &json!(["ops"]))
    );
    let logout = liar.mint(
        "honest",
        "logout",
        &["logout-no-event"],
        &json!({"sub": "alice"}),
    );
    let logout = part(&logout.into(), 1);
    assert_eq!(
        (&logout["sub"], &logout["events"]),
        (&"alice".into(), &Value::Null)
    );
    assert_eq!(liar.calls("honest", "token").len(), 2);
    assert_eq!(liar.strayed(), Vec::<Value>::new());
}

#[test]
fn django_is_an_openid_provider_and_a_plain_oauth_server() {
    for plain in [false, true] {
        let client = Client::new();
        let django = DjangoProvider::start(&django_provider::client(&client.redirect_uri(), plain));
        let scope = if plain {
            "read"
        } else {
            "openid email profile"
        };
        let endpoint = format!("{}/authorize/", django.issuer());
        let (mut visitor, page) = client.authorize(&endpoint, &[("scope", scope)]);
        let page = visitor.follow(page);
        django.sign_in(&mut visitor, &page, "alice");
        let tokens = client.redeem(django.port(), "/o/token/");
        if plain {
            let told = userinfo(django.port(), "/api/me", &tokens);
            assert_eq!((&told["id"], &told["login"]), (&1.into(), &"alice".into()));
            let addresses = userinfo(django.port(), "/api/emails", &tokens);
            assert_eq!(addresses[1]["email"], "alice@example.org");
            assert_eq!(tokens["id_token"], Value::Null);
        } else {
            let claims = part(&tokens["id_token"], 1);
            assert_eq!(claims["iss"], django.issuer());
            assert_eq!(
                (&claims["sub"], &claims["nonce"]),
                (&"1".into(), &"n1".into())
            );
            let told = userinfo(django.port(), "/o/userinfo/", &tokens);
            assert_eq!(
                told["groups"],
                json!(["ops"]),
                "{told}\n{}",
                django.output()
            );
        }
    }
}
