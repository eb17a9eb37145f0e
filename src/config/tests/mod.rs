use std::{
    collections::BTreeSet, fmt::Write, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration,
};

use serde_json::Value;

use super::*;
use crate::store::sql::Place;

/// What a text comes to, in an empty folder.
fn loaded_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Report> {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of(variables.iter().copied());
    parse(text, "config.toml", (folder.path(), &environment), &nothing)
}

fn loaded(text: &str) -> Result<Loaded, Report> {
    loaded_with(text, &[])
}

/// The lines of a report.
fn complaints(text: &str) -> Vec<String> {
    complaints_with(text, &[])
}

fn complaints_with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match loaded_with(text, variables) {
        Ok(_) => Vec::new(),
        Err(report) => report.to_string().lines().map(str::to_owned).collect(),
    }
}

/// Every key that there is, once.
const MAXIMAL: &str = include_str!("maximal.toml");

/// The names of all keys in the schema, and which table has them.
fn schema_keys() -> BTreeSet<String> {
    fn collect(schema: &Value, keys: &mut BTreeSet<String>) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    keys.extend(properties.keys().cloned());
                }
                // Below `claims` are the names of profile fields, which are no keys of ours.
                let inside = object.iter().filter(|(key, _)| *key != "claims");
                inside.for_each(|(_, value)| collect(value, keys));
            }
            Value::Array(array) => array.iter().for_each(|value| collect(value, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    collect(&schema(), &mut keys);
    keys
}

/// The keys of a text, with their lines from 1 and whether they are below a table of free names.
fn keys_of(text: &str) -> Vec<(usize, String)> {
    let mut free = false;
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            free = line.contains("upstream_params") || line.contains("claims");
        } else if let Some((key, _)) = line.split_once(" = ")
            && !free
        {
            keys.push((index + 1, key.to_owned()));
        }
    }
    keys
}

/// The parts have nothing to say.
fn nothing(_: &Settings) -> Vec<Problem> {
    Vec::new()
}

#[test]
fn the_maximal_text_has_every_key() {
    let loaded = loaded(MAXIMAL).unwrap();
    assert_eq!(loaded.settings.listeners.len(), 3);
    let written: BTreeSet<String> = MAXIMAL
        .split(['\n', '[', ']', '.', ' '])
        .map(str::to_owned)
        .collect();
    for key in schema_keys() {
        // The places of a secret.
        if !["env", "file"].contains(&key.as_str()) {
            assert!(written.contains(&key), "{key}");
        }
    }
}

#[test]
fn each_key_misspelt_is_named_with_its_line() {
    let keys = keys_of(MAXIMAL);
    assert!(keys.len() > 50, "{}", keys.len());
    for (line, key) in keys {
        // The last two letters change their places, or one is missing.
        let mut wrong = key.clone();
        let last = wrong.pop().unwrap();
        let before = wrong.pop().unwrap();
        wrong.push(last);
        if key.len() <= 3 {
            wrong = format!("{key}{last}");
        } else if last != before {
            wrong.push(before);
        }
        let mut lines: Vec<String> = MAXIMAL.lines().map(str::to_owned).collect();
        lines[line - 1] = lines[line - 1].replacen(&key, &wrong, 1);
        let complaints = complaints(&lines.join("\n"));
        let start = format!("config.toml:{line}:1: ");
        let found = complaints.iter().find(|said| said.starts_with(&start));
        let found = found.unwrap_or_else(|| panic!("{key} as {wrong}: {complaints:#?}"));
        assert!(found.contains(&wrong), "{found}");
        assert!(
            found.contains("did you mean") && found.contains(&format!("{key:?}")),
            "{found}"
        );
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
    }
    for table in [
        "server",
        "admin",
        "storage",
        "session",
        "log",
        "pages",
        "routes",
        "connections",
    ] {
        let wrong = format!("{table}x");
        let text = MAXIMAL.replace(&format!("[{table}"), &format!("[{wrong}"));
        let said = complaints(&text);
        assert!(said[0].contains(&format!("{wrong}: ")), "{said:?}");
        assert!(
            said[0].contains(&format!("did you mean {table:?}")),
            "{said:?}"
        );
    }
}

#[test]
fn each_value_of_another_type_is_named_with_its_line() {
    for (line, key) in keys_of(MAXIMAL) {
        let mut lines: Vec<String> = MAXIMAL.lines().map(str::to_owned).collect();
        lines[line - 1] = format!("{key} = 1979-05-27");
        let said = complaints(&lines.join("\n"));
        let start = format!("config.toml:{line}:1: ");
        assert!(
            said.iter().any(|said| said.starts_with(&start)
                && said.contains(&key)
                && said.contains("expected")),
            "{key}: {said:#?}"
        );
    }
}

#[test]
fn all_mistakes_are_shown_at_their_lines() {
    let text = "\
[server]
listen = 5
lisen = ['a']
trusted_proxies = ['10.0.0.0/8', '0.0.0.0/0', 'x']
  threads = \"many\"
[session]
idle_timeout = '8'
[connections.a]
strategy = 'database'
sing_up = true
[connections.b]
strategy = 'databse'
[connections.C]
strategy = 'database'
[[routes]]
upsteam = 'x'
[[routes]]
upstream = 5
allow = ['any', 1,
    2]
";
    let expected = [
        "2:1: server.listen: expected an array, found a whole number",
        "3:1: server.lisen: there is no such key (did you mean \"listen\")",
        "5:3: server.threads: expected a whole number, 0 or more, found a string",
        "7:1: session.idle_timeout: the value is not a number with a unit, like \"30s\", \"8h\" or \"7d\"",
        "10:1: connections.a.sing_up: there is no such key (did you mean \"signup\")",
        "12:1: connections.b.strategy: there is no such strategy (did you mean \"database\")",
        "13:14: connections.C: a connection's name has 1 to 32 of a-z, 0-9 and -",
        "16:1: routes[0].upsteam: there is no such key (did you mean \"upstream\")",
        "18:1: routes[1].upstream: expected a string or an array of strings",
        "19:17: routes[1].allow[1]: expected a string, found a whole number",
        "20:5: routes[1].allow[2]: expected a string, found a whole number",
    ]
    .map(|line| format!("config.toml:{line}"));
    assert_eq!(complaints(text), expected);
    // Other line ends and a byte order mark move nothing.
    assert_eq!(complaints(&text.replace('\n', "\r\n")), expected);
    assert_eq!(complaints(&format!("\u{feff}{text}")), expected);
}

