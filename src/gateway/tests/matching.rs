//! Journeys with `session.groups: matching`: sessions keep of lists only what rules name.

use super::refresh::{DUE, LIFE, ask, carried, following};
use super::stage::{Stage, body, changed, outcome, seconds, upstream_headers, with};
use crate::oidc::testing::ISSUER;
use serde_json::{Value, json};

/// The usual configuration with these rules, each for one path, and sessions that keep of groups what these name.
fn matching(rules: &[(&str, Value)]) -> Value {
    let rules = rules.iter().map(|(path, require)| json!({"match": {"path": path}, "require": require})).collect();
    changed(with("/rules", rules), "/session/groups", json!("matching"))
}

fn groups(any_of: &[&str]) -> Value {
    json!({"claim": "groups", "any_of": any_of})
}

/// Five hundred groups, `staff` and `ops` among them.
fn many() -> Value {
    let others = (0..498).map(|number| json!(format!("a-group-with-a-long-name-{number}")));
    [json!("staff")].into_iter().chain(others).chain([json!("ops")]).collect()
}

#[test]
fn five_hundred_groups_fit_one_cookie_and_decide_as_all_of_them_would() {
    let rules = [
        ("/staff", groups(&["staff"])),
        ("/either", groups(&["admins", "ops"])),
        ("/admins", groups(&["admins"])),
        ("/others", json!({"not": groups(&["admins"])})),
        ("/nobody", json!({"not": groups(&["staff"])})),
        ("/number", json!({"claim": "levels", "any_of": [7]})),
        ("/no-number", json!({"not": {"claim": "levels", "any_of": [7]}})),
        ("/not-blocked", json!({"not": {"claim": "marks", "any_of": ["blocked"]}})),
    ];
    let whole = changed(matching(&rules), "/session/groups", json!("all"));
    let claims = json!({"groups": many(), "levels": ["a", "b"], "marks": [{"name": "blocked"}, "x"]});
    let mut all = Vec::new();
    for (document, cookies, kept) in [(matching(&rules), 1, json!(["staff", "ops"])), (whole, 6, many())] {
        let mut stage = Stage::with_claims(&document, claims.clone());
        assert_eq!(stage.browser.names().len(), cookies, "{:?}", stage.browser.names());
        let session = carried(&mut stage);
        assert_eq!(session.claims["groups"], kept);
        // Here texts tell nothing, and what is no text is kept: under `not` neither opens anything.
        assert_eq!(session.claims["levels"], json!(["a", "b"]));
        assert_eq!(session.claims["marks"][0], json!({"name": "blocked"}));
        let outcomes: Vec<_> = rules.iter().map(|(path, _)| outcome(&stage.script("GET", path)).0).collect();
        assert_eq!(outcomes, [200, 200, 403, 200, 403, 403, 403, 403]);
        all.push(upstream_headers(&stage.script("GET", "/page")).last().map(|(name, value)| format!("{name}: {value:.25}")));
    }
    // The header carries what is kept.
    assert_eq!(
        all,
        ["x-forwarded-groups: staff,ops", "x-forwarded-groups: staff,a-group-with-a-long"].map(|line| Some(line.to_owned()))
    );
}

#[test]
fn somebody_of_whose_groups_none_is_kept_has_an_empty_list_and_no_absent_claim() {
    let rules = [("/others", json!({"not": groups(&["staff"])})), ("/staff", groups(&["staff"]))];
    for (groups, kept, expected) in [
        (json!(["guests", "x"]), Some(json!([])), [200, 403]),
        (json!([]), Some(json!([])), [200, 403]),
        // Nothing is known of whoever comes without the claim.
        (json!(null), None, [403, 403]),
    ] {
        let mut stage = Stage::with_claims(&matching(&rules), json!({"groups": groups}));
        assert_eq!(carried(&mut stage).claims.get("groups"), kept.as_ref(), "{groups}");
        assert_eq!(["/others", "/staff"].map(|path| outcome(&stage.script("GET", path)).0), expected, "{groups}");
        assert!(!upstream_headers(&stage.script("GET", "/page")).iter().any(|(name, _)| *name == "x-forwarded-groups"));
    }
}

