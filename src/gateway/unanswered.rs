//! Requests that end without a response of ours, because the client left, or Envoy or another filter answered: how the log
//! reports them, and which responses must not pass because their request was never decided. It never answers a request itself.

use crate::step::decision::PendingStage;
use crate::step::event::Event;
use crate::words::reason::{Failure, Reason};

/// Whether a response must be held back while its request is undecided. `details` is Envoy's word for the response
/// (`%RESPONSE_CODE_DETAILS%`). It must if it may hold what only some may see: from an upstream, a cache, another Accredit behind
/// this one, or without details; and a `direct_response` if the request's headers never came here (`headers_came`). Envoy's own
/// error responses may pass.
pub fn needs_decision(details: &str, headers_came: bool) -> bool {
    let by_others = ["cache", "accredit_"].iter().any(|begin| details.starts_with(begin));
    details.is_empty() || details == "via_upstream" || by_others || (!headers_came && details == "direct_response")
}

/// The event for a request that has ended undecided. `details` is Envoy's word for it (`%RESPONSE_CODE_DETAILS%`); `answered`
/// says whether a response passed that is not ours.
pub fn unanswered(pending: PendingStage, details: &str, answered: bool) -> Event {
    // Envoy also answers clients that send too slowly, too much or no HTTP at all. They must not fill the log with warnings.
    let by_the_client = ["stream_", "request_", "max_duration", "downstream_", "http", "codec", "overload"];
    let (reason, advice) = match answered && !by_the_client.iter().any(|begin| details.starts_with(begin)) {
        false => (Reason::RequestEnded, ""),
        true => (
            Reason::AnsweredElsewhere,
            "; does Envoy's buffer filter stand directly behind Accredit, and is it enabled on the route of this endpoint?",
        ),
    };
    let read = pending.read.map(|size| [" after ", &size.to_string(), " bytes of the body"].concat()).unwrap_or_default();
    let failure = Failure::new(reason, ["Envoy says ", details, &read, advice].concat());
    Event::Unanswered { request: pending.request, stage: pending.stage, failure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::audit;
    use crate::step::event::RequestRef;

    fn of(details: &str, answered: bool, read: Option<usize>) -> (Reason, String) {
        let pending = PendingStage { request: RequestRef::new("r-1", "app.example.com", "POST", "/login"), stage: "body", read };
        match unanswered(pending, details, answered) {
            Event::Unanswered { failure, .. } => (failure.reason, failure.detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_that_leaves_or_is_too_slow_causes_no_warning() {
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
    fn a_response_by_envoy_in_place_of_ours_is_a_warning_with_a_remedy() {
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
    fn an_upstreams_or_a_caches_response_does_not_pass_undecided_and_an_error_of_envoy_does() {
        for details in ["via_upstream", "", "cache.response_from_cache_filter", "cache_v2.whatever", "accredit_answered"] {
            assert!(needs_decision(details, true) && needs_decision(details, false), "{details}");
        }
        for details in ["stream_idle_timeout", "path_normalization_failed", "route_not_found"] {
            assert!(!needs_decision(details, true) && !needs_decision(details, false), "{details}");
        }
        // A page in Envoy's configuration may be for some only, too.
        assert!(!needs_decision("direct_response", true) && needs_decision("direct_response", false));
    }

    #[test]
    fn a_request_that_ended_undecided_has_a_counter_and_a_line_with_what_it_waited_for() {
        let pending =
            PendingStage { request: RequestRef::new("r-1", "app.example.com", "POST", "/login"), stage: "password", read: None };
        let event = unanswered(pending, "downstream_remote_disconnect", false);
        assert_eq!((event.metric().name.as_ref(), event.is_trouble()), ("accredit_unanswered_request_ended", false));
        assert_eq!(
            audit::line(&event).unwrap(),
            "accredit audit {\"address\":null,\"detail\":\"Envoy says downstream_remote_disconnect\",\"event\":\"unanswered\",\"host\":\"app.example.com\",\"method\":\"POST\",\"path\":\"/login\",\"reason\":\"request_ended\",\"request_id\":\"r-1\",\"stage\":\"password\"}"
        );
    }
}
