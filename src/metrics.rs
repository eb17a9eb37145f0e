//! What is counted. Labels come from closed sets or from the configuration, never from a request.

use std::sync::LazyLock;

use prometheus::{
    Encoder, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, TextEncoder,
    register_histogram_vec, register_int_counter, register_int_counter_vec, register_int_gauge,
    register_int_gauge_vec,
};

macro_rules! metrics {
    ($($name:ident: $kind:ty = $made:expr;)*) => {
        $(
            pub(crate) static $name: LazyLock<$kind> =
                LazyLock::new(|| $made.expect("a metric of this name is registered once"));
        )*
        /// Makes every metric appear from the start, at zero.
        pub(crate) fn register() {
            $(LazyLock::force(&$name);)*
        }
    };
}

metrics! {
    EVENTS: IntCounterVec = register_int_counter_vec!(
        "vestibule_events_total", "Audit events, by kind", &["event"]);
    DECISIONS: IntCounterVec = register_int_counter_vec!(
        "vestibule_decisions_total", "What the gate decided", &["verdict"]);
    FORWARDED: IntCounter = DECISIONS.get_metric_with_label_values(&["forward"]);
    REQUEST_SECONDS: HistogramVec = register_histogram_vec!(
        "vestibule_page_seconds", "Time to answer one of our own pages", &["page"]);
    SESSION_LOADS: IntCounter = register_int_counter!(
        "vestibule_session_loads_total", "Sessions read from the store, not found in the cache");
    CONFIG_RELOADS: IntCounterVec = register_int_counter_vec!(
        "vestibule_config_reloads_total", "Reloads of the configuration, by result", &["result"]);
    CONFIG_GENERATION: IntGauge = register_int_gauge!(
        "vestibule_config_generation", "How often the configuration was swapped in");
    EXPIRIES: IntGaugeVec = register_int_gauge_vec!(
        "vestibule_connection_expiry_timestamp_seconds",
        "When what a connection needs ends, from 30 days before on", &["connection", "what"]);
    STORE_ERRORS: IntCounter = register_int_counter!(
        "vestibule_store_errors_total", "Calls to a store that failed");
    BREACH_LOOKUPS_FAILED: IntCounter = register_int_counter!(
        "vestibule_breach_lookups_failed_total",
        "Passwords of which it was not found out whether a leak knows them");
    MAILS: IntCounterVec = register_int_counter_vec!(
        "vestibule_mails_total", "Mails, by what became of them", &["result"]);
    MAIL_QUEUE: IntGauge = register_int_gauge!(
        "vestibule_mail_queue", "Mails that wait to be sent");
    PASSWORD_HASHES: IntCounterVec = register_int_counter_vec!(
        "vestibule_password_hashes_total", "Password hashes, by result", &["result"]);
    TEXTS: IntCounterVec = register_int_counter_vec!(
        "vestibule_text_messages_total", "Text messages, by what became of them", &["result"]);
    TEXT_QUEUE: IntGauge = register_int_gauge!(
        "vestibule_text_message_queue", "Text messages that wait to be sent");
    THROTTLED: IntCounterVec = register_int_counter_vec!(
        "vestibule_throttled_total",
        "Tries for which a budget had nothing left, by what it counts and by what came of it",
        &["budget", "action"]);
    UPSTREAM_ERRORS: IntCounter = register_int_counter!(
        "vestibule_upstream_errors_total", "Requests that the application did not answer");
}

/// The text exposition format.
pub(crate) fn render() -> String {
    let mut text = Vec::new();
    // Encoding into memory fails only on a metric without a name, and ours have one.
    let _ = TextEncoder::new().encode(&prometheus::gather(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}
