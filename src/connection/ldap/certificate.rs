//! A client certificate, as on a smart card, as the way in: whether it is good, the authorities say,
//! and who it names, the directory.

use serde_json::Value;

use super::{
    Ldap,
    person::Known,
    refused::{self, Refused},
};
use crate::{
    connection::{
        Authenticated, Kept, Peer, Rejection, Reply, Start, Step,
        certificate::{self, Desk, Shown, SubjectFrom, Verified},
        registry::Parts,
    },
    identity::ConnectionId,
    problem::Problem,
    protocol::ldap::FilterTemplate,
};

/// What a certificate can say of who it is.
const HOLES: [&str; 6] = [
    "common_name",
    "email",
    "serial_number",
    "subject",
    "subject_dn",
    "upn",
];

/// How certificates are taken.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) desk: Desk,
    user_filter: FilterTemplate,
}

/// What is set about them, read.
pub(super) fn user_filter(
    config: &certificate::Config,
    written: Option<&str>,
    username_attribute: &str,
) -> Result<FilterTemplate, Problem> {
    let standard = match config.subject {
        SubjectFrom::CommonName => Some(format!("({username_attribute}={{subject}})")),
        SubjectFrom::Email => Some("(mail={subject})".to_owned()),
        SubjectFrom::Upn => Some("(userPrincipalName={subject})".to_owned()),
        SubjectFrom::IssuerAndSerial | SubjectFrom::SerialNumber | SubjectFrom::Subject => None,
    };
    let Some(filter) = written.map(str::to_owned).or(standard) else {
        let message = format!(
            "nobody knows how the directory is asked for the {} of a certificate",
            config.subject.name()
        );
        let hint = "like \"(employeeNumber={subject})\"; or set certificate.subject to \"upn\", \
                    \"email\" or \"common_name\"";
        return Err(Problem::new("certificate_user_filter", message).hint(hint));
    };
    let filter = FilterTemplate::parse(&filter, &HOLES)
        .map_err(|error| Problem::new("certificate_user_filter", error.to_string()))?;
    if !filter.depends_on(&HOLES) {
        let message = "whoever has a certificate would be the same person";
        let hint = "it must have {subject} or another part of the certificate";
        return Err(Problem::new("certificate_user_filter", message).hint(hint));
    }
    Ok(filter)
}

impl Certificates {
    pub(super) fn open(
        config: &certificate::Config,
        user_filter: FilterTemplate,
        (id, parts): (ConnectionId, &Parts),
    ) -> Result<Self, Vec<Problem>> {
        let desk = Desk::open(config, id, parts)?;
        Ok(Self { desk, user_filter })
    }

    /// Whether people must say that they want to show one: they are asked elsewhere.
    pub(super) fn is_a_choice(&self) -> bool {
        self.desk.origin().is_some()
    }

    /// Whether one was shown already.
    pub(super) fn was_shown(&self, peer: &Peer) -> bool {
        !self.is_a_choice() && peer.certificate.is_some()
    }
}

/// A value that a certificate has once.
fn value(verified: &Verified, name: &str) -> Option<Vec<u8>> {
    let text = match name {
        "subject" => Some(verified.subject.as_str()),
        // The claim of that name is the whole of the certificate's own.
        "subject_dn" => verified.claims.get("subject").and_then(Value::as_str),
        name => verified.claims.get(name).and_then(Value::as_str),
    };
    text.map(|text| text.as_bytes().to_vec())
}

impl Ldap {
    /// Somebody shows a certificate, or wants to.
    pub(super) async fn begin_with_certificate(
        &self,
        certificates: &Certificates,
        start: &Start<'_>,
    ) -> Result<Step, Rejection> {
        let shown = certificates.desk.begin(start).await;
        self.take_certificate(certificates, shown, start.peer).await
    }

    /// They come back from where one is asked for.
    pub(super) async fn resume_with_certificate(
        &self,
        certificates: &Certificates,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let shown = certificates.desk.resume(reply, peer).await;
        self.take_certificate(certificates, shown, peer).await
    }

    async fn take_certificate(
        &self,
        certificates: &Certificates,
        shown: Result<Shown, certificate::Refused>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        match shown.map_err(|refused| refused.rejection(&self.id))? {
            Shown::Elsewhere(step) => Ok(step),
            Shown::By(verified) => {
                let known = self.named_by(certificates, &verified).await;
                let step = known.and_then(|known| {
                    let amr = certificates.desk.amr().to_vec();
                    self.done_by_certificate(&known, (amr, &verified), peer)
                });
                step.map_err(|refused| self.reject(refused))
            }
        }
    }

    async fn named_by(
        &self,
        certificates: &Certificates,
        verified: &Verified,
    ) -> Result<Known, Refused> {
        let values = |name: &str| value(verified, name);
        let person = self
            .directory
            .find_by(&certificates.user_filter, &values)
            .await?;
        self.directory
            .look_up(person.ok_or(Refused::NoPerson)?)
            .await
    }

    fn done_by_certificate(
        &self,
        known: &Known,
        (amr, verified): (Vec<String>, &Verified),
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let identity = self.identity(known)?;
        peer.seen.add(refused::IDENTITY, &identity.claims);
        let kept = Kept {
            ends: Some(verified.not_after),
            ..Kept::default()
        };
        let who = Authenticated::new(identity, peer.now, amr, None).keeping(kept);
        Ok(Step::Done { who: Box::new(who) })
    }
}
