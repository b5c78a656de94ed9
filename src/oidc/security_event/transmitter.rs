//! What an operator writes about a transmitter of security events. No event is looked at here.

use std::time::Duration;

use crate::crypto::key::Algorithm;
use crate::oidc::security_event::event::{ChangeType, EventKind};

/// A transmitter of security events: who it is, and by which of its events whose sessions end.
#[derive(Clone, Debug, PartialEq)]
pub struct Transmitter {
    /// Its name in the configuration, for the log.
    pub name: String,
    /// The required value of `iss`, character by character.
    pub issuer: String,
    /// Our names for it: one of them must be in `aud`.
    pub audiences: Vec<String>,
    /// The algorithms that its tokens may be signed with, none of them symmetric.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock may be ahead of ours.
    pub clock_skew: Duration,
    /// Whether its tokens may say that they are of no special kind.
    pub missing_typ: MissingTyp,
    /// The events by which sessions end. Its other events are ignored.
    pub events: Vec<EventKind>,
    /// The changes of a credential by which sessions end, if `events` has [`EventKind::CredentialChange`].
    pub change_types: Vec<ChangeType>,
    /// Whether it may name people by their e-mail address.
    pub email: EmailSubjects,
    /// The providers whose sessions it may end.
    pub providers: Vec<InReach>,
}

/// What a token without `typ`, or with the `typ` `JWT`, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTyp {
    /// It is refused: SSF 1.0, section 4.1.1, requires `secevent+jwt`.
    Refused,
    /// It may be a security event token: RFC 8417, section 2.3, only recommends to say so, and older transmitters do not.
    Accepted,
}

/// Whether people may be named by their e-mail address, which some providers let them change, or give to another person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EmailSubjects {
    Ignored,
    Accepted,
}

/// A provider whose sessions a transmitter may end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InReach {
    /// The name of the provider in the configuration.
    pub provider: String,
    /// The issuers that mean this provider in a subject, character by character ([`subject_issuers`]).
    pub issuers: Vec<String>,
}

/// The issuers that mean a provider in the subjects of a transmitter: its own one; and that with a slash at its end, if the
/// transmitter's issuer is just that. (Google's events are from `https://accounts.google.com/`, its ID tokens are not.)
pub fn subject_issuers(provider: &str, transmitter: &str) -> Vec<String> {
    let slashed = Some(transmitter).filter(|transmitter| transmitter.strip_suffix('/') == Some(provider));
    [provider].into_iter().chain(slashed).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_meant_by_its_own_issuer_and_with_a_slash_only_if_the_transmitter_is_called_so() {
        let google = "https://accounts.google.com";
        for (transmitter, issuers) in [
            ("https://accounts.google.com/", vec![google, "https://accounts.google.com/"]),
            ("https://accounts.google.com", vec![google]),
            ("https://accounts.google.com//", vec![google]),
            ("https://accounts.google.com.evil.example/", vec![google]),
            ("https://events.example/", vec![google]),
            ("/", vec![google]),
        ] {
            assert_eq!(subject_issuers(google, transmitter), issuers, "{transmitter}");
        }
    }
}