/// A text, where its only mistake is, and what is said about it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("config_version = 2", "1:1: config_version", "version 1"),
    (
        "[server]\npublic_url = 'http://a.test'",
        "2:1: server.public_url",
        "plain http",
    ),
    (
        "[server]\npublic_url = 'https://a.test/x'",
        "2:1: server.public_url",
        "nothing behind",
    ),
    (
        "[server]\nlisten = ['0.0.0.0:80']",
        "2:11: server.listen[0]",
        "plain http",
    ),
    (
        "[server]\nlisten = ['192.0.2.1:80']\ntrusted_proxies = ['10.0.0.1']",
        "2:11: server.listen[0]",
        "plain http",
    ),
    (
        "[server]\nlisten = ['[::]:80']\npublic_url = 'https://a.test'",
        "2:11: server.listen[0]",
        "plain http",
    ),
    (
        "[server]\nlisten = ['127.0.0.1:80', '127.0.0.1:80']",
        "2:27: server.listen[1]",
        "twice",
    ),
    (
        "[server]\nlisten = ['unix:/a']\n[[server.listeners]]\naddress = 'unix:/a'",
        "4:1: server.listeners[0].address",
        "twice",
    ),
    (
        "[server]\nlisten = ['localhost:80']",
        "2:11: server.listen[0]",
        "a name is no address",
    ),
    (
        "[server]\nlisten = ['unix:']",
        "2:11: server.listen[0]",
        "missing",
    ),
    (
        "[[server.listeners]]\naddress = 'unix:/a'\nmode = '0999'",
        "3:1: server.listeners[0].mode",
        "octal",
    ),
    (
        "[[server.listeners]]\naddress = '127.0.0.1:1'\nmode = '0600'",
        "3:1: server.listeners[0].mode",
        "only a Unix socket",
    ),
    (
        "[[server.listeners]]\naddress = '127.0.0.1:1'\nclient_ca = 'x'",
        "3:1: server.listeners[0].client_ca",
        "need TLS",
    ),
    (
        "[[server.listeners]]\naddress = 'unix:/a'\ntls = [{cert = 'a', key = 'b'}]",
        "3:1: server.listeners[0].tls",
        "no TLS",
    ),
    (
        "[[server.listeners]]\naddress = '127.0.0.1:1'\nserves = []",
        "3:1: server.listeners[0].serves",
        "one thing",
    ),
    (
        "[[server.listeners]]\naddress = '127.0.0.1:1'\nserves = 'prxy'",
        "3:1: server.listeners[0].serves",
        "\"proxy\" or \"redirect\"",
    ),
    (
        "[server]\ntrusted_proxies = ['0.0.0.0/0']",
        "2:20: server.trusted_proxies[0]",
        "everybody",
    ),
    (
        "[server]\ntrusted_proxies = ['unix', '::/0']",
        "2:28: server.trusted_proxies[1]",
        "everybody",
    ),
    (
        "[server]\ntrusted_proxies = ['proxy']",
        "2:20: server.trusted_proxies[0]",
        "neither",
    ),
    (
        "[server]\nauth_prefix = '/'",
        "2:1: server.auth_prefix",
        "no path left",
    ),
    (
        "[server]\nauth_prefix = '/a/../b'",
        "2:1: server.auth_prefix",
        "",
    ),
    (
        "[server]\nauth_prefix = '/a/'",
        "2:1: server.auth_prefix",
        "slash",
    ),
    ("[server]\nauth_prefix = 'a'", "2:1: server.auth_prefix", ""),
    ("[server]\nthreads = 0", "2:1: server.threads", "1 to 1024"),
    (
        "[admin]\nlisten = '9091'",
        "2:1: admin.listen",
        "address and a port",
    ),
    (
        "[admin]\nlisten = '0.0.0.0:9091'",
        "2:1: admin.listen",
        "danger_off_loopback",
    ),
    (
        "[admin]\nlisten = '[2001:db8::1]:9091'",
        "2:1: admin.listen",
        "danger_off_loopback",
    ),
    ("[admin]\nhosts = ['a:80']", "2:10: admin.hosts[0]", ""),
    ("[admin]\nsocket = ''", "2:1: admin.socket", "empty"),
    (
        "[storage]\nurl = 'postgres://h/d'",
        "2:1: storage.url",
        "does not name a user and a database",
    ),
    (
        "[storage]\nurl = 'mysql://u:canary@h'",
        "2:1: storage.url",
        "does not name a user and a database",
    ),
    (
        "[storage]\nurl = 'postgres:u:canary'",
        "2:1: storage.url",
        "no ://",
    ),
    (
        "[storage]\nurl = 'mysql://u:canary@h:1:2/d'",
        "2:1: storage.url",
        "cannot be read",
    ),
    (
        "[storage]\nurl = 'postgres://u:canary@h/d'\npassword = 'canary'",
        "3:1: storage.password",
        "has a password too",
    ),
    (
        "[storage]\nurl = 'postgres://u@h/d'\nmax_connections = 1",
        "3:1: storage.max_connections",
        "from 2 to 1000",
    ),
    (
        "[storage]\nurl = 'sqlite://a.db'\nca = 'ca.pem'",
        "3:1: storage.ca",
        "postgres:// and mysql:// only",
    ),
    (
        "[storage]\nurl = 'sqlite::memory:'",
        "2:1: storage.url",
        "path of a file",
    ),
    (
        "[storage]\nurl = 'data.db'",
        "2:1: storage.url",
        "no storage",
    ),
    (
        "[session]\nstore = 'redis://h'",
        "2:1: session.store",
        "plain text",
    ),
    (
        "[session]\nstore = 'redis'",
        "2:1: session.store",
        "where Redis is",
    ),
    (
        "[session.redis]\nprefix = 'x'",
        "1:10: session.redis",
        "not in Redis",
    ),
    (
        "[session]\nstore = 'rediss://h'\n[session.redis]\nmaster = 'm'",
        "4:1: session.redis.master",
        "sentinels only",
    ),
    (
        "[session]\nstore = 'redis'\n[session.redis]\ncluster = ['rediss://canary:canary@h']",
        "4:12: session.redis.cluster[0]",
        "says more",
    ),
    ("[mail]\nurl = 'smtp://h'", "1:2: mail", "from is missing"),
    (
        "[mail]\nfrom = 'a@b.example'",
        "2:1: mail.from",
        "where messages go",
    ),
    (
        "[mail]\nurl = 'smtp://u:canary@h'\nfrom = 'a@b.example'",
        "2:1: mail.url",
        "a password stands in it",
    ),
    (
        "[mail]\nurl = 'smtps://u@h'\nfrom = 'a@b.example'",
        "1:2: mail",
        "password is missing",
    ),
    (
        "[mail]\nurl = 'smtps://h'\npassword = 'p'\nfrom = 'a@b.example'",
        "3:1: mail.password",
        "nobody's",
    ),
    (
        "[mail]\nurl = 'imap://h'\nfrom = 'a@b.example'",
        "2:1: mail.url",
        "of no kind",
    ),
    (
        "[mail]\nurl = 'file:'\nfrom = 'a@b.example'",
        "2:1: mail.url",
        "no folder",
    ),
    (
        "[mail]\nurl = 'file:out'\nfrom = \"a@b.example\\nBcc: c@d.example\"",
        "3:1: mail.from",
        "not an e-mail address",
    ),
    (
        "[mail]\nurl = 'file:out'\nfrom = 'a@b.example'\nreset_lifetime = '1m'",
        "4:1: mail.reset_lifetime",
        "5 minutes",
    ),
    (
        "[protection]\ncounters = 'disk'",
        "2:1: protection.counters",
        "not one of those",
    ),
    (
        "[protection.login]\naddress = '100'",
        "2:1: protection.login.address",
        "10/15m",
    ),
    (
        "[protection]\nallow = ['192.0.2.1', '0.0.0.0/0']",
        "2:23: protection.allow[1]",
        "nobody's address",
    ),
    (
        "[session]\nstore = 'disk'",
        "2:1: session.store",
        "\"memory\"",
    ),
    (
        "[session]\nidle_timeout = '8d'",
        "2:1: session.idle_timeout",
        "longer than",
    ),
    (
        "[session]\nidle_timeout = '0s'",
        "2:1: session.idle_timeout",
        "ever live",
    ),
    ("[session]\ncache = 0", "2:1: session.cache", "1 to"),
    ("[log]\nlevel = 'a=b=c'", "2:1: log.level", ""),
    (
        "[log]\nformat = 'josn'",
        "2:1: log.format",
        "did you mean \"json\"",
    ),
    ("[pages]\naccent = 'red'", "2:1: pages.accent", ""),
    (
        "[pages]\nlanguages = ['de', 'tlh']",
        "2:1: pages.languages",
        "en, da, de",
    ),
    (
        "[pages]\ndefault_language = 'DE'",
        "2:1: pages.default_language",
        "en, da, de",
    ),
    ("connections = 5", "1:1: connections", "[connections.NAME]"),
    ("connections.a = 5", "1:13: connections.a", "table"),
    (
        "server = ['127.0.0.1:80']",
        "1:1: server",
        "expected a table",
    ),
    (
        "[[server.listeners]]\naddress = '127.0.0.1:1'\ntls = [['a', 'b']]",
        "3:8: server.listeners[0].tls[0]",
        "expected a table, found an array",
    ),
    (
        "[[routes]]\nupstream = 'x'\nheaders = 1979-05-27",
        "3:1: routes[0].headers",
        "a date",
    ),
    ("routes = 5", "1:1: routes", "[[routes]]"),
    (
        "[connections.a]\nsignup = true",
        "1:14: connections.a",
        "strategy is missing",
    ),
    (
        "[connections.a]\nstratgey = 'database'",
        "2:1: connections.a.stratgey",
        "\"strategy\"",
    ),
    (
        "[connections.a]\nstrategy = 5",
        "2:1: connections.a.strategy",
        "expected a string",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ntrust_email = 'always'",
        "3:1: connections.a.trust_email",
        "anybody",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['a.test', 'A.test']",
        "3:22: connections.a.domains[1]",
        "a.test is listed twice",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['b\u{fc}cher.test', 'xn--bcher-kva.test']",
        "3:27: connections.a.domains[1]",
        "xn--bcher-kva.test is listed twice",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['b.test', '*.a.test', '*.A.test']",
        "3:34: connections.a.domains[2]",
        "take it out: it is connections.a.domains[1] already",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['@a.test']",
        "3:12: connections.a.domains[0]",
        "behind the @",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['127.0.0.1']",
        "3:12: connections.a.domains[0]",
        "no e-mail domain",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['a.test', '*']",
        "3:22: connections.a.domains[1]",
        "everybody",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['*.co.uk']",
        "3:12: connections.a.domains[0]",
        "public suffix",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndomains = ['CORP']",
        "3:12: connections.a.domains[0]",
        "single label",
    ),
    (
        "[connections.a]\nstrategy = 'database'\nnetworks = ['10.1.2.3/8']",
        "3:13: connections.a.networks[0]",
        "10.0.0.0/8",
    ),
    (
        "[connections.a]\nstrategy = 'database'\nnetworks = ['10.0.0.0/8', '::ffff:10.0.0.0/104']",
        "3:27: connections.a.networks[1]",
        "listed twice",
    ),
    (
        "[connections.a]\nstrategy = 'database'\nnetworks = ['acme.example']",
        "3:13: connections.a.networks[0]",
        "expected a network",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndiscovery = 'private'\nbutton = true",
        "4:1: connections.a.button",
        "everybody would see the button",
    ),
    (
        "[connections.a]\nstrategy = 'database'\ndiscovery = 'hidden'",
        "3:1: connections.a.discovery",
        "not one of those",
    ),
    (
        "[[routes]]\npath = '/'",
        "1:1: routes[0].upstream",
        "missing",
    ),
];

