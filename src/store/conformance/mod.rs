//! What every engine must do, one check for each promise of the ports.
//!
//! An engine's tests call [`session_store`] and, if it keeps users, [`user_store`], with a function
//! that makes a fresh, empty store. The checks know nothing of the engine: whatever they need is in
//! the ports, and the only clock is the one that came with the store.

mod accounts;
mod changes;
mod factors;
mod keys;
mod one_time;
mod sessions;
mod users;

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    clock::ManualClock,
    identity::{Authentication, Profile},
};

/// A fresh store, its clock, and the folder that lives as long as it.
pub(super) struct Fresh<S: ?Sized> {
    pub(super) store: Arc<S>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) _folder: Option<tempfile::TempDir>,
}

/// The users' port and the key ring's: one engine keeps both.
pub(super) trait Directory: UserStore + KeyStore {}
impl<T: UserStore + KeyStore> Directory for T {}

macro_rules! each {
    ($make:ident: $($check:path),* $(,)?) => {$(
        println!("{}", stringify!($check));
        $check(&$make().await).await;
    )*};
}

/// The checks of [`SessionStore`], [`OneTimeStore`] and [`ChangeFeed`].
pub(super) async fn session_store(make: impl AsyncFn() -> Fresh<dyn SessionStore>) {
    each! { make:
        sessions::an_issued_session_is_found_by_its_handle_and_id,
        sessions::issue_is_all_or_nothing,
        sessions::the_same_thing_is_not_used_twice_in_one_issue,
        sessions::an_answer_issues_one_session_however_often_it_comes,
        sessions::a_changed_session_is_not_issued_over,
        sessions::issue_drops_the_old_handle_and_ends_the_other_session,
        sessions::issue_never_brings_a_removed_session_back,
        sessions::each_host_has_its_handle,
        sessions::a_session_has_one_handle_for_each_host,
        sessions::a_handle_is_paid_for_once_and_only_for_a_session,
        sessions::replace_needs_the_version_and_never_resurrects,
        sessions::remove_ends_the_session_with_its_handles,
        sessions::remove_all_ends_exactly_those,
        sessions::what_was_proven_before_an_end_opens_nothing,
        sessions::many_are_touched_and_end_at_once,
        sessions::an_index_follows_the_session,
        sessions::a_renamed_connection_keeps_its_sessions,
        sessions::a_last_use_never_goes_back,
        sessions::the_newest_are_listed_first,
        sessions::who_is_signed_in_is_told_in_pages,
        sessions::sweeps_end_what_is_over_in_batches,
        one_time::the_first_use_is_the_only_one,
        one_time::a_lease_is_held_by_one_until_its_end,
        one_time::a_row_is_taken_once,
        one_time::a_row_ends_in_time,
        one_time::purposes_never_meet,
        one_time::many_race_and_one_wins,
        one_time::a_budget_is_never_passed,
        one_time::a_budget_comes_back_with_its_window,
        one_time::sweeps_take_what_is_over_in_batches,
        changes::the_feed_is_in_order_and_in_pages,
        changes::what_ends_sessions_is_told,
        changes::a_swept_feed_has_a_gap,
        changes::another_feed_is_a_gap,
    }
}

/// The checks of [`UserStore`] and [`KeyStore`].
pub(super) async fn user_store(make: impl AsyncFn() -> Fresh<dyn Directory>) {
    each! { make:
        users::a_created_user_is_found_every_way,
        users::create_says_what_is_taken_and_writes_nothing,
        users::a_link_of_the_owner_works_once,
        users::one_handle_goes_to_one_of_many,
        users::a_handle_is_never_given_to_another_person,
        users::replace_needs_the_version_and_keeps_the_handle,
        users::a_refreshed_identity_is_told_only_when_it_differs,
        users::delete_takes_identities_and_accounts_along,
        users::an_identity_of_nobody_becomes_somebodys,
        users::an_identity_moves_between_users,
        users::an_unlinked_identity_takes_its_account_along,
        users::a_list_has_pages_and_a_plain_search,
        users::names_are_the_same_only_byte_by_byte,
        users::a_profile_holds_any_character,
        users::users_are_counted_by_connection,
        users::the_owner_is_known,
        users::a_pin_holds_until_it_is_adopted,
        users::a_renamed_connection_takes_everything_along,
        users::a_name_that_is_taken_is_not_given,
        users::events_are_kept_newest_first_and_swept,
        users::every_kind_of_event_comes_back,
        accounts::an_account_is_found_by_each_login,
        accounts::an_account_is_added_once,
        accounts::logins_are_unique_within_a_connection,
        accounts::replace_moves_the_logins,
        accounts::a_username_changes_hands_and_two_never_have_it,
        factors::factors_are_added_up_to_a_number,
        factors::one_of_many_first_factors_is_added,
        factors::a_factor_is_changed_by_its_user_alone,
        factors::a_step_is_used_once_and_never_after_a_later_one,
        factors::many_use_one_step_and_one_wins,
        factors::a_recovery_code_works_once_and_for_its_user,
        factors::a_reset_takes_everything_of_one_user,
        factors::who_is_deleted_takes_factors_along,
        factors::a_moved_identity_leaves_factors_where_they_are,
        factors::a_passkey_is_found_and_its_counter_goes_up,
        factors::a_factor_goes_to_another_user,
        factors::somebody_new_comes_with_a_passkey,
        keys::the_ring_is_replaced_only_as_it_was_read,
    }
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000 + 7)
}

