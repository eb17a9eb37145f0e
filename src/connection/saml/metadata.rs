//! What an identity provider says of itself (SAML 2.0 metadata).

use serde_json::Value;
use url::Url;

pub(crate) use crate::connection::federation::METADATA;
use crate::{
    clock::Timestamp,
    connection::federation::{
        Demands, Described, Entity, MetadataError, certificates, location, speaks,
    },
    protocol::xml::{Element, SigningCertificate},
};

const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
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

impl Described for IdentityProvider {
    fn parse(octets: &[u8], demands: &Demands<'_>) -> Result<Self, MetadataError> {
        let entity = Entity::parse(octets, demands, |role| {
            role.is(METADATA, "IDPSSODescriptor") && speaks(role, SAMLP)
        })?;
        let role = &entity.role;
        let wants = role.attribute("WantAuthnRequestsSigned");
        let named = |name: &str| endpoints(role, name, demands.danger_plain_http);
        let (mut sign_on, unusable) = named("SingleSignOnService");
        sign_on.retain(|one| one.binding != Binding::Soap);
        if sign_on.is_empty() {
            return Err(unusable.unwrap_or(MetadataError::NoSignOn));
        }
        Ok(Self {
            sign_on,
            logout: named("SingleLogoutService").0,
            artifacts: named("ArtifactResolutionService").0,
            certificates: certificates(role)?,
            wants_signed_requests: wants.is_some_and(|wants| ["true", "1"].contains(&wants)),
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
        let addresses = |all: &[Endpoint]| {
            let one = |one: &Endpoint| format!("{:?} {}", one.binding, one.written);
            Value::from(all.iter().map(one).collect::<Vec<_>>())
        };
        vec![
            ("provider_sign_on", addresses(&self.sign_on)),
            ("provider_logout", addresses(&self.logout)),
        ]
    }
}

/// The services of that name whose binding is known, and what is wrong with the last of those whose
/// address is of no use: nobody is kept out by one that is not needed.
fn endpoints(
    role: &Element,
    name: &str,
    danger_plain_http: bool,
) -> (Vec<Endpoint>, Option<MetadataError>) {
    let (mut all, mut unusable) = (Vec::new(), None);
    for service in role.all(METADATA, name).take(MOST_ENDPOINTS) {
        match Endpoint::read(service, danger_plain_http) {
            Ok(read) => all.extend(read),
            Err(error) => unusable = Some(error),
        }
    }
    (all, unusable)
}

impl Endpoint {
    /// `None`: by another binding.
    fn read(service: &Element, danger_plain_http: bool) -> Result<Option<Self>, MetadataError> {
        let binding = service.attribute("Binding").and_then(Binding::parse);
        let Some(binding) = binding else {
            return Ok(None);
        };
        let written = service.attribute("Location").unwrap_or_default();
        let response = service.attribute("ResponseLocation");
        let response = response.filter(|text| !text.is_empty());
        let response = response.map(|text| {
            let url = location(text, danger_plain_http)?;
            Ok::<_, MetadataError>((url, text.to_owned()))
        });
        let index = service.attribute("index");
        Ok(Some(Self {
            binding,
            location: location(written, danger_plain_http)?,
            written: written.to_owned(),
            response: response.transpose()?,
            index: index.and_then(|index| index.parse().ok()),
        }))
    }
}