#[test]
fn what_does_not_fit_together_is_refused() {
    for (text, at, says) in MISTAKES {
        let said = complaints(text);
        assert_eq!(said.len(), 1, "{text}\n{said:#?}");
        assert!(
            said[0].starts_with(&format!("config.toml:{at}: ")),
            "{text}\n{said:?}"
        );
        assert!(said[0].contains(says), "{text}\n{said:?}");
        assert!(!said[0].contains("canary"));
    }
}

#[test]
fn plain_http_is_for_loopback_and_behind_tls() {
    for text in [
        "[server]\npublic_url = 'http://app.localhost:3000'\nlisten = ['[::1]:80', 'unix:/a']",
        "[server]\npublic_url = 'https://a.test'\nlisten = ['0.0.0.0:80']\ntrusted_proxies = ['10.0.0.1']",
        "[server]\npublic_url = 'http://a.test'\nlisten = ['0.0.0.0:80']\ndanger_plain_http = true",
        "[[server.listeners]]\naddress = '0.0.0.0:80'\nserves = 'redirect'",
        "[admin]\nlisten = '[::1]:9091'",
        "[admin]\nlisten = '[::ffff:127.0.0.1]:9091'",
        "[admin]\nlisten = '0.0.0.0:9091'\ndanger_off_loopback = true",
        "[[server.listeners]]\naddress = '0.0.0.0:443'\ntls = [{ cert = 'a', key = 'b' }]",
    ] {
        assert_eq!(complaints(text), [""; 0], "{text}");
    }
}

