//! The error pages.

use super::{Page, href, id};
use crate::text::page::{
    Failure,
    failure::{Action, ActionLabel, Denial, FailureKind},
};

/// An error page of each kind.
pub(super) fn pages(provider: &str) -> Vec<Page> {
    let display_name = provider.to_owned();
    let mut kinds = vec![
        FailureKind::AppUnreachable,
        FailureKind::AppTimeout,
        FailureKind::BadRequest,
        FailureKind::BodyTooLarge,
        FailureKind::Busy,
        FailureKind::CertificateMissing {
            display_name: display_name.clone(),
        },
        FailureKind::CertificateRefused {
            display_name: display_name.clone(),
        },
        FailureKind::ConnectionBroken {
            display_name: display_name.clone(),
        },
        FailureKind::FormExpired,
        FailureKind::HeadTooLarge,
        FailureKind::Internal,
        FailureKind::MethodNotAllowed,
        FailureKind::NotFound,
        FailureKind::OwnerLinkGone,
        FailureKind::ProviderMisbehaved {
            display_name: display_name.clone(),
        },
        FailureKind::ProviderRefused {
            display_name: display_name.clone(),
        },
        FailureKind::ProviderUnreachable { display_name },
        FailureKind::RequestTimeout,
        FailureKind::TooManyTries { minutes: 15 },
        FailureKind::Unavailable,
        FailureKind::UnknownHost,
    ];
    kinds.extend(Denial::ALL.map(FailureKind::Denied));
    let action = |label, path| Action {
        label,
        href: href(path),
    };
    kinds
        .into_iter()
        .map(|kind| {
            let denied = kind.class().is_some();
            Page::Failure(Failure {
                actions: if denied {
                    vec![
                        action(ActionLabel::OtherAccount, "/.auth/login?rd=%2F"),
                        action(ActionLabel::SignOut, "/.auth/logout"),
                    ]
                } else {
                    vec![action(ActionLabel::TryAgain, "/")]
                },
                signed_in_as: denied.then(|| "Ada Lovelace".to_owned()),
                request_id: id(),
                kind,
            })
        })
        .collect()
}
