//! Who a provider is.

use url::Url;

use crate::egress::http::is_loopback;

/// An issuer identifier (OpenID Connect Core 1.0 section 1.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Issuer {
    /// Exactly this.
    Is(String),
    /// One for each tenant of a provider with many (Microsoft): the text around the tenant's id,
    /// which the claim `tid` says.
    OfTenant {
        /// Whose metadata are read.
        authority: String,
        before: String,
        after: String,
    },
}

impl Issuer {
    /// The issuer, or the authority that stands for many.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Is(issuer) => issuer,
            Self::OfTenant { authority, .. } => authority,
        }
    }

    /// Where its metadata are (OpenID Connect Discovery 1.0 section 4).
    pub(crate) fn discovery(&self) -> String {
        let issuer = self.as_str().trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }

    /// Whether metadata may name this issuer.
    pub(crate) fn is_named(&self, named: &str) -> bool {
        // The template, or the one tenant that all personal accounts are of.
        self.is_around(named, |tenant| tenant == "{tenantid}" || is_uuid(tenant))
    }

    /// Whether a token with this `tid` may have this `iss`.
    pub(crate) fn issued(&self, iss: &str, tid: Option<&str>) -> bool {
        self.is_around(iss, |tenant| is_uuid(tenant) && tid == Some(tenant))
    }

    /// Whether this is an issuer of the provider's, of whichever tenant: all that can be asked where
    /// nothing names the tenant.
    pub(crate) fn has(&self, iss: &str) -> bool {
        self.is_around(iss, is_uuid)
    }

    /// The one issuer, or that of a tenant which is as it must be.
    fn is_around(&self, named: &str, may_be: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Is(issuer) => issuer == named,
            Self::OfTenant { before, after, .. } => {
                let tenant = named.strip_prefix(before.as_str());
                let tenant = tenant.and_then(|rest| rest.strip_suffix(after.as_str()));
                tenant.is_some_and(may_be)
            }
        }
    }
}

/// Lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &str| {
        let mut bytes = group.bytes();
        bytes.all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.into_iter().all(is_hex)
}

/// What an operator wrote as an issuer: https, no query and no fragment (OpenID Connect Core 1.0
/// section 1.2); http only to this machine, or if they insist.
pub(crate) fn check(text: &str, danger_plain_http: bool) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "an issuer is an https URL")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) || danger_plain_http => {}
        "http" => {
            return Err("plain http to another machine: what the provider says can be forged");
        }
        _ => return Err("an issuer is an https URL"),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an issuer has no query and no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an issuer has no user name and no password");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_issuer_is_the_template_with_its_id() {
        let many = Issuer::OfTenant {
            authority: "https://login.example/common/v2.0".to_owned(),
            before: "https://login.example/".to_owned(),
            after: "/v2.0".to_owned(),
        };
        let tid = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let iss = format!("https://login.example/{tid}/v2.0");
        assert!(many.issued(&iss, Some(tid)));
        assert!(many.is_named("https://login.example/{tenantid}/v2.0"));
        for (iss, tid) in [
            (&*iss, None),
            (&*iss, Some("72f988bf-86f1-41af-91ab-2d7cd011db48")),
            ("https://login.example/x/v2.0", Some("x")),
            ("https://login.example//v2.0", Some("")),
            ("https://login.example/{tenantid}/v2.0", Some("{tenantid}")),
            ("https://evil.example/", Some(tid)),
        ] {
            assert!(!many.issued(iss, tid), "{iss} {tid:?}");
        }
        assert!(many.is_named(&iss) && many.has(&iss));
        assert!(!many.has("https://login.example/{tenantid}/v2.0"));
        for other in [
            "https://login.example/common/v2.0",
            "https://login.example//v2.0",
            "https://evil.example/{tenantid}/v2.0",
            "https://evil.example/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            "https://login.example/72f988bf-86f1-41af-91ab-2d7cd011db47/v1.0",
        ] {
            assert!(!many.is_named(other) && !many.has(other), "{other}");
        }
    }

    #[test]
    fn one_issuer_is_compared_octet_by_octet() {
        let one = Issuer::Is("https://idp.example".to_owned());
        assert!(one.issued("https://idp.example", None));
        for other in ["https://idp.example/", "https://IDP.example", ""] {
            assert!(!one.issued(other, None) && !one.has(other), "{other}");
            assert!(!one.is_named(other), "{other}");
        }
        assert_eq!(
            Issuer::Is("https://idp.example/a/".to_owned()).discovery(),
            "https://idp.example/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn an_issuer_is_an_https_url() {
        for good in [
            "https://idp.example",
            "https://idp.example/realms/main",
            "http://localhost:9400",
            "http://idp.localhost:9400",
            "http://127.0.0.1:9400",
            "http://[::1]:9400",
        ] {
            assert!(check(good, false).is_ok(), "{good}");
        }
        for bad in [
            "idp.example",
            "http://idp.example",
            "http://localhost.example",
            "ftp://idp.example",
            "https://idp.example?x",
            "https://idp.example#x",
            "https://me:pass@idp.example",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert!(check("http://keycloak:8080/realms/main", true).is_ok());
    }
}
