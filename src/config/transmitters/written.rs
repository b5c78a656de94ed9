//! The members of a transmitter, as an operator writes them. What they mean is never checked here.

#[cfg(not(target_arch = "wasm32"))]
use crate::config::providers::algorithms;
use crate::config::providers::bearer::JwkSet;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::Checked;
use crate::config::reading::spellings::{Reached, Span};
#[cfg(not(target_arch = "wasm32"))]
use crate::config::settings::LONGEST_TIMEOUT;
#[cfg(not(target_arch = "wasm32"))]
use crate::oidc::security_event::event::{ChangeType, EventKind};
use crate::words::secret::Secret;

/// The most transmitters, and the most providers of one: what one token ends must fit into one call to the store.
pub(super) const MOST: usize = 32;

shape! {
    pub(crate) struct TransmitterShape {
        /// letters, digits, `-`, `_`, `.`; unique; it appears in logs
        /// Default: the host of `issuer`
        pub(super) name: Option<String> where text("text", "^[A-Za-z0-9_.-]+$"),
        /// who signs its events (`iss`): compared character by character, a slash at the end included
        pub(super) issuer: String where named("text"),
        /// where its metadata are
        /// Default: `/.well-known/ssf-configuration` between host and path of `issuer`
        pub(super) metadata_url: Option<String> where urls(),
        /// where its keys are, for one without metadata
        pub(super) jwks_uri: Option<String> where urls(),
        /// its keys, 1 to 16 as a JWK set, for one that publishes none: `{keys: [{kty: …}]}`
        pub(super) jwks: Option<JwkSet>,
        /// which of Envoy's clusters reaches which host, as for providers
        /// Default: the `clusters` of its `providers`
        pub(super) clusters: Reached = default,
        /// the names of the providers whose sessions it may end
        pub(super) providers: Vec<Checked<String>> where list(named("text")).at_least(1).at_most(MOST),
        /// one of these must be in `aud`
        /// Default: the `client_id` of each of its `providers`
        pub(super) audiences: Option<Vec<Checked<String>>> where list(named("text")).at_least(1),
        /// the events by which sessions end; see below
        /// Default: all but `credential-change` and `token-claims-change`
        pub(super) events: Option<Vec<Checked<String>>> where list(words(EventKind::ALL.iter().map(|kind| kind.name()))).at_least(1),
        /// by which changes of a credential, with `credential-change` among the `events`
        /// Default: `[revoke, update, delete]`
        pub(super) change_types: Option<Vec<Checked<String>>> where list(words(ChangeType::ALL.map(ChangeType::as_str))).at_least(1),
        /// whether it may name people by their e-mail address. Sessions then keep the address (`email`, `email_verified`), and it counts
        /// only if it is verified
        /// Default: `false`
        pub(super) email: bool = default,
        /// `required`: its tokens say `typ: secevent+jwt`; `optional`: they may also have none, or `JWT`
        /// Default: `required`
        pub(super) typ: TypWord = default,
        /// the value of `Authorization` that it must send, at least 16 bytes, such as `Bearer …`
        /// Default: its signature is enough
        pub(super) authorization: Option<Secret>,
        /// how its tokens may be signed
        /// Default: `[RS256, PS256, ES256]`
        pub(super) algorithms: Option<Vec<Checked<String>>> where list(words(algorithms::published())).at_least(1),
        /// how far its clock may be ahead of this one
        /// Default: `60`
        pub(super) clock_skew_seconds: Option<u64> where numbers(0, 600),
        /// for each call
        /// Default: `5s`
        pub(super) timeout: Option<Span> where positive_spans(LONGEST_TIMEOUT),
        /// allows plain http to a transmitter on another machine
        /// Default: `false`
        pub(super) allow_insecure_http: bool = default,
    }
}

words! {
    /// Whether tokens must say what they are.
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(super) enum TypWord {
        #[default]
        Required = "required",
        Optional = "optional",
    }
}
