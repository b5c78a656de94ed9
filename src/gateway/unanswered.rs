//! Requests that end without an answer of ours: the client left, or Envoy or another of its filters ended or answered them. Nobody
//! is left to be told but the log; what a password was worth is counted all the same. Only a response from upstream to a request
//! that was never decided is answered here.

use crate::step::decision::Halt;
use crate::step::event::Event;
use crate::words::reason::{Failure, Reason};

/// Whether a response may hold what only a decision gives: it comes from upstream, from a cache of such responses, or from a filter
/// that does not say what it did. What Envoy answers by itself does not; but a page that stands in its configuration may be for
/// some only, where it was not `seen` that anybody asked for it. Another gateway of this kind behind us may have answered what we did not
/// decide.
pub fn needs_decision(details: &str, seen: bool) -> bool {
    let by_others = ["cache", "accredit_"].iter().any(|begin| details.starts_with(begin));
    details.is_empty() || details == "via_upstream" || by_others || (!seen && details == "direct_response")
}

/// What the log is told of a request that has ended. `details` is Envoy's own word (`%RESPONSE_CODE_DETAILS%` of its access log);
/// `answered` says whether a response passed that is not ours.
pub fn unanswered(halt: Halt, details: &str, answered: bool) -> Event {
    // Whoever sends too slowly, too much or what is no HTTP is answered by Envoy, too: that must not fill the log with warnings.
    let by_the_client = ["stream_", "request_", "max_duration", "downstream_", "http", "codec", "overload"];
    let (reason, advice) = match answered && !by_the_client.iter().any(|begin| details.starts_with(begin)) {
        false => (Reason::RequestEnded, ""),
        true => (
            Reason::AnsweredElsewhere,
            "; does Envoy's buffer filter stand directly behind Accredit, and is it enabled on the route of this endpoint?",
        ),
    };
    let read = halt.read.map(|size| [" after ", &size.to_string(), " bytes of the body"].concat()).unwrap_or_default();
    let failure = Failure::new(reason, ["Envoy says ", details, &read, advice].concat());
    Event::Unanswered { request: halt.request, stage: halt.stage, failure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::event::RequestRef;

    fn of(details: &str, answered: bool, read: Option<usize>) -> (Reason, String) {
        let halt = Halt { request: RequestRef::new("r-1", "POST", "/login"), stage: "body", read };
        match unanswered(halt, details, answered) {
            Event::Unanswered { failure, .. } => (failure.reason, failure.detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whoever_leaves_or_is_too_slow_fills_no_log_with_warnings() {
        for (details, answered) in [
            ("downstream_remote_disconnect", false),
            ("", false),
            ("http2.remote_reset", false),
            ("stream_idle_timeout", true),
            ("request_overall_timeout", true),
            ("request_payload_too_large", true),
            ("http1.codec_error", true),
        ] {
            assert_eq!(of(details, answered, None).0, Reason::RequestEnded, "{details}");
        }
    }

    #[test]
    fn an_answer_in_our_place_is_a_warning_that_says_what_to_look_at() {
        for details in ["direct_response", "rbac_access_denied_matched_policy[none]", "route_not_found"] {
            let (reason, detail) = of(details, true, Some(12));
            assert_eq!(reason, Reason::AnsweredElsewhere);
            assert!(
                detail.starts_with(&format!("Envoy says {details} after 12 bytes of the body; does Envoy's buffer filter")),
                "{detail}"
            );
        }
    }

    #[test]
    fn nothing_of_the_application_or_of_a_cache_passes_undecided_and_what_envoy_says_itself_does() {
        for details in ["via_upstream", "", "cache.response_from_cache_filter", "cache_v2.whatever", "accredit_answered"] {
            assert!(needs_decision(details, true) && needs_decision(details, false), "{details}");
        }
        for details in ["stream_idle_timeout", "path_normalization_failed", "route_not_found"] {
            assert!(!needs_decision(details, true) && !needs_decision(details, false), "{details}");
        }
        // A page of Envoy's configuration: also for somebody only.
        assert!(!needs_decision("direct_response", true) && needs_decision("direct_response", false));
    }

    #[test]
    fn the_line_of_a_request_that_ended_has_what_it_waited_for_and_a_counter() {
        let halt = Halt { request: RequestRef::new("r-1", "POST", "/login"), stage: "password", read: None };
        let event = unanswered(halt, "downstream_remote_disconnect", false);
        assert_eq!((event.counter().as_ref(), event.is_trouble()), ("accredit_unanswered_request_ended", false));
        assert_eq!(
            event.audit().unwrap(),
            "accredit audit {\"detail\":\"Envoy says downstream_remote_disconnect\",\"event\":\"unanswered\",\"method\":\"POST\",\"path\":\"/login\",\"reason\":\"request_ended\",\"request_id\":\"r-1\",\"stage\":\"password\"}"
        );
    }
}
