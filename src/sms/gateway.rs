//! One gateway: how a message is put into a request, and what its answer means.

use std::{fmt, net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    config::Config,
    jwt::Bearer,
    template::{Address, Body, Place},
};
use crate::{
    clock::{Clock, Timestamp},
    egress::{
        self,
        http::HttpError,
        queue::Lane,
        webhook::{self, SigningKey},
    },
    problem::Problem,
    protocol::PhoneNumber,
    random::Random,
    secret::Secret,
};

/// Somebody who hands text messages to the telephone network.
pub(crate) struct Gateway {
    way: Way,
    http: egress::http::Client,
    lane: Lane,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) to: PhoneNumber,
    pub(super) text: String,
    pub(super) code: String,
    pub(super) link: Option<String>,
    pub(super) client: Client,
}

/// Whoever caused a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
}

/// How a gateway is spoken to.
pub(super) enum Way {
    Auth0(Auth0),
    Described(Box<Described>),
    Twilio(Twilio),
}

/// Twilio's Messages API, of 2010-04-01.
pub(super) struct Twilio {
    pub(super) url: Address,
    /// The key, which may be the account itself, and its secret.
    pub(super) login: (String, Secret),
    pub(super) sender: Sender,
}

/// By whom a message is sent there.
pub(super) enum Sender {
    From(String),
    Service(String),
}

/// What Auth0 asks of a gateway of one's own.
pub(super) struct Auth0 {
    pub(super) url: Address,
    pub(super) from: Option<String>,
    pub(super) bearer: Option<Bearer>,
    pub(super) with_client: bool,
}

/// A gateway that the operator describes.
pub(super) struct Described {
    pub(super) method: Method,
    pub(super) url: Address,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Body>,
    pub(super) from: Option<String>,
    /// For a place in the request, or as Basic credentials (RFC 7617).
    pub(super) login: Option<(String, Secret)>,
    pub(super) bearer: Option<Secret>,
    pub(super) keys: Vec<SigningKey>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("url", &self.way.url().url().as_str())
            .finish_non_exhaustive()
    }
}

impl Way {
    pub(super) fn url(&self) -> &Address {
        match self {
            Self::Auth0(way) => &way.url,
            Self::Described(way) => &way.url,
            Self::Twilio(way) => &way.url,
        }
    }
}

