//! The audit line of each event: a prefix and one JSON object, on one line whatever it holds. When events happen, and at which level
//! they are logged, is not known here.

use serde_json::{Map, Value};

use crate::step::event::{Aftermath, DocumentKind, Event, RequestRef};
use crate::words::quote::escape_invisible;
use crate::words::reason::Failure;

/// The audit line, a prefix and one JSON object; `None` for events that are only counted.
pub fn line(event: &Event) -> Option<String> {
    let line = match event {
        Event::SignInBegun { request, provider, redirect_uri } => {
            Line::of("sign_in_begun").at(request).text("provider", provider).text("redirect_uri", redirect_uri)
        }
        Event::ReturnToTooLong { request, bytes } => {
            Line::of("return_to_too_long").at(request).with("bytes", Value::from(*bytes))
        }
        Event::SignInCompleted { request, provider, subject } => {
            Line::of("sign_in").at(request).text("provider", provider).text("subject", subject)
        }
        Event::SignInFailed { request, provider, failure } => {
            Line::of("sign_in_failed").at(request).because(failure).maybe("provider", provider.as_ref())
        }
        Event::AccountCreated { request, provider, subject } => {
            Line::of("account_created").at(request).text("provider", provider).text("subject", subject)
        }
        Event::Notified { request, subject, failure: Some(failure) } => {
            Line::of("notify_failed").at(request).because(failure).text("subject", subject)
        }
        Event::SignedOut { request, provider, subject } => {
            Line::of("sign_out").at(request).maybe("provider", provider.as_ref()).maybe("subject", subject.as_ref())
        }
        Event::SessionRefused { request: Some(request), failure } => Line::of("session_refused").at(request).because(failure),
        Event::Denied { request, rule, subject, failure } => {
            Line::of("denied").at(request).because(failure).maybe("rule", rule.as_ref()).maybe("subject", subject.as_ref())
        }
        Event::Unanswered { request, stage, failure } => Line::of("unanswered").at(request).because(failure).text("stage", stage),
        Event::Refreshed { provider, subject, failure: Some((failure, aftermath)) } => {
            let ended = Value::Bool(*aftermath != Aftermath::TriedAgain);
            Line::of("refresh_failed").because(failure).text("provider", provider).text("subject", subject).with("ended", ended)
        }
        Event::RefreshTokenMissing { provider } => Line::of("refresh_token_missing").text("provider", provider),
        Event::EndpointUnusable { provider, detail } => {
            Line::of("endpoint_unusable").text("provider", provider).text("detail", detail)
        }
        Event::AlgorithmsDiffer { provider, detail } => {
            Line::of("algorithms_differ").text("provider", provider).text("detail", detail)
        }
        Event::Fetched { kind, provider, failure: Some(failure) } => {
            let what = match kind {
                DocumentKind::Metadata => "metadata",
                DocumentKind::Keys => "keys",
            };
            Line::of("fetch_failed").because(failure).text("what", what).text("provider", provider)
        }
        Event::Outcome(_)
        | Event::SessionFromMemory
        | Event::SessionFromCookie
        | Event::TokenFromMemory
        | Event::TokenVerified
        | Event::TokenIntrospected(_)
        | Event::SessionRefused { request: None, .. }
        | Event::SessionRenewed
        | Event::SignInRepeated
        | Event::Refreshed { failure: None, .. }
        | Event::Notified { failure: None, .. }
        | Event::Fetched { failure: None, .. }
        | Event::DocumentHeld { .. }
        | Event::CallEnded { .. }
        | Event::SignInTook(_) => return None,
    };
    Some(["accredit audit ", &escape_invisible(&Value::Object(line.0).to_string())].concat())
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
    use crate::words::reason::Reason;

    #[test]
    fn an_audit_line_is_one_line_of_json_whatever_the_path_holds() {
        let request = RequestRef { request_id: "r".into(), method: "GET".into(), path: "/a\"\n{}".into() };
        let failure = Failure::new(Reason::ConditionFailed, "groups is absent");
        let event = Event::Denied { request, rule: Some("rules[1]".into()), subject: Some("bob".into()), failure };
        let line = line(&event).unwrap();
        assert_eq!(line.lines().count(), 1);
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!(parsed["reason"], "condition_failed");
        assert_eq!(parsed["path"], "/a\"\n{}");
        assert_eq!(event.metric().name, "accredit_denied_condition_failed");
    }

    #[test]
    fn line_separators_and_invisible_characters_in_a_subject_begin_no_second_log_line() {
        let subject = "bob\u{2028}accredit audit {}\u{202e}\u{200b}\u{e0041}".to_owned();
        let request = RequestRef { request_id: "r".into(), method: "GET".into(), path: "/".into() };
        let event = Event::SignedOut { request, provider: Some("main".into()), subject: Some(subject.clone()) };
        let line = line(&event).unwrap();
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!((&parsed["provider"], &parsed["subject"]), (&Value::from("main"), &Value::from(subject)));
    }
}
