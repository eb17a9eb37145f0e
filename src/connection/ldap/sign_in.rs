//! A name and a password: who it is, whether the password is theirs, and a new one where the directory
//! wants one.

use super::{
    Ldap,
    directory::Bound,
    password::Changed,
    person::{Known, Person, Typed},
    refused::{self, Refused},
    servers::Credentials,
};
use crate::{
    connection::{
        AccountKey, Authenticated, ConnectionData, Form, NewPasswordForm, NewPasswordWhy, Password,
        PasswordReply, Peer, Reply, Step,
    },
    protocol::ldap::{BindDiagnosis, NameTemplate},
    secret::Secret,
};

impl Ldap {
    /// Somebody has typed their name and their password.
    pub(super) async fn sign_in(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let (Some(_), Reply::Form(body)) = (kept, reply) else {
            return Err(Refused::Unasked);
        };
        let reply = PasswordReply::parse(body)?;
        // A bind without a password succeeds, and proves nothing (RFC 4513 section 5.1.2).
        for password in [Some(&reply.password), reply.new_password.as_ref()]
            .into_iter()
            .flatten()
        {
            let text = password.secret().expose();
            if text.trim().is_empty() || text.contains('\0') {
                return Err(Refused::EmptyPassword);
            }
        }
        let typed = self.directory.rules.typed(&reply.login);
        let typed = typed.ok_or(Refused::NoPerson)?;
        let paid = |key: &AccountKey| peer.has_paid_for(key).then_some(()).ok_or(Refused::Unpaid);
        if let Some(name) = &self.directory.rules.direct_bind {
            paid(&self.name_key(&reply.login))?;
            return self.bind_directly((name, &typed), reply, peer).await;
        }
        let person = match self.directory.find(&typed).await {
            // A name of several people is nobody's.
            Err(refused @ Refused::Ambiguous(_)) => Err(refused),
            found => Ok(found?),
        };
        let Ok(Some(person)) = person else {
            paid(&self.name_key(&reply.login))?;
            self.bind_as_nobody(&reply.password).await?;
            return Err(person.err().unwrap_or(Refused::NoPerson));
        };
        paid(&AccountKey::Subject(
            self.id.clone(),
            person.subject.clone(),
        ))?;
        self.bind_as(person, reply, peer).await
    }

    async fn bind_as(
        &self,
        person: Person,
        reply: PasswordReply,
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let mut who = Credentials {
            name: person.entry.dn.clone(),
            password: reply.password.secret().clone(),
        };
        let mut bound = self.directory.bind(&who).await?;
        if let Bound::Not { why, .. } = &bound
            && let Some(why) = new_password_why(*why)
            && self.directory.changes_passwords()
        {
            if let Some(asked) = self.new_password(&who, &reply, why).await? {
                return Ok(asked);
            }
            who.password = new_of(&reply);
            bound = self.directory.bind(&who).await?;
        }
        match bound {
            Bound::In => self.done(&self.directory.look_up(person).await?, peer),
            Bound::Not { why, text, .. } => Err(Refused::Person { why, text }),
        }
    }

    /// The same where nobody looks people up.
    async fn bind_directly(
        &self,
        (name, typed): (&NameTemplate, &Typed),
        reply: PasswordReply,
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let directory = &self.directory;
        let password = reply.password.secret();
        let (mut bound, mut known) = directory.bind_and_find(name, typed, password).await?;
        if let Bound::Not {
            why, bound: true, ..
        } = &bound
            && let Some(why) = new_password_why(*why)
            && directory.changes_passwords()
            && name.is_dn()
        {
            let who = directory.named(name, typed, password)?;
            if let Some(asked) = self.new_password(&who, &reply, why).await? {
                return Ok(asked);
            }
            let new = new_of(&reply);
            (bound, known) = directory.bind_and_find(name, typed, &new).await?;
        }
        match (bound, known) {
            (Bound::In, Some(known)) => self.done(&known, peer),
            (Bound::In, None) => Err(Refused::NoPerson),
            (Bound::Not { why, text, .. }, _) => Err(Refused::Person { why, text }),
        }
    }

    /// Replaces the password; the form for a new one, until there is one that the directory takes.
    async fn new_password(
        &self,
        who: &Credentials,
        reply: &PasswordReply,
        why: NewPasswordWhy,
    ) -> Result<Option<Step>, Refused> {
        let refused = match &reply.new_password {
            None => false,
            Some(new) => match self.directory.change(who, new.secret()).await? {
                Changed::Done => return Ok(None),
                Changed::NotThis => true,
            },
        };
        let form = NewPasswordForm {
            login: reply.login.to_string(),
            why,
            refused,
            // The directory has rules of its own, and tells nobody.
            rules: Vec::new(),
        };
        Ok(Some(Step::Prompt {
            form: Form::NewPassword(form),
            keep: ConnectionData::default(),
        }))
    }

    /// As much work as for somebody whose password is wrong.
    async fn bind_as_nobody(&self, password: &Password) -> Result<(), Refused> {
        let nobody = Credentials {
            name: format!("cn=nobody,{}", self.directory.rules.user_base),
            password: password.secret().clone(),
        };
        self.directory.bind(&nobody).await.map(drop)
    }

    fn done(&self, known: &Known, peer: &Peer) -> Result<Step, Refused> {
        let identity = self.identity(known)?;
        peer.seen.add(refused::IDENTITY, &identity.claims);
        let who = Authenticated::new(identity, peer.now, vec!["pwd".to_owned()], None);
        Ok(Step::Done { who: Box::new(who) })
    }
}

/// The new password, or the old one where there is none.
fn new_of(reply: &PasswordReply) -> Secret {
    let new = reply.new_password.as_ref().unwrap_or(&reply.password);
    new.secret().clone()
}

/// Whether a new password would help.
fn new_password_why(why: BindDiagnosis) -> Option<NewPasswordWhy> {
    match why {
        BindDiagnosis::PasswordExpired => Some(NewPasswordWhy::Expired),
        BindDiagnosis::MustChange => Some(NewPasswordWhy::MustChange),
        _ => None,
    }
}