impl Gateway {
    /// Makes ready what the settings say. Nobody is called.
    pub(crate) fn open(
        config: &Config,
        http: &egress::http::Client,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, Vec<Problem>> {
        let way = config.read()?;
        let http = config.client(&way, http).map_err(|wrong| vec![wrong])?;
        Ok(Self {
            way,
            http,
            lane: Lane::default(),
            clock,
            random,
        })
    }

    /// Whether it takes nothing at the moment. What is sent now waits.
    pub(crate) fn is_away(&self) -> bool {
        self.lane.is_away()
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Hands a message over.
    pub(super) async fn send(&self, message: &Message) -> Result<(), NotTaken> {
        let request = self.request(message)?;
        let answer = self.http.send(request).await?;
        let status = answer.status();
        let taken = match &self.way {
            // Whatever else it says, Auth0 takes for a refusal.
            Way::Auth0(_) => status == StatusCode::OK,
            Way::Described(_) | Way::Twilio(_) => status.is_success(),
        };
        if taken {
            return Ok(());
        }
        let code = match self.way {
            Way::Twilio(_) => twilio_code(answer.body()),
            Way::Auth0(_) | Way::Described(_) => None,
        };
        Err(NotTaken::Refused { status, code })
    }

    pub(super) fn request(&self, message: &Message) -> Result<http::Request<Bytes>, NotTaken> {
        let request = match &self.way {
            Way::Auth0(way) => auth0(way, message, self.clock.now()),
            Way::Described(way) => described(way, message, (self.random.bytes(), self.clock.now())),
            Way::Twilio(way) => twilio(way, message),
        };
        request.map_err(|error| NotTaken::Unwritten(error.to_string()))
    }
}

/// Of an error, what Twilio calls it. Its words may hold the number that was written to.
fn twilio_code(body: &[u8]) -> Option<u64> {
    let error: Value = serde_json::from_slice(body).ok()?;
    error.get("code")?.as_u64()
}

fn twilio(way: &Twilio, message: &Message) -> Result<http::Request<Bytes>, http::Error> {
    let (name, value) = match &way.sender {
        Sender::From(from) => ("From", from),
        Sender::Service(service) => ("MessagingServiceSid", service),
    };
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("To", message.to.as_str())
        .append_pair(name, value)
        .append_pair("Body", &message.text)
        .finish();
    http::Request::post(way.url.fill(&|_| String::new()).as_str())
        .header(header::AUTHORIZATION, basic(&way.login)?)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(body.into())
}

fn auth0(
    way: &Auth0,
    message: &Message,
    now: Timestamp,
) -> Result<http::Request<Bytes>, http::Error> {
    let mut body = json!({
        "recipient": message.to.as_str(),
        "body": message.text,
        "sender": way.from,
    });
    if let (true, Some(fields)) = (way.with_client, body.as_object_mut()) {
        let address = message.client.address.map(|address| address.to_string());
        let client = json!({ "ip": address, "user-agent": message.client.user_agent });
        fields.insert("req".to_owned(), client);
    }
    let mut request = http::Request::post(way.url.fill(&|_| String::new()).as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    if let Some(bearer) = &way.bearer {
        let token = format!("Bearer {}", bearer.token(now));
        request = request.header(header::AUTHORIZATION, secret_value(&token)?);
    }
    request.body(body.to_string().into())
}

fn described(
    way: &Described,
    message: &Message,
    drawn: ([u8; 16], Timestamp),
) -> Result<http::Request<Bytes>, http::Error> {
    let login = way.login.as_ref();
    let value = |place| match place {
        Place::Code => message.code.clone(),
        Place::Digits => message.to.digits().to_owned(),
        Place::From => way.from.clone().unwrap_or_default(),
        Place::Link => message.link.clone().unwrap_or_default(),
        Place::Password => login.map_or_else(String::new, |(_, word)| word.expose().to_owned()),
        Place::Text => message.text.clone(),
        Place::To => message.to.as_str().to_owned(),
        Place::User => login.map_or_else(String::new, |(user, _)| user.clone()),
    };
    let body = way.body.as_ref().map(|body| body.fill(&value));
    let mut request = http::Request::builder()
        .method(way.method.clone())
        .uri(way.url.fill(&value).as_str());
    if let Some(body) = &way.body {
        request = request.header(header::CONTENT_TYPE, body.media_type());
    }
    if let Some(token) = &way.bearer {
        let token = format!("Bearer {}", token.expose());
        request = request.header(header::AUTHORIZATION, secret_value(&token)?);
    } else if let Some(login) = login.filter(|_| !way.has_login_in_place()) {
        request = request.header(header::AUTHORIZATION, basic(login)?);
    }
    let body = body.unwrap_or_default();
    if !way.keys.is_empty() {
        for (name, value) in webhook::sign(&way.keys, drawn, &body) {
            request = request.header(name, value);
        }
    }
    let mut request = request.body(Bytes::from(body))?;
    for (name, value) in &way.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    Ok(request)
}

impl Described {
    /// Whether the password has a place of its own, and is no header.
    fn has_login_in_place(&self) -> bool {
        let in_body = self.body.as_ref();
        self.url.has(Place::Password) || in_body.is_some_and(|body| body.has(Place::Password))
    }

    /// Whether what is put there is sent at all.
    pub(super) fn has(&self, place: Place) -> bool {
        let in_body = self.body.as_ref();
        self.url.has(place) || in_body.is_some_and(|body| body.has(place))
    }
}

/// Basic credentials (RFC 7617).
fn basic((user, password): &(String, Secret)) -> Result<HeaderValue, http::Error> {
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    secret_value(&format!("Basic {pair}"))
}

fn secret_value(text: &str) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why a message was not taken. Nothing of it, and no number, is in here.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the gateway answers with {status}{}", .code.map_or_else(String::new, |code| format!(" (error {code})")))]
    Refused {
        status: StatusCode,
        /// What the gateway calls it.
        code: Option<u64>,
    },
    #[error("it cannot be written: {0}")]
    Unwritten(String),
}

impl NotTaken {
    /// Whether the same would happen again.
    pub(super) fn is_for_good(&self) -> bool {
        match self {
            Self::Http(error) => match error {
                HttpError::Broken(_) | HttpError::Connect(_) | HttpError::TimedOut => false,
                HttpError::NoClient(_)
                | HttpError::Inside(_)
                | HttpError::NotAUrl(_)
                | HttpError::PlainHttp(_)
                // It was taken, or refused at length.
                | HttpError::TooLarge => true,
            },
            Self::Refused { status, .. } => {
                let later = [
                    StatusCode::REQUEST_TIMEOUT,
                    StatusCode::TOO_EARLY,
                    StatusCode::TOO_MANY_REQUESTS,
                ];
                !status.is_server_error() && !later.contains(status)
            }
            Self::Unwritten(_) => true,
        }
    }

    /// Whether it is no matter of this one message.
    pub(super) fn is_for_all(&self) -> bool {
        let ours = [
            StatusCode::UNAUTHORIZED,
            StatusCode::PAYMENT_REQUIRED,
            StatusCode::FORBIDDEN,
        ];
        match self {
            Self::Http(_) => true,
            Self::Refused { status, .. } => ours.contains(status) || !self.is_for_good(),
            Self::Unwritten(_) => false,
        }
    }
}
