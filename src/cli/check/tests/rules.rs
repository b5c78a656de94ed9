//! Rules that the filter takes and that are doubtful all the same, and their innocent neighbours.

use serde_json::{Value, json};

use super::{PUBLIC, found};

/// What is found in a configuration with these rules and these further members, as `id path`.
fn told(rules: &Value, further: &Value) -> Vec<String> {
    let mut text = json!({
        "origins": ["https://app.example.com", "https://www.example.com"],
        "providers": [{
            "name": "sso", "issuer": "https://sso.example.com", "clusters": "provider", "client_id": "gateway",
            "client_secret": {"environment_variable": "SECRET"},
        }],
        "session": {"keys": [{"environment_variable": "KEY"}]},
        "rules": rules,
    });
    text.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let told = found(&text.to_string(), PUBLIC);
    told.iter().map(|line| line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn admins() -> Value {
    json!({"claim": "groups", "any_of": ["admins"]})
}

fn rule(matches: Value, require: Value) -> Value {
    json!({"match": matches, "require": require})
}

#[test]
fn a_rule_that_an_earlier_one_opens_in_part_is_told_unless_that_is_an_exception() {
    let prefix = |path: &str| json!({"path_separated_prefix": path});
    let public = |matches: Value| rule(matches, json!("public"));
    let rest = || json!({"require": "authenticated"});
    for (rules, expected) in [
        // Everybody may read, and so may read what is for administrators.
        (json!([public(json!({"methods": ["GET"]})), rule(prefix("/admin"), admins()), rest()]), Some(1)),
        (json!([public(json!({"path": "/**/*.css"})), rule(prefix("/admin"), admins()), rest()]), Some(1)),
        (json!([public(json!({"path": "/teams/*/docs"})), rule(prefix("/teams/red"), admins()), rest()]), Some(1)),
        (json!([rule(json!({"path": "/*/x"}), json!("authenticated")), rule(prefix("/a"), admins()), rest()]), Some(1)),
        // Preflights bring no credentials, and a whole host may be public.
        (json!([public(json!({"methods": ["OPTIONS"]})), rule(prefix("/admin"), admins()), rest()]), None),
        (json!([public(json!({"host": "www.example.com"})), rule(prefix("/admin"), admins()), rest()]), None),
        // An exception from the later rule, by a path or by a method.
        (json!([public(prefix("/admin/help")), rule(prefix("/admin"), admins()), rest()]), None),
        (json!([public(json!({"path": "/admin/*.css", "methods": ["GET"]})), rule(prefix("/admin"), admins()), rest()]), None),
        (
            json!([
                public(json!({"path": "/admin/**/*.css"})),
                public(json!({"path": "/**/*.css"})),
                rule(prefix("/admin"), admins()),
                rest()
            ]),
            None,
        ),
        // A place comes before a pattern for every place.
        (json!([public(prefix("/assets")), rule(json!({"path": "/**/secret"}), admins()), rest()]), None),
        // The earlier rule asks for as much, for more, or for other paths.
        (json!([rule(json!({"path": "/*/x"}), admins()), rule(prefix("/a"), admins()), rest()]), None),
        (json!([rule(json!({"path": "/*/x"}), admins()), rule(prefix("/a"), json!("authenticated")), rest()]), None),
        (json!([public(json!({"path": "/*.css"})), rule(prefix("/admin"), admins()), rest()]), None),
    ] {
        let expected: Vec<_> = expected.iter().map(|index| format!("rule-crossed rules[{index}].match:")).collect();
        assert_eq!(told(&rules, &json!({})), expected, "{rules}");
    }
}

#[test]
fn a_path_that_many_applications_answer_by_another_spelling_is_told_only_if_that_spelling_is_more_open() {
    let exact = |path: &str| json!({"path": path});
    let rest = |require: &str| json!({"require": require});
    for (rules, is_told) in [
        (json!([rule(exact("/members"), admins()), rest("authenticated")]), true),
        (json!([rule(exact("/members"), json!("authenticated")), rest("public")]), true),
        // `/members/` is for members, and `/members.json` for everybody.
        (json!([rule(exact("/members"), admins()), rule(exact("/members/"), admins()), rest("public")]), true),
        (
            json!([rule(exact("/members"), admins()), rule(json!({"path": "/members/**"}), admins()), rest("authenticated")]),
            false,
        ),
        (json!([rule(exact("/members"), json!("authenticated")), rest("authenticated")]), false),
        (json!([rule(exact("/members"), json!("public")), rest("authenticated")]), false),
        (json!([rule(json!({"path_separated_prefix": "/members"}), admins()), rest("public")]), false),
        (json!([rule(exact("/members.json"), admins()), rule(exact("/members.json/"), admins()), rest("public")]), false),
    ] {
        let expected = if is_told { vec!["rule-narrow rules[0].match.path:".to_owned()] } else { Vec::new() };
        assert_eq!(told(&rules, &json!({})), expected, "{rules}");
    }
}

#[test]
fn a_condition_on_what_people_write_themselves_is_told_wherever_it_stands() {
    let claim = |claim: Value| json!({"claim": claim, "any_of": ["alice"]});
    for (require, place) in [
        (claim(json!("preferred_username")), Some("")),
        (claim(json!(["address", "country"])), Some("")),
        (json!({"any": [admins(), {"not": claim(json!("nickname"))}]}), Some(".any[1].not")),
        (claim(json!("sub")), None),
        (claim(json!("email")), None),
        (claim(json!(["realm_access", "name"])), None),
        (json!({"email_domain": ["example.com"]}), None),
    ] {
        let expected = |root: &str| Vec::from_iter(place.map(|place| format!("self-named {root}{place}.claim:")));
        assert_eq!(told(&json!([{"require": require}]), &json!({})), expected("rules[0].require"), "{require}");
        let policies = json!({"policies": {"known": require}});
        assert_eq!(told(&json!([{"require": {"policy": "known"}}]), &policies), expected("policies.known"), "{require}");
    }
    // What the user service says is not what the person says.
    let accounts = json!({"accounts": {"cluster": "users", "subject": "id", "claims": {"name": "fullName"}, "find": {"path": "/users/{claims.sub}"}}});
    let rules = json!([{"require": claim(json!("name"))}]);
    assert_eq!((told(&rules, &accounts), told(&rules, &json!({})).len()), (Vec::new(), 1));
}
