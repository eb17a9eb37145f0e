//! `GET me`: who am I, for front ends. It holds no token and nothing that opens a door.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::headers;
use crate::flow::{Engine, Visit};

/// The signed-in person, or 401.
pub(super) fn answer(engine: &Engine, visit: &Visit) -> Response<Bytes> {
    let https = engine.base.login.scheme == crate::protocol::Scheme::Https;
    let mut answer = match visit.session() {
        None => headers::json(
            StatusCode::UNAUTHORIZED,
            &json!({
                "error": "unauthenticated",
                "login_url": engine.path("login"),
                "request_id": visit.request_id,
            }),
        ),
        Some(session) => {
            let contents = session.contents();
            let user = &contents.user;
            headers::json(
                StatusCode::OK,
                &json!({
                    "user": {
                        "id": user.id,
                        "handle": user.handle,
                        "profile": user.profile,
                        "user_metadata": user.user_metadata,
                        "owner": user.owner,
                    },
                    "authentications": contents.authentications.iter().map(|one| json!({
                        "connection": one.connection,
                        "auth_time": one.auth_time.seconds(),
                        "amr": one.amr,
                        "acr": one.acr,
                    })).collect::<Vec<_>>(),
                    "session": {
                        "created_at": contents.created_at.to_string(),
                        "expires_at": session.expires_at().to_string(),
                    },
                    "account_url": engine.path("account"),
                    "logout_url": engine.path("logout"),
                }),
            )
        }
    };
    headers::common(answer.headers_mut(), https);
    answer
}
