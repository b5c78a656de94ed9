//! What happened, as values: each event knows its counter and, when it matters for security, its audit line. Never a secret, a
//! code or a token: subjects, rules, reasons and what a log may say about them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::words::quote::escape_invisible;
use crate::words::reason::{Failure, Reason};

/// Where it happened: what ties an audit line to Envoy's access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRef {
    /// The request's id.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// The path, without query.
    pub path: String,
}

impl RequestRef {
    /// Takes at most 256 characters of the method and of the path: whoever sends long ones must not fill the log.
    #[inline(never)]
    pub fn new(request_id: &str, method: &str, path: &str) -> Self {
        let [method, path] = [method, path].map(|text| text.chars().take(256).collect());
        Self { request_id: request_id.to_owned(), method, path }
    }
}

/// How a request ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went upstream.
    Forwarded,
    /// It was sent to the provider.
    Redirected,
    /// 401.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 4xx otherwise.
    Refused,
    /// 5xx.
    Unavailable,
    /// An endpoint of ours did what it is for.
    Answered,
}

impl Outcome {
    /// The outcome that a refusal's status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}

/// What was fetched in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A provider's metadata.
    Metadata,
    /// A provider's keys.
    Keys,
}

/// What becomes of a session that was not refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// It has ended.
    Ended,
    /// It goes on while its tokens are good, and the refresh is tried again.
    TriedAgain,
}

/// What came of a question about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is good.
    Good,
    /// It is not accepted.
    Bad,
    /// There was no answer that says anything.
    Nothing,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request ended.
    Outcome(Outcome),
    /// A session was verified before.
    SessionFromMemory,
    /// A session was opened from its cookie.
    SessionFromCookie,
    /// A bearer token was verified before.
    TokenFromMemory,
    /// A bearer token was verified.
    TokenVerified,
    /// A provider was asked about a bearer token, and accepts it, does not, or could not say.
    TokenIntrospected(Said),
    /// A session cookie was not accepted.
    SessionRefused(Reason),
    /// A session's cookie was written again.
    SessionRenewed,
    /// Somebody was sent to a provider. If the provider does not know the redirect URI, nobody comes back, and this is the trace.
    SignInBegun {
        /// Where.
        request: RequestRef,
        /// The configured provider's name.
        provider: String,
        /// The redirect URI that must be registered at the provider.
        redirect_uri: String,
    },
    /// Somebody signed in.
    SignInCompleted {
        /// Where.
        request: RequestRef,
        /// The configured provider's name.
        provider: String,
        /// `sub`.
        subject: String,
    },
    /// A sign-in failed.
    SignInFailed {
        /// Where.
        request: RequestRef,
        /// The configured provider's name, when it is known.
        provider: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// The user service has a new account, for somebody who came for the first time.
    AccountCreated {
        /// Where.
        request: RequestRef,
        /// The configured name of the provider that vouches for them.
        provider: String,
        /// The account.
        subject: String,
    },
    /// Somebody was told of a new account, or not.
    Notified {
        /// Where.
        request: RequestRef,
        /// The account.
        subject: String,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// Somebody signed out.
    SignedOut {
        /// Where.
        request: RequestRef,
        /// Who, if a session came along.
        subject: Option<String>,
    },
    /// A request was refused.
    Denied {
        /// Where.
        request: RequestRef,
        /// Under which rule, if it came that far.
        rule: Option<String>,
        /// Who asked, if that is known.
        subject: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// A request ended before it was answered here.
    Unanswered {
        /// Where.
        request: RequestRef,
        /// What it waited for.
        stage: &'static str,
        /// Why, and what Envoy says of it.
        failure: Failure,
    },
    /// A session was refreshed, or not.
    Refreshed {
        /// The configured provider's name.
        provider: String,
        /// `sub`.
        subject: String,
        /// Why it failed, if it did, and what becomes of the session.
        failure: Option<(Failure, Aftermath)>,
    },
    /// A session will end with the provider's tokens, because no refresh token came. Told once for each provider.
    RefreshTokenMissing {
        /// The configured provider's name.
        provider: String,
    },
    /// Something was fetched.
    Fetched {
        /// What.
        kind: DocumentKind,
        /// From which provider.
        provider: String,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
}

impl Event {
    /// The counter that it increments.
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
            Self::TokenIntrospected(Said::Good) => "accredit_introspection_good",
            Self::TokenIntrospected(Said::Bad) => "accredit_introspection_bad",
            Self::TokenIntrospected(Said::Nothing) => "accredit_introspection_failed",
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
            Self::Fetched { kind: DocumentKind::Metadata, failure: None, .. } => "accredit_fetch_metadata_ok",
            Self::Fetched { kind: DocumentKind::Metadata, .. } => "accredit_fetch_metadata_failed",
            Self::Fetched { kind: DocumentKind::Keys, failure: None, .. } => "accredit_fetch_keys_ok",
            Self::Fetched { kind: DocumentKind::Keys, .. } => "accredit_fetch_keys_failed",
        })
    }

    /// Whether somebody should look after it: something does not work, rather than somebody not being let in.
    pub const fn is_trouble(&self) -> bool {
        match self {
            Self::Fetched { failure, .. } | Self::Notified { failure, .. } => failure.is_some(),
            Self::Refreshed { failure: Some((failure, _)), .. } => !matches!(failure.reason, Reason::RefreshRefused),
            Self::RefreshTokenMissing { .. } => true,
            Self::SignInFailed { failure, .. } | Self::Denied { failure, .. } | Self::Unanswered { failure, .. } => matches!(
                failure.reason,
                Reason::ClientAuthenticationFailed
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

    /// The audit line, one JSON object, for events that matter for security.
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
            Self::SignedOut { request, subject } => Line::of("sign_out").at(request).maybe("subject", subject.as_ref()),
            Self::Denied { request, rule, subject, failure } => {
                Line::of("denied").at(request).because(failure).maybe("rule", rule.as_ref()).maybe("subject", subject.as_ref())
            }
            Self::Unanswered { request, stage, failure } => {
                Line::of("unanswered").at(request).because(failure).text("stage", stage)
            }
            Self::Refreshed { provider, subject, failure: Some((failure, aftermath)) } => {
                let ended = Value::Bool(*aftermath == Aftermath::Ended);
                Line::of("refresh_failed")
                    .because(failure)
                    .text("provider", provider)
                    .text("subject", subject)
                    .with("ended", ended)
            }
            Self::RefreshTokenMissing { provider } => Line::of("refresh_token_missing").text("provider", provider),
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

/// An audit line, member by member.
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
    fn whoever_names_himself_with_marks_that_nobody_sees_writes_no_other_line() {
        let subject = "bob\u{2028}accredit audit {}\u{202e}\u{200b}\u{e0041}".to_owned();
        let request = RequestRef { request_id: "r".into(), method: "GET".into(), path: "/".into() };
        let line = Event::SignedOut { request, subject: Some(subject.clone()) }.audit().unwrap();
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!(parsed["subject"], subject);
    }
}
