//! The header sets that applications and rivals know.

use http::HeaderName;

use super::template::Template;
use crate::problem::Problem;

/// A preset: its name, and header = template.
struct Preset {
    name: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

/// `x-forwarded` and `x-auth-request` are what oauth2-proxy sends as a proxy and as an auth
/// endpoint, `remote` is Authelia's, `x-webauth` Grafana's and Gitea's.
const PRESETS: [Preset; 4] = [
    Preset {
        name: "remote",
        fields: &[
            ("remote-user", "{handle}"),
            ("remote-email", "{email}"),
            ("remote-name", "{name}"),
            ("remote-groups", "{groups}"),
        ],
    },
    Preset {
        name: "x-auth-request",
        fields: &[
            ("x-auth-request-user", "{user}"),
            ("x-auth-request-email", "{email}"),
            ("x-auth-request-preferred-username", "{handle}"),
            ("x-auth-request-groups", "{groups}"),
        ],
    },
    Preset {
        name: "x-forwarded",
        fields: &[
            ("x-forwarded-user", "{user}"),
            ("x-forwarded-email", "{email}"),
            ("x-forwarded-preferred-username", "{handle}"),
            ("x-forwarded-groups", "{groups}"),
        ],
    },
    Preset {
        name: "x-webauth",
        fields: &[
            ("x-webauth-user", "{handle}"),
            ("x-webauth-email", "{email}"),
            ("x-webauth-name", "{name}"),
            ("x-webauth-groups", "{groups}"),
        ],
    },
];

/// The headers of a preset.
pub(in crate::headers) fn fields(name: &str) -> Result<Vec<(HeaderName, Template)>, Problem> {
    let unknown = || {
        let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        Problem::new("headers", format!("there is no preset {name:?}")).hint(format!(
            "the presets are {}; or write a table of header = template",
            names.join(", ")
        ))
    };
    let preset = (PRESETS.iter())
        .find(|preset| preset.name == name)
        .ok_or_else(unknown)?;
    (preset.fields.iter())
        .map(|(header, template)| {
            let template = Template::parse(template).map_err(|_| unknown())?;
            Ok((HeaderName::from_static(header), template))
        })
        .collect()
}

/// The headers of all presets; every one is stripped from every request.
pub(crate) fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS
        .iter()
        .flat_map(|preset| preset.fields.iter().map(|(header, _)| *header))
}
