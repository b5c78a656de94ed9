//! What is told of the policy that Envoy's route names: by the routes of the file, or as the person says.

use serde_json::{Value, json};

use super::{desk, lines, question, somebody, told};
use crate::cli::desk::Desk;
use crate::cli::desk::who::By;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::Origin;
use crate::gateway::tests::stage::{changed, document};

fn with_policies() -> Value {
    let strong = json!({"strong": {"claim": "groups", "any_of": ["admins"]}});
    changed(changed(document(), "/policies", strong), "/route_policies", json!({"filter_metadata": "accredit"}))
}

const ROUTES: &str = "
route_config:
  virtual_hosts:
  - domains: [app.example.com]
    routes:
    - {match: {prefix: /api/strong}, metadata: {filter_metadata: {accredit: {policy: strong}}}}
    - {match: {prefix: /api/wrong}, metadata: {filter_metadata: {accredit: {policy: weak}}}}
    - {match: {prefix: /api/empty}, metadata: {filter_metadata: {accredit: {policy: ''}}}}
    - {match: {prefix: /api/flag, headers: [{name: x-flag}]}, metadata: {filter_metadata: {accredit: {policy: strong}}}}
    - {match: {prefix: /api/f}}
    - {match: {prefix: /api/session}, metadata: {filter_metadata: {accredit: {policy: strong}}}}
";

fn behind_routes() -> Desk {
    let mut desk = desk(&with_policies());
    desk.manager = Some(read(ROUTES, Origin::FILE).unwrap().documents.remove(0));
    desk
}

/// What is told of the route and of the answer.
fn ends(desk: &mut Desk, path: &str, groups: Value) -> (Vec<String>, String) {
    let asked = question("GET", &format!("https://app.example.com{path}"), &[]);
    let (told, _) = told(desk, &asked, &somebody(json!({"sub": "alice", "groups": groups}), By::Session));
    (lines(&told, "route").into_iter().map(str::to_owned).collect(), lines(&told, "answer")[0].to_owned())
}

#[test]
fn the_policy_of_the_files_own_route_counts_as_it_does_for_the_filter() {
    for (path, groups, route, answer) in [
        ("/api/strong", json!(["admins"]), ":6:7: it names the policy \"strong\"", "let through"),
        ("/api/strong", json!([]), ":6:7: it names the policy \"strong\"", "403 condition_failed"),
        ("/api/wrong", json!(["admins"]), ":7:7: it names the policy \"weak\"", "503 route_policy_unknown"),
        ("/api/empty", json!(["admins"]), ":8:7: what it names is empty, or no text", "503 route_policy_unknown"),
        ("/api/f", json!([]), ":10:7: it names no policy", "let through"),
        ("/api/x", json!([]), "none takes it: what the filter lets through, Envoy answers with 404", "let through"),
    ] {
        let (told, ended) = ends(&mut behind_routes(), path, groups);
        assert_eq!(told, [route], "{path}");
        assert!(ended.starts_with(answer), "{path}: {ended}");
    }
    // An endpoint is asked before any rule, and before any policy.
    assert_eq!(ends(&mut behind_routes(), "/api/session", json!([])), (Vec::new(), "200, by the endpoint".to_owned()));
}

#[test]
fn a_policy_that_the_file_does_not_show_is_asked_for_and_never_guessed() {
    let headers = "it depends on headers, by which the route in line 9 may take the request";
    let elsewhere = "the routes are not in this file";
    for (mut desk, why) in [(behind_routes(), headers), (desk(&with_policies()), elsewhere)] {
        let (route, answer) = ends(&mut desk, "/api/flag", json!(["admins"]));
        assert_eq!(route, [format!("unknown: {why}")]);
        assert!(
            answer.starts_with(&format!(
                "unknown: the policy that Envoy's route names is not known, because {why}; say it with --policy"
            )),
            "{answer}"
        );
        for (policy, groups, said, ended) in [
            ("strong", json!([]), "it names the policy \"strong\", as you say", "403 condition_failed"),
            ("strong", json!(["admins"]), "it names the policy \"strong\", as you say", "let through"),
            ("", json!([]), "it names no policy, as you say", "let through"),
        ] {
            desk.name_policy(Some(policy));
            let (route, answer) = ends(&mut desk, "/api/flag", groups);
            assert_eq!(route, [said]);
            assert!(answer.starts_with(ended), "{answer}");
        }
    }
}

#[test]
fn without_route_policies_no_route_is_looked_for() {
    let mut desk = desk(&document());
    assert_eq!(ends(&mut desk, "/api/x", json!([])), (Vec::new(), "let through".to_owned()));
}