#[test]
fn paths_begin_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let environment = Environment::of([("VESTIBULE__PAGES__LOGO", "env.svg")]);
    let loaded = parse(
        MAXIMAL,
        "config.toml",
        (folder.path(), &environment),
        &nothing,
    )
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.listeners[1].certificates[0].cert, at("a.pem"));
    assert_eq!(settings.listeners[1].certificates[0].key, at("a.key"));
    assert_eq!(settings.listeners[1].client_ca, Some(at("clients.pem")));
    assert_eq!(
        settings.listeners[2].address,
        Address::Unix(at("run/v.sock"), 0o600)
    );
    assert_eq!(settings.admin.socket, at("admin.sock"));
    let storage = settings.storage.to_string();
    assert_eq!(storage, "postgres://db.example:5432/vestibule");
    assert_eq!(settings.pages.logo, Some(at("env.svg")));
    assert_eq!(settings.pages.templates, Some(at("pages")));
    let mail = format!("{:?}", settings.mail);
    assert!(
        mail.contains(at("tls/mail-ca.pem").to_str().unwrap()),
        "{mail}"
    );
    let mut connections = settings.connections.iter();
    let members = connections
        .find(|one| one.id.as_str() == "members")
        .unwrap();
    let icon = members.common.icon.as_ref().unwrap();
    assert_eq!(PathBuf::from(icon), at("icons/members.svg"));
    let route = &settings.routes[0];
    let tls = route.upstream_tls.as_ref().unwrap();
    assert_eq!(
        (&tls.ca, &tls.key),
        (&Some(at("ca.pem")), &Some(at("c.key")))
    );
    let unix = format!("unix:{}", at("run/app.sock").display());
    let crate::route::Upstreams::Many(upstreams) = &route.upstream else {
        panic!("{:?}", route.upstream)
    };
    assert_eq!(upstreams, &["http://127.0.0.1:3000", unix.as_str()]);
    for name in [
        "a.pem",
        "ca.crt",
        "clients.pem",
        "rp.crt",
        "env.svg",
        "pages",
        "icons/members.svg",
        "c.key",
        "ca.pem",
        "federation.pem",
        "http.keytab",
        "idp.xml",
        "sp.pem",
        "sts.xml",
    ] {
        assert!(loaded.files.contains(&at(name)), "{name}");
    }
    assert!(!loaded.files.contains(&at("admin.sock")));

    let text =
        "[admin]\nsocket = '/run/a.sock'\n[connections.a]\nstrategy = 'database'\nicon = 'key'";
    let loaded = parse(text, "", (folder.path(), &environment), &nothing).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.admin.socket, PathBuf::from("/run/a.sock"));
    assert_eq!(settings.connections[0].common.icon.as_deref(), Some("key"));
    assert_eq!(settings.storage, Place::File(at("data/vestibule.db")));
    assert!(at("data/secret").exists());
    // it lies beside the database, and another one would count only after a restart
    assert!(!loaded.files.contains(&at("data/secret")));
}

/// A key whose mark is missing would begin at the folder that the program was started in.
#[test]
fn no_path_is_left_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = Environment::of([]);
    let leaks = "[connections.a.password]\nbreached = { file = \"leaks.txt\" }";
    let others = format!("[connections.a]\nstrategy = 'database'\n{leaks}");
    for text in [MAXIMAL, &others] {
        let loaded = parse(text, "", (folder.path(), &nobody), &nothing).unwrap();
        let said = format!("{:?}", loaded.settings);
        let words = text.split('"').skip(1).step_by(2);
        let paths: BTreeSet<_> = words.filter(|word| is_file_name(word)).collect();
        assert!(!paths.is_empty());
        for path in paths {
            let bare = format!("{path:?}");
            assert!(!said.contains(&bare), "{path} begins nowhere");
        }
    }
}

fn is_file_name(word: &str) -> bool {
    let plain = !word.contains(':') && !word.starts_with('/');
    let ends = ["crt", "key", "keytab", "pem", "sock", "svg", "txt", "xml"];
    plain && (word.rsplit_once('.')).is_some_and(|(_, end)| ends.contains(&end))
}

