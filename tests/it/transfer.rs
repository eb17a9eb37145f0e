//! Users by the thousand: `users import` and `users export`.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::{Value, json};

use crate::support::{Sidecar, Upstream, route};

/// Of every hash in `tests/hashes/vectors.tsv`.
const PASSWORD: &str = "Tr0ubadör & 3";
const HASH: &str = "$2b$05$agLXco1xzNPRHG.Alqhk7O1Bic0/lnw2iKeghphF/X5l2IYjkNpPu";

fn vectors() -> Vec<(String, String)> {
    let lines = include_str!("../hashes/vectors.tsv").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect()
}

/// A user as Auth0's bulk import has them.
fn auth0(name: &str, hash: &str) -> Value {
    let mut user = json!({
        "user_id": format!("auth0|{name}"), "email": format!("{name}@example.com"),
        "email_verified": true, "given_name": "Ada", "name": "Ada L", "nickname": "ada",
        "picture": "https://example.com/a.png", "blocked": false,
        "app_metadata": { "plan": "pro" }, "user_metadata": { "colour": "red" },
    });
    match hash.strip_prefix("custom:") {
        Some(custom) => user["custom_password_hash"] = serde_json::from_str(custom).unwrap(),
        None => user["password_hash"] = hash.into(),
    }
    user
}

fn stopped() -> Sidecar {
    let sidecar = Sidecar::new().route(route("/").set("upstream", "builtin:demo"));
    sidecar.write();
    sidecar
}