#[test]
fn a_rule_that_begins_to_ask_for_a_group_ends_older_sessions_under_not_too() {
    let rules = |require: Value| matching(&[("/staff", groups(&["staff"])), ("/new", require)]);
    let (ended, good) = ((401, "session_invalid"), (200, ""));
    let older = Stage::with_claims(&rules(json!("authenticated")), json!({"groups": ["staff", "blocked"]}));
    let policy = changed(rules(json!("authenticated")), "/policies", json!({"open": {"not": groups(&["blocked"])}}));
    for (document, expected) in [
        (rules(json!("authenticated")), good),
        (rules(groups(&["staff"])), good),
        (rules(json!({"claim": "groups", "any_of": ["staff", 7]})), good),
        (rules(json!({"not": groups(&["staff"])})), good),
        (rules(groups(&["blocked"])), ended),
        (rules(json!({"not": groups(&["blocked"])})), ended),
        (rules(json!({"any": [{"all": [{"not": groups(&["staff", "blocked"])}]}]})), ended),
        // Policies count, also those that only routes name.
        (changed(policy, "/route_policies", json!({"filter_metadata": "accredit"})), ended),
        // These need the list as a whole.
        (rules(json!({"not": {"claim": "groups", "any_of": [7]}})), ended),
        (changed(rules(json!("authenticated")), "/session/groups", json!("all")), ended),
        (changed(rules(json!("authenticated")), "/session/claims", json!(["groups"])), ended),
    ] {
        let mut reloaded = older.worker.beside(&document);
        assert_eq!(outcome(&reloaded.begin(older.browser.script("GET", "/page"))), expected, "{document}");
    }
    // With whole lists, a rule may begin to ask for a group at any time.
    let all = |require: Value| changed(rules(require), "/session/groups", json!("all"));
    let older = Stage::with_claims(&all(json!("authenticated")), json!({"groups": ["staff", "blocked"]}));
    let mut reloaded = older.worker.beside(&all(json!({"not": groups(&["blocked"])})));
    assert_eq!(outcome(&reloaded.begin(older.browser.script("GET", "/page"))), good);
    assert_eq!(outcome(&reloaded.begin(older.browser.script("GET", "/new"))), (403, "condition_failed"));
}

#[test]
fn what_is_told_elsewhere_or_asked_for_in_another_way_is_kept_whole() {
    let staff = || ("/staff", groups(&["staff"]));
    let arrived = json!({"groups": ["staff", "x"], "y": {"roles": ["staff", "x"], "z": ["x"]}, "text": "staff; x"});
    for (document, pointer) in [
        (changed(matching(&[staff()]), "/session/claims", json!(["groups"])), "/groups"),
        (
            changed(
                matching(&[staff()]),
                "/forward",
                json!({"identity_jwt": {"keys": ["a-secret-of-32-bytes-0123456789abc"], "claims": ["groups"]}}),
            ),
            "/groups",
        ),
        (matching(&[("/keys", json!({"claim": "y", "has_key": ["z"]}))]), "/y"),
        (
            matching(&[
                ("/keys", json!({"claim": "y", "has_key": ["roles"]})),
                ("/staff", json!({"claim": ["y", "roles"], "any_of": ["a"]})),
            ]),
            "/y",
        ),
        (matching(&[("/text", json!({"claim": "text", "any_of": ["staff"], "split": "; "}))]), "/text"),
    ] {
        let mut stage = Stage::with_claims(&document, arrived.clone());
        let kept = Value::Object(carried(&mut stage).claims.as_ref().clone());
        assert_eq!(kept.pointer(pointer), arrived.pointer(pointer), "{document}");
    }
    // Without either, the session endpoint tells what is kept.
    let mut stage = Stage::with_claims(&matching(&[staff()]), arrived);
    assert_eq!(body(&stage.script("GET", "/api/session"))["claims"]["groups"], json!(["staff"]));
}

#[test]
fn a_refresh_keeps_of_new_groups_what_rules_name() {
    let rules = json!([{"match": {"path": "/staff"}, "require": groups(&["staff", "ops"])}]);
    let document = changed(changed(following(), "/rules", rules), "/session/groups", json!("matching"));
    let mut stage = Stage::ready(&document);
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": LIFE});
    stage.provider.claims = json!({"groups": ["staff", "x"]});
    stage.sign_in("/page");
    for (groups, kept, expected) in [
        (many(), json!(["staff", "ops"]), (200, "")),
        (json!(["y", "z"]), json!([]), (403, "condition_failed")),
        (json!(["ops", "z"]), json!(["ops"]), (200, "")),
    ] {
        stage.provider.claims = json!({"groups": groups});
        stage.worker.wait(seconds(DUE));
        ask(&mut stage);
        stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
        ask(&mut stage);
        assert_eq!(carried(&mut stage).claims["groups"], kept);
        assert_eq!(outcome(&stage.script("GET", "/staff")), expected);
    }
    assert_eq!(stage.provider.refreshes, 3);
}

#[test]
fn the_groups_of_a_bearer_token_arrive_whole() {
    let document = changed(matching(&[("/staff", groups(&["staff"]))]), "/providers/0/bearer", json!({"audiences": ["api"]}));
    let mut stage = Stage::ready(&document);
    let until = stage.worker.world.now.seconds() + 300;
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": until, "groups": ["staff", "x"]});
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let step = stage.send(stage.browser.send("GET", "/staff", &[("authorization", &line)]));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "robot"), ("x-forwarded-groups", "staff,x")]);
}
