//! Headers of clients that the configuration removes.

use super::*;

fn removing(names: Value) -> Result<Settings, Refusals> {
    let mut document = with("/request_headers_to_remove", names);
    document["claim_to_headers"] = json!([
        {"claim_name": "sub", "header_name": "x-team-user"},
        {"claim_name": "groups", "header_name": "x-webauth-groups"}
    ]);
    load_json(&document)
}

#[test]
fn listed_headers_and_families_are_removed_in_every_spelling() {
    let identity = removing(json!(["X_Debug", "x-team-*"])).unwrap().identity;
    for (name, taken) in [("x-debug", true), ("x.debug", true), ("X-TEAM-LEAD", true), ("x_team_user", true), ("x-teams", false)]
    {
        assert_eq!(identity.takes_away(name.as_bytes()), taken, "{name}");
    }
}

#[test]
fn headers_that_a_request_needs_or_that_are_set_here_cannot_be_listed() {
    for name in [
        "",
        "*",
        "x*",
        "x-*",
        "x-forwarded-*",
        "co*",
        "host",
        ":path",
        "Content_Length",
        "transfer-encoding",
        "te",
        "cookie",
        "authorization",
        "x-request-id",
        "sec-websocket-key",
        "sec-*",
        "a b",
        "x-team-**",
        "x-team-user",
        "X-WebAuth-Groups",
        "x-debug",
    ] {
        let refused = removing(json!(["x-debug", name])).unwrap_err().to_string();
        assert!(
            refused.starts_with("request_headers_to_remove[1]: expected a header that is for applications alone"),
            "{name}: {refused}"
        );
    }
}