#[test]
fn a_file_is_loaded_with_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    let environment = Environment::default();
    let load = || load(&path, &environment, &nothing);
    let missing = load().unwrap_err().to_string();
    assert!(
        missing.contains("my.toml: the file cannot be read"),
        "{missing}"
    );
    fs::write(&path, "[server]\nthreads = 3\n").unwrap();
    let loaded = load().unwrap();
    assert_eq!(loaded.settings.threads, Some(3));
    assert!(loaded.files.contains(&path));
    for (bytes, says) in [
        (
            &b"[server]\n# \xff"[..],
            "my.toml:2:3: the file is not UTF-8",
        ),
        (&vec![b'#'; 10 << 20], "more than 8 MiB"),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = load().unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn later_problems_get_their_lines() {
    let loaded = loaded("[connections.a]\nstrategy = 'database'\n[[routes]]\nupstream = 'builtin:demo'\nallow = [\n  'x',\n]\n").unwrap();
    let report = loaded.report(vec![
        Problem::new("routes[0].allow[0]", "no such rule").hint("try another"),
        Problem::new("connections.a.ca", "is missing"),
        Problem::new("session.store", "cannot be"),
    ]);
    assert_eq!(
        report.to_string(),
        "config.toml: session.store: cannot be\n\
         config.toml:1:14: connections.a.ca: is missing\n\
         config.toml:6:3: routes[0].allow[0]: no such rule (try another)"
    );
    assert_eq!(report.problems().count(), 3);
}

#[test]
fn hostile_texts_end_in_a_message() {
    let deep =
        |open: &str, close: &str| format!("a = {}{}", open.repeat(100_000), close.repeat(100_000));
    let dotted = format!("{} = 1", vec!["a"; 100_000].join("."));
    let tables = format!("[{}]", vec!["server"; 100_000].join("."));
    let many = "[a\n".repeat(50_000);
    for text in [
        &deep("[", "]"),
        &deep("{ a = ", "}"),
        &dotted,
        &tables,
        &many,
        "a = \"",
        "=",
        "\0",
        "[server]\n[server]",
        "a = 1\na = 2",
        "listen = \"canary",
        "\u{feff}\u{feff}",
        "server = 1",
        "routes = [1, [2]]",
        "connections = { a = { strategy = {} } }",
        "config_version = 99999999999999999999999999",
        "config_version = -1",
        "config_version = nan",
    ] {
        let said = complaints(text);
        assert!(
            !said.is_empty() && said.len() < 100,
            "{} {}",
            text.chars().take(20).collect::<String>(),
            said.len()
        );
        assert!(
            said.iter()
                .all(|line| line.starts_with("config.toml") && line.len() < 1000),
            "{said:?}"
        );
        assert!(!said.iter().any(|line| line.contains("canary")));
    }
}

#[test]
fn variables_overwrite_keys() {
    let text =
        "[connections.my-github]\nstrategy = 'database'\n[[routes]]\nupstream = 'builtin:demo'\n";
    let settings = loaded_with(
        text,
        &[
            ("VESTIBULE__SERVER__LISTEN", "127.0.0.1:81, 127.0.0.1:82"),
            ("VESTIBULE__SERVER__THREADS", "7"),
            ("VESTIBULE__SERVER__DANGER_PLAIN_HTTP", "true"),
            ("VESTIBULE__SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
            (
                "VESTIBULE__SERVER__SECRET",
                "d8FqM2xvT7pLr0ZcW5nYbKs3HgEjUa9i",
            ),
            ("VESTIBULE__PAGES__TITLE", "42"),
            ("vestibule__session__cache", "9"),
            ("VESTIBULE__SESSION__IDLE_TIMEOUT", "1h"),
            ("VESTIBULE__CONNECTIONS__MY_GITHUB__SIGNUP", "true"),
            ("VESTIBULE__CONNECTIONS__NEW_ONE__STRATEGY", "database"),
            ("VESTIBULE__CONNECTIONS__NEW_ONE__DOMAINS", "a.test"),
            ("VESTIBULE__ROUTES__0__UPSTREAM", "http://127.0.0.1:3000"),
            ("VESTIBULE__ROUTES__0__LIMITS__HEAD", "8KiB"),
            ("VESTIBULE__ROUTES__1__UPSTREAM", "builtin:demo"),
            ("VESTIBULE__ROUTES__1__HOST", "b.test"),
            ("VESTIBULE_OTHER", "x"),
        ],
    )
    .unwrap()
    .settings;
    assert_eq!(settings.listeners.len(), 2);
    assert_eq!(settings.threads, Some(7));
    assert!(
        settings
            .trusted_proxies
            .contains(Some("10.1.2.3".parse().unwrap()))
    );
    assert_eq!(settings.pages.title, "42");
    assert_eq!(settings.session.cache, 100_000, "the prefix is in capitals");
    assert_eq!(settings.session.idle_timeout, Duration::from_hours(1));
    let names: Vec<_> = settings
        .connections
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(names, ["my-github", "new-one"]);
    assert_eq!(settings.connections[0].common.signup, Some(true));
    let domains = &settings.connections[1].common.domains;
    assert_eq!(domains, &["a.test".parse().unwrap()]);
    assert_eq!(settings.routes.len(), 2);
    assert_eq!(settings.routes[0].limits.head.0, 8192);
    assert_eq!(settings.routes[1].host.as_deref(), Some("b.test"));
    let settings = loaded_with("", &[("VESTIBULE__ROUTES__0__UPSTREAM", "builtin:demo")]).unwrap();
    assert_eq!(settings.settings.routes.len(), 1);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, says) in [
        (
            "VESTIBULE__SERVER__LISEN",
            "x",
            "server.lisen: there is no such key (did you mean \"listen\")",
        ),
        (
            "VESTIBULE__SEVER__LISTEN",
            "x",
            "sever: there is no such key (did you mean \"server\")",
        ),
        (
            "VESTIBULE__SERVER__THREADS",
            "many",
            "server.threads: expected a whole number",
        ),
        (
            "VESTIBULE__SERVER__THREADS",
            "'many",
            "server.threads: expected a whole number",
        ),
        (
            "VESTIBULE__SERVER__LISTEN",
            "127.0.0.1",
            "server.listen[0]: \"127.0.0.1\" is not",
        ),
        ("VESTIBULE__SERVER", "x", "server: expected a table"),
        ("VESTIBULE__SERVER__THREADS__X", "1", "threads is no table"),
        ("VESTIBULE__ROUTES__5__HOST", "1", "routes has no table 5"),
        (
            "VESTIBULE__ROUTES__X",
            "1",
            "routes has no key x, it is a list",
        ),
        ("VESTIBULE__ROUTES__5", "1", "the list has no element 5"),
        ("VESTIBULE__", "1", "names no key"),
        ("VESTIBULE__A____B", "1", "names no key"),
        (
            "VESTIBULE__A__A__A__A__A__A__A__A__A",
            "1",
            "more keys than",
        ),
        (
            "VESTIBULE__STORAGE__URL",
            "mysql://u:canary@h",
            "storage.url: the URL does not name a user and a database",
        ),
        (
            "VESTIBULE__SERVER__SECRET",
            "canary",
            "server.secret: the secret has 6 bytes",
        ),
        (
            "VESTIBULE__SERVER__SECRET",
            "12345",
            "server.secret: the secret has 5 bytes",
        ),
        (
            "VESTIBULE__SERVER__SECRET",
            "{ value = 'canary' }",
            "server.secret",
        ),
    ] {
        let text = "[server]\nthreads = 5\n[[routes]]\nupstream = 'builtin:demo'\n";
        let said = complaints_with(text, &[(name, value)]);
        let found = said
            .iter()
            .any(|said| said.starts_with(&format!("{name}: ")) && said.contains(says));
        assert!(found, "{name}={value}: {said:#?}");
        assert!(!said.iter().any(|said| said.contains("canary")), "{said:?}");
    }
}

#[test]
fn secrets_are_seen_nowhere() {
    const CANARY: &str = "canary-Zx81-qTn4-Vb60-wLr7-Kd29-Hs53";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    fs::write(&path, CANARY).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let environment = Environment::of([("TOKEN", CANARY)]);
    assert!(!format!("{environment:?}").contains(CANARY));
    let value = format!("'{CANARY}'");
    for secret in [value.as_str(), "{ env = 'TOKEN' }", "{ file = 's' }"] {
        let good = format!("[server]\nsecret = {secret}\n");
        let loaded = parse(
            &good,
            "config.toml",
            (folder.path(), &environment),
            &nothing,
        )
        .unwrap();
        assert_eq!(loaded.settings.secret.expose(), CANARY);
        assert!(!format!("{loaded:?}").contains("canary-"));
        for bad in [
            "threads = 'x'",
            "secrt = 5",
            "secret = 'twice'",
            "x = \"open",
            "[connections.a]\nstrategy = 'nonesuch'",
        ] {
            for text in [format!("{good}{bad}\n"), format!("{good}{bad}")] {
                let error = parse(
                    &text,
                    "config.toml",
                    (folder.path(), &environment),
                    &nothing,
                )
                .unwrap_err();
                assert!(!format!("{error} {error:?}").contains("canary-"), "{error}");
            }
        }
        // A secret where something else is wanted, or in the wrong shape.
        for key in [
            "threads",
            "sercet",
            "danger_plain_http",
            "listeners",
            "secret.value",
        ] {
            let text = format!("[server]\n{key} = {value}\n");
            let error = parse(
                &text,
                "config.toml",
                (folder.path(), &environment),
                &nothing,
            )
            .unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary-"), "{error}");
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for (text, says) in [
        ("secret = { file = 's' }", "0644"),
        ("secret = { env = 'ABSENT' }", "ABSENT is not set"),
        ("secret = ''", "empty"),
        ("secret = { env = 'TOKEN', file = 's' }", "one place"),
        ("secret = { fiel = 's' }", "did you mean \"file\""),
        ("secret = {}", "env or file"),
        ("secret = 5", "expected a string, { env"),
    ] {
        let text = format!("[server]\n{text}\n");
        let error = parse(
            &text,
            "config.toml",
            (folder.path(), &environment),
            &nothing,
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains(says) && error.starts_with("config.toml:2:"),
            "{error}"
        );
        assert!(!error.contains("canary-"), "{error}");
    }
}

#[test]
fn the_fingerprint_is_of_the_whole_table() {
    let print = |text: &str| {
        let text = format!("{text}\n[connections.b]\nstrategy = 'database'\n");
        loaded(&text).unwrap().settings.connections[0].fingerprint
    };
    let one = print("[connections.a]\nstrategy = 'database'\nsignup = true");
    assert_eq!(
        one,
        print("# moved\n[connections.a]\nsignup = true\nstrategy = 'database'")
    );
    assert_ne!(
        one,
        print("[connections.a]\nsignup = false\nstrategy = 'database'")
    );
    assert_ne!(
        one,
        print("[connections.a]\nstrategy = 'database'\nsignup = true\nlogin = 'email'")
    );
}

#[test]
fn what_needs_a_restart_is_named() {
    let settings = |text: &str| {
        let secret = "[server]\nsecret = 'd8FqM2xvT7pLr0ZcW5nYbKs3HgEjUa9i'\n";
        let folder = std::path::Path::new("/srv");
        parse(
            &format!("{secret}{text}"),
            "",
            (folder, &Environment::default()),
            &nothing,
        )
        .unwrap()
        .settings
    };
    let old = settings("");
    for (text, keys) in [
        ("listen = ['127.0.0.1:81']", &["server.listeners"][..]),
        ("[[server.listeners]]\naddress = '127.0.0.1:8080'", &[]),
        ("threads = 2", &["server.threads"]),
        ("[admin]\nlisten = '127.0.0.1:1'", &["admin"]),
        ("[storage]\nurl = 'sqlite://x'", &["storage"]),
        ("[session]\nstore = 'memory'", &["session.store"]),
        ("[session]\ncache = 5", &["session.cache"]),
        ("shutdown_timeout = '5s'", &["server.shutdown_timeout"]),
        (
            "[log]\nlevel = 'debug'\nformat = 'json'\naccess = true",
            &["log.level", "log.format"],
        ),
        ("[session]\nidle_timeout = '1h'\n[pages]\ntitle = 'x'", &[]),
    ] {
        assert_eq!(old.needs_restart(&settings(text)), keys, "{text}");
    }
    let mut other = settings("");
    other.secret = crate::secret::Secret::new("another".to_owned());
    assert_eq!(old.needs_restart(&other), ["server.secret"]);
}

#[test]
fn a_trial_needs_no_file() {
    let secret = [(
        "VESTIBULE__SERVER__SECRET",
        "d8FqM2xvT7pLr0ZcW5nYbKs3HgEjUa9i",
    )];
    let environment = Environment::of(secret);
    let settings = Loaded::trial(None, &environment, &nothing)
        .unwrap()
        .settings;
    let Address::Tcp(address) = settings.listeners[0].address else {
        panic!("{:?}", settings.listeners)
    };
    assert_eq!(address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url.to_string(), "http://localhost:8080");
    assert_eq!(settings.storage, Place::File("data/vestibule.db".into()));
    assert_eq!(settings.connections[0].id.as_str(), "members");
    assert_eq!(settings.connections[0].common.signup, Some(true));
    let upstream = "http://127.0.0.1:3000/\"\n[x]";
    let settings = Loaded::trial(Some(upstream), &environment, &nothing)
        .unwrap()
        .settings;
    let crate::route::Upstreams::One(given) = &settings.routes[0].upstream else {
        panic!("{:?}", settings.routes)
    };
    assert_eq!(given, upstream);
}

#[test]
fn the_reference_is_complete_and_works() {
    let reference = include_str!("../../../config.toml");
    let settings = loaded(reference).unwrap().settings;
    assert_eq!(settings.connections.len(), 1);
    assert_eq!(settings.routes[0].public, ["/public/**"]);
    assert!(reference.lines().count() < 400);
    // Each strategy has a guide of its own.
    let guides = [
        reference,
        include_str!("../../../docs/connections/catalog.md"),
        include_str!("../../../docs/connections/mtls.md"),
        include_str!("../../../docs/connections/oauth2.md"),
        include_str!("../../../docs/connections/passkey.md"),
        include_str!("../../../docs/connections/oidc.md"),
        include_str!("../../../docs/connections/saml.md"),
        include_str!("../../../docs/connections/wsfed.md"),
        include_str!("../../../docs/connections/ldap.md"),
        include_str!("../../../docs/connections/sql.md"),
        include_str!("../../../docs/connections/http.md"),
        include_str!("../../../docs/connections/sms.md"),
        include_str!("../../../docs/mail.md"),
    ]
    .concat();
    let words: BTreeSet<&str> = guides
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .collect();
    for key in schema_keys() {
        assert!(words.contains(key.as_str()), "{key}");
    }
    // What is written as a comment is right, too. Of Redis there are three kinds, and none by default.
    let (before, rest) = reference.split_once("[session.redis]\n").unwrap();
    let (redis, after) = rest.split_once("\n[protection]").unwrap();
    let of_cluster = ["cluster", "username", "prefix", "ca", "certificate", "key"];
    let of_sentinels = [
        "sentinels",
        "master",
        "sentinel_username",
        "database",
        "prefix",
    ];
    for keys in [
        &of_cluster[..],
        &of_sentinels,
        &["url", "wait_for_replicas"],
    ] {
        let lines = redis.lines().filter_map(|line| line.strip_prefix('#'));
        let lines =
            lines.filter(|line| keys.iter().any(|key| line.starts_with(&format!("{key} "))));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), keys.len(), "{lines:?}");
        let text = lines.join("\n");
        let text = text.replace("{ env = \"REDIS_URL\" }", "'rediss://u:p@h:1/2'");
        let read = loaded(&format!(
            "[session]\nstore = 'redis'\n[session.redis]\n{text}"
        ));
        assert!(read.is_ok(), "{}", read.unwrap_err());
    }
    let all: String = [before, "[protection]", after]
        .concat()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with("[connections.") => format!("{key}\n"),
            Some(key) if !key.starts_with([' ', '[']) && !key.is_empty() => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .filter(|line| {
            let of_listeners = [
                "address",
                "mode",
                "serves",
                "client_ca",
                "client_certificates",
                "tls",
            ];
            !of_listeners.iter().any(|key| line.starts_with(key))
        })
        .collect();
    // What is said of a server is nothing to a file.
    let all = all
        .replace("\"sqlite://data/vestibule.db\"", "'postgres://u@h/d'")
        .replace("{ file = \"/run/secrets/database\" }", "'hush'");
    let read = loaded(&all);
    assert!(read.is_ok(), "{}", read.unwrap_err());
}

#[test]
fn the_schema_knows_connections_and_has_no_marks_of_ours() {
    let schema = schema();
    let text = schema.to_string();
    assert!(!text.contains("x-vestibule"));
    let table = &schema["$defs"]["Connections"]["additionalProperties"]["oneOf"][0];
    assert_eq!(table["properties"]["strategy"]["const"], "database");
    for key in ["display_name", "password", "login", "domains"] {
        assert!(table["properties"][key].is_object(), "{key}");
    }
    assert_eq!(table["additionalProperties"], false);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn thousands_of_domains_of_one_connection_are_read_in_time() {
    let domains: Vec<_> = (0..20_000)
        .map(|index| format!("'d{index}.test'"))
        .collect();
    let text = format!(
        "[connections.a]\nstrategy = 'database'\ndomains = [{}]\n\
         [[routes]]\nupstream = 'builtin:demo'\n",
        domains.join(", ")
    );
    #[expect(clippy::disallowed_methods, reason = "the test measures")]
    let begin = std::time::Instant::now();
    let settings = loaded(&text).unwrap().settings;
    println!("20,000 domains: {:?}", begin.elapsed());
    assert_eq!(settings.connections[0].common.domains.len(), 20_000);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_large_file_is_read_in_time() {
    let mut text = String::new();
    for index in 0..10_000 {
        write!(
            text,
            "[connections.c{index}]\nstrategy = 'database'\ndomains = ['d{index}.test']\n"
        )
        .unwrap();
    }
    for index in 0..1000 {
        write!(
            text,
            "[[routes]]\nhost = 'h{index}.test'\nupstream = 'builtin:demo'\nallow = ['any']\n"
        )
        .unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "the test measures")]
    let begin = std::time::Instant::now();
    let settings = loaded(&text).unwrap().settings;
    println!("10,000 connections and 1,000 routes: {:?}", begin.elapsed());
    assert_eq!(
        (settings.connections.len(), settings.routes.len()),
        (10_000, 1000)
    );
    assert!(begin.elapsed() < Duration::from_secs(10));
}

/// The least that an operator writes for a provider of the catalogue.
fn least(name: &str) -> String {
    let entry = crate::connection::catalog::entry(name).unwrap();
    let needed = entry
        .variables
        .iter()
        .filter(|(_, variable)| variable.default.is_none());
    let mut text = format!("[connections.x]\nstrategy = \"{name}\"\n");
    if entry.has_clients() {
        text.push_str("client_id = \"app\"\n");
    }
    for (key, _) in needed {
        writeln!(text, "{key} = \"sample\"").unwrap();
    }
    text
}

#[test]
fn every_provider_of_the_catalogue_opens_by_a_few_lines() {
    let curve = openssl::nid::Nid::X9_62_PRIME256V1;
    let curve = openssl::ec::EcGroup::from_curve_name(curve).unwrap();
    let elliptic = openssl::ec::EcKey::generate(&curve).unwrap();
    let elliptic = openssl::pkey::PKey::from_ec_key(elliptic).unwrap();
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    let rsa = openssl::pkey::PKey::from_rsa(rsa).unwrap();
    let [elliptic, rsa] = [elliptic, rsa].map(|key| {
        let pem = key.private_key_to_pem_pkcs8().unwrap();
        format!("{:?}", String::from_utf8(pem).unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let signer = crate::protocol::xml::fixture::Signer::rsa();
    let (certificate, client_key) = signer.pem();
    let metadata = signer.metadata("https://idp.example");
    std::fs::write(folder.path().join("client_certificate"), certificate).unwrap();
    std::fs::write(folder.path().join("metadata"), metadata).unwrap();
    let route = "[[routes]]\nupstream = 'builtin:demo'\n";
    let mut opened = 0;
    for (name, entry) in crate::connection::catalog::all() {
        let mut text = least(name);
        if entry.about.retired.is_some() {
            let said = complaints(&text).join("\n");
            assert!(said.contains("is gone"), "{name}: {said}");
            continue;
        }
        if entry.gives_secret() {
            text.push_str("client_secret = \"a secret of thirty-two bytes or more\"\n");
        }
        for key in entry.needs.keys() {
            match key.as_str() {
                "private_key" if name == "apple" => writeln!(text, "{key} = {elliptic}"),
                "private_key" | "signing_key" => writeln!(text, "{key} = {rsa}"),
                "decryption_keys" => writeln!(text, "{key} = [{rsa}]"),
                "client_certificate_key" => writeln!(text, "{key} = {client_key:?}"),
                "client_certificate" | "metadata" => {
                    writeln!(text, "{key} = {:?}", folder.path().join(key))
                }
                "idp_entity_id" => writeln!(text, "{key} = \"https://idp.example\""),
                "metadata_url" => writeln!(text, "{key} = \"https://idp.example/metadata\""),
                "base_dn" => writeln!(text, "{key} = \"dc=example,dc=com\""),
                "servers" => writeln!(text, "{key} = [\"ldaps://ldap.example.com\"]"),
                "wtrealm" => writeln!(text, "{key} = \"api://app\""),
                other => panic!("{name} needs {other}"),
            }
            .unwrap();
        }
        let good = |text: &str| {
            let loaded = loaded(&format!("{text}{route}"));
            let loaded = loaded.unwrap_or_else(|report| panic!("{name}: {report}"));
            let one = &loaded.settings.connections[0];
            assert_eq!(one.strategy.name, name);
            assert!(one.common.display_name.is_some(), "{name}");
            one.own.problems(&one.common)
        };
        let problems = good(&text);
        assert!(problems.is_empty(), "{name}: {problems:?}");
        let misspelt = complaints(&format!("{text}scopse = []\n{route}")).join("\n");
        assert!(misspelt.contains("scopse"), "{name}: {misspelt}");
        opened += 1;
    }
    println!("{opened} providers open");
    assert!(opened > 0);
}

#[test]
fn a_variable_is_needed_and_cannot_lead_elsewhere() {
    let needs = crate::connection::catalog::all().find_map(|(name, entry)| {
        let needed = |(key, variable): (&String, &crate::connection::catalog::Variable)| {
            variable.default.is_none().then(|| key.clone())
        };
        let key = entry.variables.iter().find_map(needed)?;
        entry.about.retired.is_none().then_some((name, key))
    });
    let Some((name, key)) = needs else { return };
    let base = format!("[connections.x]\nstrategy = \"{name}\"\nclient_id = \"a\"\n");
    let said = complaints(&base).join("\n");
    assert!(
        said.contains(&format!("the key {key} is missing")),
        "{said}"
    );
    for value in ["a/b", "a@b", "a?b", "a#b", "a b", "", "a%2fb", "\\\\a"] {
        let said = complaints(&format!("{base}{key} = \"{value}\"\n")).join("\n");
        assert!(
            said.contains(&format!("connections.x.{key}")),
            "{value}: {said}"
        );
    }
}

#[test]
fn what_is_passed_on_is_named_as_nothing_of_the_login_itself() {
    for (from, why) in [
        ("rd", "the login page means something else by it"),
        ("login_hint", "the login page means something else by it"),
        ("", "it is no name of a parameter"),
        ("a b", "it is no name of a parameter"),
    ] {
        let text = MAXIMAL.replace("from = \"locale\"", &format!("from = \"{from}\""));
        let report = loaded(&text).unwrap_err().to_string();
        let named = format!("connections.members.upstream_params.ui_locales.from: {why}");
        assert!(report.contains(&named), "{report}");
    }
    for bad in ["7", "{ form = \"x\" }", "{}"] {
        let text = MAXIMAL.replace("{ from = \"locale\" }", bad);
        let report = loaded(&text).unwrap_err().to_string();
        assert!(
            report.contains("a text, or { from = \"NAME\" }"),
            "{report}"
        );
    }
}
