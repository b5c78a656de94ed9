use super::*;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::Origin;

fn manager(routes: &str) -> Node {
    read(routes, Origin::FILE).unwrap().documents.remove(0)
}

fn chosen(manager: &Node, scheme: &str, method: &str, authority: &str, target: &str) -> Result<RouteMetadata, String> {
    let sent = Sent { method: method.to_owned(), authority: authority.to_owned(), target: target.to_owned() };
    Choice::of(Some(manager), scheme, &sent).metadata("accredit", "policy").map(|named| named.metadata)
}

const ROUTES: &str = r#"
route_config:
  virtual_hosts:
  - domains: ["*"]
    routes:
    - {match: {prefix: /}, metadata: {filter_metadata: {accredit: {policy: everywhere}}}}
  - domains: [app.example.com, "app.example.com:*"]
    require_tls: ALL
    routes:
    - {match: {path: /report}, metadata: {filter_metadata: {accredit: {policy: reports}}}}
    - {match: {safe_regex: {regex: "/v[0-9]+/.*"}}, metadata: {filterMetadata: {accredit: {policy: versions}}}}
    - match: {prefix: /flags, headers: [{name: x-flag, present_match: true}]}
      metadata: {filter_metadata: {accredit: {policy: flagged}}}
    - {match: {prefix: /same, query_parameters: [{name: a}]}, metadata: {filter_metadata: {accredit: {policy: same}}}}
    - {match: {prefix: /same}, metadata: {filter_metadata: {accredit: {policy: same}}}}
    - {match: {prefix: /none}, metadata: {filter_metadata: {another: {policy: reports}}}}
    - {match: {prefix: /empty}, metadata: {filter_metadata: {accredit: {policy: ""}}}}
    - {match: {prefix: /null}, metadata: {filter_metadata: {accredit: {policy: null}}}}
    - {match: {prefix: /list}, metadata: {filter_metadata: {accredit: {policy: [a]}}}}
    - {match: {prefix: /number}, metadata: {filter_metadata: {accredit: {policy: 5}}}}
    - {match: {prefix: /flags}, direct_response: {status: 200}}
  - domains: ["*.example.com"]
    routes: [{match: {prefix: /}, metadata: {filter_metadata: {accredit: {policy: ends}}}}]
  - domains: ["*b.example.com"]
    routes: [{match: {prefix: /}, metadata: {filter_metadata: {accredit: {policy: longer}}}}]
  - domains: ["b.example.*"]
    routes: [{match: {prefix: /}, metadata: {filter_metadata: {accredit: {policy: begins}}}}]
"#;

#[test]
fn the_policy_is_that_of_the_route_that_envoy_takes() {
    let manager = manager(ROUTES);
    let text = |name: &str| Ok(RouteMetadata::Text(name.to_owned()));
    for (authority, target, expected) in [
        ("other.example", "/x", text("everywhere")),
        ("APP.example.com", "/report?a=b", text("reports")),
        ("app.example.com:8443", "/report", text("reports")),
        ("app.example.com", "/v2/x", text("versions")),
        ("app.example.com", "/same/x", text("same")),
        ("app.example.com", "/none", Ok(RouteMetadata::Absent)),
        ("app.example.com", "/report/", Ok(RouteMetadata::Absent)),
        ("app.example.com", "/empty", Ok(RouteMetadata::Unreadable)),
        ("app.example.com", "/null", Ok(RouteMetadata::Unreadable)),
        ("app.example.com", "/list", Ok(RouteMetadata::Unreadable)),
        ("app.example.com", "/number", Ok(RouteMetadata::Unreadable)),
        ("a.example.com", "/", text("ends")),
        ("ab.example.com", "/", text("longer")),
        ("b.example.com", "/", text("ends")),
        ("b.example.org", "/", text("begins")),
    ] {
        assert_eq!(chosen(&manager, "https", "GET", authority, target), expected, "{authority}{target}");
    }
}

#[test]
fn what_the_file_does_not_show_for_certain_is_said_and_not_guessed() {
    let elsewhere = |routes: &str| manager(&format!("route_config: {{{routes}}}"));
    let whole = manager(ROUTES);
    for (manager, scheme, target, said) in [
        (whole.clone(), "https", "/flags", "it depends on headers, by which the route in line 12 may take the request"),
        (whole, "http", "/report", "the virtual host has require_tls, and the request comes by http"),
        (manager("rds: {}"), "https", "/", "the routes are not in this file"),
        (elsewhere("vhds: {}"), "https", "/", "the virtual host is not in this file"),
        (elsewhere("vhost_header: x-host"), "https", "/", "vhost_header lets another header choose the virtual host"),
        (elsewhere("virtual_hosts: [{domains: ['*'], matcher: {}}]"), "https", "/", "the virtual host has a matcher"),
        (
            elsewhere("ignore_path_parameters_in_path_matching: true"),
            "https",
            "/a;b",
            "ignore_path_parameters_in_path_matching is on, and the path has parameters",
        ),
    ] {
        assert_eq!(chosen(&manager, scheme, "GET", "app.example.com", target), Err(said.to_owned()));
    }
    let sent = Sent { method: "GET".to_owned(), authority: "a".to_owned(), target: "/".to_owned() };
    assert!(Choice::of(None, "https", &sent).metadata("accredit", "policy").is_err());
}

#[test]
fn a_request_that_no_route_takes_has_no_metadata() {
    let manager = manager("route_config: {virtual_hosts: [{domains: [a.example], routes: [{match: {path: /x}}]}]}");
    for (authority, target) in [("b.example", "/x"), ("a.example", "/y")] {
        let sent = Sent { method: "GET".to_owned(), authority: authority.to_owned(), target: target.to_owned() };
        let named = Choice::of(Some(&manager), "https", &sent).metadata("accredit", "policy");
        assert_eq!(named, Ok(Named { spot: None, metadata: RouteMetadata::Absent }), "{authority}{target}");
    }
}

#[test]
fn domains_fit_hosts_as_envoy_compares_them() {
    for (domain, host, expected) in [
        ("*", "localhost:10000", true),
        ("localhost", "localhost", true),
        ("localhost", "localhost:10000", false),
        ("localhost:*", "localhost:10000", true),
        ("localhost:*", "localhost", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com", "a.example.com:8443", false),
        ("*.example.com", ".example.com", false),
    ] {
        assert_eq!(fit(domain, host).is_some(), expected, "{domain} {host}");
    }
    let with_port = manager(
        "route_config: {ignore_port_in_host_matching: true, virtual_hosts: [{domains: [a], routes: [{match: {prefix: /}, metadata: {filter_metadata: {accredit: {policy: p}}}}]}]}",
    );
    assert_eq!(chosen(&with_port, "http", "GET", "A:10000", "/"), Ok(RouteMetadata::Text("p".to_owned())));
}
