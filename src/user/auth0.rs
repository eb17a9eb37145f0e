//! A user as Auth0's bulk import has them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AccountLine, Directory, FactorLine, IdentityLine, PersonLine};
use crate::{
    connection::LoginName,
    crypto::CustomHash,
    identity::{ConnectionId, Groups, Profile, Subject, UserId},
};

/// One element of the array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth0User {
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    phone_number: Option<String>,
    #[serde(default)]
    phone_verified: bool,
    user_id: Option<String>,
    username: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    name: Option<String>,
    nickname: Option<String>,
    picture: Option<String>,
    blocked: Option<bool>,
    /// Read apart, like the next one: no error repeats it.
    password_hash: Option<Value>,
    custom_password_hash: Option<Value>,
    #[serde(default)]
    app_metadata: Map<String, Value>,
    #[serde(default)]
    user_metadata: Map<String, Value>,
    mfa_factors: Option<Vec<Value>>,
}

/// A user who was read from a record.
#[derive(Debug)]
pub(crate) struct ReadRecord {
    pub(crate) line: PersonLine,
    /// Second factors that were in it and are not imported: there is nothing here that asks for them.
    pub(crate) other_factors: usize,
}

impl Directory {
    /// Reads a record of a file: a line of our own, or a user as Auth0's bulk import has them, who
    /// is then one of `connection`.
    pub(crate) async fn read_record(
        &self,
        text: &str,
        connection: Option<&ConnectionId>,
    ) -> Result<ReadRecord, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if value.get("identities").is_some() {
            let line: PersonLine =
                serde_json::from_value(value).map_err(|error| error.to_string())?;
            for factor in &line.second_factors {
                factor.secret().map_err(|why| why.to_string())?;
            }
            return Ok(ReadRecord {
                line,
                other_factors: 0,
            });
        }
        let user = Auth0User::deserialize(value).map_err(|error| error.to_string())?;
        let connection = connection.ok_or("say with --connection whose users these are")?;
        let subject = match &user.user_id {
            Some(id) => {
                // `auth0|abc`: the part before is a name there, and another one here
                let own = id.split_once('|').map_or(id.as_str(), |(_, own)| own);
                own.parse::<Subject>().map_err(|error| error.to_string())?
            }
            None => self.subject_of(&user, connection).await?,
        };
        user.into_line(connection, subject)
    }

    /// The subject of somebody who brings none: theirs if their name signs in already, so that the
    /// same file can be imported again, or a new one.
    async fn subject_of(
        &self,
        user: &Auth0User,
        connection: &ConnectionId,
    ) -> Result<Subject, String> {
        for name in user.email.iter().chain(&user.username) {
            let Ok(login) = LoginName::parse(name) else {
                continue;
            };
            let found = self
                .users
                .account_by_login(connection, login.as_str())
                .await;
            if let Some(account) = found.map_err(|error| error.to_string())? {
                return Ok(account.subject);
            }
        }
        let bytes: [u8; 16] = self.random.bytes();
        let text = format!("{:032x}", u128::from_be_bytes(bytes));
        text.parse()
            .map_err(|_| "no subject could be drawn".to_owned())
    }
}

impl Auth0User {
    fn into_line(self, connection: &ConnectionId, subject: Subject) -> Result<ReadRecord, String> {
        if self.email.is_none() && self.username.is_none() {
            return Err("there is neither email nor username to sign in with".to_owned());
        }
        let password_hash = self.stored_hash()?;
        let (second_factors, other_factors) = self.factors()?;
        let profile = Profile {
            name: self.name,
            given_name: self.given_name,
            family_name: self.family_name,
            nickname: self.nickname,
            preferred_username: self.username.clone(),
            picture: self.picture,
            email_verified: self.email_verified && self.email.is_some(),
            email: self.email.clone(),
            phone_number_verified: self.phone_verified && self.phone_number.is_some(),
            phone_number: self.phone_number,
            ..Profile::default()
        };
        let account = AccountLine {
            email: self.email,
            email_verified: self.email_verified,
            username: self.username,
            password_hash,
        };
        let line = PersonLine {
            id: UserId::new(connection, &subject),
            handle: None,
            profile: profile.clone(),
            user_metadata: self.user_metadata,
            app_metadata: self.app_metadata,
            blocked: self.blocked,
            owner: None,
            identities: vec![IdentityLine {
                connection: connection.clone(),
                subject,
                profile,
                claims: Map::new(),
                groups: Groups::default(),
                account: Some(account),
            }],
            second_factors,
        };
        Ok(ReadRecord {
            line,
            other_factors,
        })
    }

    /// The factors that there can be here, and how many others there are. A secret that cannot be
    /// used is refused with its user, who would come in without it.
    fn factors(&self) -> Result<(Vec<FactorLine>, usize), String> {
        let given = self.mfa_factors.as_deref().unwrap_or_default();
        let totp = given.iter().filter_map(|factor| factor.get("totp"));
        let mut lines = Vec::new();
        for totp in totp {
            let secret = totp.get("secret").and_then(Value::as_str);
            let secret = secret.ok_or("a TOTP in mfa_factors has no secret")?;
            let line = FactorLine::Totp {
                secret: secret.to_owned(),
            };
            line.secret().map_err(|why| format!("mfa_factors: {why}"))?;
            lines.push(line);
        }
        let others = given.len() - lines.len();
        Ok((lines, others))
    }

    fn stored_hash(&self) -> Result<Option<String>, String> {
        match (&self.password_hash, &self.custom_password_hash) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err("password_hash and custom_password_hash exclude each other".to_owned())
            }
            (Some(Value::String(hash)), None) => Ok(Some(hash.clone())),
            (Some(_), None) => Err("password_hash is not a text".to_owned()),
            (None, Some(custom)) => {
                let custom = CustomHash::deserialize(custom);
                let custom = custom.map_err(|_| {
                    "custom_password_hash has a field that is missing, unknown or of a wrong kind"
                })?;
                let stored = custom.to_stored();
                let stored = stored
                    .map_err(|why| format!("the custom_password_hash cannot be used: {why}"))?;
                Ok(Some(stored))
            }
        }
    }
}