fn write(sidecar: &Sidecar, name: &str, octets: impl AsRef<[u8]>) -> String {
    let path = sidecar.path(name);
    fs::write(&path, octets).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What an import printed, whether or not all records were taken.
fn import(sidecar: &Sidecar, words: &[&str]) -> (Value, String) {
    let output = sidecar.cli(&[&["users", "import", "--connection", "members"], words].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let done: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let whole = done["refused"] == 0;
    assert_eq!(output.status.code(), Some(i32::from(!whole)), "{errors}");
    (done, errors)
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn whoever_comes_with_any_hash_signs_in_and_has_argon2id_afterwards() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let users = vectors();
    let array: Value = users.iter().map(|(name, hash)| auth0(name, hash)).collect();
    let file = write(&sidecar, "users.json", array.to_string());
    let (done, errors) = import(&sidecar, &[&file]);
    assert_eq!(done["created"], users.len(), "{done} {errors}");
    for (name, hash) in &users {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/login");
        let page = visitor.try_password(&page, &format!("{name}@example.com"), PASSWORD);
        assert!(visitor.session().is_some(), "{name} {hash}: {page:?}");
        let me = visitor.me().unwrap();
        let id = format!("members|{name}");
        assert_eq!(me["user"]["id"], id, "{me}");
    }
    let exported = sidecar.cli_ok(&["users", "export", "--with-password-hashes"]);
    let exported = lines(&exported);
    assert_eq!(exported.len(), users.len());
    for user in exported {
        let hash = user["identities"][0]["account"]["password_hash"]
            .as_str()
            .unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{user}"
        );
        assert_eq!(user["app_metadata"]["plan"], "pro");
    }
}

#[test]
fn what_is_wrong_with_a_record_is_said_and_the_others_are_imported() {
    let sidecar = stopped();
    let mut file = Vec::new();
    let mut bad = Vec::new();
    let long = "x".repeat(1 << 20);
    let deep = format!(
        "{{\"user_metadata\":{}1{}}}",
        "[".repeat(1000),
        "]".repeat(1000)
    );
    let mut wrong = auth0("typed", HASH);
    wrong["email_verified"] = "yes".into();
    let mut both = auth0("both", HASH);
    both["custom_password_hash"] = json!("secret-hash-text");
    let mut plain = auth0("plain", "correct horse");
    plain["email"] = "plain@example.com".into();
    let mut unknown = auth0("unknown", HASH);
    unknown["hobby"] = "chess".into();
    let mut metadata = auth0("metadata", HASH);
    metadata["user_metadata"] = json!({ "text": "x".repeat(20_000) });
    for (record, why) in [
        (auth0("first", HASH).to_string().into_bytes(), None),
        (b"{\"email\":\"\xff\"}".to_vec(), Some("not UTF-8")),
        (
            format!("{{\"email\":\"{long}\"}}").into_bytes(),
            Some("larger than 1 MiB"),
        ),
        (deep.into_bytes(), Some("recursion limit")),
        (b"{\"email\":".to_vec(), Some("EOF")),
        (b"7".to_vec(), Some("invalid type")),
        (wrong.to_string().into_bytes(), Some("expected a boolean")),
        (both.to_string().into_bytes(), Some("exclude each other")),
        (
            plain.to_string().into_bytes(),
            Some("no form that is known"),
        ),
        (
            unknown.to_string().into_bytes(),
            Some("unknown field `hobby`"),
        ),
        (
            metadata.to_string().into_bytes(),
            Some("user_metadata is larger"),
        ),
        (
            b"{\"user_id\":\"auth0|x\"}".to_vec(),
            Some("neither email nor username"),
        ),
        (
            auth0("costly", &HASH.replace("$05$", "$31$"))
                .to_string()
                .into_bytes(),
            Some("bcrypt cost"),
        ),
        (
            json!({"user_id": "auth0|other", "email": "first@example.com"})
                .to_string()
                .into_bytes(),
            Some("belongs to somebody else"),
        ),
        (auth0("last", HASH).to_string().into_bytes(), None),
    ] {
        file.extend([&record[..], b"\n"].concat());
        bad.push(why);
    }
    let file = write(&sidecar, "users.jsonl", file);
    let errors = sidecar.path("errors.jsonl");
    let (done, _) = import(&sidecar, &[&file, "--errors", errors.to_str().unwrap()]);
    assert_eq!(
        (&done["created"], &done["records"]),
        (&json!(2), &json!(15)),
        "{done}"
    );
    let text = fs::read_to_string(errors).unwrap();
    assert!(
        !text.contains("secret-hash-text") && !text.contains("agLXco"),
        "{text}"
    );
    let told = lines(&text);
    for (number, why) in bad.iter().enumerate() {
        let found = told.iter().find(|one| one["record"] == number + 1);
        match (why, found) {
            (None, None) => {}
            (Some(why), Some(one)) => {
                assert!(one["why"].as_str().unwrap().contains(why), "{why}: {one}");
            }
            other => panic!("record {}: {other:?}", number + 1),
        }
    }
    // duplicates, within the file and against the store
    let twice = json!([auth0("first", HASH), auth0("new", HASH), auth0("new", HASH)]);
    let file = write(&sidecar, "twice.json", twice.to_string());
    let (done, _) = import(&sidecar, &[&file]);
    assert_eq!(
        (&done["created"], &done["existed"]),
        (&json!(1), &json!(2)),
        "{done}"
    );
}

#[test]
fn a_file_that_was_cut_is_imported_as_far_as_it_goes_and_once_again_whole() {
    let sidecar = stopped();
    let users: Vec<Value> = (0..700).map(|n| auth0(&format!("u{n}"), HASH)).collect();
    let whole = Value::from(users).to_string();
    let cut = whole.get(..whole.len() / 2).unwrap();
    let file = write(&sidecar, "users.json", cut);
    let (done, errors) = import(&sidecar, &[&file]);
    assert!(
        errors.contains("the file ends within this record"),
        "{errors}"
    );
    let created = done["created"].as_u64().unwrap();
    assert!((300..400).contains(&created), "{done}");
    let file = write(&sidecar, "users.json", &whole);
    let (tried, _) = import(&sidecar, &[&file, "--dry-run"]);
    let (done, _) = import(&sidecar, &[&file]);
    for done in [tried, done] {
        assert_eq!(done["created"], 700 - created, "{done}");
        assert_eq!(done["existed"], created, "{done}");
    }
    let (done, _) = import(&sidecar, &[&file]);
    assert_eq!(done["existed"], 700, "{done}");
}

/// No checkpoint is needed: what was committed is found, and what was not is made.
#[test]
fn an_import_that_was_killed_goes_on_when_it_is_called_again() {
    let sidecar = stopped();
    let users: Vec<Value> = (0..3000).map(|n| auth0(&format!("u{n}"), HASH)).collect();
    let file = write(&sidecar, "users.json", Value::from(users).to_string());
    let words = ["users", "import", "--connection", "members", &file];
    let mut child = sidecar.command().args(words).spawn().unwrap();
    let count = || {
        let counted = sidecar.cli_ok(&["users", "list", "--most", "1", "--search", "u2"]);
        counted.lines().count() > 1
    };
    assert_eventually!(count());
    child.kill().unwrap();
    child.wait().unwrap();
    let (done, _) = import(&sidecar, &[&file]);
    let figures = ["created", "existed"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(figures.iter().sum::<u64>(), 3000, "{done}");
    assert!(figures[1] > 0, "{done}");
}

#[test]
fn upsert_changes_who_exists_and_their_hash_until_the_first_login() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let file = write(&sidecar, "one.json", json!([auth0("ada", "!")]).to_string());
    import(&sidecar, &[&file]);
    let mut changed = auth0("ada", HASH);
    changed["name"] = "Ada Lovelace".into();
    changed["user_metadata"] = json!({ "new": 1 });
    let text = json!([changed]).to_string();
    let file = write(&sidecar, "two.json", text);
    let (done, _) = import(&sidecar, &[&file]);
    assert_eq!(done["existed"], 1, "{done}");
    let (done, _) = import(&sidecar, &[&file, "--upsert"]);
    assert_eq!(done["updated"], 1, "{done}");
    let shown = sidecar.cli_json(&["users", "show", "members|ada", "--json"]);
    assert_eq!(shown["profile"]["name"], "Ada Lovelace");
    assert_eq!(shown["user_metadata"], json!({ "new": 1 }));
    let sign_in = || {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/login");
        visitor.try_password(&page, "ada@example.com", PASSWORD);
        visitor
    };
    let mut visitor = sign_in();
    assert!(visitor.session().is_some());
    // a hash from the file is older now than the one here
    changed["password_hash"] = "!".into();
    let file = write(&sidecar, "three.json", json!([changed]).to_string());
    import(&sidecar, &[&file, "--upsert"]);
    assert!(sign_in().session().is_some());
    assert!(visitor.me().is_some());
    changed["blocked"] = true.into();
    let file = write(&sidecar, "four.json", json!([changed]).to_string());
    import(&sidecar, &[&file, "--upsert"]);
    assert!(visitor.me().is_none(), "a blocked user's sessions end");
    // What a record does not say stays as it is.
    sidecar.cli_ok(&["users", "set", "members|ada", "owner=true"]);
    changed.as_object_mut().unwrap().remove("blocked");
    changed["name"] = "Ada King".into();
    let file = write(&sidecar, "five.json", json!([changed]).to_string());
    import(&sidecar, &[&file, "--upsert"]);
    let shown = || sidecar.cli_json(&["users", "show", "members|ada", "--json"]);
    assert_eq!(shown()["profile"]["name"], "Ada King");
    assert_eq!(shown()["blocked"], true);
    assert_eq!(shown()["owner"], true);
    changed["blocked"] = false.into();
    let file = write(&sidecar, "six.json", json!([changed]).to_string());
    import(&sidecar, &[&file, "--upsert"]);
    assert_eq!(shown()["blocked"], false);
}

#[test]
fn what_was_exported_makes_the_same_users_elsewhere() {
    let (from, to) = (stopped(), stopped());
    let users: Vec<Value> = (0..250).map(|n| auth0(&format!("u{n}"), HASH)).collect();
    let file = write(&from, "users.json", Value::from(users).to_string());
    import(&from, &[&file]);
    let out = to.path("users.jsonl");
    let out = out.to_str().unwrap();
    from.cli_ok(&["users", "export", "--with-hashes", "--output", out]);
    assert_eq!(
        fs::metadata(out).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let again = from.cli(&["users", "export", "--output", out]);
    assert!(
        !again.status.success(),
        "an existing file is not written over"
    );
    let done = to.cli_json(&["users", "import", out]);
    assert_eq!(done["created"], 250, "{done}");
    let all = |sidecar: &Sidecar| sidecar.cli_ok(&["users", "export", "--with-hashes"]);
    assert_eq!(all(&from), all(&to));
    assert!(!from.cli_ok(&["users", "export"]).contains("$2b$"));
}

#[test]
fn csv_is_read_by_others_and_holds_no_formula() {
    let sidecar = stopped();
    let mut user = auth0("ada", HASH);
    user["name"] = "=cmd|' /C calc'!A0".into();
    user["nickname"] = "a \"b\", c\nd".into();
    user["user_metadata"] = json!({ "phone": "+49 1" });
    let file = write(&sidecar, "users.json", json!([user]).to_string());
    import(&sidecar, &[&file]);
    let fields = "id,profile.name,profile.nickname,user_metadata.phone,blocked";
    let csv = sidecar.cli_ok(&["users", "export", "--format", "csv", "--fields", fields]);
    let file = write(&sidecar, "users.csv", csv);
    let code =
        "import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1], newline='')))))";
    let read = Command::new("python3")
        .args(["-c", code, &file])
        .output()
        .unwrap();
    let rows: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(
        rows[1],
        json!([
            "members|ada",
            "'=cmd|' /C calc'!A0",
            "a \"b\", c\nd",
            "'+49 1",
            "false"
        ])
    );
    let unknown = sidecar.cli(&["users", "export", "--format", "csv", "--fields", "password"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn an_export_is_encrypted_for_age_and_for_gpg() {
    let sidecar = stopped();
    let file = write(
        &sidecar,
        "users.json",
        json!([auth0("ada", HASH)]).to_string(),
    );
    import(&sidecar, &[&file]);
    let plain = sidecar.cli_ok(&["users", "export", "--with-password-hashes"]);
    let path = |name: &str| sidecar.path(name).to_str().unwrap().to_owned();
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    run(Command::new("age-keygen").args(["-o", &path("identity")]));
    let recipient = run(Command::new("age-keygen").args(["-y", &path("identity")]));
    let recipient = String::from_utf8(recipient).unwrap();
    let export = ["users", "export", "--with-password-hashes"];
    let age = [
        "--age-recipient",
        recipient.trim(),
        "--output",
        &path("users.age"),
    ];
    sidecar.cli_ok(&[&export[..], &age].concat());
    let sealed = fs::read(path("users.age")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1"));
    let opened = run(Command::new("age").args(["-d", "-i", &path("identity"), &path("users.age")]));
    assert_eq!(String::from_utf8(opened).unwrap(), plain);

    let home = sidecar.path("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = || {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", &home)
            .args(["--batch", "--quiet", "--passphrase", ""]);
        command
    };
    run(gpg().args([
        "--quick-generate-key",
        "backup@example.com",
        "default",
        "default",
        "never",
    ]));
    fs::write(path("key.asc"), run(gpg().args(["--armor", "--export"]))).unwrap();
    let pgp = [
        "--pgp-key",
        &path("key.asc"),
        "--output",
        &path("users.gpg"),
    ];
    sidecar.cli_ok(&[&export[..], &pgp].concat());
    let opened = run(gpg().args(["--decrypt", &path("users.gpg")]));
    assert_eq!(String::from_utf8(opened).unwrap(), plain);
    run(Command::new("gpgconf")
        .env("GNUPGHOME", &home)
        .args(["--kill", "all"]));

    let bad = write(&sidecar, "no-key", "nothing");
    let refused = sidecar.cli(&["users", "export", "--pgp-key", &bad, "--output", &path("x")]);
    assert!(!refused.status.success());
    let refused = sidecar.cli(&["users", "export", "--age-recipient", "age1nonsense"]);
    assert_eq!(refused.status.code(), Some(2));
}
