//! What a refused bind means. The result code says little: the rest stands in a control, or in a
//! text that directories have kept the same for twenty years.

use rasn_ldap::ResultCode;

use super::controls::{PasswordPolicy, PolicyError};

/// Why a person's bind did not let them in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BindDiagnosis {
    /// The name or the password is wrong, as far as the directory says.
    Wrong,
    /// Too many wrong passwords, or an administrator's lock. Told whether or not the password was
    /// right.
    Locked,
    /// The password was right, and the account is disabled.
    Disabled,
    /// The password was right, and the account has ended.
    AccountExpired,
    /// The password was right, but not at this time of day or not from here.
    NotNow,
    /// The password was right, and is too old.
    PasswordExpired,
    /// The password was right, and must be changed first.
    MustChange,
    /// The directory wants a safer way.
    Unsafe,
    /// It cannot answer now.
    Unavailable,
    /// It sends elsewhere, where nobody follows.
    Referral,
    /// It fails in another way: something is set wrong.
    Failed,
}

impl BindDiagnosis {
    /// Reads the answer to a bind. `None`: it succeeded, and nothing stands in the way.
    pub(crate) fn of(code: ResultCode, text: &str, policy: &PasswordPolicy) -> Option<Self> {
        let by_policy = match policy.error {
            Some(PolicyError::AccountLocked) => Some(Self::Locked),
            Some(PolicyError::PasswordExpired) => Some(Self::PasswordExpired),
            Some(PolicyError::ChangeAfterReset) => Some(Self::MustChange),
            _ => None,
        };
        Some(match code {
            ResultCode::Success => return by_policy,
            ResultCode::InvalidCredentials => by_policy
                .or_else(|| Self::of_active_directory(text))
                .unwrap_or(Self::Wrong),
            ResultCode::NoSuchObject
            | ResultCode::InvalidDnSyntax
            | ResultCode::InappropriateAuthentication => Self::Wrong,
            // 389 Directory Server and FreeIPA: retry limit, and inactivated, which they say before they
            // look at the password.
            ResultCode::ConstraintViolation => Self::Locked,
            ResultCode::UnwillingToPerform => by_policy.unwrap_or(Self::Locked),
            ResultCode::ConfidentialityRequired
            | ResultCode::StrongerAuthRequired
            | ResultCode::AuthMethodNotSupported => Self::Unsafe,
            ResultCode::Busy | ResultCode::Unavailable => Self::Unavailable,
            ResultCode::Referral => Self::Referral,
            _ => Self::Failed,
        })
    }

    /// The sub-code: a Windows error in hexadecimal, as in `… error, data 52e, v4563`.
    fn of_active_directory(text: &str) -> Option<Self> {
        let (_, after) = text.split_once(", data ")?;
        let code = after.split([',', ' ']).next()?;
        Some(match code {
            "530" | "531" => Self::NotNow,
            "532" => Self::PasswordExpired,
            "533" => Self::Disabled,
            "701" => Self::AccountExpired,
            "773" => Self::MustChange,
            "775" => Self::Locked,
            // 525: no such user; 52e: wrong password.
            _ => Self::Wrong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(error: Option<PolicyError>) -> PasswordPolicy {
        PasswordPolicy {
            warning: None,
            error,
        }
    }

    #[test]
    fn the_sub_codes_of_active_directory_are_read() {
        for (code, meant) in [
            ("525", BindDiagnosis::Wrong),
            ("52e", BindDiagnosis::Wrong),
            ("530", BindDiagnosis::NotNow),
            ("532", BindDiagnosis::PasswordExpired),
            ("533", BindDiagnosis::Disabled),
            ("701", BindDiagnosis::AccountExpired),
            ("773", BindDiagnosis::MustChange),
            ("775", BindDiagnosis::Locked),
            ("9999", BindDiagnosis::Wrong),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C090446, comment: AcceptSecurityContext error, data {code}, v4563"
            );
            let found = BindDiagnosis::of(ResultCode::InvalidCredentials, &text, &with(None));
            assert_eq!(found, Some(meant), "{code}");
        }
        let elsewhere = BindDiagnosis::of(ResultCode::Other, "error, data 773, v1", &with(None));
        assert_eq!(elsewhere, Some(BindDiagnosis::Failed));
    }

    #[test]
    fn the_password_policy_counts() {
        let of = |code, error| BindDiagnosis::of(code, "", &with(error));
        let wrong = ResultCode::InvalidCredentials;
        assert_eq!(of(wrong, None), Some(BindDiagnosis::Wrong));
        assert_eq!(
            of(wrong, Some(PolicyError::AccountLocked)),
            Some(BindDiagnosis::Locked)
        );
        assert_eq!(
            of(wrong, Some(PolicyError::PasswordExpired)),
            Some(BindDiagnosis::PasswordExpired)
        );
        assert_eq!(of(ResultCode::Success, None), None);
        assert_eq!(
            of(ResultCode::Success, Some(PolicyError::ChangeAfterReset)),
            Some(BindDiagnosis::MustChange),
            "a bind that succeeds is not always a login"
        );
        assert_eq!(
            of(ResultCode::ConfidentialityRequired, None),
            Some(BindDiagnosis::Unsafe)
        );
    }
}
