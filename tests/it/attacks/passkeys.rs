//! Passkeys that lie: by a software authenticator with a key of its own.

use serde_json::{Value, json};

use super::Site;
use crate::support::{
    Page, Visitor,
    passkey::{
        PRESENT, SYNCED, SoftPasskey, VERIFIED, asked, attested, make, octets, prove, send, text,
    },
    visitor::PASSWORD,
};

/// A site that takes passkeys and passwords.
fn site() -> Site {
    Site::with(|sidecar| {
        sidecar
            .set("connections.passkey.strategy", "passkey")
            .set("connections.passkey.signup", true)
            .set("connections.passkey.offer_enrolment", false)
            .set("connections.members.second_factor", "optional")
    })
}

/// Somebody who has made an account with a passkey.
fn joined(site: &Site, name: &str) -> (Visitor, SoftPasskey) {
    let mut visitor = site.sidecar.visitor();
    let mut passkey = SoftPasskey::at(&site.sidecar.origin());
    let end = join(&mut visitor, name, &mut passkey);
    assert!(visitor.me().is_some(), "{end:?}");
    (visitor, passkey)
}

fn join(visitor: &mut Visitor, name: &str, passkey: &mut SoftPasskey) -> Page {
    let page = visitor.go("/.auth/signup/passkey");
    let (options, form) = asked(&page, "create");
    let answer = passkey.make(&options);
    send(visitor, &page, &form.fill("name", name), &answer)
}

/// A try to sign in by a proof that is changed on the way.
fn attempt(site: &Site, passkey: &SoftPasskey, change: impl FnOnce(&mut SoftPasskey)) -> Page {
    let mut passkey = passkey.clone();
    change(&mut passkey);
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/private");
    let end = prove(&mut visitor, &page, &mut passkey);
    assert_eq!(visitor.me().is_some(), end.answer.status == 200);
    end
}

/// Whoever tried is where they were, and the log knows why.
#[track_caller]
fn refused(site: &Site, page: &Page, why: &str) {
    assert_eq!(page.answer.status, 422, "{why}: {page:?}");
    let text = page.text();
    assert!(text.contains("not accepted"), "{why}: {text}");
    assert!(!text.contains(why), "{why} is for the operator");
    assert!(site.sidecar.log().contains(why), "{why}");
    // the page has a new challenge, and the other ways
    asked(page, "get");
}

#[track_caller]
fn fine(site: &Site, passkey: &SoftPasskey) {
    assert_eq!(attempt(site, passkey, |_| {}).answer.status, 200);
}

#[test]
fn pk_1_no_other_origin_proves_anything() {
    let site = site();
    let (_, passkey) = joined(&site, "Alice");
    let port = site.sidecar.port;
    for origin in [
        format!("https://localhost:{port}"),
        "http://localhost".to_owned(),
        format!("http://localhost:{}", port ^ 1),
        format!("http://evil.localhost:{port}"),
        format!("http://localhost.evil.test:{port}"),
        format!("http://evillocalhost:{port}"),
        format!("http://localhost:{port}/"),
        "null".to_owned(),
    ] {
        let end = attempt(&site, &passkey, |passkey| passkey.origin = origin);
        refused(&site, &end, "it comes from another origin");
    }
    let mut visitor = site.sidecar.visitor();
    let mut forged = SoftPasskey::at("http://evil.localhost:1");
    forged.party = "localhost".to_owned();
    let end = join(&mut visitor, "Mallory", &mut forged);
    assert_eq!((end.answer.status, visitor.me()), (422, None));
    fine(&site, &passkey);
}

#[test]
fn pk_2_the_only_proof_is_of_somebody_who_is_verified() {
    let site = site();
    let (_, passkey) = joined(&site, "Alice");
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/private");
    let (options, _) = asked(&page, "get");
    assert_eq!(options["userVerification"], "required");
    let end = attempt(&site, &passkey, |passkey| passkey.flags = PRESENT);
    refused(&site, &end, "did not verify who holds it");
    let end = attempt(&site, &passkey, |passkey| passkey.flags = VERIFIED);
    refused(&site, &end, "nobody was present");
    // nor does somebody make an account so
    for flags in [PRESENT, VERIFIED] {
        let mut visitor = site.sidecar.visitor();
        let mut weak = SoftPasskey::at(&site.sidecar.origin());
        weak.flags = flags;
        let end = join(&mut visitor, "Mallory", &mut weak);
        assert_eq!((end.answer.status, visitor.me()), (422, None));
    }
    fine(&site, &passkey);
}

