//! The endpoint of operators: the rule that matches its path must say who may call it, on every origin.

use super::*;

const PATH: &str = "/api/operator_logout";

fn with_rules(rules: Value) -> Value {
    let mut document = with("/rules", rules);
    document["endpoints"]["operator_logout"] = json!(PATH);
    document["origins"] = json!(["https://app.example.com", "https://other.example.com:8443"]);
    document
}

fn refused(document: &Value) -> Option<String> {
    load_json(document).err().map(|refusal| refusal.to_string())
}

fn rule(matches: Value, require: Value) -> Value {
    json!({"match": matches, "require": require})
}

fn operators() -> Value {
    json!({"claim": "groups", "any_of": ["operators"]})
}

#[test]
fn a_rule_that_many_meet_who_are_signed_in_is_refused_for_the_endpoint_of_operators() {
    let many = "which many meet who are signed in";
    for (require, found) in [
        (json!("public"), "which is public"),
        (json!("authenticated"), many),
        (json!({"policy": "anybody"}), many),
        (json!({"provider": "sso"}), many),
        (json!({"bearer": "sso"}), many),
        (json!({"audience": ["api"]}), many),
        (json!({"acr": ["strong"]}), many),
        (json!({"max_auth_age": "5m"}), many),
        (json!({"bearer": "sso", "scope": ["openid", "email"]}), many),
        (json!({"not": {"claim": "status", "any_of": ["suspended"]}}), many),
        (json!({"any": [operators(), {"provider": "sso"}]}), many),
        (json!({"all": [{"provider": "sso"}, {"max_auth_age": "5m"}]}), many),
        // The same, asked of claims.
        (json!({"claim": "iss", "any_of": ["https://sso.example.com"]}), many),
        (json!({"claim": "aud", "any_of": ["app"]}), many),
        (json!({"claim": "azp", "any_of": ["app"]}), many),
        (json!({"claim": "typ", "any_of": ["ID"]}), many),
        (json!({"claim": "acr", "any_of": ["1"]}), many),
        (json!({"claim": "amr", "any_of": ["pwd"]}), many),
        (json!({"claim": "acrs", "any_of": ["c1"]}), many),
        (json!({"claim": "ver", "any_of": ["2.0"]}), many),
        (json!({"claim": "idp", "any_of": ["partner"]}), many),
        (json!({"claim": "email_verified", "any_of": [true]}), many),
        (json!({"claim": ["cnf"], "has_key": ["jkt"]}), many),
        (json!({"claim": "scope", "any_of": ["openid"], "split": " "}), many),
        (json!({"claim": "scope", "any_of": ["openid email", "sessions:end"]}), many),
        (json!({"any": [operators(), {"claim": "phone_number_verified", "any_of": [true]}]}), many),
    ] {
        let mut document = with_rules(json!([rule(json!({"path": PATH}), require.clone())]));
        document["policies"] = json!({"anybody": "authenticated"});
        document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
        let sentence = refused(&document).unwrap_or_else(|| panic!("{require} loads"));
        let expected = format!(
            "endpoints.operator_logout: expected a rule that names who may end sessions, for POST at https://app.example.com, found rules[0], {found}; write {{match: {{path: {PATH}}}, require: {{claim: groups, any_of: [operators]}}}} before it"
        );
        assert_eq!(sentence, expected);
    }
}

#[test]
fn rules_that_name_somebody_load() {
    for require in [
        operators(),
        json!({"policy": "operators"}),
        json!({"claim": "roles", "has_key": ["operator"]}),
        json!({"email_domain": ["operations.example.com"]}),
        json!({"scope": ["openid", "sessions:end"]}),
        json!({"claim": "scope", "any_of": ["sessions:end"], "split": " "}),
        json!({"claim": "sub", "any_of": ["4711"]}),
        json!({"all": [{"claim": "email_verified", "any_of": [true]}, operators()]}),
        json!({"all": [{"provider": "sso"}, operators(), {"max_auth_age": "5m"}]}),
        json!({"any": [operators(), {"scope": ["sessions:end"]}]}),
    ] {
        let mut document = with_rules(json!([rule(json!({"path": PATH}), require.clone())]));
        document["policies"] = json!({"operators": operators()});
        document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
        let settings = load_json(&document).unwrap_or_else(|refusals| panic!("{require}: {refusals}"));
        assert_eq!(settings.endpoints.operator_logout.as_deref(), Some(PATH));
        assert_eq!(settings.may_end_everybody, None);
    }
}

