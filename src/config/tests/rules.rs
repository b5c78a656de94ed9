//! Rules that can never decide a request, and those that still can.

use super::*;

fn with_rules(matches: &[Value]) -> Value {
    let rules = matches.iter().map(|matches| json!({"match": matches, "require": "authenticated"}));
    with("/rules", rules.collect())
}

fn refused(matches: &[Value]) -> Option<String> {
    load_json(&with_rules(matches)).err().map(|refusal| refusal.to_string())
}

fn path(path: &str) -> Value {
    json!({ "path": path })
}

fn prefix(path: &str) -> Value {
    json!({ "path_separated_prefix": path })
}

fn of(methods: &[&str]) -> Value {
    json!({"path": "/a", "methods": methods})
}

#[test]
fn a_pattern_behind_a_wider_rule_is_refused_because_its_page_would_stay_open() {
    let never = |takers: &str| {
        format!(
            "expected requests that nothing before it takes, found that all are taken by {takers}; move this rule up or remove it"
        )
    };
    for (matches, takers) in [
        (vec![prefix("/assets"), path("/assets/*/secret")], "rules[0]"),
        (vec![path("/x"), prefix("/pub"), path("/pub/**/admin/**")], "rules[1]"),
        (vec![prefix("/pub"), path("/pub/*.key")], "rules[0]"),
        (vec![path("/pub/*"), path("/pub/*/**"), path("/pub"), prefix("/pub")], "rules[0], rules[1], rules[2]"),
        (vec![of(&["GET"]), of(&["POST"]), of(&["HEAD", "POST"])], "rules[0], rules[1]"),
        // The same path or pattern in another spelling.
        (vec![prefix("/caf%C3%A9"), path("/caf%c3%a9/*")], "rules[0]"),
        (vec![path("/a/**"), path("/a/*/**")], "rules[0]"),
        (vec![prefix("/"), path("/x")], "rules[0]"),
        (vec![json!({"methods": ["GET"]}), json!({"path": "/x", "methods": ["HEAD"]})], "rules[0]"),
        (vec![json!({"host": "APP.example.com", "path_separated_prefix": "/x"}), path("/x/*.key")], "rules[0]"),
        // Endpoints are answered before any rule.
        (vec![path("/api/login/*/**"), prefix("/api/login")], "endpoints.login, rules[0]"),
    ] {
        let last = matches.len() - 1;
        let sentence = refused(&matches).unwrap_or_else(|| panic!("{matches:?} loads"));
        let (place, found) = sentence.split_once(": ").unwrap();
        assert_eq!(place, format!("rules[{last}].match"));
        let named: std::collections::BTreeSet<_> = takers.split(", ").collect();
        let told = found.split("taken by ").nth(1).unwrap().split(';').next().unwrap();
        assert_eq!(told.split(", ").collect::<std::collections::BTreeSet<_>>(), named, "{sentence}");
        assert_eq!(found, never(told));
    }
}

#[test]
fn a_rule_that_still_counts_for_one_request_loads() {
    for matches in [
        vec![path("/pub/*"), path("/pub/*/**"), prefix("/pub")],
        vec![of(&["GET"]), of(&["HEAD", "POST"])],
        vec![path("/*.css"), path("/*")],
        vec![path("/api/login/*"), prefix("/api/login")],
        vec![prefix("/api/login"), prefix("/api")],
    ] {
        assert_eq!(refused(&matches), None, "{matches:?}");
    }
}

#[test]
fn the_callback_of_a_provider_at_which_nobody_signs_in_is_no_endpoint() {
    let mut document = with_rules(&[path("/api/callback/partner")]);
    let partner = json!({
        "name": "partner",
        "issuer": "https://partner.example",
        "bearer": {"audiences": ["a"], "algorithms": ["HS256"], "secret": "0123456789abcdef0123456789abcdef"}
    });
    document["providers"].as_array_mut().unwrap().push(partner);
    assert_eq!(load_json(&document).map(|settings| settings.rules.all().len()).map_err(|refusal| refusal.to_string()), Ok(1));
}

#[test]
fn a_rule_of_which_it_takes_too_long_to_know_whether_it_counts_loads_with_a_warning() {
    let stars = |letters: &str| path(&format!("/{}", letters.chars().map(|letter| format!("*{letter}")).collect::<String>()));
    let earlier: Vec<_> = "abcde".chars().map(|letter| stars(&letter.to_string().repeat(24))).collect();
    let matches: Vec<_> = earlier.into_iter().chain([path("/*e*"), stars(&"abcde".repeat(6)), path("/plain")]).collect();
    let settings = load_json(&with_rules(&matches)).unwrap();
    assert_eq!(settings.rules.all().len(), 8);
    let warnings: Vec<_> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("rules[6].match: it is not known whether"), "{warnings:?}");
}

#[test]
fn a_rule_of_which_one_before_takes_everything_is_refused_however_many_patterns_stand_between() {
    let stars = |letters: &str| path(&format!("/{}", letters.chars().map(|letter| format!("*{letter}")).collect::<String>()));
    let between: Vec<_> = "abcdefghij".chars().map(|letter| stars(&letter.to_string().repeat(24))).collect();
    for (first, last) in [
        (path("/**/admin/**"), path("/**/admin/**")),
        (prefix("/assets"), path("/assets/secret")),
        (prefix("/assets"), prefix("/assets/own")),
        (path("/*/secret"), path("/assets/secret")),
        (json!({"path": "/*e*", "methods": ["GET"]}), json!({"path": "/*e*", "methods": ["HEAD"]})),
    ] {
        let matches: Vec<_> = [first.clone()].into_iter().chain(between.clone()).chain([last]).collect();
        let said = refused(&matches).unwrap_or_default();
        assert!(said.starts_with("rules[11].match: ") && said.contains("rules[0]"), "{first}: {said}");
    }
}

