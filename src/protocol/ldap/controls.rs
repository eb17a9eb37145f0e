//! Controls (RFC 4511 section 4.1.11): more about a request or an answer.

#![expect(
    clippy::no_effect_underscore_binding,
    reason = "what is derived for tagged fields has them"
)]

use rasn::prelude::*;
use rasn_ldap::Control;

/// Simple paged results (RFC 2696).
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Password policy (draft-behera-ldap-password-policy section 6).
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// The password has expired, or must be changed (draft-vchu-ldap-pwd-policy section 3).
const PASSWORD_EXPIRED: &str = "2.16.840.1.113730.3.4.4";

/// The value of the paged results control.
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, PartialEq)]
struct Paged {
    size: u32,
    cookie: OctetString,
}

/// What a directory with password policy says beside the result of a bind or a change.
#[derive(AsnType, Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub(crate) struct PasswordPolicy {
    #[rasn(tag(explicit(0)))]
    pub(crate) warning: Option<PolicyWarning>,
    #[rasn(tag(1))]
    pub(crate) error: Option<PolicyError>,
}

/// The password is still good.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[rasn(choice)]
pub(crate) enum PolicyWarning {
    /// For so many seconds.
    #[rasn(tag(0))]
    TimeBeforeExpiration(u32),
    /// For so many binds.
    #[rasn(tag(1))]
    GraceAuthNsRemaining(u32),
}

/// Why a bind or a change was refused; after a bind that succeeded, what must come first.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[rasn(enumerated)]
pub(crate) enum PolicyError {
    PasswordExpired = 0,
    AccountLocked = 1,
    ChangeAfterReset = 2,
    PasswordModNotAllowed = 3,
    MustSupplyOldPassword = 4,
    InsufficientPasswordQuality = 5,
    PasswordTooShort = 6,
    PasswordTooYoung = 7,
    PasswordInHistory = 8,
}

/// Asks for password policy. A directory that does not know it passes over it.
pub(crate) fn password_policy() -> Control {
    Control::new(PASSWORD_POLICY.as_bytes().to_vec().into(), false, None)
}

/// Asks for a page of so many entries, after those of the page that gave `cookie`.
pub(crate) fn page(size: u32, cookie: &[u8]) -> Option<Control> {
    let paged = Paged {
        size,
        cookie: cookie.to_vec().into(),
    };
    let value = rasn::ber::encode(&paged).ok()?;
    let kind = PAGED_RESULTS.as_bytes().to_vec().into();
    Some(Control::new(kind, false, Some(value.into())))
}

/// The cookie for the next page. `None`: there is none.
pub(crate) fn next_page(controls: &[Control]) -> Option<Vec<u8>> {
    let value = value(controls, PAGED_RESULTS)?;
    let paged: Paged = rasn::ber::decode(value).ok()?;
    Some(paged.cookie.to_vec()).filter(|cookie| !cookie.is_empty())
}

/// What is said about the password. `None`: it cannot be read, and might say that it is no good.
pub(crate) fn policy_of(controls: &[Control]) -> Option<PasswordPolicy> {
    if let Some(value) = value(controls, PASSWORD_POLICY) {
        return rasn::ber::decode(value).ok();
    }
    let expired = controls
        .iter()
        .any(|control| &control.control_type[..] == PASSWORD_EXPIRED.as_bytes());
    Some(PasswordPolicy {
        warning: None,
        error: expired.then_some(PolicyError::PasswordExpired),
    })
}

fn value<'a>(controls: &'a [Control], kind: &str) -> Option<&'a [u8]> {
    let is = |control: &&Control| &control.control_type[..] == kind.as_bytes();
    controls.iter().find(is)?.control_value.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, value: &[u8]) -> Vec<Control> {
        let kind = kind.as_bytes().to_vec().into();
        vec![Control::new(kind, false, Some(value.to_vec().into()))]
    }

    #[test]
    fn what_the_policy_says_is_read() {
        let locked = answer(PASSWORD_POLICY, &[0x30, 3, 0x81, 1, 1]);
        assert_eq!(
            policy_of(&locked).unwrap().error,
            Some(PolicyError::AccountLocked)
        );
        let warns = answer(PASSWORD_POLICY, &[0x30, 6, 0xa0, 4, 0x80, 2, 1, 0]);
        let warning = policy_of(&warns).unwrap().warning;
        assert_eq!(warning, Some(PolicyWarning::TimeBeforeExpiration(256)));
        let nothing = answer(PASSWORD_POLICY, &[0x30, 0]);
        assert_eq!(policy_of(&nothing), Some(PasswordPolicy::default()));
        assert_eq!(policy_of(&[]), Some(PasswordPolicy::default()));
        let expired = answer(PASSWORD_EXPIRED, b"0");
        assert_eq!(
            policy_of(&expired).unwrap().error,
            Some(PolicyError::PasswordExpired)
        );
        for broken in [&b""[..], b"\x30\x05", &[0x30, 3, 0x81, 1, 99]] {
            let broken = answer(PASSWORD_POLICY, broken);
            assert_eq!(policy_of(&broken), None);
        }
    }

    #[test]
    fn pages_are_turned_until_the_last() {
        let asked = page(500, b"next").unwrap();
        assert_eq!(next_page(&[asked]), Some(b"next".to_vec()));
        assert_eq!(next_page(&[page(500, b"").unwrap()]), None);
        assert_eq!(next_page(&[]), None);
        assert_eq!(next_page(&answer(PAGED_RESULTS, b"\x30")), None);
    }
}
