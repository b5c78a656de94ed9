//! Mistakes that come from other programs and their languages, and what an operator should write instead.

use super::large::{changed, large};
use super::*;

fn told(document: &Value) -> String {
    let refusals = load_json(document).unwrap_err();
    assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    refusals.to_string()
}

fn rule(matches: Value) -> Value {
    with("/rules/0", json!({"match": matches, "require": "authenticated"}))
}

/// Every place where a text stands, as a JSON pointer.
fn texts(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Array(members) => {
            members.iter().enumerate().for_each(|(index, member)| texts(member, &format!("{pointer}/{index}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| texts(member, &format!("{pointer}/{}", name.replace('/', "~1")), found));
        }
        _ => {}
    }
}

#[test]
fn a_placeholder_that_nobody_filled_in_is_refused_wherever_a_text_may_stand() {
    let mut pointers = Vec::new();
    texts(&large(), "", &mut pointers);
    pointers.retain(|pointer| !pointer.ends_with("/environment_variable"));
    assert!(pointers.len() > 40 && pointers.iter().any(|pointer| pointer.contains("any_of")), "{pointers:?}");
    for pointer in pointers {
        let said = told(&changed(&[(&pointer, json!("${ISSUER_URL}"))]));
        let expected =
            "expected a value, found a placeholder that nobody has filled in; write {environment_variable: ISSUER_URL}";
        assert!(said.ends_with(expected), "{pointer}: {said}");
    }
}

#[test]
fn a_placeholder_is_known_by_its_form_and_its_default_is_never_shown() {
    let secret = |text: &str| with("/providers/0/client_secret", json!(text));
    for (text, remedy) in [
        ("${SECRET}", "{environment_variable: SECRET}"),
        (" $(SECRET_2)\n", "{environment_variable: SECRET_2}"),
        ("${SECRET:-hunter2hunter2}", "{environment_variable: SECRET}"),
        ("${SECRET:?hunter2hunter2}", "{environment_variable: SECRET}"),
        ("{{ .Values.hunter2hunter2 }}", "the value itself, or {environment_variable: NAME}"),
        ("{{SECRET}}", "the value itself, or {environment_variable: NAME}"),
    ] {
        let said = told(&secret(text));
        assert!(said.starts_with("providers[0].client_secret: ") && said.ends_with(&format!("; write {remedy}")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // These may be secrets, or gaps and queries in a template for the user service.
    for text in ["$SECRET", "x${SECRET}", "${SECRET}x", "${}", "${1}", "${account}", "{{}}", "{{ me { id } }}", "$()", "${A B}"] {
        assert!(load_json(&secret(text)).is_ok(), "{text}");
    }
}

#[test]
fn the_value_of_an_environment_variable_is_taken_as_it_is() {
    let inside = |name: &str| if name == "OIDC_CLIENT_SECRET" { Some("${SECRET}".to_owned()) } else { environment(name) };
    assert!(load(short_example().to_string().as_bytes(), &inside).is_ok());
}

#[test]
fn the_address_of_the_discovery_document_is_no_issuer() {
    let issuer = "https://sso.example.com/realms/main";
    for document in ["openid-configuration", "oauth-authorization-server"] {
        assert_eq!(
            told(&with("/providers/0/issuer", json!(format!("{issuer}/.well-known/{document}")))),
            "providers[0].issuer: expected the issuer, found the address of its discovery document; leave out /.well-known/… and write the rest, as it stands in the document (issuer)"
        );
    }
    assert!(load_json(&with("/providers/0/issuer", json!("https://sso.example.com/.well-known"))).is_ok());
}

#[test]
fn words_of_other_programs_are_told_the_right_one() {
    for (pointer, value, path, meant) in [
        ("/rules/0", json!({"match": {"prefix": "/x"}, "require": "public"}), "rules[0].match.prefix", "path_separated_prefix"),
        ("/rules/0", json!({"match": {"safe_regex": "/x"}, "require": "public"}), "rules[0].match.safe_regex", "path"),
        ("/rules/0", json!({"match": {"path": "/x"}, "allow": "public"}), "rules[0].allow", "require"),
        ("/rules/0/require", json!({"groups": ["admins"]}), "rules[0].require.groups", "claim"),
        ("/session/ttl", json!("8h"), "session.ttl", "lifetime"),
        ("/session/secret", json!("x"), "session.secret", "keys"),
        ("/providers/0/discovery_url", json!("x"), "providers[0].discovery_url", "issuer"),
        ("/hosts", json!([]), "hosts", "origins"),
    ] {
        let said = told(&with(pointer, value));
        let word = path.rsplit('.').next().unwrap();
        assert!(said.starts_with(&format!("{path}: expected one of ")), "{said}");
        assert!(said.ends_with(&format!("found `{word}` (did you mean `{meant}`?); correct its name or remove it")), "{said}");
    }
}

#[test]
fn a_list_of_scopes_is_told_that_one_text_is_meant() {
    assert_eq!(
        told(&with("/providers/0/scope", json!(["openid", "profile"]))),
        "providers[0].scope: expected one text with spaces between the scopes, found a list; write scope: openid profile email"
    );
}

#[test]
fn a_method_in_lower_case_is_told_in_upper_case() {
    for (method, meant) in [("get", "GET"), ("Delete", "DELETE"), ("fetch", "it as clients send it, such as GET")] {
        assert_eq!(
            told(&rule(json!({"path": "/x", "methods": [method]}))),
            format!("rules[0].match.methods[0]: expected a method in upper case, found another; write {meant}")
        );
    }
}

#[test]
fn a_prefix_with_a_slash_at_its_end_is_told_without_it() {
    assert_eq!(
        told(&rule(json!({"path_separated_prefix": "/admin/"}))),
        "rules[0].match.path_separated_prefix: expected a path without a slash at its end, found one; write /admin, which is for everything below it, too"
    );
    assert!(told(&rule(json!({"path_separated_prefix": "admin/"}))).ends_with("write it from the first slash on, such as /api"));
}

#[test]
fn a_regular_expression_is_told_that_there_are_none() {
    let none = "there are no regular expressions: ";
    for path in [r"^/a(b|c)$", r"/a\d+", "/users/[0-9]*", "/(a|b)//*", "a.*", "/x{1,2}*"] {
        let said = told(&rule(json!({ "path": path })));
        assert!(said.starts_with("rules[0].match.path: expected ") && said.contains(none), "{path}: {said}");
    }
    for prefix in ["^/a", "/a/*", "/a/.*", r"/a\.b"] {
        let said = told(&rule(json!({ "path_separated_prefix": prefix })));
        let expected = if prefix == "/a/*" { "such as /api" } else { none };
        assert!(
            said.starts_with("rules[0].match.path_separated_prefix: expected ") && said.contains(expected),
            "{prefix}: {said}"
        );
    }
    for path in ["/a b", "/a?b", "/a;b", "/a/../b", "/ä"] {
        assert!(!told(&rule(json!({ "path": path }))).contains(none), "{path}");
    }
}

#[test]
fn a_path_that_only_looks_like_a_regular_expression_loads_with_a_warning() {
    let warnings =
        |matches: Value| load_json(&rule(matches)).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    for path in ["/a/.*", "/a.*", "/a$", "/(a|b)", "/a/.+", "/a/[0-9]+", "/(a|b)/*", "/a^"] {
        let said = warnings(json!({ "path": path }));
        assert_eq!(said.len(), 1, "{path}: {said:?}");
        assert!(said[0].starts_with("rules[0].match.path: it looks like a regular expression, and is none: "), "{said:?}");
    }
    assert!(warnings(json!({"path_separated_prefix": "/a/.+"}))[0].starts_with("rules[0].match.path_separated_prefix: "));
    for path in ["/a/**", "/a/*.*", "/*.css", "/a/.git/**", "/a/$metadata", "/Products(1)", "/a+b", "/a.b/x"] {
        assert_eq!(warnings(json!({ "path": path })), Vec::<String>::new(), "{path}");
    }
}
