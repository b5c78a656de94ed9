//! The audit line of each event: one JSON object, on one line whatever it holds. When events happen, and at which level they are
//! logged, is not known here.

use serde_json::{Map, Value};

use crate::config::settings::{Audit, Told};
use crate::http::address::ip;
use crate::session::ended::unproved::Taken;
use crate::step::event::{Aftermath, AllowedCall, DocumentKind, Event, Followed, McpCall, RequestRef, Transmitted};
use crate::words::quote::escape_invisible;
use crate::words::reason::Failure;

/// What stands before the object in Envoy's log, to find the lines by.
pub const PREFIX: &str = "accredit audit ";

/// The longest address that is told, in characters. What is no IP address may be the path of a socket.
const LONGEST_ADDRESS: usize = 256;

/// The audit line, one JSON object; `None` for events that are only counted. `audit` says what is told of the host and of the
/// client; `address` is its address and port, and is asked for only if there is a request and something of it is told.
pub fn json(event: &Event, audit: &Audit, address: &dyn Fn() -> Option<String>) -> Option<String> {
    let at = |name: &str, request: &RequestRef| Line::of(name).at(request).whereabouts(request, audit, address);
    let line = match event {
        Event::SignInBegun { request, provider, redirect_uri } => {
            at("sign_in_begun", request).text("provider", provider).text("redirect_uri", redirect_uri)
        }
        Event::ReturnToTooLong { request, bytes } => at("return_to_too_long", request).with("bytes", Value::from(*bytes)),
        Event::SignInCompleted { request, provider, subject, session } => {
            at("sign_in", request).text("provider", provider).text("subject", subject).maybe("session", session.as_ref())
        }
        Event::SignInFailed { request, provider, failure } => {
            at("sign_in_failed", request).because(failure).maybe("provider", provider.as_ref())
        }
        Event::AccountCreated { request, provider, subject } => {
            at("account_created", request).text("provider", provider).text("subject", subject)
        }
        Event::Notified { request, subject, failure: Some(failure) } => {
            at("notify_failed", request).because(failure).text("subject", subject)
        }
        Event::SignedOut { request, provider, subject, session } => at("sign_out", request)
            .maybe("provider", provider.as_ref())
            .maybe("subject", subject.as_ref())
            .maybe("session", session.as_ref()),
        Event::SessionRefused { request: Some(request), failure } => at("session_refused", request).because(failure),
        Event::Denied { request, rule, subject, session, failure, call } => {
            let line = at("denied", request)
                .because(failure)
                .maybe("rule", rule.as_ref())
                .maybe("subject", subject.as_ref())
                .maybe("session", session.as_ref());
            call.iter().fold(line, |line, call| line.call(call, "refused"))
        }
        Event::Called { told: Some(allowed), .. } => {
            let AllowedCall { request, rule, subject, call } = allowed.as_ref();
            at("mcp_call", request).text("rule", rule).maybe("subject", subject.as_ref()).call(call, "allowed")
        }
        Event::Unanswered { request, stage, failure } => at("unanswered", request).because(failure).text("stage", stage),
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
        Event::RevocationsUnavailable { failure, told: true } => Line::of("revocations_unavailable").because(failure),
        Event::RevocationsAvailable { after } => {
            Line::of("revocations_available").with("after_seconds", Value::from(after.as_secs()))
        }
        Event::RevocationsLost => Line::of("revocations_lost"),
        Event::RevocationsClockAhead(ahead) => Line::of("revocations_clock_ahead").with("seconds", Value::from(ahead.as_secs())),
        Event::TokenGivenBack { provider, trouble: Some(trouble) } => {
            Line::of("token_revocation_failed").text("provider", provider).text("detail", trouble)
        }
        Event::StreamReset { request, provider, subject, session, failure } => at("stream_reset", request)
            .because(failure)
            .text("provider", provider)
            .text("subject", subject)
            .text("session", session),
        Event::LoggedOutByProvider { request, provider, subject, session } => at("backchannel_logout", request)
            .text("provider", provider)
            .maybe("subject", subject.as_ref())
            .maybe("provider_session", session.as_ref()),
        Event::Transmitted(event) => {
            let Transmitted { request, transmitter, jti, happened, followed } = event.as_ref();
            let line =
                |name: &str| at(name, request).text("transmitter", transmitter).text("jti", jti).text("happened", happened);
            match followed {
                Followed::Ended { provider, subject, session, email } => line("security_event")
                    .text("provider", provider)
                    .maybe("subject", subject.as_ref())
                    .maybe("provider_session", session.as_ref())
                    .maybe("email", email.as_ref()),
                Followed::Nothing { why } => line("security_event_ignored").text("detail", why),
                Followed::Verified { state } => line("security_event_verification").maybe("state", state.as_ref()),
            }
        }
        Event::LoggedOutInFrame { taken: Taken::TooMany { told: None } | Taken::NotInFrame { told: None }, .. } => return None,
        Event::LoggedOutInFrame { request, provider, session, taken } => {
            let (detail, number) = match taken {
                Taken::Ended => (None, None),
                Taken::EndedToldOnce => (Some("too many wait for the store; others are told once"), None),
                Taken::EndedInPart => (Some("there was room under some of session.keys alone"), None),
                Taken::TooMany { told } => (Some("too many"), *told),
                Taken::NotInFrame { told } => (Some("not shown in a frame"), *told),
                Taken::WithoutRoom => (Some("without room"), None),
            };
            at("frontchannel_logout", request)
                .text("provider", provider)
                .text("provider_session", session)
                .with("ended", Value::Bool(taken.holds()))
                .with("detail", detail.map_or(Value::Null, Value::from))
                .with("number", number.map_or(Value::Null, Value::from))
        }
        Event::EndedByOperator { request, end } => at("operator_logout", request)
            .text("id", &end.id)
            .text("by", &end.by)
            .text("by_provider", &end.by_provider)
            .maybe("by_session", end.by_session.as_ref())
            .text("ends", end.ends)
            .maybe("provider", end.provider.as_ref())
            .maybe("sub", end.sub.as_ref())
            .maybe("subject", end.subject.as_ref())
            .maybe("session", end.session.as_ref())
            .with("before", end.before.map_or(Value::Null, |before| Value::from(before.seconds()))),
        Event::RevocationsQueueFull(number) => Line::of("revocations_queue_full").with("number", Value::from(*number)),
        Event::RevocationsForged(number) => Line::of("revocations_forged").with("number", Value::from(*number)),
        Event::RevocationsByUnknownKeys(number) => Line::of("revocations_by_unknown_keys").with("number", Value::from(*number)),
        Event::RevocationsOfUnknownTable { number, told: true } => {
            Line::of("revocations_of_unknown_table").with("number", Value::from(*number))
        }
        Event::RevocationsWithoutRoom(number) => Line::of("revocations_without_room").with("number", Value::from(*number)),
        Event::UnprovedWithoutRoom(number) => Line::of("frontchannel_logout_without_room").with("number", Value::from(*number)),
        Event::RevocationsUnavailable { told: false, .. }
        | Event::RevocationsOfUnknownTable { told: false, .. }
        | Event::TokenGivenBack { trouble: None, .. }
        | Event::RevocationsAnnounced(_)
        | Event::RevocationsCurrent(_)
        | Event::Outcome(_)
        | Event::Called { told: None, .. }
        | Event::SessionFromMemory
        | Event::SessionFromCookie
        | Event::TokenFromMemory
        | Event::TokenVerified
        | Event::TokenIntrospected(_)
        | Event::UpstreamTokenAsked(_)
        | Event::SessionRefused { request: None, .. }
        | Event::SessionRenewed
        | Event::SignInRepeated
        | Event::Refreshed { failure: None, .. }
        | Event::RefreshedElsewhere { .. }
        | Event::Notified { failure: None, .. }
        | Event::Fetched { failure: None, .. }
        | Event::DocumentHeld { .. }
        | Event::CallEnded { .. }
        | Event::SignInTook(_) => return None,
    };
    Some(escape_invisible(&Value::Object(line.0).to_string()).into_owned())
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

    /// What a request calls at an MCP server, and what was decided about it.
    fn call(self, call: &McpCall, decision: &str) -> Self {
        self.text("decision", decision)
            .text("resource", &call.resource)
            .maybe("client", call.client.as_ref())
            .maybe("mcp_version", call.version.as_ref())
            .maybe("mcp_method", call.method.as_ref())
            .maybe("mcp_name", call.name.as_ref())
    }

    /// Where the request was for, and where it came from.
    fn whereabouts(self, request: &RequestRef, audit: &Audit, address: &dyn Fn() -> Option<String>) -> Self {
        let line = match told("host", &audit.host, || Some(request.host.clone())) {
            Some(host) => self.with("host", host),
            None => self,
        };
        let without_port = || {
            let address = address()?;
            Some(ip(&address).map_or_else(|| address.chars().take(LONGEST_ADDRESS).collect(), |ip| ip.to_string()))
        };
        match told("address", &audit.address, without_port) {
            Some(address) => line.with("address", address),
            None => line,
        }
    }

    fn because(self, failure: &Failure) -> Self {
        self.text("reason", failure.reason.id()).text("detail", &failure.detail)
    }
}

