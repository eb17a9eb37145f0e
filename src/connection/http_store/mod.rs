//! People behind an HTTP endpoint: `strategy = "http"`, for stores that no SQL reaches.
//!
//! Everything is a POST of JSON to one address: `get_user` says who has a name, `login` whether the
//! password is theirs, and the further operations are those that the endpoint is said to have. Requests
//! are signed as Standard Webhooks 1.0 has it (`webhook-id`, `webhook-timestamp`, `webhook-signature`:
//! HMAC-SHA256 over `ID.TIMESTAMP.BODY`), so that the endpoint knows who asks, and whether it has been
//! asked before. The answer is protected by TLS, and by that alone. Redirects are not followed.

mod config;

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use self::config::Config;
use self::config::{Operation, Place};
use super::{
    Common, Connection, LoginName, NewPassword, Password,
    foreign::{
        Abilities, Columns, Foreign, ForeignStore, Found, NewPerson, Settings, StoreFault, Who,
    },
    registry::{OpenConnection, Parts},
};
use crate::{
    egress::{
        http::{Client, HttpError, Written},
        webhook,
    },
    identity::{ConnectionId, Subject},
    problem::Problem,
};

/// What is asked.
#[derive(Debug, Default, Serialize)]
struct Question<'a> {
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// A password on its way to the endpoint; `Debug` hides it.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The endpoint.
struct Endpoint {
    place: Place,
    client: Client,
    operations: Vec<Operation>,
    parts: Parts,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.place.url.as_str())
            .finish_non_exhaustive()
    }
}

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        self.read(common).err().unwrap_or_default()
    }

    fn accounts(&self) -> Option<&super::database::Config> {
        Some(&self.accounts)
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let set = self.read(common)?;
        let store = match set.place {
            Some(place) => Some(Arc::new(self.endpoint(place, parts)?) as Arc<dyn ForeignStore>),
            None => None,
        };
        let set = Settings {
            strategy: "http",
            import: self.import,
            accounts: &self.accounts,
            people: set.people,
            store,
        };
        Foreign::open(set, (id, common, parts))
    }

    fn files(&self) -> Vec<&Path> {
        self.ca.as_deref().into_iter().collect()
    }
}

impl Config {
    fn endpoint(&self, place: Place, parts: &Parts) -> Result<Endpoint, Vec<Problem>> {
        let hosts = place.url.host_str().map(str::to_owned).into_iter();
        let written = parts.http.written(Written {
            hosts: hosts.collect(),
            danger_plain_http: self.danger_plain_http,
        });
        let client = written.trusting(self.ca.as_deref());
        let client = client.map_err(|problem| vec![problem])?;
        Ok(Endpoint {
            place,
            client,
            operations: self.operations.clone(),
            parts: parts.clone(),
        })
    }
}

/// What was answered, as far as that is one of the answers there are.
enum Answer {
    Done(Option<Map<String, Value>>),
    NotFound,
    Taken,
    Wrong,
}

impl Endpoint {
    async fn ask(&self, question: &Question<'_>) -> Result<Answer, StoreFault> {
        let body = serde_json::to_vec(question)
            .map_err(|_| StoreFault::Misfit("the question has no JSON".to_owned()))?;
        let request = self.signed(body);
        let request = request.map_err(|error| StoreFault::Misfit(error.to_string()))?;
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| fault(&error))?;
        let operation = question.operation;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => {
                let read = serde_json::from_slice::<Value>(answer.body());
                match read {
                    Ok(Value::Object(fields)) => Ok(Answer::Done(Some(fields))),
                    _ => Err(StoreFault::Misbehaved(format!(
                        "the answer to {operation} is no JSON object"
                    ))),
                }
            }
            StatusCode::NO_CONTENT => Ok(Answer::Done(None)),
            StatusCode::NOT_FOUND => Ok(Answer::NotFound),
            StatusCode::CONFLICT => Ok(Answer::Taken),
            StatusCode::UNAUTHORIZED if operation == "login" => Ok(Answer::Wrong),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(StoreFault::Misfit(
                "it does not take the signature: is signing_secret the one it has?".to_owned(),
            )),
            StatusCode::TOO_MANY_REQUESTS => Err(StoreFault::Busy),
            status if status.is_server_error() => Err(StoreFault::Away(format!(
                "it answers {operation} with {status}"
            ))),
            status => Err(StoreFault::Misbehaved(format!(
                "it answers {operation} with {status}"
            ))),
        }
    }

    fn signed(&self, body: Vec<u8>) -> Result<http::Request<Bytes>, http::Error> {
        let drawn = (self.parts.random.bytes(), self.parts.clock.now());
        let signature = webhook::sign(&self.place.keys, drawn, &body);
        let request = http::Request::post(self.place.url.as_str())
            .header("content-type", "application/json")
            .header("accept", "application/json");
        let signed = signature.into_iter();
        let signed = signed.fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        signed.body(body.into())
    }

    fn able(&self, operation: Operation) -> Result<(), StoreFault> {
        let unable = StoreFault::Unable("operations does not have it");
        self.operations
            .contains(&operation)
            .then_some(())
            .ok_or(unable)
    }
}

