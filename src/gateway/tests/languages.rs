//! In which language a page is, on the ways to a page that know least of the request.

use super::popup::{go_to_the_provider, popup};
use super::stage::{Stage, Worker, changed, document, field, outcome, response};
use crate::http::message::Headers;
use crate::step::decision::Decision;
use serde_json::json;

fn asking(language: &str, authority: &str, path: &str) -> Headers {
    let fields = [
        (":method", "GET"),
        (":authority", authority),
        (":path", path),
        ("sec-fetch-mode", "navigate"),
        ("accept", "text/html"),
        ("accept-language", language),
    ];
    Headers::new(fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec())
}

#[test]
fn a_page_is_in_the_language_that_is_asked_for_also_before_anything_else_is_known() {
    let mut worker = Worker::new(&changed(document(), "/texts", json!({"de": {"sign_out_heading": "Abmelden?"}})));
    for (authority, path, language, tag, heading) in [
        ("elsewhere.example", "/", "fr-CA, en;q=0.1", "fr", "<h1>Ce n’est pas le bon site</h1>"),
        ("app.example.com", "/a//b", "fr", "fr", "<h1>Cette adresse n’est pas claire</h1>"),
        ("app.example.com", "/api/logout", "fr", "fr", "<h1>Se déconnecter\u{a0}?</h1>"),
        ("app.example.com", "/api/logout", "de", "de", "<h1>Abmelden?</h1>"),
        ("app.example.com", "/a//b", "de", "de", "<h1>This address is not clear</h1>"),
        ("app.example.com", "/api/logout", "xx\"><b>", "en", "<h1>Sign out?</h1>"),
    ] {
        let step = worker.begin(asking(language, authority, path));
        let page = response(&step);
        assert_eq!((field(page, "content-language"), field(page, "vary")), (Some(tag), Some("accept-language")), "{language}");
        let begins = page.body.contains(&format!("<html lang=\"{tag}\">"));
        assert!(begins && page.body.contains(heading) && !page.body.contains("xx"), "{}", page.body);
    }
}

#[test]
fn the_page_that_ends_a_popup_speaks_the_language_of_its_browser() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    let fields = [("sec-fetch-mode", "navigate"), ("accept", "text/html"), ("accept-language", "fr")];
    let step = stage.send(stage.browser.send("GET", &callback, &fields));
    assert!(matches!(step.decision, Decision::Respond(_)) && outcome(&step) == (200, ""));
    assert!(response(&step).body.contains("<h1>Connexion réussie</h1><p>Vous pouvez fermer cette fenêtre.</p>"));
}
