//! Users as rows.

use serde_json::Value;

/// The columns when none are chosen.
pub(super) const FIELDS: &str = "id,handle,profile.email,profile.email_verified,profile.name,\
    profile.given_name,profile.family_name,profile.nickname,profile.picture,profile.phone_number,\
    blocked,owner";

/// What a column may begin with.
const KNOWN: &[&str] = &[
    "id",
    "handle",
    "profile",
    "user_metadata",
    "app_metadata",
    "blocked",
    "owner",
    "identities",
];

/// The columns that were asked for; an error names the one that is no field.
pub(super) fn fields(list: &str) -> Result<Vec<String>, String> {
    let fields = list.split(',').map(|field| field.trim().to_owned());
    let fields: Vec<String> = fields.collect();
    match fields.iter().find(|field| !KNOWN.contains(&first(field))) {
        Some(bad) => Err(format!(
            "{bad:?} is no field: they begin with {}",
            KNOWN.join(", ")
        )),
        None => Ok(fields),
    }
}

fn first(field: &str) -> &str {
    field.split('.').next().unwrap_or_default()
}

/// The cells of a user.
pub(super) fn row(user: &Value, fields: &[String]) -> Vec<String> {
    let cells = fields.iter().map(|field| {
        let found = user.pointer(&format!("/{}", field.replace('.', "/")));
        harmless(match found {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
    });
    cells.collect()
}

/// A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let user = json!({
            "id": "members|1", "blocked": false, "handle": null,
            "profile": { "name": "=HYPERLINK(1)", "nickname": "+1", "picture": "-1", "email": "@x" },
            "user_metadata": { "a": { "b": "\tx" }, "c": "\rx", "d": "fine" },
        });
        let all = "id,blocked,handle,profile.name,profile.nickname,profile.picture,profile.email,\
            user_metadata.a.b,user_metadata.c,user_metadata.d,profile.none";
        assert_eq!(
            row(&user, &fields(all).unwrap()),
            [
                "members|1",
                "false",
                "",
                "'=HYPERLINK(1)",
                "'+1",
                "'-1",
                "'@x",
                "'\tx",
                "'\rx",
                "fine",
                ""
            ]
        );
        assert!(
            fields("id,password_hash")
                .unwrap_err()
                .contains("password_hash")
        );
        assert!(fields(FIELDS).is_ok());
    }
}
