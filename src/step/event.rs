//! What happened, as values: each event knows its counter and, where it matters for security, its audit line. Events hold
//! subjects, rules, reasons and what a log may say about them; never a secret, a code or a token.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::words::quote::escape_invisible;
use crate::words::reason::{Failure, Reason};

/// The request in which an event happened, as an audit line names it. The id stands in Envoy's access log too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRef {
    /// Envoy's `x-request-id`, or one of our own where Envoy gave none.
    pub request_id: String,
    /// The method, at most 256 characters of it.
    pub method: String,
    /// The path without query, at most 256 characters of it.
    pub path: String,
}

impl RequestRef {
    /// Cuts method and path at 256 characters: whoever sends long ones must not fill the log.
    #[inline(never)]
    pub fn new(request_id: &str, method: &str, path: &str) -> Self {
        let [method, path] = [method, path].map(|text| text.chars().take(256).collect());
        Self { request_id: request_id.to_owned(), method, path }
    }
}

/// How a request ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request went upstream.
    Forwarded,
    /// The browser was sent to a provider.
    Redirected,
    /// A refusal with status 401.
    Unauthenticated,
    /// A refusal with status 403.
    Forbidden,
    /// A refusal with another status below 500.
    Refused,
    /// A refusal with status 500 or above.
    Unavailable,
    /// One of our endpoints sent the response that was asked of it.
    Answered,
}

impl Outcome {
    /// The outcome of a refusal with this status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}

/// A document of a provider that is fetched in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// The metadata (OpenID Connect Discovery, section 3).
    Metadata,
    /// The keys (RFC 7517, section 5).
    Keys,
}

/// What becomes of a session whose refresh failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// The session has ended.
    Ended,
    /// The session has ended, although the provider did not say why it refuses.
    EndedUnexplained,
    /// The session goes on while its tokens are good, and the refresh is tried again.
    TriedAgain,
}

/// What a provider's introspection endpoint answered about a token (RFC 7662, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionAnswer {
    /// The token is active, and accepted here.
    Accepted,
    /// The token is not active, or not accepted here.
    Refused,
    /// There was no answer, or none that can be read.
    Missing,
}

/// What happened. A `provider` is the configured name, a `subject` the `sub` of the session or token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants and the names of their fields say it")]
pub enum Event {
    /// A request ended.
    Outcome(Outcome),
    /// A session was accepted because this worker had verified it before.
    SessionFromMemory,
    /// A session was read from its cookie, and accepted.
    SessionFromCookie,
    /// A bearer token was accepted, or refused, because this worker had found that out before.
    TokenFromMemory,
    /// A bearer token's signature was verified.
    TokenVerified,
    /// A provider was asked about a bearer token.
    TokenIntrospected(IntrospectionAnswer),
    /// A session cookie was not accepted.
    SessionRefused(Reason),
    /// A session's cookie was written again.
    SessionRenewed,
    /// Somebody was sent to a provider. A provider that does not know the redirect URI sends nobody back; then this is the only
    /// trace of the sign-in.
    SignInBegun {
        request: RequestRef,
        provider: String,
        /// The redirect URI that must be registered at the provider.
        redirect_uri: String,
    },
    /// Somebody signed in.
    SignInCompleted { request: RequestRef, provider: String, subject: String },
    /// A sign-in failed.
    SignInFailed {
        request: RequestRef,
        /// `None` if the request belongs to no sign-in that was begun here.
        provider: Option<String>,
        failure: Failure,
    },
    /// The user service created an account, for somebody who signed in for the first time.
    AccountCreated {
        request: RequestRef,
        /// The provider that vouches for them.
        provider: String,
        /// The account's subject at the user service.
        subject: String,
    },
    /// The call that announces a new account was made, or failed.
    Notified {
        request: RequestRef,
        /// The account's subject at the user service.
        subject: String,
        /// Why the call failed; `None` if it succeeded.
        failure: Option<Failure>,
    },
    /// Somebody signed out.
    SignedOut {
        request: RequestRef,
        /// The provider of the session that ended, by its configured name; `None` if the request carried none, or one that names
        /// none.
        provider: Option<String>,
        /// The subject of that session; `None` if the request carried none.
        subject: Option<String>,
    },
    /// A request was refused.
    Denied {
        request: RequestRef,
        /// The name of the rule that applied; `None` if the request was refused before rules were looked at.
        rule: Option<String>,
        /// `None` if nobody is signed in.
        subject: Option<String>,
        failure: Failure,
    },
    /// A request ended without a response of ours.
    Unanswered {
        request: RequestRef,
        /// What it waited for, in one word.
        stage: &'static str,
        /// Why it ended, with Envoy's own words for it.
        failure: Failure,
    },
    /// A session's tokens were refreshed, or the refresh failed.
    Refreshed {
        provider: String,
        subject: String,
        /// Why the refresh failed, and what becomes of the session; `None` if it succeeded.
        failure: Option<(Failure, Aftermath)>,
    },
    /// No refresh token came, so that sessions end with the provider's tokens. Reported once per provider and worker.
    RefreshTokenMissing { provider: String },
    /// The provider's metadata name an endpoint in a way that cannot be used, and that is not needed.
    EndpointUnusable {
        provider: String,
        /// Which endpoint, and why.
        detail: String,
    },
    /// A provider's document was fetched, or the fetch failed.
    Fetched {
        kind: DocumentKind,
        provider: String,
        /// Why the fetch failed; `None` if it succeeded.
        failure: Option<Failure>,
    },
}

