//! What a signed-in person changes of their profile.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit, account::Wrong};
use crate::{
    identity::ConnectionId,
    session::Session,
    text::page::{
        account::ProfileFields,
        login::{Field, FieldProblem},
    },
    user::{EditError, Editor, ProfileEdit},
};

impl Engine {
    pub(super) async fn edit_profile(
        &self,
        visit: &Visit,
        session: &Session,
        fields: &Fields,
    ) -> Turn {
        let text = |name: &str| fields.one(name).map(|text| text.trim().to_owned());
        let edit = ProfileEdit {
            name: text("name"),
            nickname: text("nickname"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            picture: text("picture"),
            ..ProfileEdit::default()
        };
        let mode = |id: &ConnectionId| self.sync_mode(id);
        let edited = self
            .parts
            .directory
            .edit(
                &session.user().id,
                &edit,
                (Editor::Person, &visit.origin()),
                &mode,
            )
            .await;
        match edited {
            Ok(user) => {
                self.parts.sessions.forget_user(&user.id);
                self.done("profile-saved")
            }
            Err(EditError::Store(error)) => self.store_is_away(visit, &error),
            Err(error) => {
                let field = |name: &str| Field {
                    value: fields.one(name).unwrap_or_default().to_owned(),
                    problem: problem(&error, name),
                };
                let profile = ProfileFields {
                    name: field("name"),
                    given_name: field("given_name"),
                    family_name: field("family_name"),
                    nickname: field("nickname"),
                    picture: field("picture"),
                };
                let wrong = Wrong {
                    profile: Some(profile),
                    ..Wrong::default()
                };
                self.account_page(visit, None, wrong)
                    .await
                    .status(StatusCode::UNPROCESSABLE_ENTITY)
            }
        }
    }
}

/// What an error says about one field.
fn problem(error: &EditError, name: &str) -> Option<FieldProblem> {
    match error {
        EditError::BadPicture if name == "picture" => Some(FieldProblem::BadPicture),
        EditError::BadText { field, most } if *field == name => {
            Some(FieldProblem::TooLong { most: *most })
        }
        _ => None,
    }
}
