//! How each event is measured: by one more in a counter, by a sample in a histogram, or by the level of a gauge. Names come from a
//! closed list: they end with a reason, with the kind of a call, or with the name of a provider or of a tool as the configuration has it.
//! Nothing that a client or a provider says gets into one, so that there cannot be many. What the host does with them is not known here.

use std::borrow::Cow;
use std::time::Duration;

use crate::session::ended::unproved::Taken;
use crate::step::event::{CallKind, Counted, DocumentKind, Event, Followed, IntrospectionAnswer, Outcome, UpstreamTokenAnswer};
use crate::words::reason::Reason;
use crate::words::time::Timestamp;

/// What an event changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name by which the host keeps it. In `/stats/prometheus`, the shipped files make a label of the end of some names.
    pub name: Cow<'static, str>,
    /// How it is changed.
    pub change: Change,
}

/// The change of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A counter grows by so many.
    More(u64),
    /// A histogram gets this sample, in milliseconds.
    Sample(u64),
    /// A gauge is set to this.
    Level(u64),
}

impl Metric {
    const fn counter(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), change: Change::More(1) }
    }

    fn counter_of(before: &str, reason: Reason) -> Self {
        Self { name: Cow::Owned([before, reason.id()].concat()), change: Change::More(1) }
    }

    fn more(name: &'static str, number: usize) -> Self {
        Self { name: Cow::Borrowed(name), change: Change::More(u64::try_from(number).unwrap_or(u64::MAX)) }
    }

    fn took(name: &'static str, span: Duration) -> Self {
        Self { name: Cow::Borrowed(name), change: Change::Sample(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)) }
    }

    /// A call at an MCP server: by what it calls, and what became of it. Names of tools come from the configuration alone.
    fn mcp_call(counted: &Counted, outcome: Outcome) -> Self {
        let name = match counted {
            Counted::Tool(tool) => ["accredit_mcp_tool_calls_", outcome.word(), "_", tool].concat(),
            Counted::Other => ["accredit_mcp_other_calls_", outcome.word()].concat(),
            Counted::Unnamed => ["accredit_mcp_unnamed_calls_", outcome.word()].concat(),
        };
        Self { name: Cow::Owned(name), change: Change::More(1) }
    }

    fn moment(before: &str, provider: &str, moment: Timestamp) -> Self {
        Self { name: Cow::Owned([before, provider].concat()), change: Change::Level(moment.seconds()) }
    }
}

impl Outcome {
    /// It, as the names of counters have it.
    const fn word(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Redirected => "redirected",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Answered => "answered",
        }
    }
}