#[test]
fn a_rule_that_covers_the_endpoint_only_in_part_leaves_no_way_around_it() {
    let ours = |matches: Value| rule(matches, operators());
    for (rules, found) in [
        (json!([]), Some("https://app.example.com, found none, so that everybody meets it who is signed in")),
        // For another method, another origin, or another path.
        (json!([ours(json!({"path": PATH, "methods": ["GET", "PUT"]}))]), Some("https://app.example.com, found none")),
        (json!([ours(json!({"path": PATH, "host": "app.example.com"}))]), Some("https://other.example.com:8443, found none")),
        (
            json!([
                ours(json!({"path": PATH, "host": "app.example.com"})),
                rule(json!({"path_separated_prefix": "/api"}), json!("public"))
            ]),
            Some("https://other.example.com:8443, found rules[1], which is public"),
        ),
        (json!([ours(json!({"path": "/api/operator_logout/*"}))]), Some("https://app.example.com, found none")),
        (
            json!([ours(json!({"path": "/api/*_login"})), rule(json!({}), json!("authenticated"))]),
            Some("found rules[1], which many"),
        ),
        // An earlier rule takes the path by a pattern, for some methods.
        (
            json!([rule(json!({"path": "/api/oper*", "methods": ["POST"]}), json!("public")), ours(json!({"path": PATH}))]),
            Some("https://app.example.com, found rules[0], which is public"),
        ),
        (
            json!([
                rule(json!({"path": "/**/operator_logout", "host": "other.example.com"}), json!("authenticated")),
                ours(json!({"path": PATH}))
            ]),
            Some("https://other.example.com:8443, found rules[0], which many meet"),
        ),
        // Whole, although in parts.
        (json!([ours(json!({"path": PATH, "methods": ["POST"]}))]), None),
        (json!([ours(json!({"path_separated_prefix": "/api"})), rule(json!({}), json!("public"))]), None),
        (
            json!([
                ours(json!({"path": PATH, "host": "app.example.com"})),
                ours(json!({"path": "/api/*", "host": "other.example.com"}))
            ]),
            None,
        ),
        (json!([rule(json!({"path": PATH, "methods": ["GET"]}), json!("public")), ours(json!({"path": PATH}))]), None),
    ] {
        let sentence = refused(&with_rules(rules.clone()));
        match found {
            Some(found) => assert!(sentence.as_ref().is_some_and(|sentence| sentence.contains(found)), "{rules}: {sentence:?}"),
            None => assert_eq!(sentence, None, "{rules}"),
        }
    }
}

#[test]
fn who_may_end_everybody_is_named_too_and_only_where_there_is_the_endpoint() {
    let with_everybody = |require: Value| {
        let mut document = with_rules(json!([rule(json!({"path": PATH}), operators())]));
        document["operator_logout"] = json!({"everybody": require});
        document
    };
    let settings = load_json(&with_everybody(json!({"claim": "roles", "any_of": ["chief"]}))).unwrap();
    assert!(settings.may_end_everybody.is_some());
    assert!(settings.kept_claims.iter().any(|claim| claim.to_string() == "roles"), "sessions keep what is looked at");
    let place = "operator_logout.everybody: expected a condition that names somebody, found one that many meet who sign in; ";
    for require in [json!("authenticated"), json!("public"), json!({"max_auth_age": "5m"}), json!({"provider": "sso"})] {
        assert!(refused(&with_everybody(require.clone())).unwrap().starts_with(place), "{require}");
    }
    let mut document = with_everybody(operators());
    document["endpoints"].as_object_mut().unwrap().remove("operator_logout");
    assert!(
        refused(&document).unwrap().starts_with("operator_logout: expected endpoints.operator_logout, where sessions are ended")
    );
}