#[test]
fn pk_3_what_is_not_signed_or_not_named_is_nothing() {
    let site = site();
    let (_, mut passkey) = joined(&site, "Alice");
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/private");
    let (options, form) = asked(&page, "get");
    let good = passkey.prove(&options);
    let other = SoftPasskey::at(&site.sidecar.origin()).prove(&options);
    let changed = |pointer: &str, value: Value| {
        let mut answer = good.clone();
        *answer.pointer_mut(pointer).unwrap() = value;
        answer
    };
    let mut turned = octets(good["response"]["authenticatorData"].as_str().unwrap());
    turned[36] ^= 1;
    for answer in [
        changed("/rawId", "AAAA".into()),
        changed("/id", "AAAA".into()),
        changed("/type", "password".into()),
        changed("/response/signature", "".into()),
        changed(
            "/response/signature",
            other["response"]["signature"].clone(),
        ),
        changed("/response/authenticatorData", text(&turned).into()),
        changed("/response/clientDataJSON", text(b"{}").into()),
        json!("text"),
        json!({}),
        json!([[[[]]]]),
        other,
    ] {
        let end = send(&mut visitor, &page, &form, &answer);
        assert_eq!(end.answer.status, 422, "{answer}");
        assert!(visitor.me().is_none(), "{answer}");
    }
    let end = send(&mut visitor, &page, &form, &good);
    assert_eq!(end.answer.status, 200, "{end:?}");
}

#[test]
fn pk_4_a_challenge_is_of_one_browser_and_one_ceremony_and_counts_once() {
    let site = site();
    let (_, mut passkey) = joined(&site, "Alice");
    let mut alice = site.sidecar.visitor();
    let page = alice.go("/private");
    let (options, form) = asked(&page, "get");
    let answer = passkey.prove(&options);
    let mut before = alice.clone();
    // in the login of another browser, whatever form it is sent by
    let mut mallory = site.sidecar.visitor();
    let theirs = mallory.go("/private");
    let (_, their_form) = asked(&theirs, "get");
    let end = send(&mut mallory, &theirs, &their_form, &answer);
    assert_eq!((end.answer.status, mallory.me()), (422, None));
    let challenge = form.value("challenge").unwrap();
    let mixed = their_form.clone().fill("challenge", challenge);
    let end = send(&mut mallory, &theirs, &mixed, &answer);
    assert_eq!((end.answer.status, mallory.me()), (422, None));
    assert!(
        site.sidecar
            .log()
            .contains("not ours, or for something else")
    );
    // one of their own
    let own = text(&[7; 56]);
    let mut forged = passkey.clone();
    forged.challenge = Some(own.clone());
    let answer_to_own = forged.prove(&options);
    let mine = their_form.fill("challenge", &own);
    let end = send(&mut mallory, &theirs, &mine, &answer_to_own);
    assert_eq!((end.answer.status, mallory.me()), (422, None));
    // the answer of one ceremony at another
    let sign_up = mallory.go("/.auth/signup/passkey");
    let (create, create_form) = asked(&sign_up, "create");
    let made = SoftPasskey::at(&site.sidecar.origin()).make(&create);
    let login = mallory.go("/private");
    let (_, login_form) = asked(&login, "get");
    let end = send(&mut mallory, &login, &login_form, &made);
    assert_eq!((end.answer.status, mallory.me()), (422, None));
    let mut to_create = passkey.clone();
    to_create.challenge = Some(create["challenge"].as_str().unwrap().to_owned());
    let crossed = to_create.prove(&options);
    let challenge = create_form.value("challenge").unwrap();
    let crossing = login_form.fill("challenge", challenge);
    let end = send(&mut mallory, &login, &crossing, &crossed);
    assert_eq!((end.answer.status, mallory.me()), (422, None));
    // in its own, once: not in another copy of the same browser
    let end = send(&mut alice, &page, &form, &answer);
    assert_eq!(end.answer.status, 200, "{end:?}");
    let end = send(&mut before, &page, &form, &answer);
    assert_eq!((end.answer.status, before.me()), (400, None), "{end:?}");
    // nor if the login that it was of could be had twice
    sqlite(&site, "DELETE FROM one_time_uses WHERE purpose = 'flow'");
    let end = send(&mut before, &page, &form, &answer);
    assert_eq!((end.answer.status, before.me()), (400, None), "{end:?}");
    // what was made once is not made again, though it is gone
    let page = alice.go("/.auth/account?add=passkey");
    let (options, form) = asked(&page, "create");
    let made = SoftPasskey::at(&site.sidecar.origin()).make(&options);
    let end = send(&mut alice, &page, &form, &made);
    assert_eq!(end.answer.status, 200, "{end:?}");
    sqlite(
        &site,
        "DELETE FROM factors WHERE created_at = (SELECT max(created_at) FROM factors)",
    );
    let page = alice.go("/.auth/account?add=passkey");
    let (_, later) = asked(&page, "create");
    let again = later.fill("challenge", form.value("challenge").unwrap());
    let end = send(&mut alice, &page, &again, &made);
    assert_eq!(end.answer.status, 422, "{end:?}");
}