impl Event {
    /// What this event changes.
    pub fn metric(&self) -> Metric {
        Metric::counter(match self {
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
            Self::UpstreamTokenAsked(UpstreamTokenAnswer::Issued) => "accredit_upstream_token_ok",
            Self::UpstreamTokenAsked(UpstreamTokenAnswer::Refused) => "accredit_upstream_token_refused",
            Self::UpstreamTokenAsked(UpstreamTokenAnswer::Missing) => "accredit_upstream_token_failed",
            Self::SessionRefused { .. } => "accredit_session_refused",
            Self::SessionRenewed => "accredit_session_renewed",
            Self::SignInBegun { .. } => "accredit_sign_in_begun",
            Self::ReturnToTooLong { .. } => "accredit_return_to_too_long",
            Self::SignInCompleted { .. } => "accredit_sign_in_completed",
            Self::SignInRepeated => "accredit_sign_in_repeated",
            Self::SignInFailed { failure, .. } => return Metric::counter_of("accredit_sign_in_failed_", failure.reason),
            Self::SignInTook(span) => return Metric::took("accredit_sign_in_milliseconds", *span),
            Self::Refreshed { failure: None, .. } => "accredit_refresh_ok",
            Self::Refreshed { failure: Some((failure, _)), .. } => {
                return Metric::counter_of("accredit_refresh_failed_", failure.reason);
            }
            Self::RefreshedElsewhere { .. } => "accredit_refresh_elsewhere",
            Self::RefreshTokenMissing { .. } => "accredit_refresh_token_missing",
            Self::AccountCreated { .. } => "accredit_account_created",
            Self::Notified { failure: None, .. } => "accredit_notify_ok",
            Self::Notified { .. } => "accredit_notify_failed",
            Self::SignedOut { .. } => "accredit_sign_out",
            Self::Denied { failure, .. } => return Metric::counter_of("accredit_denied_", failure.reason),
            Self::Called { counted, outcome, .. } => return Metric::mcp_call(counted, *outcome),
            Self::Unanswered { failure, .. } => return Metric::counter_of("accredit_unanswered_", failure.reason),
            Self::EndpointUnusable { .. } => "accredit_endpoint_unusable",
            Self::AlgorithmsDiffer { .. } => "accredit_algorithms_differ",
            Self::Fetched { kind: DocumentKind::Metadata, failure: None, .. } => "accredit_fetch_metadata_ok",
            Self::Fetched { kind: DocumentKind::Metadata, .. } => "accredit_fetch_metadata_failed",
            Self::Fetched { kind: DocumentKind::Keys, failure: None, .. } => "accredit_fetch_keys_ok",
            Self::Fetched { kind: DocumentKind::Keys, .. } => "accredit_fetch_keys_failed",
            Self::DocumentHeld { kind: DocumentKind::Metadata, provider, fetched } => {
                return Metric::moment("accredit_metadata_fetched_timestamp_seconds_", provider, *fetched);
            }
            Self::DocumentHeld { kind: DocumentKind::Keys, provider, fetched } => {
                return Metric::moment("accredit_keys_fetched_timestamp_seconds_", provider, *fetched);
            }
            Self::RevocationsAnnounced(number) => return Metric::more("accredit_revocations_announced", *number),
            Self::RevocationsQueueFull(number) => return Metric::more("accredit_revocations_queue_full", *number),
            Self::RevocationsForged(number) => return Metric::more("accredit_revocations_forged", *number),
            Self::RevocationsByUnknownKeys(number) => return Metric::more("accredit_revocations_by_unknown_keys", *number),
            Self::RevocationsOfUnknownTable { number, .. } => {
                return Metric::more("accredit_revocations_of_unknown_table", *number);
            }
            Self::RevocationsWithoutRoom(number) => return Metric::more("accredit_revocations_without_room", *number),
            Self::UnprovedWithoutRoom(number) => return Metric::more("accredit_frontchannel_logout_not_taken_over", *number),
            Self::RevocationsCurrent(moment) => {
                return Metric::moment("accredit_revocations_current_timestamp_seconds", "", *moment);
            }
            Self::RevocationsLost => "accredit_revocations_lost",
            Self::RevocationsClockAhead(_) => "accredit_revocations_clock_ahead",
            Self::TokenGivenBack { trouble: None, .. } => "accredit_token_revocation_ok",
            Self::TokenGivenBack { .. } => "accredit_token_revocation_failed",
            Self::StreamReset { .. } => "accredit_stream_reset",
            Self::LoggedOutByProvider { .. } => "accredit_backchannel_logout",
            Self::Transmitted(event) => match event.followed {
                Followed::Ended { .. } => "accredit_security_event",
                Followed::Nothing { .. } => "accredit_security_event_ignored",
                Followed::Verified { .. } => "accredit_security_event_verification",
            },
            Self::LoggedOutInFrame { taken: Taken::Ended, .. } => "accredit_frontchannel_logout",
            Self::LoggedOutInFrame { taken: Taken::EndedToldOnce, .. } => "accredit_frontchannel_logout_told_once",
            Self::LoggedOutInFrame { taken: Taken::EndedInPart, .. } => "accredit_frontchannel_logout_in_part",
            Self::LoggedOutInFrame { taken: Taken::TooMany { .. }, .. } => "accredit_frontchannel_logout_over_rate",
            Self::LoggedOutInFrame { taken: Taken::NotInFrame { .. }, .. } => "accredit_frontchannel_logout_not_in_frame",
            Self::LoggedOutInFrame { taken: Taken::WithoutRoom, .. } => "accredit_frontchannel_logout_without_room",
            Self::EndedByOperator { .. } => "accredit_operator_logout",
            Self::RevocationsUnavailable { .. } => "accredit_revocations_unavailable",
            Self::RevocationsAvailable { .. } => "accredit_revocations_available_again",
            Self::CallEnded { kind, took } => {
                let name = match kind {
                    CallKind::Token => "accredit_call_milliseconds_token",
                    CallKind::Refresh => "accredit_call_milliseconds_refresh",
                    CallKind::Userinfo => "accredit_call_milliseconds_userinfo",
                    CallKind::Introspection => "accredit_call_milliseconds_introspection",
                    CallKind::Document(DocumentKind::Metadata) => "accredit_call_milliseconds_metadata",
                    CallKind::Document(DocumentKind::Keys) => "accredit_call_milliseconds_keys",
                    CallKind::UserService => "accredit_call_milliseconds_user_service",
                    CallKind::UpstreamToken => "accredit_call_milliseconds_upstream_token",
                    CallKind::GiveBack => "accredit_call_milliseconds_revocation",
                    CallKind::Revocations => "accredit_call_milliseconds_revocations",
                };
                return Metric::took(name, *took);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::{Headers, Reply};

    #[test]
    fn spans_are_milliseconds_and_points_in_time_are_seconds_since_1970() {
        let fetched = Timestamp::from_millis(1_750_000_000_999);
        let held = Event::DocumentHeld { kind: DocumentKind::Keys, provider: "main".into(), fetched };
        for (event, name, change) in [
            (Event::SignInTook(Duration::from_micros(1_500)), "accredit_sign_in_milliseconds", Change::Sample(1)),
            (held, "accredit_keys_fetched_timestamp_seconds_main", Change::Level(1_750_000_000)),
            (Event::SignInRepeated, "accredit_sign_in_repeated", Change::More(1)),
        ] {
            assert_eq!(event.metric(), Metric { name: name.into(), change });
        }
    }

    #[test]
    fn a_call_that_was_not_sent_took_no_time_and_one_that_was_reset_did() {
        let [began, now] = [1_000, 1_250].map(Timestamp::from_millis);
        let ended = |reply| Event::call_ended(CallKind::Token, began, now, &reply).map(|event| event.metric().change);
        let timed_out = Reply::Answered { status: 504, headers: Headers::default(), body: Vec::new() };
        assert_eq!(
            [ended(Reply::NotSent), ended(Reply::Reset), ended(timed_out)],
            [None, Some(Change::Sample(250)), Some(Change::Sample(250))]
        );
    }
}
