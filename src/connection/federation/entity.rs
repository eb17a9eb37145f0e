//! What a party says of itself (SAML 2.0 metadata section 2), whatever it speaks.

use chrono::DateTime;
use url::Url;

use crate::{
    clock::Timestamp,
    protocol::xml::{
        CertificateError, DS, Document, Element, Hashes, SignatureError, SigningCertificate,
        XmlError, base64,
    },
};

/// The namespace of metadata.
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// The largest metadata, in bytes: those of a federation are larger, and are for whoever splits them.
const MOST_BYTES: usize = 1 << 20;
/// The most certificates of one provider.
const MOST_CERTIFICATES: usize = 16;

/// What is expected of metadata.
#[derive(Clone, Debug)]
pub(crate) struct Demands<'a> {
    /// Which of several providers; `None`: there is only one.
    pub(crate) entity_id: Option<&'a str>,
    /// Who must have signed the metadata; `None`: whoever gave them is trusted.
    pub(crate) signer: Option<&'a SigningCertificate>,
    pub(crate) now: Timestamp,
    pub(crate) danger_plain_http: bool,
}

/// Why metadata are of no use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("a certificate in them cannot be used: {0}")]
    Certificate(String),
    #[error("they were good until {0}")]
    Expired(Timestamp),
    #[error("{0} is missing or is not what it must be")]
    Malformed(&'static str),
    #[error("they name no certificate that signs: everything would be believed")]
    NoCertificate,
    #[error("they name no provider{}", .0.as_ref().map(|id| format!(" with the entity ID {id:?}")).unwrap_or_default())]
    NoProvider(Option<String>),
    #[error("they name no address where people sign in")]
    NoSignOn,
    #[error("they name several providers: say which with idp_entity_id")]
    SeveralProviders,
    #[error("their signature: {0}")]
    Signature(#[from] SignatureError),
    #[error("they cannot be read: {0}")]
    Xml(#[from] XmlError),
}

impl From<CertificateError> for MetadataError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error.to_string())
    }
}

/// A provider in metadata: its entity, and the role in which it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) id: String,
    pub(crate) element: Element,
    pub(crate) role: Element,
    pub(crate) valid_until: Option<Timestamp>,
}

impl Entity {
    /// Reads the metadata of one provider, or of several, of which one is meant. `is_role` tells the
    /// descriptors of the role that is wanted.
    pub(crate) fn parse(
        octets: &[u8],
        demands: &Demands<'_>,
        is_role: fn(&Element) -> bool,
    ) -> Result<Self, MetadataError> {
        let document = Document::parse_commented(octets, MOST_BYTES)?;
        let root = match demands.signer {
            Some(signer) => {
                let signers = std::slice::from_ref(signer);
                document.verified(&document.root, signers, Hashes::Strong)?
            }
            None => document.root,
        };
        let mut found = Vec::new();
        collect(&root, (None, is_role), &mut found)?;
        let several = found.len() > 1;
        let wanted = |entity: &&Found<'_>| match demands.entity_id {
            Some(id) => entity.element.attribute("entityID") == Some(id),
            None => true,
        };
        let mut fitting = found.iter().filter(wanted);
        let entity = fitting
            .next()
            .ok_or_else(|| MetadataError::NoProvider(demands.entity_id.map(str::to_owned)))?;
        if fitting.next().is_some() || (several && demands.entity_id.is_none()) {
            return Err(MetadataError::SeveralProviders);
        }
        let all = [entity.valid_until, time(entity.role)?];
        let valid_until = all.into_iter().flatten().min();
        if let Some(until) = valid_until.filter(|until| *until <= demands.now) {
            return Err(MetadataError::Expired(until));
        }
        let id = entity.element.attribute("entityID");
        let id = id.filter(|id| !id.is_empty() && id.len() <= 1024);
        Ok(Self {
            id: id.ok_or(MetadataError::Malformed("entityID"))?.to_owned(),
            element: entity.element.clone(),
            role: entity.role.clone(),
            valid_until,
        })
    }
}

/// An entity that has the role.
struct Found<'a> {
    element: &'a Element,
    role: &'a Element,
    valid_until: Option<Timestamp>,
}

/// Every entity that has the role, with the earliest end of what is around it (section 2.3.1).
fn collect<'a>(
    element: &'a Element,
    (until, is_role): (Option<Timestamp>, fn(&Element) -> bool),
    found: &mut Vec<Found<'a>>,
) -> Result<(), MetadataError> {
    let own = time(element)?;
    let until = [until, own].into_iter().flatten().min();
    if element.is(METADATA, "EntityDescriptor") {
        if let Some(role) = element.elements().find(|one| is_role(one)) {
            found.push(Found {
                element,
                role,
                valid_until: until,
            });
        }
    } else if element.is(METADATA, "EntitiesDescriptor") {
        for child in element.elements() {
            collect(child, (until, is_role), found)?;
        }
    }
    Ok(())
}

/// Whether a descriptor names that protocol (section 2.4.1).
pub(crate) fn speaks(role: &Element, protocol: &str) -> bool {
    let protocols = role.attribute("protocolSupportEnumeration");
    let mut protocols = protocols.unwrap_or_default().split_ascii_whitespace();
    protocols.any(|one| one == protocol)
}

fn time(element: &Element) -> Result<Option<Timestamp>, MetadataError> {
    let Some(text) = element.attribute("validUntil") else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(text);
    let time = time.map_err(|_| MetadataError::Malformed("validUntil"))?;
    Ok(Some(Timestamp::from_millis(time.timestamp_millis())))
}

/// An address to which a browser may be sent.
pub(crate) fn location(written: &str, danger_plain_http: bool) -> Result<Url, MetadataError> {
    let malformed = MetadataError::Malformed("Location");
    let url = Url::parse(written).map_err(|_| malformed.clone())?;
    let local = url.host_str().is_some_and(|host| {
        ["localhost", "127.0.0.1", "[::1]"].contains(&host) || host.ends_with(".localhost")
    });
    match url.scheme() {
        "https" => Ok(url),
        "http" if local || danger_plain_http => Ok(url),
        _ => Err(malformed),
    }
}

/// The certificates of the keys that sign (section 2.4.1.1).
pub(crate) fn certificates(role: &Element) -> Result<Vec<SigningCertificate>, MetadataError> {
    let keys = role.all(METADATA, "KeyDescriptor");
    let signing = keys.filter(|key| key.attribute("use").is_none_or(|usage| usage == "signing"));
    let mut all = Vec::new();
    let mut last = None;
    for key in signing {
        let info = key
            .only(DS, "KeyInfo")
            .ok_or(MetadataError::Malformed("KeyInfo"))?;
        for data in info.all(DS, "X509Data") {
            for certificate in data.all(DS, "X509Certificate") {
                if all.len() >= MOST_CERTIFICATES {
                    return Err(MetadataError::Malformed("KeyDescriptor"));
                }
                let der = certificate.text().and_then(|text| base64(&text));
                let der = der.ok_or(MetadataError::Malformed("X509Certificate"))?;
                // One that is of no use may stand beside one that is.
                match SigningCertificate::from_der(&der) {
                    Ok(certificate) => all.push(certificate),
                    Err(error) => last = Some(error),
                }
            }
        }
    }
    match (all.is_empty(), last) {
        (false, _) => Ok(all),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Err(MetadataError::NoCertificate),
    }
}
