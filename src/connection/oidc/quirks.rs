//! What some providers do otherwise than OpenID Connect says. The catalogue knows which; nobody else
//! should need these.

use std::collections::BTreeMap;

use http::{Method, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Oidc, Refused, Tokens, client::Call, client::Dpop, id_token::text};
use crate::{
    clock::Timestamp,
    crypto::jose::Headers,
    identity::{Identity, Profile, Subject},
    store::StoreError,
};

/// How long a minted secret is good for, in seconds.
const SECRET_LIVES: i64 = 300;
/// Where Microsoft tells the groups that do not fit into a token.
const GRAPH: &str = "https://graph.microsoft.com/";
/// More pages than that are more groups than anybody has.
const MOST_PAGES: usize = 20;
/// The step, for the operator.
const GROUPS: &str = "groups-request";

/// What a provider does otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Quirks {
    /// The claim that says which authentication context was reached. Default: `acr`.
    pub(crate) acr_claim: Option<String>,
    /// No code verifier is sent, for a provider that refuses it (LinkedIn).
    pub(crate) code_verifier_left_out: bool,
    /// Where the groups are asked for, for a cloud of its own. Default: `https://graph.microsoft.com/`.
    #[schemars(with = "Option<String>")]
    pub(crate) graph_endpoint: Option<Url>,
    /// Groups that do not fit into a token are asked for at Microsoft Graph.
    pub(crate) graph_groups: bool,
    /// A logout at the provider names the client alone (Login.gov).
    pub(crate) id_token_hint_left_out: bool,
    /// The claim `hd` must be this domain (Google).
    pub(crate) hosted_domain: Option<String>,
    /// The client secret is a JWT that is signed with `private_key` (Apple).
    pub(crate) minted_secret: Option<MintedSecret>,
    /// ID tokens hold no nonce (LinkedIn); one that comes must still be right.
    pub(crate) nonce_left_out: bool,
    /// One issuer for each tenant, with the claim `tid` between these (Microsoft).
    pub(crate) tenant_issuer: Option<TenantIssuer>,
    /// Further parameters of the token request.
    pub(crate) token_params: BTreeMap<String, String>,
    /// The person's name comes in the form field `user`, and at the first login alone (Apple).
    pub(crate) user_field: bool,
    /// `email_verified` may be the text `true` (Apple).
    pub(crate) verified_as_text: bool,
}

impl Quirks {
    /// Where the authentication context is.
    pub(super) fn acr_claim(&self) -> &str {
        self.acr_claim.as_deref().unwrap_or("acr")
    }
}

/// What a minted secret says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MintedSecret {
    pub(crate) team_id: String,
    pub(crate) key_id: String,
    pub(crate) audience: String,
}

/// What stands around the tenant's id.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantIssuer {
    pub(crate) before: String,
    pub(crate) after: String,
}

/// A page of Microsoft Graph.
#[derive(Deserialize)]
struct Page {
    value: Vec<Member>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    id: String,
}

impl Oidc {
    /// A client secret for this moment.
    pub(super) fn mint(&self, minted: &MintedSecret, call: Call<'_>) -> Result<String, Refused> {
        let key = self.keys.own.as_ref().ok_or(Refused::NoSecret)?;
        let now = call.now.seconds();
        let claims = [
            ("iss", json!(minted.team_id)),
            ("sub", json!(self.set.client_id)),
            ("aud", json!(minted.audience)),
            ("iat", json!(now)),
            ("exp", json!(now + SECRET_LIVES)),
        ];
        let own = |(name, value): (&str, Value)| (name.to_owned(), value);
        let claims = claims.into_iter().map(own).collect();
        let headers = Headers::typ("JWT").named(&minted.key_id);
        let signed = key.sign(key.default_algorithm(), headers, &claims);
        signed.map_err(|error| Refused::unsigned(call.step, error))
    }

    /// Refuses people of another domain than the operator wrote: a hint of the request binds nobody.
    pub(super) fn check_domain(&self, claims: &Map<String, Value>) -> Result<(), Refused> {
        match &self.set.quirks.hosted_domain {
            Some(domain) if text(claims, "hd") != Some(domain) => Err(Refused::OtherDomain),
            _ => Ok(()),
        }
    }