/// What a line says of this text; `None` if it says nothing, not even that it is unknown.
fn told(what: &str, how: &Told, text: impl Fn() -> Option<String>) -> Option<Value> {
    let shown = match how {
        Told::Nothing => return None,
        Told::Plain => text(),
        Told::Pseudonym(pseudonyms) => text().map(|text| pseudonyms.of(what, &text)),
    };
    Some(shown.map_or(Value::Null, Value::from))
}

/// The line as Envoy's log has it, if the host is told, and the address unknown.
#[cfg(test)]
pub fn line(event: &Event) -> Option<String> {
    let audit = Audit { host: Told::Plain, address: Told::Plain, calls: None };
    Some([PREFIX, &json(event, &audit, &|| None)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::seal::Sealer;
    use crate::words::reason::Reason;
    use crate::words::secret::Secret;

    #[test]
    fn an_audit_line_is_one_line_of_json_whatever_the_path_holds() {
        let request = RequestRef::new("r", "app.example.com", "GET", "/a\"\n{}");
        let failure = Failure::new(Reason::ConditionFailed, "groups is absent");
        let (rule, subject, session) = (Some("rules[1]".into()), Some("bob".into()), Some("s-1".into()));
        let event = Event::Denied { request, rule, subject, session, failure, call: None };
        let line = line(&event).unwrap();
        assert_eq!(line.lines().count(), 1);
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!(parsed["reason"], "condition_failed");
        assert_eq!(parsed["path"], "/a\"\n{}");
        assert_eq!(event.metric().name, "accredit_denied_condition_failed");
    }

    /// What a refusal's line says of host and client.
    fn told(host: &Told, address: &Told, came: Option<&str>) -> [Option<Value>; 2] {
        let request = RequestRef::new("r", "app.example.com", "GET", "/");
        let failure = Failure::new(Reason::ConditionFailed, "groups is absent");
        let event = Event::Denied { request, rule: None, subject: None, session: None, failure, call: None };
        let audit = Audit { host: host.clone(), address: address.clone(), calls: None };
        let line = json(&event, &audit, &|| came.map(str::to_owned)).unwrap();
        let mut members: Map<String, Value> = serde_json::from_str(&line).unwrap();
        ["host", "address"].map(|name| members.remove(name))
    }

    #[test]
    fn host_and_client_are_told_as_they_are_without_the_port_by_a_hash_or_not_at_all() {
        let key = Secret::new("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=");
        let hashed = Told::Pseudonym(Box::new(Sealer::new(&[key]).unwrap().pseudonyms().unwrap().clone()));
        let text = |text: &str| Some(Value::from(text));
        for (came, shown) in [
            ("192.0.2.1:567", "192.0.2.1"),
            ("[2001:db8::1]:567", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
            ("/run/envoy.sock", "/run/envoy.sock"),
        ] {
            assert_eq!(told(&Told::Plain, &Told::Plain, Some(came)), [text("app.example.com"), text(shown)]);
        }
        let by_hash = |came| told(&hashed, &hashed, Some(came));
        let [host, address] = by_hash("192.0.2.1:567");
        assert!(host != address && host != text("app.example.com") && address != text("192.0.2.1"));
        assert_eq!(by_hash("192.0.2.1:1"), [host, address], "the port does not count");
        assert_eq!(told(&Told::Nothing, &Told::Nothing, Some("192.0.2.1:567")), [None, None]);
        assert_eq!(told(&Told::Plain, &hashed, None), [text("app.example.com"), Some(Value::Null)], "unknown");
    }

    #[test]
    fn the_client_of_an_event_without_a_request_is_not_asked_for() {
        let event = Event::RefreshTokenMissing { provider: "main".into() };
        let audit = Audit { host: Told::Plain, address: Told::Plain, calls: None };
        let line = json(&event, &audit, &|| panic!("asked")).unwrap();
        assert_eq!(line, r#"{"event":"refresh_token_missing","provider":"main"}"#);
    }

    #[test]
    fn line_separators_and_invisible_characters_in_a_subject_begin_no_second_log_line() {
        let subject = "bob\u{2028}accredit audit {}\u{202e}\u{200b}\u{e0041}".to_owned();
        let request = RequestRef::new("r", "app.example.com", "GET", "/");
        let event = Event::SignedOut { request, provider: Some("main".into()), subject: Some(subject.clone()), session: None };
        let line = line(&event).unwrap();
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let parsed: Value = serde_json::from_str(line.strip_prefix("accredit audit ").unwrap()).unwrap();
        assert_eq!((&parsed["provider"], &parsed["subject"]), (&Value::from("main"), &Value::from(subject)));
    }
}
