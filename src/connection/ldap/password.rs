//! A password that has expired or must be changed is replaced by whoever knows it.

use rasn_ldap::{
    ChangeOperation, ModifyRequest, ModifyRequestChanges, PartialAttribute,
    ResultCode::{ConstraintViolation, Success, UnwillingToPerform},
};

use super::{
    ChangePassword,
    directory::{Bound, Directory, bind},
    refused::{self, Refused},
    servers::{Credentials, Use},
};
use crate::{
    egress::ldap::{LdapError, LdapStream, NewPassword, Said},
    protocol::ldap::{BindDiagnosis, controls::PolicyError},
    secret::Secret,
};

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Changed {
    Done,
    /// The directory wants another one.
    NotThis,
}

impl Directory {
    /// Whether people can change an expired password here.
    pub(super) fn changes_passwords(&self) -> bool {
        self.rules.change_password != ChangePassword::Never
    }

    /// Replaces the password of an entry. Only one that the directory wants to be replaced is: the
    /// bind that proves the old one says so.
    pub(super) async fn change(&self, who: &Credentials, new: &Secret) -> Result<Changed, Refused> {
        if who.password.matches(new.expose()) {
            return Ok(Changed::NotThis);
        }
        if let Some(said) = self.change_by_themselves(who, new).await? {
            return judged(said);
        }
        // Where they could not even bind, the account that looks people up brings the old password as
        // the proof. It may be allowed more than they are: nothing that was refused to them is tried
        // again by it.
        let mut tries = self.tries(Use::Look).await?;
        let mut held = tries.next().await?;
        let said = self.replace(&mut held.stream, who, new).await?;
        tries.keep(held);
        judged(said)
    }

    /// `None`: they may not bind before the password is changed.
    async fn change_by_themselves(
        &self,
        who: &Credentials,
        new: &Secret,
    ) -> Result<Option<Said>, Refused> {
        let mut tries = self.tries(Use::Bind).await?;
        loop {
            let mut held = tries.next().await?;
            let bound = bind(&mut held.stream, who).await;
            if let Ok(Bound::Not {
                why: BindDiagnosis::MustChange | BindDiagnosis::PasswordExpired,
                bound: true,
                ..
            }) = &bound
            {
                let said = self.replace(&mut held.stream, who, new).await?;
                tries.keep(held);
                return Ok(Some(said));
            }
            match tries.settle(held, bound)? {
                None => {}
                Some(Bound::Not {
                    why: BindDiagnosis::MustChange | BindDiagnosis::PasswordExpired,
                    ..
                }) => return Ok(None),
                Some(Bound::Not { why, text, .. }) => return Err(Refused::Person { why, text }),
                Some(Bound::In) => return Err(Refused::Unasked),
            }
        }
    }

    async fn replace(
        &self,
        stream: &mut LdapStream,
        who: &Credentials,
        new: &Secret,
    ) -> Result<Said, Refused> {
        let replaced = match self.rules.change_password {
            ChangePassword::ActiveDirectory => {
                stream
                    .modify(unicode_pwd(&who.name, &who.password, new))
                    .await
            }
            ChangePassword::ExtendedOperation => {
                let old = &who.password;
                stream
                    .modify_password(&who.name, NewPassword { old, new })
                    .await
            }
            ChangePassword::Never => return Err(Refused::Unasked),
        };
        replaced.map_err(|error: LdapError| Refused::ldap(refused::CHANGE, error))
    }
}

fn judged(said: Said) -> Result<Changed, Refused> {
    // No other password would be taken, either.
    let not_now = matches!(
        said.policy.error,
        Some(PolicyError::PasswordModNotAllowed | PolicyError::PasswordTooYoung)
    );
    match said.code {
        Success => Ok(Changed::Done),
        code if not_now => Err(Refused::Change {
            code,
            text: said.text,
        }),
        ConstraintViolation | UnwillingToPerform => {
            tracing::info!(code = ?said.code, text = said.text, policy = ?said.policy.error, "a directory did not take a new password");
            Ok(Changed::NotThis)
        }
        code => Err(Refused::Change {
            code,
            text: said.text,
        }),
    }
}

/// A change of the password by whoever knows the old one: it is deleted and the new one added, each
/// in quotation marks and in UTF-16 ([MS-ADTS] 3.1.1.3.1.5).
fn unicode_pwd(dn: &str, old: &Secret, new: &Secret) -> ModifyRequest {
    let quoted = |password: &Secret| -> Vec<u8> {
        let text = format!("\"{}\"", password.expose());
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let change = |operation, password| ModifyRequestChanges {
        operation,
        modification: PartialAttribute::new(
            "unicodePwd".into(),
            vec![quoted(password).into()].into(),
        ),
    };
    ModifyRequest {
        object: dn.into(),
        changes: vec![
            change(ChangeOperation::Delete, old),
            change(ChangeOperation::Add, new),
        ],
    }
}