    /// The groups that did not fit into the token, and whether all are there now.
    pub(super) async fn complete_groups(
        &self,
        claims: &mut Map<String, Value>,
        tokens: &Tokens,
        now: Timestamp,
    ) -> bool {
        let names = claims.get("_claim_names").and_then(Value::as_object);
        let left_out = names.is_some_and(|names| names.contains_key("groups"));
        let told = claims.get("hasgroups") == Some(&Value::Bool(true));
        if !self.set.quirks.graph_groups || !(left_out || told) {
            return true;
        }
        claims.remove("groups");
        match self.graph_groups(tokens, now).await {
            Ok(groups) => {
                claims.insert("groups".to_owned(), json!(groups));
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    connection = %self.id,
                    "the groups of a person were not had: a rule about groups refuses"
                );
                false
            }
        }
    }

    async fn graph_groups(&self, tokens: &Tokens, now: Timestamp) -> Result<Vec<String>, Refused> {
        let base = self.set.quirks.graph_endpoint.as_ref();
        let base = base.map_or(GRAPH, Url::as_str);
        let unreadable = |why: &str| Refused::Unreadable {
            step: GROUPS,
            why: why.to_owned(),
        };
        let mut next = Some(format!(
            "{base}v1.0/me/transitiveMemberOf/microsoft.graph.group?$select=id&$count=true&$top=999"
        ));
        let mut groups = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(at) = next else { return Ok(groups) };
            // The access token goes to nobody else.
            if !at.starts_with(base) {
                return Err(unreadable("the next page is elsewhere"));
            }
            let to = Url::parse(&at).map_err(|_| unreadable("the next page has no address"))?;
            let bearer = format!("Bearer {}", tokens.access_token);
            let head = http::Request::builder()
                .method(Method::GET)
                .header(header::AUTHORIZATION, bearer)
                // What only groups are asked for demands, with $count.
                .header("ConsistencyLevel", "eventual");
            let call = Call {
                to: &to,
                step: GROUPS,
                now,
                dpop: Dpop::No,
            };
            let answered = self.call(call, head, bytes::Bytes::new()).await?;
            let page: Page = answered.read(GROUPS)?;
            groups.extend(page.value.into_iter().map(|member| member.id));
            next = page.next;
        }
        Err(unreadable("there are too many pages"))
    }

    /// The name that came in the form, or the one that came in an earlier one.
    pub(super) async fn complete_name(
        &self,
        profile: &mut Profile,
        subject: &Subject,
        user: Option<&str>,
    ) {
        if !self.set.quirks.user_field || profile.name.is_some() {
            return;
        }
        let named = user.and_then(names_of);
        let known = match named {
            Some(named) => Some(named),
            None => self.known_profile(subject).await,
        };
        if let Some(known) = known {
            profile.name = known.name;
            profile.given_name = known.given_name;
            profile.family_name = known.family_name;
        }
    }

    async fn known_profile(&self, subject: &Subject) -> Option<Profile> {
        self.known(subject).await.ok()?.map(|one| one.profile)
    }

    /// The claims that were there the last time.
    pub(super) async fn known_claims(
        &self,
        subject: &Subject,
    ) -> Result<Map<String, Value>, Refused> {
        let known = self.known(subject).await.map_err(Refused::Store)?;
        Ok(known.map(|one| one.claims).unwrap_or_default())
    }

    async fn known(&self, subject: &Subject) -> Result<Option<Identity>, StoreError> {
        let users = &self.parts.users;
        let Some(user) = users.find_by_identity(&self.id, subject).await? else {
            return Ok(None);
        };
        let all = users.identities(&user.id).await?;
        let mut identities = all.into_iter().map(|record| record.identity);
        Ok(identities.find(|one| one.connection == self.id && one.subject == *subject))
    }
}

/// `{"name":{"firstName":"Ada","lastName":"Lovelace"}}`. It comes through the browser, so the person
/// may write what they like: a name, and nothing that decides.
fn names_of(user: &str) -> Option<Profile> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |name: &str| {
        let text = user.pointer(name)?.as_str()?.trim();
        let sound = !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        sound.then(|| text.to_owned())
    };
    let (given_name, family_name) = (part("/name/firstName"), part("/name/lastName"));
    let both = [given_name.as_deref(), family_name.as_deref()];
    let name = both.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then(|| Profile {
        name: Some(name),
        given_name,
        family_name,
        ..Profile::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_the_form_and_nothing_else() {
        let user =
            r#"{"name":{"firstName":"Ada ","lastName":"Lovelace"},"email":"x@evil.example"}"#;
        let profile = names_of(user).unwrap();
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(profile.given_name.as_deref(), Some("Ada"));
        assert_eq!(profile.email, None);
        for nothing in [
            "",
            "[]",
            r#"{"name":"Ada"}"#,
            r#"{"name":{"firstName":7}}"#,
            r#"{"name":{"firstName":"a\u0000b"}}"#,
        ] {
            assert!(names_of(nothing).is_none(), "{nothing}");
        }
    }
}
