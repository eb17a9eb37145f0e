//! Which of the fields that we ask a request for are there.

use http::{HeaderMap, HeaderName, header};

/// A set of fields. To look for one that is not there costs as much as to find one, and most of them
/// are not there: so a request is looked over once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Present(u16);

impl Present {
    pub(super) const ACCEPT: Self = Self(1);
    pub(super) const CONNECTION: Self = Self(1 << 1);
    pub(super) const CONTENT_LENGTH: Self = Self(1 << 2);
    pub(super) const EXPECT: Self = Self(1 << 3);
    pub(super) const SERVICE_WORKER: Self = Self(1 << 4);
    pub(super) const TRANSFER_ENCODING: Self = Self(1 << 5);
    pub(super) const UPGRADE: Self = Self(1 << 6);

    /// Those of a request.
    pub(super) fn in_request(fields: &HeaderMap) -> Self {
        fields.keys().fold(Self::default(), |all, name| {
            Self(all.0 | Self::named(name).0)
        })
    }

    fn named(name: &HeaderName) -> Self {
        match *name {
            header::ACCEPT => Self::ACCEPT,
            header::CONNECTION => Self::CONNECTION,
            header::CONTENT_LENGTH => Self::CONTENT_LENGTH,
            header::EXPECT => Self::EXPECT,
            header::TRANSFER_ENCODING => Self::TRANSFER_ENCODING,
            header::UPGRADE => Self::UPGRADE,
            ref other if other.as_str() == "service-worker" => Self::SERVICE_WORKER,
            _ => Self::default(),
        }
    }

    /// Whether one of these is there.
    pub(super) fn any(self, fields: &[Self]) -> bool {
        fields.iter().any(|field| self.0 & field.0 != 0)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn each_is_seen_in_any_case_beside_others() {
        let all = [
            ("Accept", Present::ACCEPT),
            ("Connection", Present::CONNECTION),
            ("Content-Length", Present::CONTENT_LENGTH),
            ("Expect", Present::EXPECT),
            ("Service-Worker", Present::SERVICE_WORKER),
            ("Transfer-Encoding", Present::TRANSFER_ENCODING),
            ("Upgrade", Present::UPGRADE),
        ];
        for (name, field) in all {
            for spelling in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
                let mut fields = HeaderMap::new();
                for one in ["host", &spelling, "x-other"] {
                    let one = HeaderName::from_bytes(one.as_bytes()).unwrap();
                    fields.append(one, HeaderValue::from_static("1"));
                }
                let present = Present::in_request(&fields);
                for (other, field_of_other) in all {
                    assert_eq!(present.any(&[field_of_other]), other == name, "{spelling}");
                }
                assert!(present.any(&[Present::default(), field]));
                assert!(!present.any(&[]));
            }
        }
    }
}
