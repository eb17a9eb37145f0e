//! One request to the provider, and what it answers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{Send, refused::Refused};
use crate::{
    connection::{
        Paths,
        oauth::{Endpoint, Template, Values, printable},
    },
    crypto::jose,
    egress::http::Client,
};

/// Names and values.
pub(super) type Parameters = Vec<(String, String)>;

/// How one request is made.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The step of the login, for the operator.
    pub(super) step: &'static str,
    pub(super) endpoint: Endpoint,
    pub(super) send: Send,
    pub(super) params: Vec<(String, Template)>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    /// Where an error code is.
    pub(super) error: Paths,
}

impl Ask {
    /// Every name that must have a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let params = self.params.iter().map(|(_, template)| template);
        let headers = self.headers.iter().map(|(_, template)| template);
        let texts = params.chain(headers).flat_map(Template::names);
        texts.chain(self.endpoint.names())
    }

    /// The request: `standard` parameters, of which those set here go first, and the client's
    /// credentials or the token as a header, where they are one.
    pub(super) fn request(
        &self,
        standard: Parameters,
        credentials: Option<String>,
        values: &Values,
    ) -> Result<http::Request<Bytes>, Refused> {
        let no_value = |name| Refused::NoValue {
            step: self.step,
            name,
        };
        let mut url = self.endpoint.fill(values).map_err(no_value)?;
        let params = fill(standard, &self.params, values).map_err(no_value)?;
        let mut head = http::Request::builder();
        let mut body = Bytes::new();
        if self.send == Send::Get {
            append(&mut url, &params);
        } else {
            head = head.method(Method::POST);
        }
        if self.send != Send::Get && !params.is_empty() {
            let (media_type, written) = self.body(params);
            head = head.header(header::CONTENT_TYPE, media_type);
            body = written;
        }
        let broken = |error: http::Error| self.unreadable(error.to_string());
        let mut request = head.uri(url.as_str()).body(body).map_err(broken)?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let mut all: Vec<_> = credentials
            .map(|text| (header::AUTHORIZATION, text))
            .into_iter()
            .collect();
        for (name, text) in &self.headers {
            all.push((name.clone(), text.fill(values).map_err(no_value)?));
        }
        for (name, text) in all {
            let mut value = HeaderValue::try_from(text).map_err(|error| broken(error.into()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }

    fn body(&self, params: Parameters) -> (&'static str, Bytes) {
        if self.send == Send::Json {
            let texts = params
                .into_iter()
                .map(|(name, text)| (name, Value::String(text)));
            let object = Value::Object(texts.collect());
            return ("application/json", object.to_string().into());
        }
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        ("application/x-www-form-urlencoded", form.into())
    }

    /// Sends it. Some providers say that something failed only in the body.
    pub(super) async fn send(
        &self,
        http: &Client,
        request: http::Request<Bytes>,
    ) -> Result<Value, Refused> {
        let answer = http.send(request).await.map_err(|error| Refused::Http {
            step: self.step,
            error,
        })?;
        let status = answer.status();
        let read = read(&answer);
        let object = read.as_ref().ok().and_then(Value::as_object);
        let error = object.and_then(|object| self.error_of(object));
        match (error, status) {
            (Some(error), _) => Err(self.refused(status, &error)),
            (None, status) if !status.is_success() => Err(self.refused(status, "")),
            (None, _) => read.map_err(|why| self.unreadable(why)),
        }
    }

    /// The error code in an answer.
    fn error_of(&self, answer: &Map<String, Value>) -> Option<String> {
        let code = match self.error.find(answer)? {
            Value::Bool(false) => return None,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(true) | Value::Array(_) | Value::Object(_) => {
                "an error without a code".to_owned()
            }
        };
        (!["", "0", "ok"].contains(&code.as_str())).then_some(code)
    }

    fn refused(&self, status: StatusCode, error: &str) -> Refused {
        Refused::Error {
            step: self.step,
            status,
            error: printable(error),
        }
    }

    pub(super) fn unreadable(&self, why: impl Into<String>) -> Refused {
        Refused::Unreadable {
            step: self.step,
            why: why.into(),
        }
    }
}

/// Parameters, and more that take the place of those with the same name.
pub(super) fn fill(
    mut standard: Parameters,
    more: &[(String, Template)],
    values: &Values,
) -> Result<Parameters, String> {
    for (name, text) in more {
        standard.retain(|(known, _)| known != name);
        standard.push((name.clone(), text.fill(values)?));
    }
    Ok(standard)
}

/// Adds parameters to the query.
pub(super) fn append(url: &mut Url, params: &Parameters) {
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
}

/// The answer as JSON, or as the form that some token endpoints still answer with.
fn read(answer: &http::Response<Bytes>) -> Result<Value, String> {
    let media_type = answer.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    if media_type != Some("application/x-www-form-urlencoded") {
        // A member twice could be read as one person here and as another elsewhere.
        return jose::value(answer.body()).map_err(|error| error.to_string());
    }
    let mut object = Map::new();
    for (name, value) in form_urlencoded::parse(answer.body()) {
        if object.insert(name.into_owned(), value.into()).is_some() {
            return Err("a parameter is there twice".to_owned());
        }
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(endpoint: &str, send: Send) -> Ask {
        Ask {
            step: "token-request",
            endpoint: Endpoint::parse(endpoint).unwrap(),
            send,
            params: vec![("extra".to_owned(), Template::parse("{a}"))],
            headers: vec![(HeaderName::from_static("x-token"), Template::parse("T {a}"))],
            error: Paths::parse("error.code | error").unwrap(),
        }
    }

    fn values() -> Values {
        Values::from([("a".to_owned(), "1&2".to_owned())])
    }

    #[test]
    fn parameters_go_where_the_provider_reads_them() {
        let standard = || {
            vec![
                ("code".to_owned(), "c".to_owned()),
                ("extra".to_owned(), "replaced".to_owned()),
            ]
        };
        for (send, method, uri, media_type, body) in [
            (
                Send::Form,
                "POST",
                "/t?v=1",
                Some("application/x-www-form-urlencoded"),
                "code=c&extra=1%262",
            ),
            (Send::Get, "GET", "/t?v=1&code=c&extra=1%262", None, ""),
            (
                Send::Json,
                "POST",
                "/t?v=1",
                Some("application/json"),
                r#"{"code":"c","extra":"1&2"}"#,
            ),
        ] {
            let ask = ask("https://a.example/t?v=1", send);
            let request = ask.request(standard(), None, &values()).unwrap();
            assert_eq!(request.method(), method);
            assert_eq!(request.uri().path_and_query().unwrap(), uri);
            let found = request.headers().get(header::CONTENT_TYPE);
            assert_eq!(found.map(|value| value.to_str().unwrap()), media_type);
            assert_eq!(request.body(), body);
            assert_eq!(request.headers()["accept"], "application/json");
            assert_eq!(request.headers()["x-token"], "T 1&2");
        }
    }

    #[test]
    fn a_post_of_nothing_has_no_body_and_no_type() {
        let mut ask = ask("https://a.example/t", Send::Form);
        ask.params.clear();
        let request = ask.request(Vec::new(), Some("Bearer t".to_owned()), &values());
        let request = request.unwrap();
        assert!(request.headers().get(header::CONTENT_TYPE).is_none());
        assert!(request.body().is_empty() && request.method() == Method::POST);
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer t");
    }

    #[test]
    fn a_value_that_breaks_a_header_stops_the_request() {
        let ask = ask("https://a.example/t", Send::Form);
        let values = Values::from([("a".to_owned(), "1\r\nX-Other: 2".to_owned())]);
        assert!(ask.request(Vec::new(), None, &values).is_err());
        assert!(matches!(
            ask.request(Vec::new(), None, &Values::new()),
            Err(Refused::NoValue { name, .. }) if name == "a"
        ));
    }

    #[test]
    fn an_error_is_found_in_every_shape() {
        let ask = ask("https://a.example/t", Send::Form);
        for (answer, error) in [
            (
                r#"{"error":"bad_verification_code"}"#,
                Some("bad_verification_code"),
            ),
            (r#"{"error":{"code":190,"message":"x"}}"#, Some("190")),
            (
                r#"{"error":{"message":"x"}}"#,
                Some("an error without a code"),
            ),
            (r#"{"error":true}"#, Some("an error without a code")),
            (r#"{"error":{"code":"ok"}}"#, None),
            (r#"{"error":0}"#, None),
            (r#"{"error":""}"#, None),
            (r#"{"error":null,"ok":true}"#, None),
            (r#"{"error":false}"#, None),
        ] {
            let answer: Value = serde_json::from_str(answer).unwrap();
            let found = ask.error_of(answer.as_object().unwrap());
            assert_eq!(found.as_deref(), error, "{answer}");
        }
    }

    #[test]
    fn an_answer_is_json_or_says_that_it_is_a_form() {
        let answer = |media_type: &str, body: &'static str| {
            let answer = http::Response::builder().header(header::CONTENT_TYPE, media_type);
            read(&answer.body(Bytes::from(body)).unwrap())
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let found = answer(form, "access_token=a%2Bb&scope=").unwrap();
        assert_eq!(found["access_token"], "a+b");
        assert!(answer(form, "access_token=a&access_token=b").is_err());
        assert!(answer("text/html", "access_token=a").is_err());
        assert_eq!(answer("text/plain", "{\"a\":1}").unwrap()["a"], 1);
        assert_eq!(answer("application/json", "[1]").unwrap()[0], 1);
        assert!(answer("application/json", "{\"id\":1,\"id\":2}").is_err());
    }
}
