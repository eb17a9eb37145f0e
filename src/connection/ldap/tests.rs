//! Settings that would let the wrong people in, or nobody.

use super::{Config, open::Problems, refused::Refused};
use crate::{
    connection::{Common, registry::OpenConnection},
    egress::ldap::Entry,
};

const LEAST: &str = "servers = [\"ldaps://a\"]\nbase_dn = \"dc=corp,dc=test\"\n";

fn problems(more: &str) -> Vec<String> {
    let config: Config = toml::from_str(&format!("{LEAST}{more}")).unwrap();
    let found = OpenConnection::problems(&config, &Common::default());
    found.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn what_would_let_the_wrong_people_in_is_refused() {
    assert_eq!(problems(""), [""; 0]);
    for (more, key) in [
        ("user_filter = \"(objectClass=person)\"", "user_filter"),
        ("user_filter = \"(|(uid={username})(cn=x))\"", "user_filter"),
        ("user_filter = \"(!(uid={login}))\"", "user_filter"),
        (
            "group_filter = \"(objectClass=groupOfNames)\"",
            "group_filter",
        ),
        ("bind_dn = \"cn=a\"", "bind_dn"),
        ("bind_password = \"x\"", "bind_password"),
        ("bind_dn = \"cn=a\"\nbind_password = \" \"", "bind_password"),
        ("direct_bind = \"alice@corp.test\"", "direct_bind"),
        (
            "direct_bind = \"{username}@a\"\nrecheck = \"1m\"",
            "recheck",
        ),
        ("recheck = \"1s\"", "recheck"),
        ("recheck = \"100000d\"", "recheck"),
        ("timeout = \"0s\"", "timeout"),
        ("connect_timeout = \"10m\"", "connect_timeout"),
        ("connections = 0", "connections"),
        ("attributes = [\"userPassword\"]", "attributes[0]"),
        ("attributes = [\"display name\"]", "attributes[0]"),
        ("user_id_attribute = \"entry uuid\"", "user_id_attribute"),
        ("domain_names = [\"CORP\\\\\"]", "domain_names[0]"),
        (
            "user_base_dn = \"ou=people,dc=other,dc=test\"",
            "user_base_dn",
        ),
        ("user_base_dn = \"people\"", "user_base_dn"),
        (
            "group_attribute = \"memberOf\"\ngroup_filter = \"(member={dn})\"",
            "group_attribute",
        ),
        ("disabled_filter = \"(a={login})\"", "disabled_filter"),
        (
            "certificate_user_filter = \"(mail={email})\"",
            "certificate_user_filter",
        ),
        ("ca = \"/nowhere.pem\"", "ca"),
        (
            "kerberos = { keytab = \"/nowhere\", networks = [\"10.0.0.0/8\"] }",
            "kerberos.keytab",
        ),
    ] {
        assert!(
            problems(more).iter().any(|found| found == key),
            "{more}: {:?}",
            problems(more)
        );
    }
    for more in [
        "group_filter = \"\"",
        "group_attribute = \"memberOf\"\ngroup_filter = \"\"",
        "user_base_dn = \"ou=people\"",
        "user_base_dn = \"ou=people,dc=corp,dc=test\"",
        "recheck = \"0s\"",
        "direct_bind = \"{username}@a\"\nrecheck = \"0s\"",
    ] {
        assert_eq!(problems(more), [""; 0], "{more}");
    }
}

#[test]
fn servers_are_ldap_urls() {
    for servers in ["[]", "[\"ldap.example.com\"]", "[\"http://a\"]"] {
        let text = format!("servers = {servers}\nbase_dn = \"dc=corp\"");
        let config: Config = toml::from_str(&text).unwrap();
        let found = OpenConnection::problems(&config, &Common::default());
        assert!(
            found.iter().any(|one| one.key.starts_with("servers")),
            "{servers}"
        );
    }
    let text = "servers = [\"ldap://a\"]\nbase_dn = \"dc=corp\"\ndanger_plain_ldap = true";
    let config: Config = toml::from_str(text).unwrap();
    let found = OpenConnection::problems(&config, &Common::default());
    assert_eq!(found[0].key, "servers[0]");
}

#[test]
fn an_entry_elsewhere_or_without_one_identifier_is_nobody() {
    let config: Config = toml::from_str(LEAST).unwrap();
    let rules = config.rules(&mut Problems::default()).unwrap();
    let person = |dn: &str, ids: &[&'static str]| {
        let values = ids.iter().map(|id| id.as_bytes().into()).collect();
        rules.person(Entry {
            dn: dn.to_owned(),
            attributes: vec![("entryUUID".to_owned(), values)],
        })
    };
    let alice = "uid=alice,ou=people,dc=corp,dc=test";
    assert_eq!(person(alice, &["1"]).unwrap().subject.as_str(), "1");
    for elsewhere in [
        "uid=alice,dc=other,dc=test",
        "uid=alice\\,dc=corp,dc=test",
        "dc=test",
        "?",
    ] {
        let refused = person(elsewhere, &["1"]);
        assert!(matches!(refused, Err(Refused::Outside(_))), "{elsewhere}");
    }
    for ids in [[].as_slice(), &["1", "2"], &[""]] {
        let refused = person(alice, ids);
        assert!(matches!(refused, Err(Refused::NoId(_))), "{ids:?}");
    }
}
