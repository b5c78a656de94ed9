//! The events by which sessions can end (CAEP 1.0, RISC 1.0, and the OAuth events that Google sends): their names, when they
//! happened, and what kind of change they tell of. Whose sessions end is not known here.

use serde_json::Value;

use crate::oidc::claims::present;
use crate::words::principal::Claims;
use crate::words::time::{Timestamp, numeric_date};

macro_rules! events {
    ($($(#[doc = $doc:literal])* $kind:ident = $family:literal $name:literal,)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $($(#[doc = $doc])* $kind,)+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name, for the configuration and the log: the last part of the URI.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The URI, as in `events`.
            pub const fn uri(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!("https://schemas.openid.net/secevent/", $family, "/event-type/", $name),)+
                }
            }
        }
    };
}

events! {
    /// CAEP 1.0: a session, or all sessions of a person, were ended.
    SessionRevoked = "caep" "session-revoked",
    /// CAEP 1.0: a credential was created, changed, revoked or deleted.
    CredentialChange = "caep" "credential-change",
    /// CAEP 1.0: what tokens say about somebody is not true any more.
    TokenClaimsChange = "caep" "token-claims-change",
    /// RISC 1.0: the account was disabled.
    AccountDisabled = "risc" "account-disabled",
    /// RISC 1.0: the account was deleted for good.
    AccountPurged = "risc" "account-purged",
    /// RISC 1.0: a credential is known to others.
    CredentialCompromise = "risc" "credential-compromise",
    /// RISC 1.0: the person must change a credential.
    AccountCredentialChangeRequired = "risc" "account-credential-change-required",
    /// RISC 1.0, which prefers CAEP's `session-revoked` since; Google sends it: all sessions of a person were ended.
    SessionsRevoked = "risc" "sessions-revoked",
    /// OAuth Event Types (a draft; Google sends it): all tokens of a person were revoked.
    TokensRevoked = "oauth" "tokens-revoked",
}

impl EventKind {
    /// The kind with this URI.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.uri() == uri)
    }
}

/// Whether this is the URI of the verification event: of SSF 1.0, of its drafts (`sse`), or of RISC's, which Google sends.
pub(super) fn is_verification(uri: &str) -> bool {
    let family =
        uri.strip_prefix("https://schemas.openid.net/secevent/").and_then(|rest| rest.strip_suffix("/event-type/verification"));
    matches!(family, Some("ssf" | "sse" | "risc"))
}

/// How a credential changed (CAEP 1.0, section 3.3).
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeType {
    Create,
    Revoke,
    Update,
    Delete,
}

impl ChangeType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Create, Self::Revoke, Self::Update, Self::Delete];

    /// The value of `change_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Revoke => "revoke",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// `change_type`, which this event must have.
pub(super) fn change_type(payload: &Claims) -> Result<ChangeType, String> {
    let found = present(payload, "change_type").ok_or("change_type is missing")?;
    let known = ChangeType::ALL.into_iter().find(|known| found == known.as_str());
    known.ok_or_else(|| "change_type is none of create, revoke, update and delete".to_owned())
}

/// From here on, a number is one of milliseconds: in seconds, it would be a time after the year 5000.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// When the event happened, if it says so: `event_timestamp`, in seconds (CAEP 1.0, section 2), or in milliseconds, as in the
/// examples of CAEP's drafts.
pub(super) fn time(payload: &Claims) -> Result<Option<Timestamp>, String> {
    match present(payload, "event_timestamp") {
        None => Ok(None),
        Some(number @ Value::Number(_)) => {
            let time = numeric_date(number).ok_or("event_timestamp lies before 1970")?;
            Ok(Some(if time.seconds() < LEAST_MILLIS { time } else { Timestamp::from_millis(time.seconds()) }))
        }
        Some(_) => Err("event_timestamp is not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_event_has_a_name_and_a_uri_of_its_own() {
        let names: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of_uri(kind.uri()), Some(*kind));
        }
        for (kind, uri) in [
            (EventKind::SessionRevoked, "https://schemas.openid.net/secevent/caep/event-type/session-revoked"),
            (EventKind::SessionsRevoked, "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked"),
            (EventKind::TokensRevoked, "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked"),
        ] {
            assert_eq!(kind.uri(), uri);
        }
        for unknown in ["", "session-revoked", "https://schemas.openid.net/secevent/caep/event-type/session-revoked/"] {
            assert_eq!(EventKind::of_uri(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_time_of_an_event_is_read_in_seconds_and_as_drafts_wrote_it_in_milliseconds() {
        let read = |time: Value| super::time(json!({"event_timestamp": time}).as_object().unwrap());
        for (written, millis) in [
            (json!(0), Some(0)),
            (json!(1_615_304_991), Some(1_615_304_991_000)),
            (json!(1_615_304_991.9), Some(1_615_304_991_000)),
            (json!(1_615_304_991_643_u64), Some(1_615_304_991_643)),
            (json!(99_999_999_999_u64), Some(99_999_999_999_000)),
            (json!(100_000_000_000_u64), Some(100_000_000_000)),
            (json!(null), None),
        ] {
            assert_eq!(read(written.clone()), Ok(millis.map(Timestamp::from_millis)), "{written}");
        }
        for wrong in [json!("1615304991"), json!("2021-03-09T15:49:51Z"), json!(true), json!([1]), json!(-1)] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        assert_eq!(super::time(&Claims::new()), Ok(None));
    }
}