/// A name for tests, of whatever kind the place asks for.
fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn session_id(number: u8) -> SessionId {
    SessionId([number; 16])
}

fn handle_hash(number: u8) -> HandleHash {
    HandleHash([number; 32])
}

/// Session `number` of the user `acme|<who>`, made and last used at that second.
pub(super) fn session(number: u8, who: &str) -> SessionRecord {
    SessionRecord {
        id: session_id(number),
        user: UserId::new(&name("acme"), &name(who)),
        authentications: vec![authentication("acme", who)],
        created_at: at(i64::from(number)),
        last_used_at: at(i64::from(number)),
        expires_at: at(10_000),
        address: Some([127, 0, 0, number].into()),
        user_agent: "Mozilla/5.0 “x”".to_owned(),
        sids: vec![[number; 32], [200; 32]],
        sealed: vec![0, 159, number],
        version: 1,
    }
}

fn authentication(connection: &str, who: &str) -> Authentication {
    Authentication {
        connection: name(connection),
        subject: name(who),
        auth_time: at(3),
        amr: vec!["pwd".to_owned()],
        acr: Some("urn:x".to_owned()),
        proven_at: None,
        second_factor_at: None,
    }
}

pub(super) fn handle(number: u8, of: u8, host: &str) -> HandleRecord {
    HandleRecord {
        hash: handle_hash(number),
        session: session_id(of),
        host: host.to_owned(),
        created_at: at(4),
    }
}

/// What a login writes: the session with handle `number` at `a.example`, and nothing else.
pub(super) fn login(record: SessionRecord, number: u8) -> NewSession {
    let [of, ..] = record.id.0;
    NewSession {
        handle: handle(number, of, "a.example"),
        record,
        was: None,
        ends: None,
        drops: None,
        uses: Vec::new(),
        proven_at: at(100_000),
        event: event(),
    }
}

fn event() -> Event {
    Event::new(at(5), EventKind::LoginSucceeded, "password")
}

pub(super) fn key(purpose: Purpose, number: u8) -> OneTimeKey {
    OneTimeKey {
        purpose,
        hash: [number; 32],
    }
}

pub(super) fn first(purpose: Purpose, number: u8) -> OneTimeUse {
    OneTimeUse::First {
        key: key(purpose, number),
        until: at(100),
    }
}

fn row_use(purpose: Purpose, number: u8, now: i64) -> OneTimeUse {
    OneTimeUse::Row {
        key: key(purpose, number),
        now: at(now),
    }
}

pub(super) fn row(purpose: Purpose, number: u8) -> OneTimeRow {
    OneTimeRow {
        key: key(purpose, number),
        payload: vec![number, 0, 255],
        until: at(100),
    }
}

/// The user that `who` of `connection` makes, with the handle `who`.
pub(super) fn user(connection: &str, who: &str) -> UserRecord {
    UserRecord {
        id: UserId::new(&name(connection), &name(who)),
        handle: who.to_owned(),
        profile: Profile {
            name: Some(format!("Dr {who}")),
            email: Some(format!("{who}@mail.example")),
            email_verified: true,
            ..Profile::default()
        },
        user_metadata: [("theme".to_owned(), "dark".into())].into_iter().collect(),
        app_metadata: [("plan".to_owned(), 3.into())].into_iter().collect(),
        blocked: false,
        owner: false,
        synced_by: name(connection),
        created_at: at(10),
        updated_at: at(11),
        last_login_at: Some(at(12)),
        logins: 1,
        version: 1,
    }
}

fn identity(connection: &str, who: &str) -> Identity {
    Identity {
        connection: name(connection),
        subject: name(who),
        profile: Profile::default(),
        claims: [("plan".to_owned(), "pro".into())].into_iter().collect(),
        groups: vec!["a, b".to_owned(), "ö".to_owned()].into(),
    }
}

pub(super) fn account(connection: &str, who: &str) -> AccountRecord {
    let login = |text: String| Login {
        normalised: text.to_lowercase(),
        typed: text,
    };
    AccountRecord {
        connection: name(connection),
        subject: name(who),
        email: Some(login(format!("{who}@Mail.example"))),
        username: Some(login(format!("{who}-X"))),
        email_verified: false,
        password_hash: "$argon2id$x".to_owned(),
        previous_hashes: vec!["$argon2id$w".to_owned(), "$argon2id$v".to_owned()],
        password_changed_at: at(13),
        created_at: at(10),
        version: 1,
    }
}

pub(super) fn sign_up(connection: &str, who: &str) -> NewUser {
    NewUser {
        user: user(connection, who),
        identity: identity(connection, who),
        account: None,
        factor: None,
        uses: Vec::new(),
        event: Event::new(at(10), EventKind::UserCreated, "sign-up"),
    }
}

/// The changes after `seen`, and the number of the last.
async fn changes_after<S: ChangeFeed + ?Sized>(store: &S, seen: u64) -> (Vec<Change>, u64) {
    match store.since(seen, 1000).await.unwrap() {
        Changes::Listed { changes, newest } => (changes, newest),
        gap @ Changes::Gap { .. } => panic!("{gap:?} after {seen}"),
    }
}
