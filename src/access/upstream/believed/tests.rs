use super::*;

fn believed() -> Believed {
    Believed::new(["x-role", "x-team-*"].into_iter())
}

#[test]
fn headers_in_which_other_gateways_say_who_is_asking_are_removed() {
    for name in [
        "Remote-User",
        "Remote-Groups",
        "Remote-Email",
        "Remote-Name",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Groups",
        "Remote-Group",
        "Remote-User-Email",
        "X-Remote-Extra-Scopes",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Request-Access-Token",
        "X-WebAuth-User",
        "X-WEBAUTH-ROLE",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-Authenticated-User-Id",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Identity",
        "X-Ms-Client-Principal",
        "X-Ms-Client-Principal-Name",
        "X-MS-TOKEN-AAD-ID-TOKEN",
        "X-authentik-username",
        "X-Vouch-User",
        "X-Authenticated-User",
        "X-Authenticated-Userid",
        "X-Consumer-Username",
        "X-Pomerium-Claim-Email",
        "OIDC_CLAIM_sub",
        "Cf-Access-Authenticated-User-Email",
        "Tailscale-User-Login",
        "Shib-Session-ID",
        "SM_USER",
        "SM_USERDN",
        "iv-user",
        "X-Role",
        "X-Team-Lead",
        "x_team.lead",
    ] {
        for spelling in [name.to_owned(), name.to_lowercase(), name.replace('-', "_"), name.replace(['-', '_'], ".")] {
            assert!(believed().has(spelling.as_bytes()), "{spelling}");
        }
    }
}

#[test]
fn headers_from_which_servers_read_another_path_method_or_host_are_removed() {
    for name in [
        "X-HTTP-Host-Override",
        "X-Forwarded-Path",
        "X-Original-Path",
        "X-Original-Method",
        "Proxy",
        "SCRIPT_NAME",
        "X-Override-URL",
    ] {
        assert!(believed().has(name.as_bytes()), "{name}");
    }
}

#[test]
fn headers_of_proxies_on_the_way_stay() {
    for name in [
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "x-request-id",
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "x-b3-traceid",
        "cf-connecting-ip",
        "cf-ray",
        "cf-access-jwt-assertion",
        "x-goog-iap-jwt-assertion",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "x-forwarded-client-cert",
        "client-cert",
        "authorization",
        "cookie",
        "x-auth-token",
        "remote-addr",
        "x-remote-ip",
        "x-api-key",
        "x-csrf-token",
        "x-xsrf-token",
        "x-user-id",
        "proxy-authorization",
        "x-team",
        "x-roles",
        "x",
        "",
        "xx",
    ] {
        assert!(!believed().has(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_trailer_says_nothing_of_framing_routing_or_identity() {
    for name in [
        "host",
        "Content-Length",
        "content_length",
        "transfer-encoding",
        "te",
        "If-Match",
        "cookie",
        "authorization",
        "x-forwarded-for",
    ] {
        assert!(must_not_trail(name.as_bytes()), "{name}");
    }
    for name in
        ["content-digest", "content-md5", "x-amz-checksum-crc32", "grpc-status", "etag", "server-timing", "hosts", "x-checksum"]
    {
        assert!(!must_not_trail(name.as_bytes()), "{name}");
    }
}

#[test]
fn every_family_is_long_enough_to_be_found_by_its_third_byte() {
    assert!(IDENTITY_FAMILIES.iter().all(|family| family.len() >= SHORTEST_FAMILY));
}

#[test]
fn headers_about_identity_do_not_count_as_misleading() {
    for name in ["x-original-url", "forwarded", "proxy", "script-name"] {
        assert!(misleads(name), "{name}");
    }
    for name in ["x-forwarded-user", "remote-user", "x-forwarded-for", "host", ""] {
        assert!(!misleads(name), "{name}");
    }
}

#[test]
fn a_header_is_compared_with_a_handful_of_families_however_many_there_are() {
    let longest = believed().families.iter().map(Vec::len).max();
    assert!(longest <= Some(6), "{longest:?}");
}
