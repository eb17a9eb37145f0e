//! What providers say of themselves.

use super::*;
use crate::{
    connection::{
        federation::{Demands, Described as _, MetadataError},
        wsfed::metadata::SecurityTokenService,
    },
    protocol::{shared_data, xml::SigningCertificate},
};

/// In the shape of what AD FS publishes, as
/// <https://learn.microsoft.com/entra/identity-platform/federation-metadata> describes it:
/// roles of an application, of a token service with two keys, and of SAML.
fn like_ad_fs(primary: &str, secondary: &str) -> String {
    let key = |purpose: &str, certificate: &str| {
        format!(
            "<KeyDescriptor use=\"{purpose}\"><KeyInfo \
             xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>\
             {certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
        )
    };
    let role = |kind: &str, inside: &str| {
        format!(
            "<RoleDescriptor xsi:type=\"fed:{kind}\" \
             protocolSupportEnumeration=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512 \
             http://schemas.xmlsoap.org/ws/2005/02/trust \
             http://docs.oasis-open.org/wsfed/federation/200706\" \
             ServiceDisplayName=\"Contoso\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\">{inside}\
             </RoleDescriptor>"
        )
    };
    let address = |path: &str| {
        format!(
            "<EndpointReference xmlns=\"http://www.w3.org/2005/08/addressing\"><Address>\
             https://sts.contoso.example/adfs/{path}</Address></EndpointReference>"
        )
    };
    let application = role(
        "ApplicationServiceType",
        &format!(
            "{}<fed:TargetScopes>{}</fed:TargetScopes><fed:PassiveRequestorEndpoint>{}\
             </fed:PassiveRequestorEndpoint>",
            key("encryption", secondary),
            address("services/trust/2005/issuedtokenmixedasymmetricbasic256"),
            address("other/"),
        ),
    );
    let service = role(
        "SecurityTokenServiceType",
        &format!(
            "{}{}{}<fed:TokenTypesOffered><fed:TokenType \
             Uri=\"urn:oasis:names:tc:SAML:2.0:assertion\"/></fed:TokenTypesOffered>\
             <fed:SecurityTokenServiceEndpoint>{}</fed:SecurityTokenServiceEndpoint>\
             <fed:PassiveRequestorEndpoint>{}</fed:PassiveRequestorEndpoint>",
            key("encryption", "AAAA"),
            key("signing", primary),
            key("signing", secondary),
            address("services/trust/2005/certificatemixed"),
            address("ls/"),
        ),
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EntityDescriptor ID=\"_m\" \
         entityID=\"http://sts.contoso.example/adfs/services/trust\" \
         xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{application}{service}\
         <SPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>\
         <IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         {}</IDPSSODescriptor></EntityDescriptor>",
        key("signing", primary)
    )
}

fn parse(text: &str) -> Result<SecurityTokenService, MetadataError> {
    let demands = Demands {
        entity_id: None,
        signer: None,
        now: at(NOW),
        danger_plain_http: false,
    };
    SecurityTokenService::parse(text.as_bytes(), &demands)
}

/// A document that Microsoft has published and signed.
#[test]
fn metadata_of_entra_are_read_and_are_as_they_were_signed() {
    let folder = "xmldsig-xml-crypto";
    let file = |name| shared_data(&format!("{folder}/wsfederation_metadata.{name}"));
    let (Some(text), Some(pem)) = (file("xml"), file("pem")) else {
        return;
    };
    let x509 = X509::from_pem(pem.as_bytes()).unwrap();
    let signer = SigningCertificate::from_der(&x509.to_der().unwrap()).unwrap();
    let parse = |text: &str| {
        let demands = Demands {
            entity_id: None,
            signer: Some(&signer),
            now: at(NOW),
            danger_plain_http: false,
        };
        SecurityTokenService::parse(text.as_bytes(), &demands)
    };
    let service = parse(&text).unwrap();
    let tenant = "8bd6e98d-e212-4022-b13f-a244fab4c253";
    assert_eq!(
        service.entity_id,
        format!("https://sts.windows.net/{tenant}/")
    );
    let address = format!("https://login.windows.net/{tenant}/wsfed");
    assert_eq!(service.passive_requestor.as_str(), address);
    assert_eq!(service.certificates.len(), 2);
    let elsewhere = text.replace("login.windows.net", "login.evil.example");
    assert!(matches!(
        parse(&elsewhere),
        Err(MetadataError::Signature(_))
    ));
}

#[test]
fn federation_metadata_name_an_address_and_all_keys_that_sign() {
    use MetadataError as M;
    let [primary, secondary] =
        [Signer::rsa(), Signer::ecdsa()].map(|one| STANDARD.encode(one.der()));
    let text = like_ad_fs(&primary, &secondary);
    let service = parse(&text).unwrap();
    assert_eq!(
        service.entity_id,
        "http://sts.contoso.example/adfs/services/trust"
    );
    assert_eq!(
        service.passive_requestor.as_str(),
        "https://sts.contoso.example/adfs/ls/"
    );
    assert_eq!(service.certificates.len(), 2);
    // Keys that the role of SAML alone has.
    let (before, rest) = text.split_once("<KeyDescriptor use=\"signing\">").unwrap();
    let (_, after) = rest.split_once("<fed:TokenTypesOffered>").unwrap();
    let elsewhere = format!("{before}<fed:TokenTypesOffered>{after}");
    assert_eq!(parse(&elsewhere).unwrap().certificates.len(), 1);
    let nowhere = elsewhere.replace("use=\"signing\"", "use=\"encryption\"");
    let no_address = text
        .replace("<fed:PassiveRequestorEndpoint>", "<fed:Endpoint>")
        .replace("</fed:PassiveRequestorEndpoint>", "</fed:Endpoint>");
    for (text, error) in [
        (nowhere, M::NoCertificate),
        (no_address, M::NoSignOn),
        (
            text.replace(
                "https://sts.contoso.example/adfs/ls/",
                "http://sts.contoso.example/",
            ),
            M::Malformed("Location"),
        ),
        (
            text.replace(
                "https://sts.contoso.example/adfs/ls/",
                "javascript:alert(1)",
            ),
            M::Malformed("Location"),
        ),
        (
            text.replace("fed:SecurityTokenServiceType", "fed:AttributeServiceType"),
            M::NoProvider(None),
        ),
        (
            text.replace("ID=\"_m\"", "ID=\"_m\" validUntil=\"2026-11-27T11:59:59Z\""),
            M::Expired(at(NOW - 1)),
        ),
    ] {
        assert_eq!(parse(&text).map(drop), Err(error), "{text}");
    }
}
