//! Login by OpenID Connect in Chromium, app and provider under different names, under the real
//! policy.

use serde_json::json;

use crate::support::{Browser, federated::Site};

/// Nothing of ours broke our own policy.
#[track_caller]
fn quiet(browser: &Browser) {
    let mut said = browser.console();
    said.retain(|line| line.contains("Content Security Policy") || line.contains("Refused"));
    assert!(said.is_empty(), "the console says: {said:#?}");
}

#[test]
fn a_browser_goes_to_the_provider_and_back_and_signs_out() {
    let site = Site::new();
    let browser = Browser::start();
    site.sign_in_by_browser(&browser, "/page?x=1", "alice");
    assert_eq!(browser.url(), site.url("/page?x=1"));
    assert_eq!(
        site.upstream.last().header("X-Forwarded-User"),
        Some("op|alice")
    );
    quiet(&browser);
    browser.goto(&site.url("/.auth/logout"));
    if browser.url().starts_with(&site.url("/")) {
        browser.click("button[type=submit]");
    }
    browser
        .arrives(&site.provider.issuer())
        .click("button[name=logout]");
    browser.arrives(&site.url("/.auth/"));
    quiet(&browser);
    browser.goto(&site.url("/"));
    site.provider_by_browser(&browser);
    browser.arrives(&site.provider.issuer());
    assert!(browser.has("input[name=login]"));
}

#[test]
fn a_browser_brings_what_was_pushed_signed_and_encrypted() {
    let site = Site::strict();
    let browser = Browser::start();
    site.sign_in_by_browser(&browser, "/page", "alice");
    assert_eq!(
        site.upstream.last().header("X-Forwarded-User"),
        Some("op|alice")
    );
    quiet(&browser);
}

/// The provider's page posts to another site, which gets no Lax cookie; ours posts once more.
#[test]
fn a_browser_brings_an_answer_by_form_post() {
    for scripts in [true, false] {
        let site = Site::with(
            &json!({}),
            &json!({}),
            &[("response_mode", "form_post".into())],
        );
        let browser = Browser::start();
        browser.goto(&site.url("/page"));
        site.provider_by_browser(&browser);
        if scripts {
            site.provider.sign_in_by_browser(&browser, "alice");
        } else {
            browser.without_scripts();
            site.provider.sign_in_by_browser(&browser, "alice");
            // the provider's page, then ours, each with a button
            browser
                .click("[type=submit]")
                .arrives(&site.url("/.auth/callback/op"));
            browser.click("[type=submit]");
        }
        browser.arrives(&site.url("/page"));
        assert_eq!(
            site.upstream.last().header("X-Forwarded-User"),
            Some("op|alice")
        );
        quiet(&browser);
    }
}
