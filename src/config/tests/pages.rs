//! What the pages say and show: the parts `site` and `help`.

use super::*;
use crate::answer::colour::Colour;
use crate::answer::language::Languages;
use crate::answer::site::{Accent, Help, Logo, Site};
use crate::answer::texts::Text;

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

fn site(site: Value) -> Site {
    load_json(&with("/site", site)).unwrap().site
}

fn warnings(document: &Value) -> Vec<String> {
    load_json(document).unwrap().warnings.iter().map(ToString::to_string).collect()
}

fn colours(light: &str, dark: &str) -> Accent {
    let [light, dark] = [light, dark].map(|text| Colour::parse(text).unwrap());
    Accent { light, dark }
}

#[test]
fn a_site_has_a_name_a_logo_a_colour_and_a_way_to_ask_and_none_of_them_must_be_written() {
    assert_eq!(load_json(&short_example()).unwrap().site, Site::default());
    let help = Help { text: Some("Ask us.".into()), url: Some("/contact?about=access".into()) };
    let written = json!({
        "name": " Example & Söhne ",
        "logo": PNG,
        "accent": {"light": "#0B6B45", "dark": "#5fd6a0"},
        "help": {"text": "Ask us.", "url": "/contact?about=access"}
    });
    let expected = Site {
        name: Some("Example & Söhne".into()),
        logo: Some(Logo::Data(PNG.into())),
        accent: colours("#0b6b45", "#5fd6a0"),
        help,
        languages: Languages::default(),
        diagnose: false,
    };
    assert_eq!(site(written), expected);
}

#[test]
fn help_means_the_same_in_its_earlier_place_and_stands_in_one_of_both() {
    let help = json!({"text": "Ask us.", "url": "mailto:desk@example.com"});
    let earlier = load_json(&with("/help", help.clone())).unwrap();
    assert_eq!((earlier.site, earlier.warnings), (site(json!({"help": help})), Vec::new()));
    let mut twice = with("/help", help.clone());
    twice["site"] = json!({ "help": help });
    let told = load_json(&twice).unwrap_err().to_string();
    assert_eq!(told, "help: expected it in one place, found it here and as site.help; remove this one");
}

#[test]
fn one_colour_alone_is_made_legible_by_day_and_by_night_and_the_log_says_what_to_write() {
    for (accent, told) in [
        (
            "#2456c8",
            "site.accent: by night its contrast with the card #1b212b is 2.49:1, so that #6286d7 is taken there; 4.5:1 is needed (WCAG 2.2, 1.4.3): write {light: \"#2456c8\", dark: \"#6286d7\"}, or others",
        ),
        (
            "#fc0",
            "site.accent: by day its contrast with the card #ffffff is 1.51:1, so that #907300 is taken there; 4.5:1 is needed (WCAG 2.2, 1.4.3): write {light: \"#907300\", dark: \"#ffcc00\"}, or others",
        ),
        (
            "#808080",
            "site.accent: by day its contrast with the card #ffffff is 3.94:1, so that #767676 is taken there, and by night its contrast with the card #1b212b is 4.09:1, so that #888888 is taken there; 4.5:1 is needed (WCAG 2.2, 1.4.3): write {light: \"#767676\", dark: \"#888888\"}, or others",
        ),
    ] {
        assert_eq!(warnings(&with("/site", json!({ "accent": accent }))), [told]);
    }
    // What the line says to write is accepted, and says no more.
    let both = json!({"accent": {"light": "#767676", "dark": "#888888"}});
    assert_eq!((site(both.clone()).accent, warnings(&with("/site", both))), (colours("#767676", "#888888"), vec![]));
}

