//! What `check` finds of Envoy's filter for CORS, where pages of other origins may call a resource.

use super::{PUBLIC, found, root};

/// The same file for each case: a resource that pages of one origin may call, with what they need.
fn good() -> String {
    let text = std::fs::read_to_string(root().join("tests/fixtures/check/mcp-off.yaml")).unwrap();
    let replaced = [
        ("- match: {path: /mcp}", "- match: {prefix: /mcp}"),
        ("                    trusted_origins: [https://front.example.com]\n", ""),
        ("{path: /mcp, scopes: [read],", "{path: /mcp, scopes: [read], allowed_origins: [\"https://front.example.com\"],"),
        (", allow_credentials: true}", ", allow_headers: \"Authorization, content-type\", expose_headers: www-authenticate}"),
    ];
    replaced.iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    })
}

/// The ids of what is found, without a file that is not on this machine.
fn ids(text: &str) -> Vec<String> {
    let told = found(text, PUBLIC).into_iter().filter(|line| !line.contains("is not on this machine"));
    told.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn pages_that_may_call_a_resource_are_answered_and_can_send_tokens_and_read_where_to_sign_in() {
    let filter = "          - name: envoy.filters.http.cors\n";
    let router = "          - name: envoy.filters.http.router\n";
    let of = |old: &str, new: &str| {
        assert!(good().contains(old), "{old}");
        good().replace(old, new)
    };
    for (text, expected) in [
        (good(), &[][..]),
        (of(filter, ""), &["cors-missing"]),
        (of(filter, "").replace(router, &format!("{filter}{router}")), &["cors-behind"]),
        (of("                envoy.filters.http.cors: {", "                my-cors: {"), &["cors-missing"]),
        (of("{exact: \"https://front.example.com\"}", "{exact: \"https://www.example.com\"}"), &["cors-short"]),
        (of("Authorization, content-type", "*, content-type"), &["cors-short"]),
        (of("allow_headers: \"Authorization, content-type\", ", ""), &["cors-short"]),
        (of("expose_headers: www-authenticate", "expose_headers: mcp-session-id"), &["cors-short"]),
        (of("expose_headers: www-authenticate", "expose_headers: \"mcp-session-id, WWW-Authenticate\""), &[]),
        (of("expose_headers: www-authenticate", "expose_headers: \"*\""), &[]),
        // Without such pages, nothing is needed.
        (of(", allowed_origins: [\"https://front.example.com\"]", "").replace(filter, ""), &[]),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
}