/// An answer that carries somebody.
fn person(answer: Answer) -> Result<Option<Found>, StoreFault> {
    match answer {
        Answer::Done(Some(fields)) => Columns::default().read(fields).map(Some),
        Answer::NotFound | Answer::Wrong => Ok(None),
        Answer::Done(None) | Answer::Taken => Err(StoreFault::Misbehaved(
            "the answer does not say who it is".to_owned(),
        )),
    }
}

fn fault(error: &HttpError) -> StoreFault {
    match error {
        HttpError::TooLarge | HttpError::Broken(_) => StoreFault::Misbehaved(error.to_string()),
        HttpError::Connect(_) | HttpError::TimedOut => StoreFault::Away(error.to_string()),
        HttpError::NoClient(_)
        | HttpError::Inside(_)
        | HttpError::NotAUrl(_)
        | HttpError::PlainHttp(_) => StoreFault::Misfit(error.to_string()),
    }
}

#[async_trait]
impl ForeignStore for Endpoint {
    fn can(&self) -> Abilities {
        Abilities {
            create: self.operations.contains(&Operation::Create),
            change_password: self.operations.contains(&Operation::ChangePassword),
            delete: self.operations.contains(&Operation::Delete),
        }
    }

    async fn find(&self, who: Who<'_>) -> Result<Option<Found>, StoreFault> {
        let (login, id) = match who {
            Who::Login(login) => (Some(login.as_str()), None),
            Who::Subject(subject) => (None, Some(subject.as_str())),
        };
        let question = Question {
            operation: "get_user",
            id,
            login,
            ..Question::default()
        };
        let found = person(self.ask(&question).await?)?;
        match (who, &found) {
            (Who::Subject(subject), Some(found)) if found.subject != *subject => Err(
                StoreFault::Misbehaved("get_user says somebody else than was asked for".to_owned()),
            ),
            _ => Ok(found),
        }
    }

    async fn verify(
        &self,
        who: Who<'_>,
        found: &Found,
        password: &Password,
    ) -> Result<Option<Found>, StoreFault> {
        let login = match who {
            Who::Login(login) => Some(login.as_str()),
            Who::Subject(_) => None,
        };
        let question = Question {
            operation: "login",
            id: Some(found.subject.as_str()),
            login,
            password: Some(Shown(password.secret().expose())),
            ..Question::default()
        };
        person(self.ask(&question).await?)
    }

    /// The endpoint is asked about nobody, and takes the time that it takes.
    async fn verify_nobody(
        &self,
        login: &LoginName,
        password: &Password,
    ) -> Result<(), StoreFault> {
        let question = Question {
            operation: "login",
            login: Some(login.as_str()),
            password: Some(Shown(password.secret().expose())),
            ..Question::default()
        };
        self.ask(&question).await.map(drop)
    }

    async fn create(&self, new: &NewPerson) -> Result<bool, StoreFault> {
        self.able(Operation::Create)?;
        let question = Question {
            operation: "create",
            password: Some(Shown(new.password.secret().expose())),
            email: new.email.as_deref(),
            username: new.username.as_deref(),
            name: new.name.as_deref(),
            ..Question::default()
        };
        match self.ask(&question).await? {
            Answer::Done(_) => Ok(true),
            Answer::Taken => Ok(false),
            Answer::NotFound | Answer::Wrong => {
                Err(StoreFault::Misbehaved("it makes nobody".to_owned()))
            }
        }
    }

    async fn change_password(
        &self,
        subject: &Subject,
        new: &NewPassword,
    ) -> Result<(), StoreFault> {
        self.able(Operation::ChangePassword)?;
        let question = Question {
            operation: "change_password",
            id: Some(subject.as_str()),
            password: Some(Shown(new.secret().expose())),
            ..Question::default()
        };
        match self.ask(&question).await? {
            Answer::Done(_) => Ok(()),
            _ => Err(StoreFault::Misbehaved("it changes no password".to_owned())),
        }
    }

    async fn delete(&self, subject: &Subject) -> Result<(), StoreFault> {
        self.able(Operation::Delete)?;
        let question = Question {
            operation: "delete",
            id: Some(subject.as_str()),
            ..Question::default()
        };
        match self.ask(&question).await? {
            Answer::Done(_) | Answer::NotFound => Ok(()),
            _ => Err(StoreFault::Misbehaved("it removes nobody".to_owned())),
        }
    }

    async fn count(&self) -> Result<Option<u64>, StoreFault> {
        if self.able(Operation::Count).is_err() {
            return Ok(None);
        }
        let question = Question {
            operation: "count",
            ..Question::default()
        };
        let count = match self.ask(&question).await? {
            Answer::Done(Some(fields)) => fields.get("count").and_then(Value::as_u64),
            _ => None,
        };
        let message = "count does not give a number";
        count
            .map(Some)
            .ok_or_else(|| StoreFault::Misbehaved(message.to_owned()))
    }

    /// Asks about somebody whom nobody is called like.
    async fn reach(&self) -> Result<(), StoreFault> {
        let question = Question {
            operation: "get_user",
            login: Some("vestibule-check.invalid"),
            ..Question::default()
        };
        match self.ask(&question).await? {
            Answer::NotFound => Ok(()),
            _ => Err(StoreFault::Misbehaved(
                "it knows somebody who is not there: get_user has to answer 404 for nobody"
                    .to_owned(),
            )),
        }
    }
}