impl Event {
    /// The name of the counter that this event increments.
    pub fn counter(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Outcome(Outcome::Forwarded) => "accredit_decisions_forwarded",
            Self::Outcome(Outcome::Redirected) => "accredit_decisions_redirected",
            Self::Outcome(Outcome::Unauthenticated) => "accredit_decisions_unauthenticated",
            Self::Outcome(Outcome::Forbidden) => "accredit_decisions_forbidden",
            Self::Outcome(Outcome::Refused) => "accredit_decisions_refused",
            Self::Outcome(Outcome::Unavailable) => "accredit_decisions_unavailable",
            Self::Outcome(Outcome::Answered) => "accredit_decisions_answered",
            Self::SessionFromMemory => "accredit_session_from_memory",
            Self::SessionFromCookie => "accredit_session_from_cookie",
            Self::TokenFromMemory => "accredit_token_from_memory",
            Self::TokenVerified => "accredit_token_verified",
            Self::TokenIntrospected(IntrospectionAnswer::Accepted) => "accredit_introspection_good",
            Self::TokenIntrospected(IntrospectionAnswer::Refused) => "accredit_introspection_bad",
            Self::TokenIntrospected(IntrospectionAnswer::Missing) => "accredit_introspection_failed",
            Self::SessionRefused(_) => "accredit_session_refused",
            Self::SessionRenewed => "accredit_session_renewed",
            Self::SignInBegun { .. } => "accredit_sign_in_begun",
            Self::SignInCompleted { .. } => "accredit_sign_in_completed",
            Self::SignInFailed { failure, .. } => return Cow::Owned(format!("accredit_sign_in_failed_{}", failure.reason)),
            Self::Refreshed { failure: None, .. } => "accredit_refresh_ok",
            Self::Refreshed { failure: Some((failure, _)), .. } => {
                return Cow::Owned(format!("accredit_refresh_failed_{}", failure.reason));
            }
            Self::RefreshTokenMissing { .. } => "accredit_refresh_token_missing",
            Self::AccountCreated { .. } => "accredit_account_created",
            Self::Notified { failure: None, .. } => "accredit_notify_ok",
            Self::Notified { .. } => "accredit_notify_failed",
            Self::SignedOut { .. } => "accredit_sign_out",
            Self::Denied { failure, .. } => return Cow::Owned(format!("accredit_denied_{}", failure.reason)),
            Self::Unanswered { failure, .. } => return Cow::Owned(format!("accredit_unanswered_{}", failure.reason)),
            Self::EndpointUnusable { .. } => "accredit_endpoint_unusable",
            Self::Fetched { kind: DocumentKind::Metadata, failure: None, .. } => "accredit_fetch_metadata_ok",
            Self::Fetched { kind: DocumentKind::Metadata, .. } => "accredit_fetch_metadata_failed",
            Self::Fetched { kind: DocumentKind::Keys, failure: None, .. } => "accredit_fetch_keys_ok",
            Self::Fetched { kind: DocumentKind::Keys, .. } => "accredit_fetch_keys_failed",
        })
    }

    /// Whether an operator should look at this: something does not work, as opposed to somebody who is rightly refused. Its audit
    /// line is a warning then.
    pub const fn is_trouble(&self) -> bool {
        match self {
            Self::Fetched { failure, .. } | Self::Notified { failure, .. } => failure.is_some(),
            // A refusal that says why is the rule; one that does not may be an outage that signs everybody out.
            Self::Refreshed { failure: Some((failure, aftermath)), .. } => {
                !matches!((failure.reason, aftermath), (Reason::RefreshRefused, Aftermath::Ended))
            }
            Self::RefreshTokenMissing { .. } | Self::EndpointUnusable { .. } => true,
            Self::SignInFailed { failure, .. } | Self::Denied { failure, .. } | Self::Unanswered { failure, .. } => matches!(
                failure.reason,
                Reason::ClientAuthenticationFailed
                    | Reason::TokenRequestRefused
                    | Reason::IntrospectionUnavailable
                    | Reason::RoutePolicyUnknown
                    | Reason::AccountsUnreachable
                    | Reason::AccountsTimeout
                    | Reason::AccountsMalformed
                    | Reason::AccountNotCreated
                    | Reason::SessionTooLarge
                    | Reason::Undecided
                    | Reason::AnsweredElsewhere
                    | Reason::Internal
            ),
            _ => false,
        }
    }

    /// The audit line, a prefix and one JSON object; `None` for events that are only counted.
    pub fn audit(&self) -> Option<String> {
        let line = match self {
            Self::SignInBegun { request, provider, redirect_uri } => {
                Line::of("sign_in_begun").at(request).text("provider", provider).text("redirect_uri", redirect_uri)
            }
            Self::SignInCompleted { request, provider, subject } => {
                Line::of("sign_in").at(request).text("provider", provider).text("subject", subject)
            }
            Self::SignInFailed { request, provider, failure } => {
                Line::of("sign_in_failed").at(request).because(failure).maybe("provider", provider.as_ref())
            }
            Self::AccountCreated { request, provider, subject } => {
                Line::of("account_created").at(request).text("provider", provider).text("subject", subject)
            }
            Self::Notified { request, subject, failure: Some(failure) } => {
                Line::of("notify_failed").at(request).because(failure).text("subject", subject)
            }
            Self::SignedOut { request, provider, subject } => {
                Line::of("sign_out").at(request).maybe("provider", provider.as_ref()).maybe("subject", subject.as_ref())
            }
            Self::Denied { request, rule, subject, failure } => {
                Line::of("denied").at(request).because(failure).maybe("rule", rule.as_ref()).maybe("subject", subject.as_ref())
            }
            Self::Unanswered { request, stage, failure } => {
                Line::of("unanswered").at(request).because(failure).text("stage", stage)
            }
            Self::Refreshed { provider, subject, failure: Some((failure, aftermath)) } => {
                let ended = Value::Bool(*aftermath != Aftermath::TriedAgain);
                Line::of("refresh_failed")
                    .because(failure)
                    .text("provider", provider)
                    .text("subject", subject)
                    .with("ended", ended)
            }
            Self::RefreshTokenMissing { provider } => Line::of("refresh_token_missing").text("provider", provider),
            Self::EndpointUnusable { provider, detail } => {
                Line::of("endpoint_unusable").text("provider", provider).text("detail", detail)
            }
            Self::Fetched { kind, provider, failure: Some(failure) } => {
                let what = match kind {
                    DocumentKind::Metadata => "metadata",
                    DocumentKind::Keys => "keys",
                };
                Line::of("fetch_failed").because(failure).text("what", what).text("provider", provider)
            }
            Self::Outcome(_)
            | Self::SessionFromMemory
            | Self::SessionFromCookie
            | Self::TokenFromMemory
            | Self::TokenVerified
            | Self::TokenIntrospected(_)
            | Self::SessionRefused(_)
            | Self::SessionRenewed
            | Self::Refreshed { failure: None, .. }
            | Self::Notified { failure: None, .. }
            | Self::Fetched { failure: None, .. } => return None,
        };
        Some(["accredit audit ", &escape_invisible(&Value::Object(line.0).to_string())].concat())
    }
}

