//! What an identity provider says of itself (SAML 2.0 metadata).

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
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The largest metadata, in bytes: those of a federation are larger, and are for whoever splits them.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// The most certificates of one provider.
const MOST_CERTIFICATES: usize = 16;
/// The most addresses of one service.
const MOST_ENDPOINTS: usize = 32;

/// An identity provider, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct IdentityProvider {
    pub(crate) entity_id: String,
    /// Where authentication requests go.
    pub(crate) sign_on: Vec<Endpoint>,
    /// Where requests to end sessions go.
    pub(crate) logout: Vec<Endpoint>,
    /// Where artifacts are resolved.
    pub(crate) artifacts: Vec<Endpoint>,
    pub(crate) certificates: Vec<SigningCertificate>,
    pub(crate) wants_signed_requests: bool,
    pub(crate) valid_until: Option<Timestamp>,
}

/// Where a provider takes messages (section 2.2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) binding: Binding,
    pub(crate) location: Url,
    /// The same as the provider writes it.
    pub(crate) written: String,
    /// Where answers go instead, and as the provider writes that.
    pub(crate) response: Option<(Url, String)>,
    /// Which of several it is (section 2.2.3).
    pub(crate) index: Option<u16>,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Binding {
    Post,
    Redirect,
    #[serde(skip)]
    Soap,
}

impl Binding {
    fn parse(uri: &str) -> Option<Self> {
        match uri.strip_prefix("urn:oasis:names:tc:SAML:2.0:bindings:")? {
            "HTTP-POST" => Some(Self::Post),
            "HTTP-Redirect" => Some(Self::Redirect),
            "SOAP" => Some(Self::Soap),
            _ => None,
        }
    }
}

/// The first of these bindings that is offered.
pub(crate) fn first<'a>(offered: &'a [Endpoint], wanted: &[Binding]) -> Option<&'a Endpoint> {
    let mut wanted = wanted.iter();
    wanted.find_map(|binding| offered.iter().find(|one| one.binding == *binding))
}

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
    #[error("they name no address for HTTP-Redirect or HTTP-POST")]
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

impl IdentityProvider {
    /// Reads the metadata of one provider, or of several, of which one is meant.
    pub(crate) fn parse(octets: &[u8], demands: &Demands<'_>) -> Result<Self, MetadataError> {
        let document = Document::parse_commented(octets, MOST_BYTES)?;
        let root = match demands.signer {
            Some(signer) => {
                let signers = std::slice::from_ref(signer);
                document.verified(&document.root, signers, Hashes::Strong)?
            }
            None => document.root,
        };
        let mut valid_until = None;
        let mut found = Vec::new();
        collect(&root, None, &mut found)?;
        let several = found.len() > 1;
        let wanted = |entity: &&Entity<'_>| match demands.entity_id {
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
        for until in [entity.valid_until, time(entity.role)?]
            .into_iter()
            .flatten()
        {
            if until <= demands.now {
                return Err(MetadataError::Expired(until));
            }
            valid_until =
                valid_until.map_or(Some(until), |least: Timestamp| Some(least.min(until)));
        }
        let wants = entity.role.attribute("WantAuthnRequestsSigned");
        let named = |name: &str| endpoints(entity.role, name, demands.danger_plain_http);
        let mut sign_on = named("SingleSignOnService")?;
        sign_on.retain(|one| one.binding != Binding::Soap);
        if sign_on.is_empty() {
            return Err(MetadataError::NoSignOn);
        }
        let entity_id = entity.element.attribute("entityID");
        let entity_id = entity_id.filter(|id| !id.is_empty() && id.len() <= 1024);
        Ok(Self {
            entity_id: entity_id
                .ok_or(MetadataError::Malformed("entityID"))?
                .to_owned(),
            sign_on,
            logout: named("SingleLogoutService")?,
            artifacts: named("ArtifactResolutionService")?,
            certificates: certificates(entity.role)?,
            wants_signed_requests: wants.is_some_and(|wants| ["true", "1"].contains(&wants)),
            valid_until,
        })
    }
}

/// An entity that is an identity provider.
struct Entity<'a> {
    element: &'a Element,
    role: &'a Element,
    valid_until: Option<Timestamp>,
}

/// Every identity provider, with the earliest end of what is around it (section 2.3.1).
fn collect<'a>(
    element: &'a Element,
    until: Option<Timestamp>,
    found: &mut Vec<Entity<'a>>,
) -> Result<(), MetadataError> {
    let own = time(element)?;
    let until = [until, own].into_iter().flatten().min();
    if element.is(METADATA, "EntityDescriptor") {
        let mut roles = element.all(METADATA, "IDPSSODescriptor");
        let speaks = |role: &&Element| {
            let protocols = role
                .attribute("protocolSupportEnumeration")
                .unwrap_or_default();
            protocols.split_ascii_whitespace().any(|one| one == SAMLP)
        };
        if let Some(role) = roles.find(speaks) {
            found.push(Entity {
                element,
                role,
                valid_until: until,
            });
        }
    } else if element.is(METADATA, "EntitiesDescriptor") {
        for child in element.elements() {
            collect(child, until, found)?;
        }
    }
    Ok(())
}

fn time(element: &Element) -> Result<Option<Timestamp>, MetadataError> {
    let Some(text) = element.attribute("validUntil") else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(text);
    let time = time.map_err(|_| MetadataError::Malformed("validUntil"))?;
    Ok(Some(Timestamp::from_millis(time.timestamp_millis())))
}

/// The services of that name whose binding is known.
fn endpoints(
    role: &Element,
    name: &str,
    danger_plain_http: bool,
) -> Result<Vec<Endpoint>, MetadataError> {
    let mut all = Vec::new();
    for service in role.all(METADATA, name).take(MOST_ENDPOINTS) {
        let binding = service.attribute("Binding").and_then(Binding::parse);
        let Some(binding) = binding else { continue };
        let written = service.attribute("Location").unwrap_or_default();
        let response = match service.attribute("ResponseLocation") {
            Some(text) if !text.is_empty() => {
                Some((location(text, danger_plain_http)?, text.to_owned()))
            }
            _ => None,
        };
        all.push(Endpoint {
            binding,
            location: location(written, danger_plain_http)?,
            written: written.to_owned(),
            response,
            index: service
                .attribute("index")
                .and_then(|index| index.parse().ok()),
        });
    }
    Ok(all)
}

/// An address to which a browser may be sent.
fn location(written: &str, danger_plain_http: bool) -> Result<Url, MetadataError> {
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
fn certificates(role: &Element) -> Result<Vec<SigningCertificate>, MetadataError> {
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
