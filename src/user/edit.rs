//! What people and operators change about a user by hand.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Directory, Origin, TRIES};
use crate::{
    connection::SyncProfile,
    identity::{ConnectionId, Profile, UserId},
    store::{EventKind, StoreError, UserRecord},
};

/// Changes to a user. What is absent stays. There is no e-mail address in it: that changes by
/// proof.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProfileEdit {
    /// An empty text removes the field.
    pub(crate) name: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) family_name: Option<String>,
    /// An `https` or `http` URL.
    pub(crate) picture: Option<String>,
    /// Merged into what is there, key by key; `null` removes a key.
    pub(crate) user_metadata: Option<Map<String, Value>>,
    /// Likewise; the operator's alone.
    pub(crate) app_metadata: Option<Map<String, Value>>,
    /// The operator's alone.
    pub(crate) blocked: Option<bool>,
    /// The operator's alone.
    pub(crate) owner: Option<bool>,
}

/// Who edits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Editor {
    Operator,
    /// The user, about themselves.
    Person,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("{field} is not a text of at most {most} bytes without control characters")]
    BadText { field: &'static str, most: usize },
    #[error("picture is not an http or https URL")]
    BadPicture,
    #[error("the user's record changes too fast; try again")]
    Contended,
    #[error("{field} would be larger than {most} bytes")]
    MetadataTooLarge { field: &'static str, most: usize },
    #[error("{0} is changed by the operator only")]
    OperatorOnly(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection overwrites these fields at each login.
    #[error(
        "the connection {connection} sets {} at each login (sync_profile = \"each_login\"): change \
         it there",
        fields.join(", ")
    )]
    Synced {
        connection: ConnectionId,
        fields: Vec<&'static str>,
    },
    #[error("there is no user {0}")]
    UnknownUser(UserId),
}

/// The largest user_metadata and app_metadata, in bytes of JSON each.
pub(super) const MOST_METADATA: usize = 16 << 10;

impl Directory {
    /// Changes what `by` may change. `mode_of` says how a connection syncs; `None`: it is not
    /// configured any more, so nothing will overwrite.
    pub(crate) async fn edit(
        &self,
        id: &UserId,
        edit: &ProfileEdit,
        (by, origin): (Editor, &Origin),
        mode_of: &(dyn Fn(&ConnectionId) -> Option<SyncProfile> + Sync),
    ) -> Result<UserRecord, EditError> {
        edit.allowed_to(by)?;
        for _ in 0..TRIES {
            let found = self.users.find(id).await?;
            let before = found.ok_or_else(|| EditError::UnknownUser(id.clone()))?;
            let fields = edit.synced_fields();
            if !fields.is_empty() && mode_of(&before.synced_by) == Some(SyncProfile::EachLogin) {
                return Err(EditError::Synced {
                    connection: before.synced_by,
                    fields,
                });
            }
            let was = before.version;
            let mut user = before.clone();
            edit.apply(&mut user)?;
            if user == before {
                return Ok(before);
            }
            let now = self.clock.now();
            let kind = match (before.blocked, user.blocked) {
                (false, true) => EventKind::UserBlocked,
                (true, false) => EventKind::UserUnblocked,
                _ => EventKind::UserChanged,
            };
            let reason = match by {
                Editor::Operator => "operator",
                Editor::Person => "person",
            };
            user.updated_at = now;
            user.version = was + 1;
            let event = origin.event(now, kind, reason).user(id);
            if self
                .users
                .replace(user.clone(), was, Some(event.clone()))
                .await?
            {
                event.log();
                return Ok(user);
            }
        }
        Err(EditError::Contended)
    }
}

impl ProfileEdit {
    fn allowed_to(&self, by: Editor) -> Result<(), EditError> {
        let operators = [
            ("app_metadata", self.app_metadata.is_some()),
            ("blocked", self.blocked.is_some()),
            ("owner", self.owner.is_some()),
        ];
        match operators
            .into_iter()
            .find(|(_, given)| *given && by == Editor::Person)
        {
            Some((field, _)) => Err(EditError::OperatorOnly(field)),
            None => Ok(()),
        }
    }

    fn synced_fields(&self) -> Vec<&'static str> {
        let given = FIELDS.iter().filter(|field| (field.given)(self).is_some());
        given.map(|field| field.name).collect()
    }

    fn apply(&self, user: &mut UserRecord) -> Result<(), EditError> {
        for field in FIELDS {
            if let Some(text) = (field.given)(self) {
                *(field.kept)(&mut user.profile) = read(field, text)?;
            }
        }
        merge(
            "user_metadata",
            self.user_metadata.as_ref(),
            &mut user.user_metadata,
        )?;
        merge(
            "app_metadata",
            self.app_metadata.as_ref(),
            &mut user.app_metadata,
        )?;
        user.blocked = self.blocked.unwrap_or(user.blocked);
        user.owner = self.owner.unwrap_or(user.owner);
        Ok(())
    }
}

/// One of the five fields that `sync_profile` rules.
struct Field {
    name: &'static str,
    most: usize,
    given: fn(&ProfileEdit) -> Option<&String>,
    kept: fn(&mut Profile) -> &mut Option<String>,
}

const FIELDS: &[Field] = &[
    Field {
        name: "name",
        most: 256,
        given: |edit| edit.name.as_ref(),
        kept: |profile| &mut profile.name,
    },
    Field {
        name: "nickname",
        most: 256,
        given: |edit| edit.nickname.as_ref(),
        kept: |profile| &mut profile.nickname,
    },
    Field {
        name: "given_name",
        most: 256,
        given: |edit| edit.given_name.as_ref(),
        kept: |profile| &mut profile.given_name,
    },
    Field {
        name: "family_name",
        most: 256,
        given: |edit| edit.family_name.as_ref(),
        kept: |profile| &mut profile.family_name,
    },
    Field {
        name: "picture",
        most: 2048,
        given: |edit| edit.picture.as_ref(),
        kept: |profile| &mut profile.picture,
    },
];

fn read(field: &Field, text: &str) -> Result<Option<String>, EditError> {
    let text = text.trim();
    if text.len() > field.most || text.chars().any(char::is_control) {
        return Err(EditError::BadText {
            field: field.name,
            most: field.most,
        });
    }
    if text.is_empty() {
        return Ok(None);
    }
    if field.name != "picture" {
        return Ok(Some(text.to_owned()));
    }
    // A picture ends up in pages: no scheme that runs code.
    let url = url::Url::parse(text).map_err(|_| EditError::BadPicture)?;
    let web = matches!(url.scheme(), "http" | "https");
    web.then(|| Some(url.to_string()))
        .ok_or(EditError::BadPicture)
}

fn merge(
    field: &'static str,
    patch: Option<&Map<String, Value>>,
    kept: &mut Map<String, Value>,
) -> Result<(), EditError> {
    for (key, value) in patch.into_iter().flatten() {
        if value.is_null() {
            kept.remove(key);
        } else {
            kept.insert(key.clone(), value.clone());
        }
    }
    if patch.is_some() && json_len(kept) > MOST_METADATA {
        return Err(EditError::MetadataTooLarge {
            field,
            most: MOST_METADATA,
        });
    }
    Ok(())
}

/// How long the JSON text is.
pub(super) fn json_len(map: &Map<String, Value>) -> usize {
    serde_json::to_string(map).map_or(usize::MAX, |text| text.len())
}
