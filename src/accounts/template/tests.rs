use super::*;
use serde_json::json;

fn template(value: Value) -> Template {
    Template::parse(&value, |_| true).unwrap()
}

fn filled(value: Value, filling: &Filling<'_>) -> Value {
    serde_json::from_str(&template(value).json(filling)).unwrap()
}

fn members(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

#[test]
fn what_somebody_types_becomes_one_value_and_never_json() {
    for evil in ["\",\"admin\":true,\"x\":\"", "\\", "\"}", "\u{0}\n", "{token}", "{{", "\u{2028}</script>", "é\u{10ffff}"] {
        let secret = Secret::new(evil);
        let filling = Filling { account: Some(evil), password: Some(&secret), ..Filling::default() };
        let written = filled(json!({"a": "{account}", "p": ["{password}"], "t": "<{account}>"}), &filling);
        assert_eq!(written, json!({"a": evil, "p": [evil], "t": format!("<{evil}>")}));
    }
}

#[test]
fn a_text_that_is_one_gap_takes_the_type_of_its_value_and_is_left_out_without_one() {
    let user = members(json!({"id": 7, "roles": ["a"], "deep": {"er": true}, "gone": null}));
    let filling = Filling { user: Some(&user), expires_in: Some(3_600), ..Filling::default() };
    let answer = json!({
        "id": "{user.id}", "text": "no. {user.id} {user.roles}{user.x}!", "roles": "{user.roles}", "er": "{user.deep.er}",
        "gone": "{user.gone}", "x": "{user.x}", "list": ["{user.x}", 1], "fixed": {"a": [null, true, 1.5, ""]},
        "for": "{expires_in}", "token": "{token}", "braces": "{{user.id}}",
    });
    let expected = json!({
        "id": 7, "text": "no. 7 !", "roles": ["a"], "er": true, "list": [null, 1], "fixed": {"a": [null, true, 1.5, ""]},
        "for": 3_600, "braces": "{user.id}",
    });
    assert_eq!(filled(answer, &filling), expected);
    assert_eq!(template(json!("{token}")).json(&filling).as_str(), "null");
    assert_eq!(template(json!({"a": "{token}", "b": 1, "c": "{token}"})).json(&filling).as_str(), r#"{"b":1}"#);
}

#[test]
fn no_value_gets_out_of_its_segment_of_a_path() {
    let path = |claims: Value| {
        let claims = members(claims);
        let text = Text::parse("/users/{claims.email}/x?id={claims.sub}", |_| true).unwrap();
        let path = text.path(&Filling { claims: Some(&claims), ..Filling::default() });
        path.map_err(ToString::to_string)
    };
    assert_eq!(path(json!({"email": "a+b@x.y", "sub": 5})).unwrap(), "/users/a%2Bb%40x.y/x?id=5");
    let evil = json!({"email": "../admin?x=#\\\r\n%2f ", "sub": "é&y=1"});
    assert_eq!(path(evil).unwrap(), "/users/..%2Fadmin%3Fx%3D%23%5C%0D%0A%252f%20/x?id=%C3%A9%26y%3D1");
    for absent in [json!(null), json!(""), json!("."), json!(".."), json!(["a"]), json!({"a": "b"})] {
        assert_eq!(path(json!({"email": absent, "sub": "s"})).unwrap_err(), "claims.email", "{absent}");
    }
}

#[test]
fn a_template_is_refused_where_it_is_wrong() {
    let refused = |value: Value| Template::parse(&value, |gap| *gap != Gap::Password).unwrap_err();
    for (value, path, what) in [
        (json!({"a": [1, "{"]}), ".a[1]", BRACES),
        (json!("}"), "", BRACES),
        (json!("{a"), "", BRACES),
        (json!({"a": {"b": "{password}"}}), ".a.b", UNKNOWN),
        (json!("{claims}"), "", UNKNOWN),
        (json!("{claims.}"), "", UNKNOWN),
        (json!("{user..a}"), "", UNKNOWN),
        (json!("{}"), "", UNKNOWN),
    ] {
        assert_eq!(refused(value.clone()), (path.to_owned(), what), "{value}");
    }
}

#[test]
fn the_memory_that_a_password_is_written_to_never_grows_so_that_no_copy_stays_behind() {
    for (account, password) in [("a", "b"), ("\u{1}", "\u{1}\u{1}\"\\"), ("", ""), ("é", "\u{7f}ü\n")] {
        let password = Secret::new(password.repeat(700));
        let filling = Filling { account: Some(account), password: Some(&password), ..Filling::default() };
        let template =
            template(json!({"e": "{account}", "p": "{password}", "t": "{account} {password}", "l": ["{password}", 1]}));
        let most = template.most_bytes(&filling);
        assert_eq!(template.json(&filling).capacity(), most, "it grew, and left what it had written behind");
    }
}

#[test]
fn a_gap_is_found_wherever_it_stands() {
    let has = |value: Value| template(value).has(&|gap| *gap == Gap::Token);
    assert!(has(json!("{token}")) && has(json!("x{token}")) && has(json!([{"a": "{token}"}])));
    assert!(!has(json!({"token": "{user.token}"})));
}