#[test]
fn pk_5_a_passkey_is_its_users_alone() {
    let site = site();
    let (_, mut alices) = joined(&site, "Alice");
    let (_, bobs) = joined(&site, "Bob");
    // what the authenticator says of whose it is
    let end = attempt(&site, &alices, |passkey| {
        passkey.handle.clone_from(&bobs.handle);
    });
    refused(&site, &end, "it names the user of another credential");
    let end = attempt(&site, &alices, |passkey| passkey.names = false);
    refused(&site, &end, "does not say whose passkey it is");
    // another's id
    let end = attempt(&site, &alices, |passkey| passkey.id = bobs.id.clone());
    assert_eq!(end.answer.status, 422);
    // as a second factor
    let mut carol = site.sidecar.signed_up("carol");
    let mut carols = SoftPasskey::at(&site.sidecar.origin());
    let page = carol.go("/.auth/account?add=passkey");
    let end = make(&mut carol, &page, &mut carols);
    assert_eq!(end.answer.status, 200, "{end:?}");
    let mut thief = site.sidecar.visitor();
    let page = thief.sign_in("/private", "carol", PASSWORD);
    assert_eq!(page.url.path(), "/.auth/factor");
    let (options, _) = asked(&page, "get");
    let allowed = options["allowCredentials"].as_array().unwrap();
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0]["id"], text(&carols.id));
    let end = prove(&mut thief, &page, &mut alices);
    assert_eq!((end.answer.status, thief.me()), (422, None));
    assert!(
        site.sidecar
            .log()
            .contains("it is the passkey of another user")
    );
    // with the challenge of their own login by a passkey
    let login = thief.go("/.auth/login");
    let (options, login_form) = asked(&login, "get");
    let (_, factor_form) = asked(&end, "get");
    let crossing = factor_form.fill("challenge", login_form.value("challenge").unwrap());
    let end = send(&mut thief, &end, &crossing, &carols.prove(&options));
    assert_eq!((end.answer.status, thief.me()), (422, None));
    let end = prove(&mut thief, &end, &mut carols);
    assert_eq!(end.answer.status, 200, "{end:?}");
    // nobody makes a second account with the passkey of somebody else
    let mut visitor = site.sidecar.visitor();
    let end = join(&mut visitor, "Mallory", &mut alices.clone());
    assert_eq!((end.answer.status, visitor.me()), (422, None));
}

#[test]
fn pk_6_a_proof_is_for_this_relying_party_and_no_frame() {
    let site = site();
    let (_, passkey) = joined(&site, "Alice");
    for party in ["evil.test", "LOCALHOST", "sub.localhost", ""] {
        let end = attempt(&site, &passkey, |passkey| passkey.party = party.to_owned());
        refused(&site, &end, "it is for another RP ID");
    }
    for also in [
        r#","crossOrigin":true"#,
        r#","crossOrigin":true,"topOrigin":"https://evil.test""#,
        r#","crossOrigin":false,"topOrigin":"https://evil.test""#,
    ] {
        let end = attempt(&site, &passkey, |passkey| passkey.also = also);
        refused(&site, &end, "within a page of another origin");
    }
    let end = attempt(&site, &passkey, |passkey| {
        passkey.also = r#","crossOrigin":false"#;
    });
    assert_eq!(end.answer.status, 200);
}

#[test]
fn pk_7_a_counter_that_goes_back_is_refused_and_noted() {
    let site = site();
    let mut visitor = site.sidecar.visitor();
    let mut passkey = SoftPasskey::at(&site.sidecar.origin());
    passkey.counter = 5;
    join(&mut visitor, "Alice", &mut passkey);
    for (counter, good) in [(6, true), (6, false), (3, false), (0, false), (7, true)] {
        let end = attempt(&site, &passkey, |passkey| passkey.counter = counter);
        assert_eq!(end.answer.status == 200, good, "{counter}: {end:?}");
        if !good {
            assert!(end.text().contains("may have been copied"), "{counter}");
        }
    }
    assert!(site.sidecar.log_about("factor-failed").contains("cloned"));
    // whether it may be backed up is settled when it is made
    let end = attempt(&site, &passkey, |passkey| {
        passkey.counter = 9;
        passkey.flags |= SYNCED;
    });
    refused(
        &site,
        &end,
        "could be backed up and now cannot, or the other way round",
    );
}

