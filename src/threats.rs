//! What has been tried against systems like this one, what stops it here, and the test that proves
//! it.
//!
//! Each row is a class of attack by which a login proxy or a library of this kind was broken. The
//! tests with an id in their name are in `tests/it/attacks`, in the file named above each table,
//! and drive the real program from outside; each has a control that shows that the same request
//! without the attack gets through. Others are unit tests and say in which file they are. A test in
//! `tests/it/documents.rs` holds this page against the sources: no row names a test that is not
//! there, and no test of an attack is missing here.
//!
//! The shape of the program does most of the work ([the first page](crate) shows it): one
//! canonical path, host and address for the decision and for what is sent; permits that only one
//! function can make; headers that are stripped as a class and set in one place; rows that are
//! consumed in the transaction that issues the session.
//!
//! # Identity headers (`attacks/headers.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | HDR-1: the visitor sends the identity header | every owned name is removed from every request, before one value is set ([`proxy`](crate::proxy)) | `hdr_1_headers_of_a_visitor_never_arrive`, `hdr_1_control_without_a_sidecar_the_forged_header_arrives` |
//! | HDR-1: the name that another route uses | the names of all routes and presets are stripped on every route | `hdr_1_the_names_of_every_preset_go_on_every_route` |
//! | HDR-1, FWD-1: `Client-Cert` (RFC 9440) of a visitor signs in, or tells the application who it is | read from a trusted proxy alone, and then never the certificate of its own handshake; dropped always ([`proxy`](crate::proxy)) | `hdr_1_nobody_brings_a_certificate_in_a_header`, `a_trusted_proxy_says_which_certificate_it_was_shown`, `haproxy_in_front_says_which_certificate_it_was_shown` (`tests/it/mtls.rs`), `what_is_not_as_the_standard_says_is_named` (`src/protocol/client_cert.rs`) |
//! | HDR-2, HDR-3: `X_Forwarded_User`, `X.Forwarded.User` | names are compared folded: case, `_`, `-` and `.` are equal ([`protocol`](crate::protocol)) | `hdr_2_alias_by_underscore`, `hdr_3_alias_by_dot` |
//! | HDR-4: a longer name of the same family | families go whole, by their prefix | `hdr_4_whole_families_go` |
//! | HDR-5: the header twice, folded, empty, with NUL | one value is inserted, never appended; broken lines are 400 | `hdr_5_duplicates_and_broken_lines` |
//! | HDR-6: `Connection: X-Forwarded-User` has our header removed | who nominates a header that decides something gets 400, and so does who nominates more than nine | `hdr_6_connection_options_take_nothing_away`, `no_more_is_nominated_than_anybody_honest_does` (`tests/it/proxy.rs`) |
//! | HDR-7: HTTP/2 values that become lines of HTTP/1.1 | the parser refuses them; `:authority` and Host must agree | `hdr_7_nothing_is_smuggled_through_http_2` |
//! | HDR-8: a name with a line break, or in another script | values are percent-encoded UTF-8, and what is too large is refused, never cut ([`headers`](crate::headers)) | `hdr_8_values_that_are_no_header_text_are_encoded` |
//! | HDR-9: a group `users,admins` is read as two | a comma in a name is encoded; which headers there are stands in the file alone | `one_group_with_a_comma_is_not_two` (`src/headers/tests.rs`) |
//! | HDR-10: our cookies in an application's log | they are taken out of the Cookie header | `hdr_10_our_cookies_never_reach_the_application` |
//! | HDR-11: somebody reaches the application past us | the signed assertion, for one origin and a minute | `hdr_11_the_assertion_is_for_one_host_and_a_minute` |
//! | HDR-12: the cookie of one person with the `Authorization` of another | the session is the only credential we read, and `Authorization` goes no further unless the route says so | `hdr_12_one_request_speaks_for_one_person`, `hdr_12_authorization_makes_nobody_else` |
//! | HDR-13: the application answers with our headers and cookies | the same class is stripped from answers, and HSTS that is shorter than ours | `hdr_13_the_application_cannot_speak_for_us` |
//!
//! # Paths, methods, hosts (`attacks/paths.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | PATH-1, PATH-2: a query or a fragment that looks like a public path | patterns see the canonical path only; a raw `#` is 400 | `path_1_the_query_opens_nothing`, `path_2_a_fragment_opens_nothing` |
//! | PATH-3: `/public/../admin` | dot segments are removed once, and the result is what is sent | `path_3_dot_segments_are_removed_once_for_all` |
//! | PATH-4, PATH-5, PATH-8: `%2f`, `%252e`, `\` | ambiguous paths are 400 | `path_4_encoded_separators_are_ambiguous`, `path_4_the_paths_of_the_url_corpus_open_nothing`, `path_5_double_encoding_is_ambiguous`, `path_8_a_backslash_is_ambiguous` |
//! | PATH-6, PATH-7: empty segments, `;` parameters | compared octet by octet, segment by segment | `path_6_empty_segments_open_nothing`, `path_7_parameters_are_ordinary_characters` |
//! | PATH-9, PATH-10: `/publicadmin`, other case, overlong UTF-8 | patterns end at a segment; octets are compared as they are | `path_9_a_pattern_ends_at_a_segment`, `path_10_octets_are_compared_as_they_are` |
//! | PATH-11: `GET http://other/` and `CONNECT` | only origin-form is routed; the host in an absolute form must be the request's | `path_11_only_origin_form_is_routed` |
//! | PATH-12: `A.TEST.`, unknown hosts, addresses | a host has one spelling; one that no route names is 421 | `path_12_a_host_has_one_spelling_and_an_unknown_one_is_refused`, `path_12_ip_literals_lead_to_the_login_host` |
//! | PATH-13: SNI of one host, Host of another | the certificate that was asked for must be the host's | `path_13_no_server_name_gets_around_a_client_certificate` |
//! | PATH-14: HEAD, OPTIONS, override headers | GET implies HEAD and nothing else does; headers that override a method are dropped | `path_14_a_method_opens_only_itself` |
//! | PATH-15: a health checker's User-Agent | health is on the admin listener; no header opens anything | `path_15_no_path_or_user_agent_is_magic` |
//! | PATH-16: a path that is rewritten after the decision | there is no rewriting: what was decided about is sent | `path_3_dot_segments_are_removed_once_for_all` |
//! | PATH-17: two rules for one request | the most specific route decides, twins stop the start | `path_17_the_most_specific_route_decides_whatever_the_order`, `path_17_two_routes_for_the_same_requests_stop_the_start` |
//!
//! # Where a request came from (`attacks/forwarded.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | FWD-2: a forged `X-Forwarded-For` | the walk goes from the right and stops at the first address that is not trusted | `fwd_2_the_address_comes_from_the_right`, `fwd_2_the_port_that_a_visitor_names_is_nobodys_business`, `fwd_2_a_trusted_proxy_vouches_for_one_hop` |
//! | FWD-3: `X-Forwarded-Proto: https` over http | the scheme is the listener's, or a trusted peer's word | `fwd_3_the_scheme_comes_from_the_listener` |
//! | FWD-5: `X-Original-URL` and its kind | dropped; one consistent set is written | `fwd_5_other_words_for_the_same_do_not_arrive` |
//!
//! # Return addresses (`attacks/redirects.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | RDR-1, RDR-2, RDR-4, RDR-6: `//evil`, `/\evil`, `javascript:`, user names in URLs | parsed into one of two things and written anew ([`protocol`](crate::protocol)) | `rdr_1_rd_at_the_login_page`, `rdr_1_control_an_honest_address_is_kept`, `rdr_1_a_login_ends_at_home_when_it_was_sent_elsewhere` |
//! | RDR-1: another address in the form or in a header | the address is sealed when the flow begins | `rdr_1_a_form_cannot_change_the_address`, `rdr_1_headers_cannot_change_the_address` |
//! | RDR-3: `evilexample.com` | wildcards are bounded by labels, and refused on a public suffix | `rdr_3_a_wildcard_is_bounded_by_labels` |
//! | RDR-5: `..` inside an address that is allowed | compared and kept as the canonical path, never below our own prefix | `what_is_allowed_is_written_anew`, `what_leads_away_is_refused_by_name` (`src/protocol/return_to.rs`) |
//! | RDR-7: the sign-out's and other addresses | the same function everywhere | `rdr_7_rd_wherever_else_it_is_taken` |
//! | RDR-8: a redirect that repeats a password | 302 and 303 only, not cached | `rdr_8_redirects_are_not_kept_and_lose_the_method` |
//! | RDR-9: a replayed form | a POST without a session gets a page, its body is not kept | `rdr_9_a_lost_post_is_not_replayed` |
//! | RDR-10: the Host header in our links | they come from `public_url` | `rdr_10_the_host_header_builds_no_address` |
//!
//! # Passwords (`attacks/passwords.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | PWD-1: which names exist, asked at the login | the same answer, and a dummy hash of the same cost | `pwd_1_an_unknown_name_looks_like_a_wrong_password` |
//! | PWD-2: guessing, also in parallel and across a restart | atomic budgets in the store, paid before hashing | `pwd_2_guesses_are_counted_before_they_are_tried` |
//! | PWD-2: a search in the directory for each try, when none is left | the address is looked at before anybody is asked whose name it is | `pwd_2_an_address_without_a_budget_reaches_no_directory`, `what_is_left_to_an_address_is_asked_for_nothing` (`src/connection/database/tests.rs`) |
//! | PWD-3: locking somebody out | a browser that signed in before pays from a budget of its own; the end of a shared budget leaves each network a few tries ([`connection`](crate::connection)) | `pwd_3_guessing_locks_nobody_out`, `pwd_3_guessing_from_everywhere_locks_no_new_device_out` |
//! | PWD-3: spending the budget of all with forms that cost nothing | a form is read before it is paid for | `pwd_3_forms_without_a_password_spend_no_budget` |
//! | PWD-1, PWD-3: sign-ups from a whole IPv6 /48 | budgets for the address, the network and all | `sign_ups_from_many_addresses_run_out` (`src/connection/database/tests.rs`) |
//! | PWD-4, PWD-5: a password of a megabyte; one that is cut | limits before hashing; argon2id over every octet | `pwd_4_long_passwords_and_names_cost_nothing`, `pwd_5_no_octet_of_a_password_is_cut_off` |
//! | PWD-6: a storm of logins | few threads, a bounded queue, then 503 at once | `pwd_6_a_storm_of_logins_is_bounded` |
//! | PWD-7: a damaged hash in the database | nobody signs in to that account, and nothing crashes | `nobody_and_somebody_are_refused_alike_and_both_cost_a_hash` (`src/connection/database/tests.rs`) |
//! | PWD-5: a hash from elsewhere that looks at 72 octets, or up to a NUL | a longer password, and one with a NUL, matches none of them | `bcrypt_cuts_only_where_it_is_declared`, `every_form_matches_its_password_and_no_other` (`src/crypto/password/stored/tests.rs`) |
//! | PWD-7: a hash from elsewhere that takes hours, gigabytes or a panic | every cost is bounded before it is begun; what is large waits in a queue of its own | `a_cost_beyond_bounds_is_not_begun`, `damage_does_no_harm` (`src/crypto/password/stored/tests.rs`), `a_hash_that_needs_more_room_waits_in_a_queue_of_its_own` (`src/crypto/password/mod.rs`) |
//! | PWD-1: a fast hash from elsewhere answers sooner than a name that nobody has | a wrong password costs the dummy too | `a_wrong_password_costs_the_dummy_where_the_hash_is_outdated` (`src/crypto/password/mod.rs`) |
//! | a formula in a name, in an exported table | such a cell begins with an apostrophe | `csv_is_read_by_others_and_holds_no_formula` (`tests/it/transfer.rs`) |
//! | PWD-10: injection | bound parameters only | `pwd_10_nothing_typed_is_a_query` |
//! | PWD-12: a change of password from an open session | the old one is asked for, other sessions end | `pwd_12_a_new_password_needs_the_old_one_and_ends_other_sessions` |
//! | PWD-12: a stolen session changes the name that its owner signs in with | a fresh proof is asked for, and a mail tells | `who_signed_in_long_ago_signs_in_again_before_a_new_username`, `another_username_counts_at_once_and_the_old_one_is_free` (`tests/it/username.rs`) |
//! | a name that speaks for the operator: `admin`, `_Root_` | reserved names are compared without case and symbols, and given by the operator alone | `reserved_names_are_for_the_operator` (`src/connection/username.rs`) |
//! | PWD-1: which usernames exist, asked on the account page | it costs what a sign-up costs | `asking_for_usernames_one_by_one_is_paid_for_like_signing_up` (`tests/it/username.rs`) |
//! | two people take one name at once | a unique key in the storage | `of_many_who_want_one_name_at_once_one_has_it` (`tests/it/username.rs`) |
//! | PWD-12: a proof that was given before sessions were ended, and waits for its second step | no session is issued for a proof that is not newer than the last such end, in one transaction ([`store`](crate::store)) | `pwd_12_what_an_old_password_proved_waits_for_nobody`, `what_an_old_password_proved_links_nobody` (`tests/it/link.rs`) |
//!
//! # Mail (`tests/it/mail.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | a mail scanner opens the link | looking uses up nothing; a button does | `a_forgotten_password_is_replaced_by_the_link_of_a_mail`, `a_link_confirms_an_address_by_its_button_alone` |
//! | a link once more, an older one, one of another kind, fifty at once | rows by purpose and hash, taken in one step; the newest of an account alone counts | `only_the_newest_message_counts_and_only_for_its_purpose`, `of_fifty_who_use_a_link_at_once_one_succeeds`, `a_link_confirms_an_address_by_its_button_alone` |
//! | guessing the six digits, or typing them elsewhere | a code is for the flow that asked, which pays for each try | `a_code_is_good_in_the_browser_that_asked_and_for_five_tries` |
//! | asking whose address has an account | the mail is written beside the request; the same page after the same time | `nobody_learns_from_a_forgotten_password_who_has_an_account`, `who_signs_up_with_an_address_of_somebody_else_learns_nothing` |
//! | flooding a mailbox | budgets in the store, for a name, a client, a network and all | `mails_run_out_for_a_name_and_do_so_across_a_restart`, `mails_run_out_for_a_client_and_for_the_network_around_it`, `when_the_mails_of_all_have_run_out_each_network_has_a_few`, `a_mailbox_gets_so_many_by_whatever_name_and_in_any_mode` (`src/connection/throttle/mail.rs`) |
//! | links to a host of somebody's choice | they come from `public_url` | `a_forged_host_gets_into_no_mail` |
//! | headers of one's own in a mail | a recipient, a subject and a sender are types without line ends | `no_value_begins_a_line_of_its_own` (`src/mail/tests.rs`) |
//! | somebody between us and the mail server | TLS or nothing, with a certificate that is checked | `mail_leaves_by_tls_with_a_certificate_that_is_checked` |
//! | a session before the address is confirmed, by another step's form | what waits is under a purpose of its own | `an_address_that_must_be_confirmed_is_before_there_is_a_session` |
//! | a mail server that is slow or away holds pages up, or fills the memory | nobody waits for one; what waits is bounded | `a_page_waits_for_no_mail_server`, `what_waits_is_bounded_and_nobody_waits_for_it` (`src/mail/tests.rs`) |
//!
//! # Text messages (`tests/it/sms.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | OTP-11: pumping: messages to numbers that earn from each, by many browsers and networks, over restarts | countries are named; budgets of a number, a block of numbers, a country, an address, a network and the day, in the store and in every mode, which known browsers pay too ([`connection`](crate::connection)) | `a_number_and_a_block_of_numbers_have_a_few_messages_over_restarts`, `a_day_has_so_many_messages_the_last_of_them_for_browsers_that_are_known`, `one_address_of_the_network_asks_for_a_few`, `a_block_of_numbers_has_a_few_known_browsers_or_not`, `a_country_leaves_others_their_part_of_a_day_and_strangers_theirs_to_the_known` (`src/connection/throttle/texts.rs`) |
//! | numbers that are dear, of another country, or two numbers in one | a number is a type: in use, mobile, of a country that is named | `numbers_that_are_not_written_to_are_refused_plainly`, `what_is_dear_or_no_telephone_is_refused` (`src/protocol/phone.rs`) |
//! | asking whose number has an account | the message is written beside the request; the same page | `who_may_not_come_in_is_answered_alike_and_nobody_is_written_to` |
//! | a code is guessed, or typed elsewhere; a link is opened elsewhere | as with a mail: for the flow that asked, three tries; elsewhere a link shows the code | `a_code_signs_in_the_browser_that_asked_and_no_other`, `three_wrong_tries_end_a_code_and_a_second_message_waits_for_a_while`, `a_link_signs_in_after_a_press_in_the_browser_that_asked_and_nowhere_else` |
//! | values that become fields or strings of the request to a gateway | a template is read as its format first, and filled with values | `what_fills_a_place_is_a_value_in_every_format` |
//! | a gateway that is slow or away holds pages up; one that sends us elsewhere | nobody waits for one; no redirect is followed | `a_gateway_that_is_away_is_told_and_holds_nobody_up`, `a_redirect_of_the_gateway_is_not_followed_and_none_of_its_cookies_kept` |
//! | codes, links and secrets of a gateway in the log | nothing of a message is in an error | `neither_codes_nor_links_nor_secrets_are_in_the_log`, `what_twilio_refuses_is_in_the_log_by_its_number_alone`, `what_is_set_is_not_printed` (`src/sms/tests.rs`) |
//!
//! # Sign-in by mail (`tests/it/passwordless.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | OTP-1: codes are guessed by many browsers and networks, and across a restart | three tries at each code, each taken before it is compared; a budget of the address, which a spent one refuses in every mode ([`connection`](crate::connection)) | `guesses_from_many_browsers_and_over_restarts_share_one_budget`, `three_wrong_tries_end_a_code_and_not_the_link`; `script/bench guesses` counts a million |
//! | OTP-1: a budget of one's own pays for guesses at somebody else | what is compared must be for the address that pays | `an_older_cookie_of_the_same_login_guesses_at_nobody_else` |
//! | OTP-2, OTP-7: a code or a link is used again, or by many at once | taking the row away is what counts | `a_code_signs_in_the_browser_that_asked_and_no_other`, `of_twenty_who_use_a_message_at_once_one_signs_in` |
//! | OTP-5: a code is typed, or a link opened, in another browser | a code is for the flow that asked; elsewhere a link shows the code and signs nobody in | `a_code_signs_in_the_browser_that_asked_and_no_other`, `a_link_opened_elsewhere_shows_the_code_and_signs_nobody_in` |
//! | OTP-6: scanners and previews open the link | GET and HEAD use nothing up and set no cookie | `a_link_signs_in_after_a_press_in_the_browser_that_asked` |
//! | OTP-8: a token of one kind at the page of another | the purpose is part of the key | `the_link_is_of_no_use_to_any_other_page` |
//! | OTP-9: links and codes in the log | no query is written, and nothing that was typed | `neither_a_link_nor_a_code_is_in_the_log` |
//! | OTP-10: two addresses in one, lines of a header, letters that look alike | one address, parsed ([`protocol`](crate::protocol)) | `what_is_no_address_is_said_and_nothing_is_sent` |
//! | OTP-11: an address is bombarded; a stranger's request ends somebody's code | budgets of the address and of whoever asks, half a minute between two; the newest counts within its own flow | `a_known_browser_asks_although_others_have_asked_too_often` (`src/connection/throttle/codes.rs`), `a_strangers_request_kills_nobodys_code_and_a_newer_one_in_the_same_browser_does` |
//! | OTP-12: who is known here, and who may come in | the same page and answers, and nobody is written to | `who_may_not_come_in_is_answered_alike_and_nobody_is_written_to` |
//!
//! # Second factors (`tests/it/second_factor.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | OTP-1: codes are guessed in many logins at once, and across a restart | a budget of the user, paid before a code is compared, which a spent one refuses in every mode; only who has given the first proof spends it ([`connection`](crate::connection)) | `two_hundred_guesses_at_once_are_held_by_the_budget`, `whoever_lacks_the_first_factor_spends_nothing`, `each_user_has_a_budget_for_a_while_and_one_for_the_day` (`src/connection/throttle/factors.rs`) |
//! | OTP-2: a code is used again, at once or after a later one | a step counts once for a factor, by one conditional write ([`store`](crate::store)); a recovery code is deleted by whoever uses it | `a_code_counts_once_however_often_it_comes_at_once`, `a_recovery_code_works_once_in_any_spelling_and_new_ones_end_the_old` |
//! | OTP-3: a code of two minutes ago | one step each way, and no more | `a_clock_may_be_off_by_one_step_and_no_more`, `a_clock_may_be_off_by_one_step` (`src/crypto/totp.rs`) |
//! | OTP-4: a short secret, a comparison that stops early, a copy of the database | 160 bits, constant time, sealed under the root secret; codes are stored as a keyed hash | `a_secret_has_160_bits_and_a_text` (`src/crypto/totp.rs`), `a_recovery_code_works_once_in_any_spelling_and_new_ones_end_the_old` |
//! | OTP-5: the code is typed in another browser, or for another session | the row of the first proof is named in the flow's cookie alone, and raises the session that began it ([`flow`](crate::flow)) | `whoever_lacks_the_first_factor_spends_nothing`, `a_route_asks_a_session_for_the_second_factor_alone` |
//! | the first proof is stale: blocked, signed out everywhere, another password, ten minutes | it is looked at again at each step, and in the transaction that makes the session | `what_happens_between_the_two_proofs_counts`, `a_first_proof_that_was_ended_sets_up_nothing` |
//! | a session between the two factors | there is none: the first proof is a row | `whoever_has_a_factor_is_asked_for_it_and_has_no_session_before`, `nobody_comes_in_without_one_where_it_is_required` |
//! | who has the password alone sets up a second factor beside the owner's | the first one is added to who has none, in one transaction | `one_of_two_who_set_up_the_first_factor_at_once_has_it` |
//! | who took a session removes the factor, or adds a way in | each change needs both proofs, ten minutes old at most | `only_a_fresh_proof_changes_factors_and_ways_in`, `a_session_without_the_factor_does_not_remove_it` |
//! | an account is joined to another by its password alone | the one that ends is proven with its factor | `an_account_with_a_factor_is_not_taken_by_its_password` |
//! | a code by e-mail: guessed over logins and restarts, used in another login, again, or after the address changed | it is for one first proof, one user and one address; three tries, and the budget of the user | `guesses_share_one_budget_over_logins_and_restarts`, `a_code_is_for_the_browser_that_gave_the_first_proof` (`tests/it/second_factor_by_email.rs`), `a_code_counts_once_and_for_its_own_proof_user_and_address` (`src/connection/passwordless/factor_codes.rs`) |
//! | a mailbox stands in for an app or a passkey, or an account is joined by a password where a code is sent | who has a factor is asked for that alone; who joins an account proves its second step | `who_has_an_app_is_asked_for_it_alone_and_nobody_sets_one_up_by_the_first_proof`, `an_app_that_is_set_up_meanwhile_is_asked_for_in_place_of_the_code`, `an_account_is_not_joined_to_another_by_its_password_alone` |
//! | a second factor without a session that it was asked of | what raises a session makes none | `a_second_factor_raises_a_session_that_is_there_and_makes_none` (`src/session/tests/logins.rs`) |
//!
//! # Home realm discovery (`attacks/discovery.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | PWD-1: typing addresses to learn whose people sign in here | with `discovery = "private"` a domain is answered as one that nobody has, octet by octet, by the same look-ups ([`connection`](crate::connection)) | `pwd_1_a_domain_of_a_private_connection_looks_like_one_of_nobody` |
//! | PWD-1: trying passwords for the same | one form for all; the page, status and cookies of a refusal are the form's, its budgets as large, it comes after the same time, and a directory that is away reads like a wrong password | `pwd_1_a_wrong_password_looks_alike_whoever_checked_it`, `pwd_1_a_private_directory_is_not_told_from_the_database`, `only_what_everybody_shares_is_told_of_where_a_secret_is_kept` (`src/flow/submit.rs`) |
//! | FWD-2: an address that is forged, to be shown the connection of a network | the visitor's address is found once, from the right of what trusted proxies say, and a network opens nothing by itself | `fwd_2_a_forged_address_shows_no_private_connection`, `a_network_preselects_by_the_address_that_a_trusted_proxy_tells` (`tests/it/discovery.rs`) |
//! | ACC-3: a domain that two readers see differently, a rule that takes in strangers | one `@`, the domain by IDNA and compared by whole labels; no rule on a public suffix | `the_realm_of_a_name_is_its_domain_in_one_form`, `a_rule_that_is_too_broad_or_none_at_all_is_refused_by_name` (`src/connection/discovery.rs`) |
//! | A password that another connection gets than the one whose form was shown | a form is for the settings it was made for, of each connection that may read it, and who chose a connection is read by that one | `the_shared_form_is_read_by_the_connection_of_the_domain` (`tests/it/discovery.rs`) |
//!
//! # Logins at a provider (`attacks/openid.rs`, `attacks/saml`)
//!
//! What a provider can get wrong in an answer, a token or an endpoint is tried one by one, by a
//! provider that lies: `tests/servers/lies.mjs` has the list, and `tests/it/oidc_conformance.rs`
//! prints what was demanded and what was seen.
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | FLOW-1: the attacker's answer in the victim's browser | `state` names a flow whose sealed cookie this browser holds ([`flow`](crate::flow)) | `flow_1_an_answer_in_another_browser_is_nobodys` |
//! | FLOW-2: an answer of one connection at another | each has its own redirect URI, and a flow is for one | `flow_2_an_answer_of_one_connection_is_none_for_another` |
//! | FLOW-3, FLOW-5, FLOW-8, FLOW-9, FLOW-10: nonce left out, another issuer's answer, parameters twice, another mode, markup in an error | each is checked whatever the provider does; texts are ours | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | FLOW-4: a `state` that can be foretold | everything unguessable is drawn from the system's generator | `no_two_are_alike_and_no_bit_is_foretold` (`src/random.rs`) |
//! | FLOW-6: an answer twice, and twenty at a time | the flow is consumed in the transaction that issues the session; PKCE with S256 always | `flow_6_an_answer_is_good_once_also_for_twenty_at_a_time` |
//! | FLOW-7: PKCE that is `plain` | a provider whose metadata know no S256 is refused | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | FLOW-11: a session that was there before the login | a login begins a new one and ends the old one | `flow_11_a_login_begins_a_new_session_and_ends_the_old_one` |
//! | FLOW-13: two logins at once get mixed up | nothing is shared between flows | `two_hundred_people_at_once_are_two_hundred_people` (`tests/it/oidc.rs`) |
//! | FLOW-15, ACC-7: a person who is gone at the provider, lost a group, or became another one | a refresh is checked like a login; who is disowned loses the session, and rules are asked again | `a_person_whom_the_provider_does_not_know_any_more_is_signed_out`, `what_the_provider_says_anew_decides_before_the_request_goes_on`, `every_lie_at_a_refresh_ends_the_session`, `a_person_whom_a_fresh_token_does_not_lead_to_is_signed_out`, `a_person_who_left_the_domain_is_signed_out_at_the_next_refresh` (`tests/it/tokens.rs`) |
//! | FLOW-16: many requests use one refresh token | one fetches for all, in a process by a lock and among several by a lease | `fifty_requests_at_the_end_of_a_token_fetch_one` (`tests/it/tokens.rs`) |
//! | FLOW-17: a client assertion that another server can use | its audience is the issuer, and it is for a minute | `pushed_signed_encrypted_and_with_a_key_instead_of_a_secret` (`tests/it/oidc.rs`) |
//! | FLOW-18: a provider's certificate of somebody else, for another host, or that has ended | none is accepted, and there is no switch for it | `flow_18_a_provider_shows_a_certificate_that_is_good` |
//! | FLOW-19: a link to our login with parameters of a request | none is passed on | `flow_19_a_link_to_the_login_changes_nothing_of_the_request` |
//! | FLOW-20: a forged notice of a logout, or an old one | every check of the specification, its `jti` once, and a login under way ends with its session at the provider | (`src/store/conformance/sessions.rs`), `every_lie_in_a_logout_token_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | FLOW-22: tokens in the answer | only the code is read there, and the API of plain OAuth 2.0 is asked with the token of our own exchange | `flow_22_tokens_in_an_answer_are_not_looked_at`, `a_token_or_a_person_in_the_callback_is_ignored` (`tests/it/oauth2.rs`) |
//! | FLOW-5, FLOW-8, FLOW-10 at plain OAuth 2.0: another issuer, parameters twice, markup in an error | as at OpenID Connect, by the same code | `an_answer_of_another_issuer_is_refused`, `doubled_parameters_and_errors_end_the_login_with_our_own_words` (`tests/it/oauth2.rs`) |
//! | A host, a path or a header that comes with an answer | values fill the path and the query alone, encoded, and no endpoint has a gap in its host | `nothing_fills_a_host`, `a_value_stays_in_its_place_of_a_url` (`src/connection/oauth/template.rs`) |
//! | A login name that is given to somebody else, or no identifier at all | the subject is what the data name, a text or an integer | `nobody_comes_in_without_a_subject` (`tests/it/oauth2.rs`) |
//! | OAuth 1.0's answer of somebody else's login (Security Advisory 2009.1) | the callback must be confirmed, and the answer name the login's own credentials | `an_answer_of_another_login_is_refused`, `a_wrong_secret_a_no_and_an_old_provider_are_refused` (`tests/it/oauth1.rs`) |
//! | SAML-1, SAML-2, SAML-6: an assertion beside, around or inside the one that is signed, or none that is | a signature covers its parent, and who somebody is, is read from the octets that were digested; there is no other assertion around it | `saml_1_nobody_is_named_but_in_what_was_signed`, `saml_6_nothing_makes_up_for_a_signature`, `nobody_is_named_but_in_what_was_signed`, `what_must_be_signed_is_set_and_something_always_must` (`src/connection/saml/tests.rs`) |
//! | SAML-3, SAML-5, SAML-10, SAML-11: XML that two readers see differently, comments in names, entities, bombs | one reader; the library that verifies gets what it wrote | `saml_3_what_two_readers_could_see_differently_is_refused`, `nothing_else_than_plain_xml_is_read`, `it_is_bounded`, `what_is_written_is_read_as_the_same` (`src/protocol/xml/tests.rs`), `no_message_takes_long`, `no_query_grows_without_end`, `no_change_of_a_response_changes_what_it_says`, `no_change_of_anything_is_believed` (`src/connection/saml/hostile.rs`) |
//! | SAML-4, SAML-7 to SAML-9: keys in the message, HMAC, SHA-1, transforms, references elsewhere | one shape of signature, keys of the metadata alone, no way to files and the network for the library | `saml_7_no_message_brings_its_key`, `saml_8_sha_1_and_md5_are_refused_from_the_right_key_too`, `saml_9_nothing_is_transformed`, `saml_9_a_reference_is_to_its_parent`, `saml_9_a_signature_has_nothing_else_in_it`, `the_library_is_asked_about_one_shape_alone` (`src/protocol/xml/tests.rs`), `nobody_is_named_but_in_what_was_signed` (`src/connection/saml/tests.rs`), `scenarios_of_others_are_judged_as_stated`, `attacks_of_samael_are_refused`, `messages_of_simplesamlphp_are_judged_as_stated`, `signatures_of_xml_crypto_are_judged_as_stated` (`src/connection/saml/fixtures.rs`), `the_library_calls_nobody` (`src/protocol/xml/library.rs`) |
//! | SAML-12, SAML-15, SAML-23, SAML-24: for another service, address, request or time, by another provider, twice the same | one check each | `saml_15_no_provider_answers_for_another`, `each_deviation_of_a_response_is_named`, `each_deviation_of_an_assertion_is_named`, `a_login_is_as_fresh_and_as_strong_as_was_asked_for` (`src/connection/saml/tests.rs`) |
//! | SAML-13, SAML-14: an answer twice, or that nobody asked for | it is to the request of a flow, which ends in one session; one that begins at the provider is to none, and the person is asked | `saml_14_an_answer_that_was_asked_for_begins_no_login_elsewhere`, `a_login_that_begins_at_the_provider_waits_for_the_person_and_is_off_by_default` (`tests/it/saml.rs`), `saml_13_an_answer_is_good_once_also_for_twenty_at_a_time`, `an_answer_is_for_one_login_in_one_browser` (`tests/it/saml.rs`) |
//! | SAML-17: a logout that somebody else asks for, or asks for again | signed by the provider, for here and now, once | `a_request_is_believed_as_it_came_from_the_provider`, `a_request_is_for_here_and_now` (`tests/it/saml_logout.rs`) |
//! | SAML-18, SAML-19, SAML-21: an answer twice in a form, a state that is markup, a client that says that it speaks for itself | one of each, ours or none; there is no such client | `saml_18_one_answer_is_in_one_place`, `saml_21_a_client_of_its_own_is_nobody` |
//! | SAML-20: what is encrypted opens by trying, or is made by anybody | RSA-OAEP and AES-GCM; one error for everything that is not signed, and one page | `saml_20_whatever_becomes_of_what_is_encrypted_looks_the_same`, `saml_20_what_is_encrypted_must_be_signed`, `saml_20_what_is_encrypted_is_the_only_one`, `what_is_encrypted_is_opened_and_by_a_weak_cipher_only_where_that_is_said` (`tests/it/saml.rs`) |
//! | SAML-22: metadata that are old, of others, or forged | `validUntil`, the pinned signer, the provider that is named | `metadata_are_pinned_where_a_certificate_is_named` (`tests/it/saml.rs`), `metadata_name_one_provider_and_its_keys` (`src/connection/saml/tests.rs`) |
//! | WSF-1: a second assertion, a second response, a token elsewhere, IDs twice | one response, one token, one assertion in all of it; who somebody is, is read from what was signed | `nobody_is_named_but_in_the_one_token_that_was_signed`, `what_is_more_than_one_token_is_refused_for_that` (`src/connection/wsfed/tests/wrapped.rs`), `encrypted_tokens_open_by_our_keys_alone_and_are_checked_like_any_other` (`src/connection/wsfed/tests/encrypted.rs`) |
//! | WSF-2: a SAML 1.1 assertion for another realm or time, or without conditions | one check each, and all are mandatory | `each_deviation_of_a_saml_1_1_assertion_is_named`, `each_deviation_of_a_saml_2_0_assertion_is_named`, `each_deviation_of_a_jwt_is_named` (`src/connection/wsfed/tests/deviations.rs`), `a_login_is_as_fresh_and_as_strong_as_was_asked_for` (`src/connection/wsfed/tests/mod.rs`), `a_token_for_another_or_by_another_is_none` (`tests/it/wsfed_npm.rs`) |
//! | WSF-3: `wctx` that is an address, or another browser's | it names a flow of this browser and says nothing; `wreply` is ours alone | `an_answer_is_for_one_login_in_one_browser` (`tests/it/wsfed.rs`) |
//! | WSF-4: an answer that nobody asked for, a token twice | no flow, no login; a token is a mark that is consumed with the session it opens | `an_answer_is_for_one_login_in_one_browser`, `a_token_opens_one_session` (`tests/it/wsfed.rs`) |
//! | WSF-5: another site has the browser sign out | the session of that browser and that connection ends, and nothing leads on | `the_provider_ends_the_session_of_this_browser_and_leads_nowhere` (`tests/it/wsfed.rs`), `the_provider_may_end_a_session_and_nothing_else` (`src/connection/wsfed/tests/mod.rs`) |
//! | WSF-6: XML attacks, faults with markup | the strict reader; what a provider says is cut short and escaped | `nobody_is_named_but_in_the_one_token_that_was_signed` (`src/connection/wsfed/tests/wrapped.rs`), `what_the_provider_says_instead_is_told_and_bounded` (`src/connection/wsfed/tests/mod.rs`), `a_fault_is_told_to_the_operator` (`tests/it/wsfed_npm.rs`) |
//! | JWT-1 to JWT-4: `none`, the public key as a secret, an empty key, keys in the header | the algorithm is of a list and must fit the type of the provider's own key; headers bring no keys | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | JWT-5: key ids that are paths, addresses, or new each time | a name among the provider's keys, nothing else; they are fetched anew at most every 30 seconds, and for logout tokens apart | `unknown_keys_are_looked_for_seldom` (`tests/it/oidc_conformance.rs`), `a_logout_token_from_anybody_spends_nothing_that_a_login_needs`, `keys_that_change_and_keep_their_names_are_noticed` (`tests/it/slow_providers.rs`) |
//! | JWT-6 to JWT-11: keys for something else, forged signatures, other shapes and types, claims that are missing, wrong or extreme | one parser, one check each | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | JWT-12: an ID token as a credential | nothing but our own cookie is one | `jwt_12_an_id_token_is_no_credential_here` |
//! | JWT-13: an ID token a second time | the nonce is of one flow | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | JWT-14, JWT-15: compressed, by password, RSA1_5 | three ways of encryption are accepted, none of these | `every_lie_about_an_encrypted_id_token_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | JWT-16 to JWT-18: large, deep and ambiguous JSON, userinfo of somebody else, keys that do not come | bounds before parsing, no member twice, the same subject, no old keys for longer than a day | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | OUT-1: endpoints that are inside, huge, slow, or lead elsewhere | the way out goes inside only to hosts that the operator wrote, follows nothing, and has a deadline and a bound | `every_lie_at_a_login_is_answered_as_demanded` (`tests/it/oidc_conformance.rs`) |
//! | many logins begun to keep a provider busy, or everybody waiting at one that is slow | one fetch for all who wait; calls that begin a login are few at once and counted by address | `those_who_wait_for_a_slow_provider_wait_for_one_answer`, `few_at_once_wait_for_a_provider_that_is_called_to_begin`, `one_address_does_not_begin_logins_without_end_at_a_provider` (`tests/it/slow_providers.rs`) |
//! | ACC-1: an address that the provider has not verified | it counts nowhere unless `email_verified` is the value true | `acc_1_an_address_counts_only_where_it_is_said_to_be_verified` |
//! | ACC-2: an account made beforehand with the victim's address | addresses join nothing | `acc_2_the_same_address_joins_no_accounts` |
//! | ACC-3: `admin@evil.example@example.org` | what is no address has no domain | `acc_3_what_is_no_address_has_no_domain` |
//! | ACC-4: one subject at two providers | a person is connection and subject, and what is the subject is pinned | `acc_4_one_subject_at_two_providers_is_two_people`, `accounts_do_not_go_over_to_another_subject` (`tests/it/oauth2.rs`) |
//! | ACC-5: groups as text, as an object, with a comma, too many | a list of texts, or unknown, and then every rule about groups refuses, a `deny` too | `acc_5_groups_of_another_type_are_no_groups`, `a_rule_about_groups_that_are_not_known_refuses` (`src/policy/tests.rs`), `groups_that_do_not_fit_into_a_token_are_had_from_graph_or_not_at_all` (`tests/it/catalog.rs`) |
//!
//! # Passkeys (`tests/it/attacks/passkeys.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | PK-1: a page at another origin that looks like ours | one exact origin: scheme, host and port | `pk_1_no_other_origin_proves_anything`, `each_deviation_of_a_proof_is_named` (`src/protocol/webauthn/tests.rs`) |
//! | PK-2: a passkey as the only proof, by whoever holds the device | UV is demanded and looked for, in the proof and when it is made | `pk_2_the_only_proof_is_of_somebody_who_is_verified` |
//! | PK-3: a wrong signature, an id that is two, bits that were turned | one reader, and no proof but by [`webauthn::verify`](crate::protocol::webauthn::verify) | `pk_3_what_is_not_signed_or_not_named_is_nothing`, `no_bit_of_a_vector_can_be_turned`, `an_answer_is_read_strictly` (`src/protocol/webauthn/tests.rs`) |
//! | PK-4: a challenge again, of another browser, of another ceremony, of one's own | it is made here for one ceremony of one flow, good for five minutes, and counts once | `pk_4_a_challenge_is_of_one_browser_and_one_ceremony_and_counts_once`, `a_challenge_is_for_one_ceremony_and_five_minutes`, `an_answer_is_noted_for_as_long_as_it_could_come_again` (`src/connection/passkey/tests.rs`) |
//! | PK-5: the passkey of somebody else, alone and as a second factor | the user is that of the record, the handle must be theirs, and a second factor is of whoever gave the first proof | `pk_5_a_passkey_is_its_users_alone` |
//! | PK-6: another RP ID, our page in a frame | the hash, `crossOrigin` and `topOrigin` | `pk_6_a_proof_is_for_this_relying_party_and_no_frame`, `the_vectors_of_the_specification` (`src/protocol/webauthn/tests.rs`), `an_rp_id_is_the_host_or_a_domain_above_it` (`src/connection/passkey/config.rs`) |
//! | PK-7: an authenticator that was copied | the counter goes up, or the passkey is refused and that noted | `pk_7_a_counter_that_goes_back_is_refused_and_noted` |
//! | PK-8: weak or odd keys, CBOR bombs, forged attestations | three algorithms, points on the curve, bounds before memory; attestations are believed in nothing | `pk_8_only_known_keys_and_no_word_of_an_attestation`, `what_an_authenticator_does_not_write_is_refused` (`src/protocol/webauthn/cbor.rs`), `what_is_no_key_is_refused` (`src/crypto/credential_key.rs`), `each_deviation_of_a_new_credential_is_named` (`src/protocol/webauthn/tests.rs`) |
//! | PK-9: a stolen session that makes a way in of its own | adding and removing needs a sign-in of the last ten minutes | `pk_9_a_session_alone_neither_adds_nor_removes_a_passkey` |
//! | PK-10: markup as a name | it is text everywhere | `pk_10_names_are_text` |
//! | a key of the attacker's in the database | what is known of a passkey is sealed for that one | `what_is_known_of_a_passkey_is_of_that_one` (`src/connection/passkey/tests.rs`) |
//! | somebody who is blocked, or whose account was joined or deleted | the user is looked at at each login, and passkeys go where their identity goes | `a_blocked_user_does_not_come_in_by_a_passkey`, `a_synced_passkey_says_so_and_keeps_its_user_through_a_merge` (`tests/it/passkey.rs`) |
//!
//! # Tables of users elsewhere (`tests/it/legacy.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | `' OR 1=1 --` as a name | values are bound, never written into a query; one that reads cannot write | `djangos_people_sign_in_from_sqlite_and_move`, `djangos_people_sign_in_from_postgresql_and_move`, `djangos_people_sign_in_from_mariadb_and_move` (`tests/it/legacy.rs`), `what_is_no_query_is_refused` (`src/connection/sql/query.rs`) |
//! | a name that two people have, a row without an id, a flag that is neither | nobody comes in | `djangos_people_sign_in_from_sqlite_and_move` (`tests/it/legacy.rs`), `who_somebody_is_has_to_be_said`, `what_is_neither_yes_nor_no_lets_nobody_in` (`src/connection/foreign/person.rs`) |
//! | many first logins at once make several users, or none | the identity is unique, and who comes second finds it | `many_first_logins_at_once_make_one_user` (`tests/it/legacy.rs`) |
//!
//! # Directories (`tests/it/ldap`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | LDAP-1: an empty password, which binds and proves nothing | never sent: empty, white space, NUL | `a_password_that_proves_nothing_is_not_asked_about` (`tests/it/ldap/passwords.rs`) |
//! | LDAP-2: `*)(uid=*` as a name | filters are built of types, never written ([`protocol`](crate::protocol)); exactly one entry | `what_is_typed_stays_a_value` (`src/protocol/ldap/filter.rs`), `who_does_not_know_the_password_does_not_come_in` (`tests/it/ldap/mod.rs`), `two_people_with_one_name_are_nobody` (`tests/it/ldap/hostile.rs`) |
//! | LDAP-3: `a,dc=x` or `OTHER\a` as a name | escaped as one value; a name of another domain is nobody's | `an_escaped_value_is_read_back_as_it_was` (`src/protocol/ldap/dn.rs`), `what_is_typed_names_no_other_domain` (`src/protocol/ldap/name.rs`), `people_can_bind_by_a_name_made_of_what_they_typed` (`tests/it/ldap/mod.rs`) |
//! | a name that the directory takes for another person's than the search does | the password is tried as the entry that was found | `people_of_active_directory_sign_in` (`tests/it/ldap/active_directory.rs`: a principal name that is somebody else's) |
//! | LDAP-4: a referral to somebody else's server | none is followed | `a_referral_is_not_followed` (`src/egress/ldap/tests.rs`) |
//! | LDAP-5: StartTLS taken away, answers before the handshake, certificates of others | TLS or nothing, octet by octet up to the handshake; the name is checked | `a_directory_that_does_not_start_tls_gets_no_password`, `an_answer_before_the_handshake_is_none`, `a_server_is_an_ldap_url_and_plain_only_on_this_machine` (`src/egress/ldap/tests.rs`), `start_tls_is_enough_and_nothing_less` (`tests/it/ldap/mod.rs`) |
//! | LDAP-7: guessing by several names of one person, or until the directory locks the account | one budget for a person, paid before the bind | `all_names_of_one_person_are_one_budget` (`tests/it/ldap/passwords.rs`) |
//! | LDAP-8: groups in a circle, huge groups, the same name twice | followed by whole names, each once, to a depth and a number; members are never read | `somebody_of_the_directory_signs_in_and_the_application_knows_their_groups` (`tests/it/ldap/mod.rs`), `a_group_of_a_hundred_thousand_is_as_quick_as_any` (`tests/it/ldap/hostile.rs`) |
//! | LDAP-9: another name for the same account | it is who the entry's identifier says | `somebody_of_the_directory_signs_in_and_the_application_knows_their_groups` (`tests/it/ldap/mod.rs`) |
//! | messages that are huge, nested, or no answer to what was asked | a bound on the length and the depth, and the connection ends | `what_is_no_message_or_too_long_ends_the_connection`, `an_answer_to_another_question_is_none`, `more_entries_than_were_asked_for_are_an_error`, `pages_without_end_end` (`src/egress/ldap/tests.rs`) |
//! | a server that hangs or dies | a deadline for each operation, and the next server within the same login | `a_directory_that_says_nothing_is_waited_for_and_not_longer` (`src/egress/ldap/tests.rs`), `one_of_two_servers_can_die_under_load_and_nobody_notices`, `a_server_that_hangs_costs_some_seconds_once` (`tests/it/ldap/failover.rs`) |
//! | which accounts are locked or expired, asked by anybody | told to who knows the password alone | `a_locked_account_looks_like_any_other`, `an_expired_password_is_told_to_who_knows_it_alone` (`tests/it/ldap/passwords.rs`) |
//! | a change of password by who does not know it, or that nobody asked for | the old one is proved by a bind, which must say that a new one is needed | `a_password_that_must_be_changed_is_changed_on_the_way`, `a_new_password_is_taken_only_where_the_directory_asks_for_one` (`tests/it/ldap/passwords.rs`) |
//! | somebody who is gone, disabled or out of a group stays signed in | they are looked up again | `who_is_gone_or_has_lost_a_group_is_signed_out_soon` (`tests/it/ldap/mod.rs`), `who_does_not_fit_the_filter_any_more_is_signed_out`, `one_odd_person_does_not_stop_the_others_from_being_looked_up` (`tests/it/ldap/hostile.rs`) |
//! | a filter that fits everybody, or groups that everybody is in | refused at start | `what_would_let_the_wrong_people_in_is_refused` (`src/connection/ldap/tests.rs`) |
//! | a Kerberos ticket again, of another service or time, of nobody's entry; NTLM | the authenticator is a mark that is consumed with the session; AES keys alone; the directory says who it is | `a_ticket_is_taken_once_for_this_service_and_from_somebody_of_the_directory`, `a_ticket_for_another_service_is_not_taken`, `a_ticket_of_another_time_is_not_taken`, `a_ticket_that_one_connection_took_is_none_for_another`, `a_ticket_of_a_realm_that_is_not_taken_lets_nobody_in` (`tests/it/ldap/kerberos.rs`), `a_weak_key_is_refused` (`src/protocol/kerberos/keytab.rs`) |
//! | a Kerberos ticket passed on by who is between browser and server | it is tied to the certificate that the browser saw (RFC 5929), also in a resumed session | `a_ticket_is_taken_by_the_connection_it_was_made_for`, `a_resumed_session_is_of_the_same_certificate`, `the_connection_of_a_trusted_proxy_is_not_the_visitors`, `what_is_between_can_be_allowed` (`tests/it/ldap/bindings.rs`), `the_hash_is_that_of_the_signature_and_at_least_sha_256` (`src/protocol/channel_binding.rs`) |
//! | a certificate of somebody who is not there, is several, or is disabled | the directory is asked, as for a password | `a_certificate_is_the_same_person_as_the_password`, `a_certificate_of_another_authority_lets_nobody_in` (`tests/it/ldap/certificate.rs`) |
//! | a ticket from where nobody is asked for one | tickets are taken inside the networks that are set | `elsewhere_nobody_is_asked_for_a_ticket` (`tests/it/ldap/kerberos.rs`) |
//! | a ticket in place of a login anew | tickets are not taken for it | `a_login_anew_is_by_the_person_and_not_by_the_ticket` (`tests/it/ldap/kerberos.rs`) |
//!
//! # Cookies and sessions (`attacks/cookies.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | CK-1: cookies that others can read or set | `__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/ | `ck_1_attributes_over_plain_http`, `ck_1_attributes_over_tls` |
//! | CK-2, CK-3: our name twice, or nearly our name | names are exact; twice is none | `ck_2_a_name_is_exact_and_occurs_once` |
//! | CK-4: a jar that is too full | an answer that says so | `ck_4_a_jar_that_is_too_full_gets_an_answer` |
//! | CK-4: a cookie of a sibling host that is no text | Cookie lines are read as octets, by one reader ([`protocol`](crate::protocol)) | `ck_4_a_foreign_cookie_keeps_nobody_from_signing_in` |
//! | CK-6: changed bits | a MAC over random bits and host; sealed flows with their place in the associated data ([`crypto`](crate::crypto)) | `ck_6_no_bit_of_a_session_cookie_can_change`, `ck_6_no_bit_of_a_flow_cookie_can_change` |
//! | CK-7: older, weaker forms | there is one form | `ck_7_no_weaker_form_is_accepted` |
//! | CK-8: fields that run into each other | each has its length in front | `parts_do_not_run_into_each_other` (`src/crypto/digest.rs`) |
//! | CK-9: a session after sign-out, also one that a request brings back | the store first, then the cache, behind a fence ([`session`](crate::session)) | `ck_9_a_session_is_dead_after_sign_out`, `ck_9_sign_out_wins_every_race` |
//! | CK-10: a token on another host | the host is under the MAC, before any look-up | `ck_10_a_token_is_for_one_host` |
//! | CK-11: sessions for ever | idle and absolute ends | `ck_11_a_session_that_idles_or_grows_old_ends` |
//! | CK-12: rotating keys | a ring: next, current, old | `ck_12_a_rotated_key_signs_nobody_out` |
//! | CK-13: the cookie of a known browser as a login | it only lowers throttling | `ck_13_a_known_browser_is_not_signed_in` |
//! | CK-14: a token that was planted before the login | each login makes a new one | `ck_14_a_login_makes_its_own_token` |
//! | CK-15: forms of other sites | `Origin`, `Sec-Fetch-Site` and a token, in a session and before one | `ck_15_every_post_of_ours_is_ours`, `ck_15_a_foreign_form_signs_nobody_in` |
//!
//! # HTTP (`attacks/transport.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | HTTP-1: request smuggling | whatever two parsers could read differently is 400 and ends the connection | `http_1_our_own_requests_smuggle_nothing`, `http_1_the_requests_of_the_corpus_smuggle_nothing`, `http_1_control_a_second_request_with_a_session_arrives` |
//! | HTTP-2, HTTP-3: octets behind an upgrade or a refused body | drained in bounds, or the connection is closed | `http_2_nothing_follows_an_upgrade_that_was_not_granted`, `http_3_the_body_of_a_refused_request_is_no_request` |
//! | HTTP-4: a foreign page opens a WebSocket; one outlives its session | `Origin` must be the route's; streams are registered and cut | `http_4_a_foreign_page_opens_no_websocket`, `http_4_a_websocket_ends_with_its_session` |
//! | HTTP-5: slow heads, many connections | a deadline for the whole head | `http_5_a_head_that_drips_is_cut_off`, `http_5_many_idle_connections_keep_nobody_out` |
//! | HTTP-5: HTTP/2 without a word, bodies that do not come | a deadline for the first stream, for the next one, and for each part of a body | `http_5_an_http_2_connection_does_not_stay_for_nothing`, `http_5_a_body_comes_in_time` |
//! | HTTP-6: large bodies | limits, with and without a length | `http_6_bodies_for_us_are_small`, `http_6_a_route_limits_what_it_forwards` |
//! | HTTP-7: floods of HTTP/2 frames | a version of h2 that counts them, at most 100 streams and 64 KiB of headers | `one_tls_library_and_a_sound_http_2_are_linked` (`tests/it/documents.rs`) |
//! | HTTP-8: anonymous requests that fill memory or disk | what is under way is in the browser's sealed cookie | `http_8_anonymous_requests_leave_nothing_behind` |
//! | HTTP-9: large heads | 431 | `http_9_heads_have_a_limit` |
//! | HTTP-10: input that ends the process | no panics in the code (lints), and each request is its own task | `http_10_no_input_ends_the_process` |
//! | HTTP-11: a request in early data, played again | no early data is taken | `http_11_no_early_data_is_taken` |
//! | HTTP-12: a regular expression in a rule that takes for ever | automata in linear time, bounded in size, tried at the start | `odd_expressions_are_refused_or_harmless` (`src/policy/tests.rs`) |
//!
//! # Client certificates (`tests/it/mtls.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | PATH-13: somebody's certificate without its key, or in a resumed session | the handshake proves the key, and nothing is resumed where certificates are asked for | `a_certificate_without_its_key_is_worth_nothing`, `no_session_of_tls_carries_a_certificate_over` |
//! | A certificate of others, that is over, for servers, from one who may not issue, with a weak key | OpenSSL judges by the connection's authorities, and by our clock ([`connection`](crate::connection)) | `certificates_that_are_not_good_let_nobody_in`, `one_that_an_issuer_below_gave_comes_with_that_issuer`, `nobody_issues_who_may_not`, `what_a_certificate_may_be_used_for_is_kept_to`, `weak_keys_and_hashes_are_refused`, `the_time_is_that_of_our_clock`, `the_issuer_that_is_named_is_trusted_and_its_sisters_are_not` (`src/connection/certificate/tests.rs`) |
//! | FAIL-1: a certificate that was revoked, and a revocation list that is kept from us | each issuer needs a current list, read at each login | `who_was_revoked_is_refused_at_the_next_login_and_no_list_is_as_good_as_any`, `an_issuer_that_was_revoked_takes_its_people_along` |
//! | A NUL in a name, two names, octets behind the certificate | names are read strictly, and who somebody is stands there once | `a_name_with_a_trap_in_it_refuses_the_certificate`, `no_octets_make_it_go_wrong` (`src/protocol/x509.rs`), `who_it_is_stands_there_once`, `octets_that_are_no_certificate_are_refused` (`src/connection/certificate/tests.rs`) |
//! | CK-10, FLOW-1: the origin where certificates are asked for is used for something else, or by another browser | one callback is served there, and makes no session; what was shown is taken once, by the browser of the flow | `nothing_else_is_served_there`, `at_an_origin_of_its_own_nobody_else_is_asked`, `chromium_shows_its_certificate_at_the_other_port_and_comes_back` |
//!
//! # Pages (`attacks/pages.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | WEB-1: a cache gives one person's page to the next | `no-store` on ours, `private` and `Vary: Cookie` on theirs | `web_1_our_answers_are_kept_by_nobody`, `web_1_an_answer_for_one_person_is_for_nobody_else` |
//! | WEB-2: frames | `frame-ancestors 'none'` | `web_2_nobody_frames_our_pages` |
//! | WEB-3: markup in what was sent | templates escape, and the policy lets nothing in | `web_3_nothing_that_was_sent_becomes_markup`, `web_3_the_policy_lets_nothing_in` |
//! | WEB-4: other origins read our pages | no CORS | `web_4_other_origins_read_nothing` |
//! | WEB-5, WEB-6: the application under our prefix | nothing below it is proxied; `Service-Worker-Allowed` is dropped | `web_5_nothing_under_our_prefix_is_the_application`, `web_6_the_application_cannot_reach_into_our_prefix` |
//! | WEB-5: a script of an application reads the account page and posts to it | it is a page of the login host alone | `web_5_the_account_page_is_at_the_login_host_alone` |
//! | WEB-6: a service worker that sees what is typed into the login | at the login host its script is refused where its folder holds our prefix ([`proxy`](crate::proxy)) | `web_6_no_service_worker_of_the_application_sees_the_login` |
//! | WEB-7: guessed types, addresses in Referer | `nosniff`, `no-referrer` | `web_7_types_are_not_guessed_and_addresses_not_told` |
//!
//! # Logs, the operator's side, failure (`attacks/operations.rs`)
//!
//! | attack | what stops it | test |
//! |---|---|---|
//! | LOG-1: secrets in logs, in the database, in the process list | a type that cannot be printed; hashes and seals; passwords are never arguments | `log_1_no_secret_is_said_anywhere`, `log_1_no_secret_is_stored_readable`, `log_1_the_command_line_holds_no_secret` |
//! | LOG-2: forged log lines, terminal escapes | JSON, and control characters are replaced | `log_2_nobody_writes_a_line_of_their_own` |
//! | LOG-3: nothing to look back at | an event with a stable reason for each turn | `log_3_every_turn_of_a_login_is_an_event` |
//! | LOG-4: metrics that grow with requests | labels come from closed sets | `log_4_nobody_makes_metrics_grow` |
//! | ADM-1: a web page reaches the admin listener | a listener of its own that checks the Host; the socket is 0600 before it listens, and asks the kernel whose process is at the other end | `adm_1_the_admin_listener_is_elsewhere_and_knows_its_host`, `adm_1_the_admin_socket_is_the_owners`, `nobody_connects_before_the_mode_is_right` (`src/cli/socket.rs`) |
//! | ADM-1: the admin listener where everybody can ask | an address off the loopback stops the start | `what_does_not_fit_together_is_refused` (`src/config/tests/mod.rs`) |
//! | ADM-2: `me` hands out tokens | a closed list of fields | `adm_2_me_tells_no_token` |
//! | CFG-1: secrets in error messages | no value is ever repeated | `cfg_1_a_secret_that_is_missing_does_not_become_its_name`, `cfg_1_no_error_repeats_a_secret` |
//! | CFG-2: a key that is misspelt and ignored | unknown keys stop the start | `cfg_2_every_key_misspelt_once_stops_the_start` |
//! | CFG-3: half a reload | everything is built, then swapped at once; the last good one stays | `cfg_3_a_broken_file_changes_nothing_under_load` |
//! | CFG-4: weak secrets, passwords in plain http | both stop the start | `cfg_4_a_weak_secret_stops_the_start`, `cfg_4_plain_http_off_loopback_stops_the_start` |
//! | FAIL-1: a store that is away lets everybody in | an error is a denial: 503, and nobody on a public path | `tests/it/faults.rs`, `tests/it/storage.rs`, `an_outage_under_load_lets_nobody_in_and_ends_by_itself` |
//! | FAIL-1: an answer that was used at one process is used at another | what works once is one row for all of them, taken in one step | `one_login_serves_both_and_what_was_used_at_one_is_refused_by_the_other` |
//! | FAIL-1: a revocation that another process never hears of | a feed that knows which run of which server it is in; a cache that is not believed for long without it | `a_revocation_reaches_the_other_process_whatever_was_cut_in_between`, `data_that_were_flushed_are_a_gap_however_much_has_come_since`, `a_server_that_was_killed_keeps_what_is_on_its_disk_and_tells_of_a_gap` (`src/store/redis/tests/failures.rs`) |
//! | FAIL-1: a revocation that is numbered early and committed late, and passed over in between | whoever takes a number of the feed holds it until the commit | (`src/store/sql/server_tests.rs`) |
//! | FAIL-1: a login that another process has under way while all sessions are ended | whoever ends sessions waits for it, and it for them | (`src/store/sql/server_tests.rs`) |
//! | FAIL-1: names that a collation takes for the same | names are compared by their bytes in every engine | (`src/store/conformance/users.rs`) |
//! | FAIL-1: somebody between this program and its database | off the loopback TLS and a verified name, whatever the URL says | `another_machine_is_spoken_to_over_verified_tls` (`src/store/sql/server_tests.rs`), `tests/it/storage.rs` |
//! | FAIL-1: what was used is forgotten by a full or a failing server, and used again | a server that evicts keys stops the start; `wait_for_replicas` | `a_server_that_forgets_keys_is_refused`, `logins_go_on_at_the_replica_that_takes_over` (`src/store/redis/tests`) |
//! | FAIL-2: errors that explain the inside | a sentence and a request id | `fail_2_errors_say_a_sentence_and_a_reference` |
//! | FAIL-3: a clock that jumps | one that goes back lends no trust to the cache; deadlines run on the monotonic clock | `a_clock_that_is_set_back_lends_no_trust` (`src/session/tests/feed.rs`) |
//! | SUP-1: a second TLS library | `build.rs` refuses a vendored OpenSSL; what is locked is held against a list, which `.deny.toml` has for `cargo deny` too | `one_tls_library_and_a_sound_http_2_are_linked` (`tests/it/documents.rs`) |
//!
//! # What is known and not stopped
//!
//! - An application at the login host shares its origin with our pages: its scripts can do on the
//!   account page what the person who visits can. Where that matters, `public_url` names a host
//!   without an application.
//! - A sign-up says when a name is taken, unless `verify_email = "required"` lets a mail say so to the
//!   owner of the address; of a username it always does, as does the account page where names can be changed. Budgets bound how many names can be asked for.
//! - A second factor is set up after a fresh first proof. A provider that takes no wish for a new sign-in
//!   (OAuth 2.0, SAML as it is spoken here) may give one unasked, in a browser that it remembers.
//! - Whoever has many networks has three tries at a password from each in 15 minutes. To refuse all
//!   of them would let anybody lock an owner out of a new device.
