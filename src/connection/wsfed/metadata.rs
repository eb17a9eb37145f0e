//! What a security token service says of itself (WS-Federation 1.2 section 3).

use serde_json::Value;
use url::Url;

use crate::{
    clock::Timestamp,
    connection::federation::{
        Demands, Described, Entity, METADATA, MetadataError, certificates, location, speaks,
    },
    protocol::xml::{Element, SigningCertificate},
};

/// The namespace of federation metadata, and the protocol.
pub(crate) const FEDERATION: &str = "http://docs.oasis-open.org/wsfed/federation/200706";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const ADDRESSING: [&str; 2] = [
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
];

/// A provider, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct SecurityTokenService {
    pub(crate) entity_id: String,
    /// Where browsers are sent, to sign in and to sign out.
    pub(crate) passive_requestor: Url,
    pub(crate) certificates: Vec<SigningCertificate>,
    pub(crate) valid_until: Option<Timestamp>,
}

impl Described for SecurityTokenService {
    fn parse(octets: &[u8], demands: &Demands<'_>) -> Result<Self, MetadataError> {
        let entity = Entity::parse(octets, demands, is_token_service)?;
        let named = certificates(&entity.role);
        let certificates = match named {
            // Some name their keys in one role only.
            Err(MetadataError::NoCertificate) => {
                let role = entity.element.only(METADATA, "IDPSSODescriptor");
                role.map_or(Err(MetadataError::NoCertificate), certificates)?
            }
            named => named?,
        };
        let address = address(&entity.role).ok_or(MetadataError::NoSignOn)?;
        Ok(Self {
            passive_requestor: location(address.trim(), demands.danger_plain_http)?,
            certificates,
            valid_until: entity.valid_until,
            entity_id: entity.id,
        })
    }

    fn entity_id(&self) -> &str {
        &self.entity_id
    }

    fn certificates(&self) -> &[SigningCertificate] {
        &self.certificates
    }

    fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    fn addresses(&self) -> Vec<(&'static str, Value)> {
        vec![("provider_address", self.passive_requestor.as_str().into())]
    }
}

/// Section 3.1.2.1. An application service, of which AD FS says more, signs nothing.
fn is_token_service(role: &Element) -> bool {
    let kind = role.attribute_of(INSTANCE, "type").unwrap_or_default();
    let kind = kind.rsplit(':').next();
    role.is(METADATA, "RoleDescriptor")
        && kind == Some("SecurityTokenServiceType")
        && speaks(role, FEDERATION)
}

/// The address of the first PassiveRequestorEndpoint (section 3.1.2.3).
fn address(role: &Element) -> Option<String> {
    let endpoint = role.all(FEDERATION, "PassiveRequestorEndpoint").next()?;
    referenced(endpoint)
}

/// The address of an endpoint reference (WS-Addressing 1.0 section 2).
pub(super) fn referenced(around: &Element) -> Option<String> {
    ADDRESSING.iter().find_map(|addressing| {
        let reference = around.only(addressing, "EndpointReference")?;
        reference.only(addressing, "Address")?.text()
    })
}