#[test]
fn pk_8_only_known_keys_and_no_word_of_an_attestation() {
    let site = site();
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/signup/passkey");
    let (options, form) = asked(&page, "create");
    let form = form.fill("name", "Alice");
    assert_eq!(options["attestation"], "none");
    let algorithms = options["pubKeyCredParams"].as_array().unwrap().iter();
    let algorithms: Vec<_> = algorithms.map(|one| one["alg"].clone()).collect();
    assert_eq!(algorithms, [json!(-7), json!(-8), json!(-257)]);
    let mut passkey = SoftPasskey::at(&site.sidecar.origin());
    let good = passkey.make(&options);
    let mut unknown = passkey.clone();
    unknown.algorithm = 0x2f; // -16
    let with_object = |object: &[u8]| {
        let mut answer = good.clone();
        answer["response"]["attestationObject"] = text(object).into();
        answer
    };
    let bombs = [
        with_object(b""),
        with_object(&[0x81; 8000]),
        with_object(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
        with_object(b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"),
        with_object(b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x43abc"),
        with_object(b"\xbf\xff"),
    ];
    for answer in bombs.into_iter().chain([unknown.make(&options)]) {
        let end = send(&mut visitor, &page, &form, &answer);
        assert_eq!(end.answer.status, 422, "{answer}");
        assert!(visitor.me().is_none());
    }
    let huge = attested(
        &good,
        "packed",
        &[[0x59, 0xff, 0xff].as_slice(), &vec![0; 0xffff]].concat(),
    );
    let end = send(&mut visitor, &page, &form, &huge);
    assert_eq!((end.answer.status, visitor.me()), (413, None));
    // an attestation that nobody asked for is neither a fault nor a word
    let packed = attested(
        &good,
        "packed",
        b"\xa2\x63alg\x26\x63sig\x44\x00\x00\x00\x00",
    );
    let end = send(&mut visitor, &page, &form, &packed);
    assert_eq!(end.answer.status, 200, "{end:?}");
    fine(&site, &passkey);
}

/// Makes the logins of a session half an hour older than they are.
fn age(site: &Site) {
    let script = "UPDATE sessions SET authentications = json_replace(authentications, \
        '$[0].auth_time', json_extract(authentications, '$[0].auth_time') - 1800000, \
        '$[0].second_factor_at', json_extract(authentications, '$[0].second_factor_at') - 1800000)";
    sqlite(site, script);
}

/// Changes what the store holds, as nobody outside can.
fn sqlite(site: &Site, script: &str) {
    let file = site.sidecar.path("data/vestibule.db");
    let done = std::process::Command::new("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(file)
        .arg(script)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn pk_9_a_session_alone_neither_adds_nor_removes_a_passkey() {
    let mut site = site();
    let (mut alice, _) = joined(&site, "Alice");
    let add = alice.go("/.auth/account?add=passkey");
    let account = alice.go("/.auth/account");
    let forms = account.forms();
    let remove = forms
        .iter()
        .find(|form| form.value("action") == Some("remove-factor"));
    let remove = remove.unwrap().clone();
    site.sidecar.stop();
    age(&site);
    site.sidecar.start_again();
    let mut second = SoftPasskey::at(&site.sidecar.origin());
    let end = make(&mut alice, &add, &mut second);
    assert_eq!(end.url.path(), "/.auth/login", "{end:?}");
    let end = alice.go("/.auth/account?add=passkey");
    assert_eq!(end.url.path(), "/.auth/login");
    let answer = alice.submit(&account, &remove);
    assert!(answer.answer.location().contains("/.auth/login"));
    let factors = site.sidecar.cli_json(&["users", "factors", "alice"]);
    assert_eq!(factors["factors"].as_array().unwrap().len(), 1, "{factors}");
    // nor does anybody without a session, or from another page
    let mut stranger = site.sidecar.visitor();
    let end = make(&mut stranger, &add, &mut second);
    assert_eq!(end.url.path(), "/.auth/login");
}

#[test]
fn pk_10_names_are_text() {
    let site = site();
    let markup = "<img src=x onerror=alert(1)>\"'";
    let (mut alice, _) = joined(&site, markup);
    let mut second = SoftPasskey::at(&site.sidecar.origin());
    let page = alice.go("/.auth/account?add=passkey");
    assert!(!page.text().contains("<img"));
    let (options, form) = asked(&page, "create");
    assert_eq!(options["user"]["displayName"], markup);
    let form = form.fill("factor_name", markup);
    let end = send(&mut alice, &page, &form, &second.make(&options));
    assert_eq!(end.answer.status, 200, "{end:?}");
    let account = alice.go("/.auth/account").text();
    assert!(
        !account.contains("<img") && account.contains("&lt;img"),
        "{account}"
    );
}