/// An audit line under construction: the members of its JSON object.
struct Line(Map<String, Value>);

impl Line {
    fn of(event: &str) -> Self {
        Self(Map::new()).text("event", event)
    }

    #[inline(never)]
    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.with(name, Value::from(text))
    }

    fn maybe(self, name: &str, text: Option<&String>) -> Self {
        self.with(name, text.map_or(Value::Null, |text| Value::from(text.as_str())))
    }

    fn at(self, request: &RequestRef) -> Self {
        self.text("request_id", &request.request_id).text("method", &request.method).text("path", &request.path)
    }

    fn because(self, failure: &Failure) -> Self {
        self.text("reason", failure.reason.id()).text("detail", &failure.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_line_is_one_line_of_json_whatever_the_path_holds() {
        let request = RequestRef { request_id: "r".into(), method: "GET".into(), path: "/a\"\n{}".into() };
        let failure = Failure::new(Reason::ConditionFailed, "groups is absent");
        let event = Event::Denied { request, rule: Some("rules[1]".into()), subject: Some("bob".into()), failure };
        let line = event.audit().unwrap();
        assert_eq!(line.lines().count(), 1);
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!(parsed["reason"], "condition_failed");
        assert_eq!(parsed["path"], "/a\"\n{}");
        assert_eq!(event.counter(), "accredit_denied_condition_failed");
    }

    #[test]
    fn line_separators_and_invisible_characters_in_a_subject_begin_no_second_log_line() {
        let subject = "bob\u{2028}accredit audit {}\u{202e}\u{200b}\u{e0041}".to_owned();
        let request = RequestRef { request_id: "r".into(), method: "GET".into(), path: "/".into() };
        let line = Event::SignedOut { request, provider: Some("main".into()), subject: Some(subject.clone()) }.audit().unwrap();
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!((&parsed["provider"], &parsed["subject"]), (&Value::from("main"), &Value::from(subject)));
    }
}
