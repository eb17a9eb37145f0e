//! What the `gateway` table may say.

use super::Config;

/// The keys that are complained about.
fn wrong(table: &str) -> Vec<String> {
    let config: Config = toml::from_str(table).unwrap();
    let problems = config.problems().into_iter();
    problems.map(|problem| problem.key).collect()
}

const TWILIO: &str = "kind = 'twilio'\naccount_sid = 'AC0123456789abcdef0123456789abcdef'\n\
    auth_token = 't'\n";
const HTTP: &str = "kind = 'http'\nurl = 'https://sms.example/send'\n";

#[test]
fn a_gateway_says_what_is_needed_and_nothing_of_another_kind() {
    let nothing: [&str; 0] = [];
    let service = "messaging_service_sid = 'MG0123456789abcdef0123456789abcdef'\n";
    let body = "body = '{\"to\": \"{{ to }}\", \"text\": \"{{ text }}\"}'\n";
    for good in [
        format!("{TWILIO}from = 'Acme'"),
        format!("{TWILIO}{service}"),
        format!("{TWILIO}from = 'a'\napi_key = 'SK0123456789abcdef0123456789abcdef'"),
        format!("{HTTP}{body}"),
        format!("{HTTP}{body}bearer = 'b'\nheaders = {{ X-Key = 'k' }}"),
        format!("{HTTP}format = 'form'\nbody = 'to={{{{to}}}}&code={{{{ code }}}}'"),
        format!("{HTTP}preset = 'auth0'"),
        "kind = 'http'\nmethod = 'GET'\nurl = 'https://g.example/?to={{ to }}&t={{ text }}'"
            .to_owned(),
    ] {
        assert_eq!(wrong(&good), nothing, "{good}");
    }
    for (bad, keys) in [
        (String::new(), vec!["kind"]),
        (
            "kind = 'twilio'".to_owned(),
            vec!["account_sid", "from", "auth_token"],
        ),
        (format!("{TWILIO}from = 'a'\n{service}"), vec!["from"]),
        (
            format!("{TWILIO}from = 'a'\nbody = 'x'\nforward_client = true"),
            vec!["body", "forward_client"],
        ),
        (
            "kind = 'twilio'\naccount_sid = 'AC1'\nauth_token = 't'\nfrom = 'a'".to_owned(),
            vec!["account_sid"],
        ),
        (HTTP.to_owned(), vec!["body"]),
        (
            format!("{HTTP}{body}account_sid = 'x'"),
            vec!["account_sid"],
        ),
        (
            format!("{HTTP}body = '{{{{ to }}}} {{{{ text }}}}'"),
            vec!["body"],
        ),
        (
            format!("{HTTP}body = '{{\"to\": \"{{{{ to }}}}\", \"t\": \"{{{{ txt }}}}\"}}'"),
            vec!["body"],
        ),
        (
            format!("{HTTP}body = '{{\"{{{{ to }}}}\": \"{{{{ text }}}}\"}}'"),
            vec!["body"],
        ),
        (
            format!("{HTTP}body = '{{\"to\": {{{{ to }}}}}}'"),
            vec!["body"],
        ),
        (format!("{HTTP}{body}user = 'u'"), vec!["password"]),
        (
            format!("{HTTP}{body}password = 'p'\nbearer = 'b'"),
            vec!["bearer"],
        ),
        (
            format!("{HTTP}{body}signing_secret = 'short'"),
            vec!["signing_secret"],
        ),
        (
            format!("{HTTP}{body}headers = {{ Host = 'x', 'a b' = 'x' }}"),
            vec!["headers.Host", "headers.a b"],
        ),
        (
            format!("{HTTP}preset = 'auth0'\njwt = {{ secret = 'short' }}"),
            vec!["jwt.secret"],
        ),
        (
            format!("{HTTP}preset = 'auth0'\njwt = {{ subject = 'x' }}"),
            vec!["jwt.secret"],
        ),
        (
            format!("{HTTP}preset = 'auth0'\nbearer = 'x'"),
            vec!["bearer"],
        ),
        (format!("{HTTP}method = 'GET'\n{body}"), vec!["body"]),
    ] {
        assert_eq!(wrong(&bad), keys, "{bad}");
    }
    for url in [
        "http://sms.example/send",
        "ftp://sms.example/send",
        "https://u:p@sms.example/send",
        "https://{{ to }}/send",
        "https://sms.example/{{ to }}",
        "sms.example",
    ] {
        let table = format!("kind = 'http'\nurl = '{url}'\n{body}");
        assert_eq!(wrong(&table), ["url"], "{url}");
    }
}

#[test]
fn what_is_set_is_not_printed() {
    let table = format!(
        "{HTTP}bearer = 'canary'\nbody = '{{\"to\": \"{{{{ to }}}}\", \"k\": \"canary\", \
         \"t\": \"{{{{ text }}}}\"}}'\nheaders = {{ X-Key = 'canary' }}"
    );
    let config: Config = toml::from_str(&table).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let broken: Config =
        toml::from_str(&format!("{HTTP}body = 'canary {{{{ canary }}}}'")).unwrap();
    let told = format!("{:?}", broken.problems());
    assert!(!told.contains("canary"), "{told}");
}
