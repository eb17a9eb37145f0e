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
        let mut tries = self.servers.tries(Use::Look, self.clock.as_ref()).await?;
        let mut held = tries.next().await?;
        let said = self.replace(&mut held.stream, who, new).await?;
        held.keep(self.clock.as_ref());
        judged(said)
    }

    /// `None`: they may not bind before the password is changed.
    async fn change_by_themselves(
        &self,
        who: &Credentials,
        new: &Secret,
    ) -> Result<Option<Said>, Refused> {
        let clock = self.clock.as_ref();
        let mut tries = self.servers.tries(Use::Bind, clock).await?;
        loop {
            let mut held = tries.next().await?;
            match bind(&mut held.stream, who).await {
                Ok(Bound::Not {
                    why: BindDiagnosis::MustChange | BindDiagnosis::PasswordExpired,
                    bound,
                    ..
                }) => {
                    if !bound {
                        held.keep(clock);
                        return Ok(None);
                    }
                    let said = self.replace(&mut held.stream, who, new).await?;
                    held.keep(clock);
                    return Ok(Some(said));
                }
                Ok(Bound::Not { why, text, .. }) => {
                    held.keep(clock);
                    return Err(Refused::Person { why, text });
                }
                Ok(Bound::In) => {
                    held.keep(clock);
                    return Err(Refused::Unasked);
                }
                Err(refused) => {
                    let failed = held.failed(refused)?;
                    tries.go_on(failed);
                }
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
