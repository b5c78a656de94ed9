//! What an Envoy makes of hosts and paths, by its settings.

use super::*;
use crate::cli::envoy::plugins::plugins;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::Origin;

/// What an Envoy with these settings makes of an authority and a target.
fn passed(settings: &str, authority: &str, target: &str) -> Result<(String, String), u16> {
    let filter = "{name: accredit, typed_config: {config: {root_id: accredit, vm_config: {}, configuration: {}}}}";
    let manager = format!("typed_config: {{{settings}, http_filters: [{filter}]}}");
    let address = "address: {socket_address: {address: 127.0.0.1, port_value: 8443}}";
    let file = format!("static_resources: {{listeners: [{{{address}, filter_chains: [{{filters: [{{{manager}}}]}}]}}]}}");
    let stream = read(&file, Origin::FILE).unwrap();
    let found = plugins(&stream.documents[0]);
    let passage = Passage::of(found.plugins[0].around.as_ref());
    assert_eq!(passage.source, Source::File);
    let sent = Sent { method: "GET".into(), authority: authority.into(), target: target.into() };
    match passage.pass(sent.clone()) {
        Passed::On(on, changes) => {
            assert_eq!(changes.is_empty(), on == sent, "{changes:?}");
            Ok((on.authority, on.target))
        }
        Passed::Answered { status, .. } => Err(status),
    }
}

fn path(settings: &str, target: &str) -> String {
    passed(settings, "a.example", target).map_or_else(|status| status.to_string(), |(_, target)| target)
}

#[test]
fn a_path_is_normalized_as_envoy_does_it_and_a_query_never() {
    for (sent, becomes) in [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/a/b/../../../c", "/c"),
        ("/a/.", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e", "/"),
        ("/a/...", "/a/..."),
        ("/a/.b", "/a/.b"),
        ("/a./b", "/a./b"),
        ("/a\\..\\b", "/b"),
        ("/%61%2Db%7e", "/a-b~"),
        ("/%20%3b", "/%20%3b"),
        ("/a%zz%4", "/a%zz%4"),
        ("/a{b}", "/a%7Bb%7D"),
        ("//a//b", "//a//b"),
        ("/a//../b", "/a/b"),
        ("/a?b=/../c//d", "/a?b=/../c//d"),
        ("/a;b/c", "/a;b/c"),
        ("/a|b^c", "/a%7Cb%5Ec"),
        ("/a/..;x/b", "/b"),
        ("/a/..;x;y", "/"),
        ("/a/.;x..", "/a/"),
        ("/a/..;x\\b", "/"),
        ("/a/%2e%2e;x/b", "/a/..;x/b"),
        ("/a/...;x/b", "/a/...;x/b"),
        ("/a%00", "400"),
    ] {
        assert_eq!(path("normalize_path: true", sent), becomes, "{sent}");
    }
    assert_eq!(path("stat_prefix: x", "/a/../b//c"), "/a/../b//c");
}

#[test]
fn slashes_are_merged_after_that_and_escaped_ones_treated_before() {
    for (settings, sent, becomes) in [
        ("merge_slashes: true", "//a///b/", "/a/b/"),
        ("merge_slashes: true", "///", "//"),
        ("normalize_path: true, merge_slashes: true", "//a/..", "//"),
        ("normalize_path: true, merge_slashes: true", "/a//../b", "/a/b"),
        ("path_with_escaped_slashes_action: KEEP_UNCHANGED", "/a%2Fb", "/a%2Fb"),
        ("stat_prefix: x", "/a%2Fb", "/a%2Fb"),
        ("path_with_escaped_slashes_action: REJECT_REQUEST", "/a%2fb", "400"),
        ("path_with_escaped_slashes_action: REJECT_REQUEST", "/a%5Cb", "400"),
        ("path_with_escaped_slashes_action: REJECT_REQUEST", "/a?b=%2F", "/a?b=%2F"),
        ("path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT", "/a%2fb", "307"),
        ("path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD", "/a%2f..%5Cb", "/a/..\\b"),
        ("path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD, normalize_path: true", "/a%2f..%5Cb", "/b"),
    ] {
        assert_eq!(path(settings, sent), becomes, "{settings} {sent}");
    }
}

#[test]
fn ports_and_trailing_dots_are_taken_off_as_the_file_says() {
    for (settings, sent, becomes) in [
        ("stat_prefix: x", "a.example.:8443", "a.example.:8443"),
        ("strip_matching_host_port: true", "a.example:8443", "a.example"),
        ("strip_matching_host_port: true", "a.example:443", "a.example:443"),
        ("strip_any_host_port: true", "a.example:443", "a.example"),
        ("strip_any_host_port: true", "[::1]:443", "[::1]"),
        ("strip_any_host_port: true", "[::1]", "[::1]"),
        ("strip_trailing_host_dot: true", "a.example.", "a.example"),
        ("strip_trailing_host_dot: true", "a.example.:8443", "a.example:8443"),
        ("strip_trailing_host_dot: true, strip_any_host_port: true", "a.example.:8443", "a.example"),
    ] {
        assert_eq!(passed(settings, sent, "/").unwrap().0, becomes, "{settings} {sent}");
    }
}
