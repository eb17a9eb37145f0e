use super::*;

fn set(text: &str) -> Config {
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(config.problems(), Vec::new(), "{text}");
    config
}

async fn admit(text: &str, password: &str) -> Result<(), Vec<Rule>> {
    let profile = Profile {
        name: Some("Ángela Weber-Smith".to_owned()),
        ..Profile::default()
    };
    let personal = Personal::new(
        &profile,
        &[Some("a.weber77@acme.example"), Some("angie"), None],
    );
    let rules = PasswordRules::open(&set(text), &Client::new());
    match rules
        .admit(&Secret::new(password.to_owned()), personal)
        .await
    {
        Ok(admitted) => {
            assert_eq!(admitted.secret().expose(), password);
            Ok(())
        }
        Err(BadNewPassword::Refused(judged)) => {
            assert_eq!(judged.len(), rules.rules().len());
            Err(judged
                .into_iter()
                .filter(|judged| !judged.is_met())
                .map(|judged| judged.rule)
                .collect())
        }
        Err(BadNewPassword::TooLong) => Err(Vec::new()),
    }
}

/// Everything but the length is off.
const BARE: &str =
    "min_length = 8\nrefuse_common = false\nrefuse_personal = false\nmin_score = 0\n";

#[tokio::test]
async fn the_defaults_want_length_and_nothing_guessable() {
    assert_eq!(admit("", "correct horse battery").await, Ok(()));
    assert_eq!(admit("", "ünf wörter ohne zahl").await, Ok(()));
    let short = admit("", "kJ7#mQ2!xz4&vB").await;
    assert_eq!(short, Err(vec![Rule::Length { least: 15 }]));
    for easy in [
        "aaaaaaaaaaaaaaaa",
        "passwordpassword",
        "1234567890123456",
        "qwertyuiopasdfgh",
    ] {
        let broken = admit("", easy).await.unwrap_err();
        assert!(
            broken.contains(&Rule::Score { least: 2 }),
            "{easy}: {broken:?}"
        );
    }
    assert_eq!(admit("", &"x".repeat(1025)).await, Err(Vec::new()));
}

#[tokio::test]
async fn each_rule_refuses_what_breaks_it_and_nothing_else() {
    let three = Rule::Classes {
        least: 3,
        of: Class::ALL.to_vec(),
    };
    let these = Rule::Classes {
        least: 2,
        of: vec![Class::Upper, Class::Digit],
    };
    let rows: [(&str, Rule, &[&str], &[&str]); 8] = [
        (
            "classes = 3",
            three,
            &["lowercase only", "lower1234", "ÄÖÜÄÖÜ12"],
            &["Lower1234", "lower-1234", "ÄÖÜäöü12", "Lower-lower"],
        ),
        (
            "classes = [\"digit\", \"upper\"]",
            these,
            &["lower1234", "UPPER-lower"],
            &["UPPER1234"],
        ),
        (
            "most_identical = 2",
            Rule::Identical { most: 2 },
            &["baaad-xyz", "xyz-1000"],
            &["baadaa-xyz", "aAaAaAaA"],
        ),
        (
            "most_sequential = 3",
            Rule::Sequential { most: 3 },
            &["xAbCd-xx", "xx-4321-x", "wxyz----"],
            &["abc-abd-abe", "aceg1357", "--//00--"],
        ),
        (
            "refuse_common = true",
            Rule::NotCommon,
            &["password", "PASSWORD", "iloveyou", "trustno1"],
            &["rather unusual", "passwordx9z"],
        ),
        (
            "refuse_personal = true",
            Rule::NotPersonal,
            &["xxWEBER77xx", "smithsmith", "i am ángela", "angie2024!"],
            &["acme-acme", "anglemeter", "something else"],
        ),
        (
            "words = [\"Vestibule\", \"acme\"]",
            Rule::NoWords(vec!["vestibule".to_owned(), "acme".to_owned()]),
            &["MyVestibule1", "ACME2024!"],
            &["something else"],
        ),
        (
            "min_score = 3",
            Rule::Score { least: 3 },
            &["password1", "abcdefgh", "weber7777"],
            &["correct horse battery", "kJ7#mQ2!xz4&vB"],
        ),
    ];
    for (line, rule, bad, good) in rows {
        let key = line.split(' ').next().unwrap();
        let rest = BARE.lines().filter(|other| !other.starts_with(key));
        let text = format!("{}\n{line}", rest.collect::<Vec<_>>().join("\n"));
        for password in bad {
            let broken = Err(vec![rule.clone()]);
            assert_eq!(admit(&text, password).await, broken, "{line}: {password}");
        }
        for password in good {
            assert_eq!(admit(&text, password).await, Ok(()), "{line}: {password}");
        }
    }
}

#[tokio::test]
async fn a_password_from_a_leak_is_refused_and_told_at_the_login() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // SHA-1 of "correct horse battery staple".
    std::fs::write(&file, "ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42:216\n").unwrap();
    let text = |more: &str| format!("breached = {{ file = {:?}{more} }}", file.path());
    let leaked = "correct horse battery staple";
    assert_eq!(admit(&text(""), leaked).await, Err(vec![Rule::NotBreached]));
    assert_eq!(admit(&text(", min_count = 217"), leaked).await, Ok(()));
    assert_eq!(admit(&text(""), "correct horse battery").await, Ok(()));
    let known = Password::parse(&Secret::new(leaked.to_owned())).unwrap();
    let other = Password::parse(&Secret::new("correct horse battery".to_owned())).unwrap();
    for (key, follows) in [
        ("", AtLogin::Warn),
        (", at_login = \"replace\"", AtLogin::Replace),
        (", at_login = \"ignore\"", AtLogin::Ignore),
    ] {
        let rules = PasswordRules::open(&set(&text(key)), &Client::new());
        assert_eq!(rules.at_login(&known).await, follows);
        assert_eq!(rules.at_login(&other).await, AtLogin::Ignore);
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_key() {
    for (text, key) in [
        ("min_length = 7", "min_length"),
        ("min_length = 65", "min_length"),
        ("classes = 5", "classes"),
        ("most_identical = 0", "most_identical"),
        ("most_sequential = 1", "most_sequential"),
        ("most_sequential = 11", "most_sequential"),
        ("min_score = 5", "min_score"),
        ("words = [\"ab\"]", "words"),
        ("breached = {}", "breached.file"),
        ("breached = { file = \"/nowhere\" }", "breached.file"),
        (
            "breached = { range_api = \"ftp://x/\" }",
            "breached.range_api",
        ),
        (
            "breached = { range_api = \"https://x/?a=\" }",
            "breached.range_api",
        ),
        (
            "breached = { range_api = \"http://pwned.example/range/\" }",
            "breached.range_api",
        ),
        (
            "breached = { file = \"/\", range_api = \"https://x/\" }",
            "breached.file",
        ),
        (
            "breached = { file = \"/\", min_count = 0 }",
            "breached.min_count",
        ),
    ] {
        let config: Config = toml::from_str(text).unwrap();
        let keys: Vec<_> = config
            .problems()
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        assert_eq!(keys, [format!("password.{key}")], "{text}");
    }
}

#[tokio::test]
async fn the_operator_reads_what_is_broken() {
    let rules = PasswordRules::open(&set("classes = 3"), &Client::new());
    let refused = rules
        .admit(&Secret::new("short".to_owned()), Personal::default())
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("at least 15 characters; characters of at least 3"),
        "{said}"
    );
}