#[test]
fn a_logo_comes_with_the_page_or_from_a_path_that_everybody_may_load() {
    let named = |logo: &str| json!({"name": "Example", "logo": logo});
    for logo in [PNG, "data:image/svg+xml;base64,PHN2Zy8+", "/logo.svg", "/a/b%20c.png"] {
        assert!(site(named(logo)).logo.is_some(), "{logo}");
    }
    let protected = "site.logo: expected a path that a public rule covers, found one of rules[1], which is not public, on https://app.example.com; write {match: {path: /api/logo.svg}, require: public} before it, or the image as data:image/…";
    let (data, path) =
        ("site.logo: expected a path on this origin, or data:", "site.logo: expected a path that can be read in one way");
    for (logo, told) in [
        ("/api/logo.svg", protected),
        ("/api/login", "site.logo: expected a path that a public rule covers, found endpoints.login; write the path of an image"),
        ("https://cdn.example/logo.svg", data),
        ("//cdn.example/logo.svg", path),
        ("/\\cdn.example/logo.svg", path),
        ("/logo.svg?x=1", path),
        ("/a/../logo.svg", path),
        ("logo.svg", data),
        ("javascript:alert(1)", data),
        ("data:text/html;base64,AAAA", data),
        ("data:image/png,AAAA", data),
        ("data:image/png;base64,", data),
        ("data:image/png;base64,A\"><script>", "site.logo: expected an image in base64, found other characters"),
        (&format!("data:image/png;base64,{}", "AAAA".repeat(9_000)), "site.logo: expected at most 32768 bytes"),
    ] {
        let refusals = load_json(&with("/site", named(logo))).unwrap_err();
        assert!(refusals.to_string().starts_with(told), "expected: {told}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "{refusals}");
    }
    let mut closed = with("/site", named("/logo.svg"));
    closed["rules"] = json!([]);
    let told = load_json(&closed).unwrap_err().to_string();
    assert!(told.contains("found one of no rule, which is for people who are signed in, on https://app.example.com"), "{told}");
    // On one of two origins it is closed.
    let mut two = with("/site", named("/logo.svg"));
    two["origins"] = json!(["https://app.example.com", "https://admin.example.com"]);
    two["rules"] = json!([{"match": {"host": "app.example.com"}, "require": "public"}]);
    let told = load_json(&two).unwrap_err().to_string();
    assert!(told.contains("on https://admin.example.com"), "{told}");
}

#[test]
fn what_could_not_be_read_or_followed_is_refused() {
    for (written, told) in [
        (
            json!({"nmae": "x"}),
            "site.nmae: expected one of `name`, `logo`, `accent`, `help`, found `nmae` (did you mean `name`?)",
        ),
        (json!({"name": " "}), "site.name: expected a name of 1 to 60 characters in one line"),
        (json!({"name": "x".repeat(61)}), "site.name: expected a name of 1 to 60"),
        (json!({"name": "a\nb"}), "site.name: expected a name of 1 to 60"),
        (json!({ "logo": PNG }), "site.logo: expected site.name, which those hear or read who do not see the logo, found none"),
        (json!({"accent": "blue"}), "site.accent: expected a colour as # and six hexadecimal digits, found another text"),
        (json!({"accent": 5}), "site.accent: expected a colour, or one by day and one by night, found a number"),
        (json!({"accent": {"light": "#000"}}), "site.accent.dark: expected a value, found none; add it"),
        (
            json!({"accent": {"light": "#777", "dark": "#fff"}}),
            "site.accent.light: expected a contrast of at least 4.5:1 with the card #ffffff (WCAG 2.2, 1.4.3), found 4.47:1; write \"#767676\", or another",
        ),
        (
            json!({"accent": {"light": "#000", "dark": "#1b212b"}}),
            "site.accent.dark: expected a contrast of at least 4.5:1 with the card #1b212b (WCAG 2.2, 1.4.3), found 1.00:1; write ",
        ),
        (json!({"help": {"url": "javascript:alert(1)"}}), "site.help.url: expected https:, mailto: or a path, found another"),
        (json!({"help": {"url": "http://help.example.com"}}), "site.help.url: "),
        (json!({"help": {"url": "//help.example.com"}}), "site.help.url: "),
        (json!({"help": {"url": "/\\help.example.com"}}), "site.help.url: "),
        (json!({"help": {"url": "https://help.example.com/\n"}}), "site.help.url: "),
    ] {
        let refusals = load_json(&with("/site", written)).unwrap_err();
        assert!(refusals.to_string().starts_with(told), "expected: {told}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "{refusals}");
    }
}

#[test]
fn every_text_can_be_replaced_in_every_language() {
    for text in Text::ALL {
        let says = format!("<b>{}</b>", text.gap().unwrap_or("ä"));
        let written = json!({"en": {text.id(): says}, "fr": {text.id(): "x".repeat(600)}, "de-CH": {text.id(): says}});
        let settings = load_json(&with("/texts", written)).unwrap();
        let said = |tag: &str| settings.site.languages.choose([tag.as_bytes()].into_iter()).says(*text).to_owned();
        assert_eq!([said("en"), said("fr-BE"), said("de-CH")], [says.clone(), "x".repeat(600), says]);
    }
}

#[test]
fn a_further_language_shows_english_where_it_has_no_text_and_the_log_says_where() {
    let all: serde_json::Map<_, _> = Text::ALL.iter().map(|text| (text.id().to_owned(), json!("?"))).collect();
    assert_eq!(warnings(&with("/texts", json!({ "de": all }))), Vec::<String>::new());
    let mut some = all.clone();
    some.remove("sign_in");
    some.remove("internal_heading");
    let told =
        "texts.de: 2 texts are shown in English, because they are not written here: sign_in, internal_heading (docs/texts.md)";
    assert_eq!(warnings(&with("/texts", json!({ "de": some }))), [told]);
    let [told] = &warnings(&with("/texts", json!({"de": {"sign_in": "Anmelden"}})))[..] else { panic!() };
    assert!(told.ends_with(&format!(" and {} more (docs/texts.md)", Text::ALL.len() - 11)), "{told}");
    // Of these two the rest is there.
    assert_eq!(warnings(&with("/texts", json!({"fr": {}, "fr-CA": {"sign_in": "Ouvrir"}, "en-GB": {}}))), Vec::<String>::new());
}

#[test]
fn a_text_that_nobody_would_see_or_that_cannot_stand_on_a_page_is_refused() {
    let in_one_line = "expected a text of 1 to 600 characters in one line, found another; write one, or remove it";
    let tag = "expected the tag of a language, each once, found another name; write fr, de or pt-BR";
    for (written, told) in [
        (
            json!({"fr": {"sign_inn": "x"}}),
            "texts.fr.sign_inn: expected the id of a text, found `sign_inn` (did you mean `sign_in`?)",
        ),
        (json!({"fr": {"sign_out_headings": "x"}}), "texts.fr.sign_out_headings: expected the id of a text, found"),
        (json!({"fr": {"sign_in": ""}}), &*format!("texts.fr.sign_in: {in_one_line}")),
        (json!({"fr": {"sign_in": "x".repeat(601)}}), &format!("texts.fr.sign_in: {in_one_line}")),
        (json!({"fr": {"sign_in": "a\nb"}}), &format!("texts.fr.sign_in: {in_one_line}")),
        (json!({"fr": {"sign_in": 5}}), "texts.fr.sign_in: expected a text, found a number"),
        (json!({"fr": {"sign_in": "{name}"}}), "texts.fr.sign_in: expected no gap, because nothing is filled in here"),
        (json!({"fr": {"sign_in": "a } b"}}), "texts.fr.sign_in: expected no gap"),
        (json!({"fr": {"signed_in_as": "{name} {claims}"}}), "texts.fr.signed_in_as: expected no other gap than {name}, and"),
        (json!({"fr": {"signed_in_as": "{ name }"}}), "texts.fr.signed_in_as: expected no other gap than {name}, and"),
        (json!({"FR": {}}), &format!("texts.FR: {tag}")),
        (json!({"french": {}}), &format!("texts.french: {tag}")),
        (json!({"fr_CA": {}}), &format!("texts.fr_CA: {tag}")),
        (json!({"fr\">": {}}), &format!("texts.fr\">: {tag}")),
        (json!({"": {}}), &format!("texts.: {tag}")),
        (json!({"pt-BR": {}, "pt-br": {}}), &format!("texts.pt-br: {tag}")),
        (json!({"fr": "x"}), "texts.fr: expected an object, found a text"),
        (json!([]), "texts: expected an object, found a list"),
    ] {
        let refusals = load_json(&with("/texts", written)).unwrap_err();
        assert!(refusals.to_string().starts_with(told), "expected: {told}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "{refusals}");
    }
}

#[test]
fn diagnoses_on_pages_are_warned_of_where_strangers_may_come() {
    for (origin, diagnose, warned) in [
        ("https://app.example.com", true, true),
        ("https://app.example.com", false, false),
        ("http://localhost:10000", true, false),
    ] {
        let mut document = with("/diagnose", json!(diagnose));
        document["origins"] = json!([origin]);
        let told = warnings(&document).iter().filter(|told| told.starts_with("diagnose: everybody who gets a page")).count();
        assert_eq!(told, usize::from(warned), "{origin} {diagnose}");
        assert_eq!(load_json(&document).unwrap().site.diagnose, diagnose);
    }
}

#[test]
fn sessions_do_not_depend_on_how_the_pages_look() {
    let fingerprints = |document: &Value| {
        let settings = load_json(document).unwrap();
        settings.providers.iter().map(|provider| provider.fingerprint.clone()).collect::<Vec<_>>()
    };
    let mut written = with("/site", json!({"name": "Example", "logo": PNG, "accent": "#2456c8", "help": {"text": "Ask us."}}));
    written["texts"] = json!({"fr": {"sign_in": "Entrer"}});
    written["diagnose"] = json!(true);
    assert_eq!(fingerprints(&written), fingerprints(&short_example()));
}
