//! What a provider answers to a refresh, and what an operator sees of it.

use serde_json::json;

use super::refresh::{DUE, ask, failures, forwarding, signed_in, until_it_asks};
use super::stage::{outcome, seconds};
use crate::http::message::Reply;
use crate::oidc::testing::{json_reply, reply};
use crate::step::audit;
use crate::step::event::{Aftermath, Event};
use crate::words::reason::Reason;

/// What becomes of a session whose refresh is answered so, whether the line about it is a warning, and what its next request gets.
fn after(answer: &Reply) -> (Vec<(Reason, Aftermath)>, bool, u16) {
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(DUE));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    let fetch = until_it_asks(&mut stage.worker);
    let upkeep = stage.worker.fetch_answered(&fetch, answer);
    let failed: Vec<_> = upkeep.events.iter().filter(|event| matches!(event, Event::Refreshed { .. })).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    let ended = audit::line(failed).unwrap().contains("\"ended\":true");
    let next = outcome(&ask(&mut stage)).0;
    assert_eq!(ended, next == 401, "the line says what becomes of the session");
    (failures(&upkeep.events), failed.is_trouble(), next)
}

#[test]
fn a_refusal_without_an_error_ends_the_session_with_a_warning_and_one_with_an_error_without() {
    for answer in [reply(400, &[], b""), json_reply(400, &json!({})), json_reply(400, &json!({"error": null}))] {
        let expected = (vec![(Reason::RefreshRefused, Aftermath::EndedUnexplained)], true, 401);
        assert_eq!(after(&answer), expected, "{answer:?}");
    }
    for error in ["invalid_grant", "invalid_request"] {
        let expected = (vec![(Reason::RefreshRefused, Aftermath::Ended)], false, 401);
        assert_eq!(after(&json_reply(400, &json!({"error": error}))), expected, "{error}");
    }
}

#[test]
fn a_page_of_a_firewall_ends_no_session() {
    for status in [400, 401, 403] {
        let page = reply(status, &[("content-type", "text/html")], b"<html>blocked</html>");
        let expected = (vec![(Reason::TokenEndpointUnreachable, Aftermath::TriedAgain)], true, 200);
        assert_eq!(after(&page), expected, "{status}");
    }
}