fn allowing(rule: Value) -> Result<Vec<Vec<&'static str>>, String> {
    let settings = load_json(&with("/rules", json!([rule]))).map_err(|refusals| {
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
        refusals.to_string()
    })?;
    let allowed = |rule: &crate::access::route::Rule| rule.allow_in_path.iter().map(|spelling| spelling.as_str()).collect();
    Ok(settings.rules.all().iter().map(allowed).collect())
}

#[test]
fn a_rule_may_allow_four_spellings_in_its_paths() {
    let below = |path: &str, allowed: Value| json!({"match": {"path": path}, "allow_in_path": allowed, "require": "public"});
    for (rule, allowed) in [
        (below("/files/**", json!(["%2F", ";", "%3F", "%23"])), vec!["%2F", ";", "%3F", "%23"]),
        (below("/wiki/*", json!(["%3F", "%23"])), vec!["%3F", "%23"]),
        (below("/*/raw/**", json!(["%2F"])), vec!["%2F"]),
        (json!({"allow_in_path": [";"], "require": "public"}), vec![";"]),
        (json!({"match": {"path_separated_prefix": "/files"}, "require": "public"}), vec![]),
    ] {
        assert_eq!(allowing(rule.clone()), Ok(vec![allowed]), "{rule}");
    }
    assert!(load_json(&short_example()).unwrap().readings.is_none());
}

#[test]
fn what_some_server_takes_for_another_path_can_never_be_allowed() {
    let one = |text: Value| json!({"match": {"path": "/files/**"}, "allow_in_path": ["%2F", text], "require": "public"});
    for (text, sentence) in [
        (json!("%2f"), "expected upper case, found %2f; write %2F, which allows both"),
        (json!("%3f"), "expected upper case, found %3f; write %3F, which allows both"),
        (json!("%2F"), "expected each spelling once, found one twice; remove one of them"),
        (json!("/"), "expected one of %2F, ;, %3F and %23, found a slash, which every path may have; write %2F"),
        (json!("?"), "expected one of %2F, ;, %3F and %23, found ?, at which the query begins; write %3F"),
        (json!("#"), "expected one of %2F, ;, %3F and %23, found #, which no request may have; write %23"),
        (json!("\\"), "expected one of %2F, ;, %3F and %23, found a backslash, which is always refused"),
        (json!("%5C"), "expected one of %2F, ;, %3F and %23, found a backslash, which is always refused"),
        (json!("%5c"), "expected one of %2F, ;, %3F and %23, found a backslash, which is always refused"),
        (json!("%25"), "expected one of %2F, ;, %3F and %23, found a percent sign, which is always refused"),
        (json!("%"), "expected one of %2F, ;, %3F and %23, found a percent sign, which is always refused"),
        (json!("%252F"), "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it"),
        (json!("%3B"), "expected one of %2F, ;, %3F and %23, found an encoded semicolon, which is always refused"),
        (json!("%2e"), "expected one of %2F, ;, %3F and %23, found a dot, which is always refused"),
        (json!(".."), "expected one of %2F, ;, %3F and %23, found a dot, which is always refused"),
        (json!("%00"), "expected one of %2F, ;, %3F and %23, found a control character, which is always refused"),
        (json!("%0d"), "expected one of %2F, ;, %3F and %23, found a control character, which is always refused"),
        (json!("%7F"), "expected one of %2F, ;, %3F and %23, found a control character, which is always refused"),
        (json!("\u{0}"), "expected one of %2F, ;, %3F and %23, found a control character, which is always refused"),
        (json!("//"), "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it"),
        (json!("%C0%AF"), "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it"),
        (json!("*"), "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it"),
        (json!(""), "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it"),
        (json!(5), "expected a text, found a number; write it in quotes"),
    ] {
        let said = allowing(one(text.clone())).unwrap_err();
        assert!(said.starts_with(&format!("rules[0].allow_in_path[1]: {sentence}")), "{text}: {said}");
    }
}

#[test]
fn a_rule_does_not_allow_what_could_never_come_to_it() {
    let rule = |matches: Value, allowed: Value| json!({"match": matches, "allow_in_path": allowed, "require": "public"});
    for (rule, sentence) in [
        (rule(prefix("/a"), json!([])), "expected at least one of %2F, ;, %3F and %23, found none; remove it"),
        (rule(prefix("/a"), json!("%2F")), "expected a list, found a text"),
        (rule(path("/a"), json!([";"])), "expected a rule for more than one path"),
        (rule(path("/a/*"), json!([";", "%2F"])), "expected a rule that is for any number of segments"),
    ] {
        let said = allowing(rule.clone()).unwrap_err();
        assert!(said.starts_with(&format!("rules[0].allow_in_path: {sentence}")), "{rule}: {said}");
    }
}

#[test]
fn nothing_is_allowed_beside_policies_of_routes_because_envoy_chooses_the_route_by_one_reading() {
    let mut document = with("/rules/1/allow_in_path", json!(["%2F"]));
    assert_eq!(
        load_json(&document).map(|settings| settings.readings.is_some()).map_err(|refusals| refusals.to_string()),
        Ok(true)
    );
    document["policies"] = json!({"members": {"claim": "groups", "any_of": ["members"]}});
    document["route_policies"] = json!({"filter_metadata": "accredit"});
    let refusals = load_json(&document).unwrap_err();
    assert_eq!(refusals.all().len(), 1, "{refusals}");
    assert!(refusals.to_string().starts_with("rules[1].allow_in_path: expected none beside route_policies"), "{refusals}");
}
