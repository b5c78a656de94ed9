//! The tables of reasons, audit lines, counters, and histograms and gauges. Their names, statuses and members come from the code.
//! What they mean stays as people have written it in the table; of what is new, the table has what the code says.

use std::time::Duration;

use serde_json::Value;

use crate::answer::explanation::explanation;
use crate::config::settings::{Audit, Told};
use crate::session::ended::unproved::Taken;
use crate::step::audit;
use crate::step::event::{
    Aftermath, AllowedCall, CallKind, Counted, DocumentKind, Event, Followed, IntrospectionAnswer, McpCall, Outcome, RequestRef,
    Transmitted, UpstreamTokenAnswer,
};
use crate::step::metric::Change;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// The table of reasons, with the meanings of the one that is there.
pub(super) fn reasons(table: &str) -> String {
    let rows = Reason::ALL.iter().map(|reason| {
        let name = ["`", reason.id(), "`"].concat();
        let meaning = written(table, &name).unwrap_or_else(|| reason.meaning().to_owned());
        let status = match reason {
            // Nobody is left who could be answered.
            Reason::RequestEnded | Reason::AnsweredElsewhere => "–".to_owned(),
            _ => explanation(*reason).status.to_string(),
        };
        format!("| {name} | {status} | {meaning} |\n")
    });
    ["| reason | status | meaning |\n|---|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}

/// The table of audit lines, with the meanings of the one that is there.
pub(super) fn events(table: &str) -> String {
    let mut rows = vec!["| `event` | members beside `event` | meaning |\n|---|---|---|\n".to_owned()];
    let whole = Audit { host: Told::Plain, address: Told::Plain, calls: None };
    for event in samples() {
        let Some((name, members)) = audit::json(&event, &whole, &|| None).as_deref().and_then(members) else { continue };
        let name = ["`", &name, "`"].concat();
        let meaning = written(table, &name).unwrap_or_default();
        let row = ["| ", &name, " | ", &members, " | ", &meaning, " |\n"].concat();
        // Metadata and keys have one line.
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.concat()
}

/// The `event` of an audit line, and its members, without those that every line of a request has.
fn members(line: &str) -> Option<(String, String)> {
    const EVERYWHERE: [&str; 6] = ["event", "request_id", "host", "address", "method", "path"];
    let line: Value = serde_json::from_str(line).ok()?;
    let name = line.get("event")?.as_str()?.to_owned();
    let members = line.as_object()?.keys().filter(|member| !EVERYWHERE.contains(&member.as_str()));
    Some((name, members.map(|member| ["`", member, "`"].concat()).collect::<Vec<_>>().join(", ")))
}

/// The table of counters.
pub(super) fn counters(table: &str) -> String {
    measures(table, "| counter | counts |\n|---|---|\n", |change| matches!(change, Change::More(_)))
}

/// The table of histograms and gauges.
pub(super) fn histograms_and_gauges(table: &str) -> String {
    measures(table, "| histogram or gauge | measures |\n|---|---|\n", |change| !matches!(change, Change::More(_)))
}

/// The table of the metrics that change so: the rows that are there, without metrics that there are not, and those that it lacks.
fn measures(table: &str, head: &str, are_meant: fn(Change) -> bool) -> String {
    let meant = samples().into_iter().map(|event| event.metric()).filter(|metric| are_meant(metric.change));
    let mut missing: Vec<_> = meant.map(|metric| shown(&metric.name)).collect();
    missing.dedup();
    let all = missing.clone();
    let mut rows = vec![head.to_owned()];
    for [names, meaning] in table.lines().skip(2).filter_map(cells) {
        let names: Vec<_> = names.split(", ").filter(|name| all.iter().any(|known| known == name)).collect();
        missing.retain(|name| !names.contains(&name.as_str()));
        if !names.is_empty() {
            rows.push(format!("| {} | {meaning} |\n", names.join(", ")));
        }
    }
    rows.extend(missing.iter().map(|name| format!("| {name} |  |\n")));
    rows.concat()
}

/// The name of a metric as the tables have it. One that ends in a reason is written with `REASON`.
fn shown(name: &str) -> String {
    let stem = name.strip_suffix(REASON.id()).map(|stem| [stem, "REASON"].concat());
    ["`", stem.as_deref().unwrap_or(name), "`"].concat()
}

/// The last cell of the row that begins with this one.
fn written(table: &str, first: &str) -> Option<String> {
    let found = table.lines().filter_map(cells).find(|[begins, _]| *begins == first);
    found.map(|[_, last]| last.to_owned())
}

/// The first and the last cell of a row.
fn cells(line: &str) -> Option<[&str; 2]> {
    let row = line.strip_prefix("| ")?.strip_suffix('|')?;
    let (first, rest) = row.split_once(" | ")?;
    Some([first, rest.rsplit_once(" | ").map_or(rest, |(_, last)| last).trim()])
}

/// The reason of every failure in [`samples`].
const REASON: Reason = Reason::Internal;

/// An event of each kind, in the order of the tables.
fn samples() -> Vec<Event> {
    let text = String::new;
    let request = || RequestRef::new("", "", "GET", "/");
    let failure = || Failure::new(REASON, "");
    let decided = [
        Outcome::Forwarded,
        Outcome::Redirected,
        Outcome::Unauthenticated,
        Outcome::Forbidden,
        Outcome::Refused,
        Outcome::Unavailable,
        Outcome::Answered,
    ];
    let introspected = [IntrospectionAnswer::Accepted, IntrospectionAnswer::Refused, IntrospectionAnswer::Missing];
    let fetched = [
        (DocumentKind::Metadata, None),
        (DocumentKind::Metadata, Some(failure())),
        (DocumentKind::Keys, None),
        (DocumentKind::Keys, Some(failure())),
    ];
    let mut events: Vec<_> = decided.into_iter().map(Event::Outcome).collect();
    events.extend([
        Event::SignInBegun { request: request(), provider: text(), redirect_uri: text() },
        Event::SignInCompleted { request: request(), provider: text(), subject: text(), session: None },
        Event::SignInFailed { request: request(), provider: None, failure: failure() },
        Event::SignInRepeated,
        Event::AccountCreated { request: request(), provider: text(), subject: text() },
        Event::Notified { request: request(), subject: text(), failure: None },
        Event::Notified { request: request(), subject: text(), failure: Some(failure()) },
        Event::SignedOut { request: request(), provider: None, subject: None, session: None },
        Event::SessionFromMemory,
        Event::SessionFromCookie,
        Event::SessionRefused { failure: failure(), request: Some(request()) },
        Event::SessionRenewed,
        Event::TokenFromMemory,
        Event::TokenVerified,
    ]);
    events.extend(introspected.into_iter().map(Event::TokenIntrospected));
    let answers = [UpstreamTokenAnswer::Issued, UpstreamTokenAnswer::Refused, UpstreamTokenAnswer::Missing];
    events.extend(answers.into_iter().map(Event::UpstreamTokenAsked));
    events.extend([
        Event::Denied {
            request: request(),
            rule: None,
            subject: None,
            session: None,
            failure: failure(),
            call: Some(Box::default()),
        },
        Event::Unanswered { request: request(), stage: "", failure: failure() },
        Event::Refreshed { provider: text(), subject: text(), failure: None },
        Event::Refreshed { provider: text(), subject: text(), failure: Some((failure(), Aftermath::Ended)) },
        Event::RefreshedElsewhere { provider: text() },
        Event::RefreshTokenMissing { provider: text() },
        Event::ReturnToTooLong { request: request(), bytes: 0 },
        Event::EndpointUnusable { provider: text(), detail: text() },
        Event::AlgorithmsDiffer { provider: text(), detail: text() },
    ]);
    events.extend(fetched.into_iter().map(|(kind, failure)| Event::Fetched { kind, provider: text(), failure }));
    events.extend(calls().into_iter().map(|kind| Event::CallEnded { kind, took: Duration::ZERO }));
    events.push(Event::SignInTook(Duration::ZERO));
    // The names of these end in that of the provider.
    let (provider, fetched) = (|| "PROVIDER".to_owned(), Timestamp::from_seconds(0));
    let kinds = [DocumentKind::Metadata, DocumentKind::Keys];
    events.extend(kinds.into_iter().map(|kind| Event::DocumentHeld { kind, provider: provider(), fetched }));
    events.extend([
        Event::StreamReset { request: request(), provider: text(), subject: text(), session: text(), failure: failure() },
        Event::LoggedOutByProvider { request: request(), provider: text(), subject: None, session: None },
        transmitted(Followed::Ended { provider: text(), subject: None, session: None, email: None }),
        transmitted(Followed::Nothing { why: text() }),
        transmitted(Followed::Verified { state: None }),
        logged_out_in_frame(Taken::Ended),
        logged_out_in_frame(Taken::EndedToldOnce),
        logged_out_in_frame(Taken::EndedInPart),
        logged_out_in_frame(Taken::TooMany { told: Some(1) }),
        logged_out_in_frame(Taken::NotInFrame { told: Some(1) }),
        logged_out_in_frame(Taken::WithoutRoom),
        Event::EndedByOperator { request: request(), end: Box::default() },
        Event::TokenGivenBack { provider: text(), trouble: None },
        Event::TokenGivenBack { provider: text(), trouble: Some(text()) },
        Event::RevocationsQueueFull(1),
        Event::RevocationsAnnounced(1),
        Event::RevocationsCurrent(Timestamp::from_seconds(0)),
        Event::RevocationsForged(1),
        Event::RevocationsByUnknownKeys(1),
        Event::RevocationsOfUnknownTable { number: 1, told: true },
        Event::RevocationsWithoutRoom(1),
        Event::UnprovedWithoutRoom(1),
        Event::RevocationsLost,
        Event::RevocationsClockAhead(Duration::ZERO),
        Event::RevocationsUnavailable { failure: failure(), told: true },
        Event::RevocationsAvailable { after: Duration::ZERO },
    ]);
    events.extend(mcp_calls());
    events
}

/// Calls to an MCP server, of each kind, and of which each became something else. The first one is told.
fn mcp_calls() -> Vec<Event> {
    let outcomes = [Outcome::Forwarded, Outcome::Unauthenticated, Outcome::Forbidden, Outcome::Refused, Outcome::Unavailable];
    let kinds = [Counted::Tool("TOOL".into()), Counted::Other, Counted::Unnamed];
    let told = || {
        let (request, rule) = (RequestRef::new("", "", "POST", "/"), String::new());
        Box::new(AllowedCall { request, rule, subject: None, call: McpCall::default() })
    };
    let of_kind = |counted: &Counted| {
        let each = outcomes.map(|outcome| {
            let told = (outcome == Outcome::Forwarded).then(told);
            Event::Called { outcome, counted: counted.clone(), told }
        });
        each.to_vec()
    };
    kinds.iter().flat_map(of_kind).collect()
}

/// A security event from which this followed.
fn transmitted(followed: Followed) -> Event {
    let (request, text) = (RequestRef::new("", "", "GET", "/"), String::new);
    Event::Transmitted(Box::new(Transmitted { request, transmitter: text(), jti: text(), happened: text(), followed }))
}

/// A request of front-channel logout of which this became.
fn logged_out_in_frame(taken: Taken) -> Event {
    let (request, text) = (RequestRef::new("", "", "GET", "/"), String::new);
    Event::LoggedOutInFrame { request, provider: text(), session: text(), taken }
}

/// Every kind of call.
const fn calls() -> [CallKind; 10] {
    let (metadata, keys) = (CallKind::Document(DocumentKind::Metadata), CallKind::Document(DocumentKind::Keys));
    let (users, revocations) = (CallKind::UserService, CallKind::Revocations);
    [
        CallKind::Token,
        CallKind::Refresh,
        CallKind::Userinfo,
        CallKind::Introspection,
        metadata,
        keys,
        users,
        revocations,
        CallKind::GiveBack,
        CallKind::UpstreamToken,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sample_of_every_kind_of_event() {
        // A further kind does not compile here until it has a number, and then it needs a sample above.
        let number = |event: &Event| match event {
            Event::Outcome(_) => 0,
            Event::SessionFromMemory => 1,
            Event::SessionFromCookie => 2,
            Event::TokenFromMemory => 3,
            Event::TokenVerified => 4,
            Event::TokenIntrospected(_) => 5,
            Event::SessionRefused { .. } => 6,
            Event::SessionRenewed => 7,
            Event::SignInBegun { .. } => 8,
            Event::ReturnToTooLong { .. } => 9,
            Event::SignInCompleted { .. } => 10,
            Event::SignInRepeated => 11,
            Event::SignInFailed { .. } => 12,
            Event::AccountCreated { .. } => 13,
            Event::Notified { .. } => 14,
            Event::SignedOut { .. } => 15,
            Event::Denied { .. } => 16,
            Event::Unanswered { .. } => 17,
            Event::Refreshed { .. } => 18,
            Event::RefreshTokenMissing { .. } => 19,
            Event::EndpointUnusable { .. } => 20,
            Event::AlgorithmsDiffer { .. } => 21,
            Event::Fetched { .. } => 22,
            Event::DocumentHeld { .. } => 23,
            Event::CallEnded { .. } => 24,
            Event::SignInTook(_) => 25,
            Event::RevocationsAnnounced(_) => 26,
            Event::RevocationsCurrent(_) => 27,
            Event::RevocationsForged(_) => 28,
            Event::RevocationsByUnknownKeys(_) => 29,
            Event::RevocationsWithoutRoom(_) => 30,
            Event::RevocationsLost => 31,
            Event::RevocationsUnavailable { .. } => 32,
            Event::RevocationsAvailable { .. } => 33,
            Event::LoggedOutByProvider { .. } => 34,
            Event::RevocationsQueueFull(_) => 35,
            Event::TokenGivenBack { .. } => 36,
            Event::Transmitted(_) => 37,
            Event::RefreshedElsewhere { .. } => 38,
            Event::StreamReset { .. } => 39,
            Event::LoggedOutInFrame { .. } => 40,
            Event::EndedByOperator { .. } => 41,
            Event::RevocationsOfUnknownTable { .. } => 42,
            Event::UnprovedWithoutRoom(_) => 43,
            Event::UpstreamTokenAsked(_) => 44,
            Event::Called { .. } => 45,
            Event::RevocationsClockAhead(_) => 46,
        };
        let numbers: std::collections::BTreeSet<_> = samples().iter().map(number).collect();
        assert_eq!(numbers, (0..=46).collect());
        let number = |kind: CallKind| match kind {
            CallKind::Token => 0,
            CallKind::Refresh => 1,
            CallKind::Userinfo => 2,
            CallKind::Introspection => 3,
            CallKind::Document(DocumentKind::Metadata) => 4,
            CallKind::Document(DocumentKind::Keys) => 5,
            CallKind::UserService => 6,
            CallKind::Revocations => 7,
            CallKind::GiveBack => 8,
            CallKind::UpstreamToken => 9,
        };
        assert_eq!(calls().map(number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_table_keeps_what_people_have_written_and_gets_what_is_new() {
        let table = "| counter | counts |\n|---|---|\n| `accredit_sign_out`, `accredit_gone` | sign-outs |\n";
        let written = counters(table);
        assert!(written.contains("| `accredit_sign_out` | sign-outs |\n"), "{written}");
        assert!(written.contains("| `accredit_denied_REASON` |  |\n") && !written.contains("gone"), "{written}");
        assert_eq!(counters(&written), written);

        let table =
            "| histogram or gauge | measures |\n|---|---|\n| `accredit_sign_in_milliseconds`, `accredit_sign_out` | sign-ins |\n";
        let written = histograms_and_gauges(table);
        assert!(written.contains("| `accredit_sign_in_milliseconds` | sign-ins |\n"), "{written}");
        assert!(
            written.contains("| `accredit_call_milliseconds_user_service` |  |\n") && !written.contains("sign_out"),
            "{written}"
        );
        assert!(written.contains("| `accredit_keys_fetched_timestamp_seconds_PROVIDER` |  |\n"), "{written}");

        let written = reasons("| `internal` | 200 | ours |\n");
        assert!(written.ends_with("| `internal` | 500 | ours |\n"), "{written}");
        assert!(
            written.contains("| `token_missing` | 401 | No bearer token came, and nothing else is accepted. |\n"),
            "{written}"
        );
    }
}
