use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::answer::language::Language;
use crate::answer::page::Page;
use crate::answer::site::Site;
use crate::http::message::Response;

fn told(message: &Value) -> Response {
    let origin = Origin::parse("https://front.example.org").unwrap();
    Page { message: Some(OpenerMessage::new(&origin, &message.to_string())), ..Page::default() }
        .respond(&Site::default(), &Language::new("en", Vec::new()))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    &response.headers.iter().find(|(field, _)| field == name).unwrap().1
}

#[test]
fn no_value_breaks_out_of_the_data_and_every_value_is_read_unchanged() {
    for evil in [
        "</script><script>alert(1)</script>",
        "</SCRIPT\n>",
        "<!--<script>",
        "-->",
        "]]>",
        "\"});alert(1)//",
        "'`${alert(1)}\\",
        "\\u003c/script>",
        "&lt;/script&gt;&quot;",
        "\u{2028}alert(1)\u{2029}",
        "\r\n\t\0\u{7f}\u{feff}é😀",
    ] {
        let message = json!({ evil: [evil, {"in": evil}], "token": evil });
        let body = told(&message).body;
        let data = between(&body, "<script type=\"application/json\" id=\"message\">", "</script>");
        assert!(!data.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\n', '\r']), "{data}");
        assert_eq!((body.matches("<script").count(), body.matches("</script>").count()), (2, 2), "{body}");
        let read: Value = serde_json::from_str(data).unwrap();
        assert_eq!(read, json!({"origin": "https://front.example.org", "message": message}));
    }
}

#[test]
fn nothing_runs_in_the_page_but_the_one_script_whose_hash_the_policy_names() {
    let response = told(&json!({"token": "x"}));
    let script = between(&response.body, "</script><script>", "</script>");
    let style = between(&response.body, "<style>", "</style>");
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        hash(script),
        hash(style)
    );
    assert_eq!(field(&response, "content-security-policy"), policy);
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "unsafe-none"),
    ] {
        assert_eq!(field(&response, name), value);
    }
}

#[test]
fn the_message_goes_to_the_named_origin_and_to_no_other() {
    assert_eq!(SCRIPT.matches("postMessage(").count(), 1);
    assert!(SCRIPT.contains("window.opener.postMessage(message,origin)") && !SCRIPT.contains('*'));
    assert!(SCRIPT.find("data.remove()") < SCRIPT.find("postMessage("), "the data is gone even where nobody is told");
}

#[test]
fn a_message_does_not_print_because_it_may_hold_a_token() {
    let origin = Origin::parse("https://front.example.org").unwrap();
    let page = Page { message: Some(OpenerMessage::new(&origin, "{\"token\":\"secret\"}")), ..Page::default() };
    assert!(!format!("{page:?}").contains("secret"), "{page:?}");
}

#[test]
fn a_page_without_a_message_has_no_script() {
    let response = Page::default().respond(&Site::default(), &Language::new("en", Vec::new()));
    assert!(!response.body.contains("<script") && !field(&response, "content-security-policy").contains("script-src"));
}
