//! What `check` finds of the cluster of the store of revocations, and of those whose address a client chooses itself.

use std::fs;

use super::{PUBLIC, found, root};

/// The file of a planted mistake.
fn planted(name: &str) -> String {
    fs::read_to_string(root().join(format!("tests/fixtures/check/{name}.yaml"))).unwrap()
}

/// The ids of what is found, without a file that is not on this machine.
fn ids(text: &str) -> Vec<String> {
    found(text, PUBLIC).iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_password_goes_to_another_machine_only_by_tls_that_verifies_whom_it_talks_to() {
    let plain = planted("store-plain");
    let with = |host: &str, tls: &str, options: &str| {
        let socket = if tls.is_empty() {
            String::new()
        } else {
            format!("    transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {tls}}}\n")
        };
        plain.replace("redis.example.com", host) + &socket + options
    };
    let file = "trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}";
    let named = "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: redis.example.com}}]";
    let tls = |more: &str, context: &str| format!("{{{more}, common_tls_context: {{validation_context: {{{context}}}}}}}");
    let good = tls("sni: redis.example.com", &format!("{file}, {named}"));
    let far = "redis.example.com";
    let options = |option: &str| {
        format!("    typed_extension_protocol_options: {{x: {{upstream_http_protocol_options: {{{option}: true}}}}}}\n")
    };
    for (host, tls, options, expected) in [
        (far, String::new(), String::new(), &["store-plain"][..]),
        ("10.0.0.7", String::new(), String::new(), &["store-plain"]),
        ("redis", String::new(), String::new(), &[]),
        ("redis.accredit.svc.cluster.local", String::new(), String::new(), &[]),
        ("127.0.0.1", String::new(), String::new(), &[]),
        ("127.0.0.1", "{common_tls_context: {}}".to_owned(), String::new(), &[]),
        (far, good.clone(), String::new(), &[]),
        (far, tls("auto_host_sni: true, auto_sni_san_validation: true", file), String::new(), &[]),
        (far, tls("sni: redis.example.com", file), String::new(), &["cluster-unverified"]),
        (far, tls("sni: redis.example.com", named), String::new(), &["cluster-unverified"]),
        ("redis", "{sni: redis}".to_owned(), String::new(), &["cluster-unverified"]),
        (far, tls("x: y", &format!("{file}, {named}")), String::new(), &["cluster-sni"]),
        (far, tls("x: y", &format!("{file}, {named}")), options("auto_sni"), &["cluster-name"]),
        (far, tls("sni: redis.example.com", file), options("auto_san_validation"), &["cluster-name"]),
        (far, tls("x: y", file), options("auto_sni"), &["cluster-name", "cluster-unverified"]),
    ] {
        let text = with(host, &tls, &options);
        let mut told = ids(&text);
        told.sort();
        assert_eq!(told, expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
    // Nothing is sent that must not be read.
    let without = plain.replace(", password: {environment_variable: REDIS_PASSWORD}", "").replace(", REDIS_PASSWORD", "");
    assert_eq!(ids(&without), Vec::<String>::new());
}

#[test]
fn what_is_called_tls_and_is_none_is_none_wherever_it_stands() {
    let typed = |package: &str, more: &str| {
        format!("typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.{package}{more}}}")
    };
    let (raw, context) = (typed("raw_buffer.v3.RawBuffer", ""), "tls.v3.UpstreamTlsContext");
    let good = "sni: redis.example.com, common_tls_context: {validation_context: {trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}, match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: redis.example.com}}]}}";
    let far = planted("store-plain");
    let near = far.replace("redis.example.com", "redis");
    let of_store =
        |name: &str, typed: &str| format!("{far}    transport_socket: {{name: envoy.transport_sockets.{name}, {typed}}}\n");
    let changed = |old: &str, new: &str| {
        assert!(near.contains(old), "{old}");
        near.replace(old, new)
    };
    let (chain, provider) =
        ("transport_socket: {name: envoy.transport_sockets.tls}", "      typed_config:\n        sni: sso.example.com\n");
    for (text, expected) in [
        (of_store("tls", &raw), &["store-plain"][..]),
        (of_store("raw_buffer", &typed(context, &format!(", {good}"))), &[]),
        (changed(chain, &format!("transport_socket: {{name: envoy.transport_sockets.tls, {raw}}}")), &["hops-missing"]),
        (
            changed(
                provider,
                &provider.replace("config:\n", "config:\n        \"@type\": x/a.transport_sockets.raw_buffer.v3.RawBuffer\n"),
            ),
            &["cluster-plain"],
        ),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
    // Whoever shows a certificate is let in without the filter. A socket that is not TLS asks nobody for one.
    let around = planted("way-around");
    for (package, expected) in [("raw_buffer.v3.RawBuffer", &["way-around"][..]), ("tls.v3.DownstreamTlsContext", &[])] {
        let socket = typed(package, ", require_client_certificate: true");
        let second = "    filter_chains:\n    - filters:\n";
        assert!(around.contains(second), "{around}");
        let text = around.replace(
            second,
            &format!(
                "    filter_chains:\n    - transport_socket: {{name: envoy.transport_sockets.tls, {socket}}}\n      filters:\n"
            ),
        );
        assert_eq!(ids(&text), expected, "{text}");
    }
}

#[test]
fn only_the_store_gets_the_bodies_of_calls_alone() {
    let file = planted("store-plain").replace("redis.example.com", "redis");
    assert_eq!(ids(&file), Vec::<String>::new());
    let other = file.replace("TcpConnectionPoolProto", "HttpConnectionPoolProto");
    assert_eq!(ids(&other), ["tcp-pool"]);
    // The provider's cluster has it.
    let pool = "    upstream_config: {name: envoy.upstreams.http.tcp}\n";
    let begins = "  - name: provider\n    connect_timeout: 2s\n";
    let of_provider = file.replace(begins, &[begins, pool].concat());
    let told = found(&of_provider, PUBLIC);
    assert!(told.len() == 1 && told[0].contains(" tcp-pool ") && told[0].contains("\"provider\""), "{told:#?}");
    // One cluster cannot be for both.
    let shared = file.replace("clusters: provider", "clusters: redis");
    assert!(ids(&shared).contains(&"tcp-pool".to_owned()), "{shared}");
}

#[test]
fn a_store_that_cannot_be_reached_must_not_look_like_a_slow_one() {
    let file = planted("store-plain").replace("redis.example.com", "redis");
    for (connects, waits, expected) in [("0.5s", "", 0), ("1s", "", 1), ("1s", ", timeout: 2s", 0), ("2s", ", timeout: 2s", 1)] {
        let text = file.replace("0.5s", connects).replace("redis: {cluster: redis", &format!("redis: {{cluster: redis{waits}"));
        let told = found(&text, PUBLIC);
        assert_eq!(told.len(), expected, "{told:#?}");
        let sentence =
            "a server that cannot be reached looks like a slow one, because Envoy tries to connect to the cluster \"redis\"";
        assert!(told.iter().all(|line| line.contains(" call-timeout ") && line.contains(sentence)), "{told:#?}");
    }
    // Where it is not written, it is five seconds.
    let told = found(&file.replace("    connect_timeout: 0.5s\n", ""), PUBLIC);
    assert!(told.len() == 1 && told[0].contains(" call-timeout ") && told[0].contains("for 5s"), "{told:#?}");
}

#[test]
fn the_address_of_a_client_must_be_its_own_wherever_something_is_limited_by_it() {
    let password = planted("peer-address");
    let own = planted("call-timeout").replace("          stream_idle_timeout: 5s # planted\n", "").replace("5s # planted", "2s");
    let chosen = own.replace("          use_remote_address: true\n", "");
    let none = |text: &str| {
        let reads = "                    endpoints: {authorize: /api/authorize, token: /api/token}\n";
        let front = "                      redirect_uri: https://front.example.com/auth/callback\n";
        text.replace(reads, "").replace(front, "")
    };
    let framed = none(&chosen).replace(
        "                    rules:\n",
        "                    endpoints: {frontchannel_logout: /api/frontchannel_logout}\n                    rules:\n",
    );
    let detected = chosen.replace(
        "          normalize_path:",
        "          original_ip_detection_extensions: [{name: x}]\n          normalize_path:",
    );
    for (text, expected) in [
        (&password, Some("has a new one for each guess of a password")),
        (&framed, Some("in the front-channel logouts that count")),
        (&chosen, Some("in the bodies that are read at a time")),
        (&none(&chosen), None),
        (&own, None),
        (&detected, None),
    ] {
        let told = found(text, PUBLIC);
        let of_it: Vec<_> = told.iter().filter(|line| line.contains(" peer-address ")).collect();
        assert_eq!(of_it.len(), usize::from(expected.is_some()), "{told:#?} {text}");
        assert!(of_it.iter().all(|line| line.contains(expected.unwrap())), "{told:#?}");
        assert!(!told.iter().any(|line| line.contains(" refused ")), "{told:#?}");
    }
}
