//! The layout of all pages that people see. Whatever is put into a page is escaped here. No page can be framed or cached, or can
//! run a script, except the one that sends a message to the page's opener. What a page says is decided elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use html_escape::{encode_double_quoted_attribute, encode_text};
use sha2::{Digest, Sha256};

use crate::answer::language::Language;
use crate::answer::opener::{self, OpenerMessage};
use crate::answer::site::{Accent, CARD, Logo, Site};
use crate::answer::texts::Text;
use crate::http::message::Response;

/// Everything but the colours of the card and of what can be done.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5c6675;--desk:#eef1f5;--line:#d9dee6}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--dim:#9aa5b5;--desk:#12161d;--line:#2c3542}}\
body{box-sizing:border-box;margin:0;padding:1rem;min-height:100vh;display:grid;place-items:center;background:var(--desk);color:var(--ink);\
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
main{box-sizing:border-box;width:min(34rem,100%);padding:clamp(1.3rem,6vw,2.3rem);background:var(--paper);\
border:1px solid var(--line);border-radius:14px;overflow-wrap:anywhere}\
header{margin:0 0 1.4rem;font-weight:600}img{display:block;max-width:100%;height:2.5rem;object-fit:contain;object-position:left}\
h1{margin:0 0 .8rem;font-size:1.45rem;line-height:1.25}p{margin:.6rem 0}a{color:var(--deed)}\
nav{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:1.5rem}form{margin:0}\
nav a,button{font:inherit;display:inline-block;padding:.5rem 1.1rem;border-radius:8px;border:1px solid var(--deed);\
background:none;color:var(--deed);text-decoration:none;cursor:pointer}\
@media(forced-colors:none){nav>a:first-child,nav>form:first-child button{background:var(--deed);color:var(--paper)}}\
section{margin-top:1.8rem;padding:.2rem .9rem;border:1px dashed var(--dim);border-radius:8px}h2{margin:.6rem 0 0;font-size:1rem}\
footer{margin-top:1.8rem;padding-top:.9rem;border-top:1px solid var(--line);font-size:.82rem;color:var(--dim)}";

/// A page for a person.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    pub status: u16,
    /// The heading, which says what happened.
    pub title: &'a str,
    /// The paragraphs, which say why, and what to do.
    pub paragraphs: Vec<String>,
    /// The links and buttons.
    pub actions: Vec<Action<'a>>,
    /// What operators are told; it is in English.
    pub diagnosis: Option<&'a str>,
    /// The identifier of the reason, in small print.
    pub reason: &'a str,
    /// The request's identifier, which the log contains, too.
    pub request_id: &'a str,
    /// Whether the request was for an origin that is served: only there an image at a path can be found.
    pub at_home: bool,
    /// The message to the page that opened this one in a popup.
    pub message: Option<OpenerMessage>,
}

/// A link or a button.
#[expect(missing_docs, reason = "the names are those of HTML")]
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// A link.
    Go { label: &'a str, href: String },
    /// A button that sends an empty form to one of our endpoints.
    Post { label: &'a str, action: &'a str },
}

impl Page<'_> {
    /// The response with the page, as this site shows it in this language. What is in the page itself must be in that language.
    pub fn respond(&self, site: &Site, language: &Language) -> Response {
        let style = style(site.accent);
        let style_hash = hash(&style);
        let logo = site.logo.as_ref().filter(|logo| self.at_home || matches!(logo, Logo::Data(_)));
        let images = logo.map(|logo| ["img-src ", logo.source(), "; "].concat()).unwrap_or_default();
        // `form-action` would also stop a redirect to the provider after a form of ours. Nobody else can put a form into the
        // page.
        let has_form = self.actions.iter().any(|action| matches!(action, Action::Post { .. }));
        let forms = if has_form { "" } else { "form-action 'none'; " };
        // With `no-referrer`, a form would send `Origin: null`, which is no evidence that it is ours; and browsers send no other
        // evidence to an origin without TLS. Either policy keeps the address of the page to itself.
        let referrer = if has_form { "strict-origin" } else { "no-referrer" };
        let told = self.message.is_some();
        let script = if told { ["script-src 'sha256-", &hash(opener::SCRIPT), "'; "].concat() } else { String::new() };
        let policy = format!(
            "default-src 'none'; {script}style-src 'sha256-{style_hash}'; {images}{forms}base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-language", language.tag()),
            ("vary", "accept-language"),
            ("content-security-policy", &policy),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", referrer),
        ];
        let mut headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        if told {
            // With any other value, `window.opener` would be null.
            headers.push(("cross-origin-opener-policy".to_owned(), "unsafe-none".to_owned()));
        }
        Response { status: self.status, headers, body: self.html(site.name.as_deref(), logo, &style, language) }
    }

    fn html(&self, name: Option<&str>, logo: Option<&Logo>, style: &str, language: &Language) -> String {
        let title = encode_text(self.title);
        let name = name.unwrap_or_default();
        let behind = if name.is_empty() { String::new() } else { [" – ", &encode_text(name)].concat() };
        let header = match logo {
            Some(logo) => {
                let (url, name) = (encode_double_quoted_attribute(logo.url()), encode_double_quoted_attribute(name));
                format!("<header><img src=\"{url}\" alt=\"{name}\"></header>")
            }
            None if name.is_empty() => String::new(),
            None => ["<header>", &encode_text(name), "</header>"].concat(),
        };
        let paragraphs: String = self.paragraphs.iter().map(|text| format!("<p>{}</p>", encode_text(text))).collect();
        let actions: String = self.actions.iter().map(Action::html).collect();
        let actions = if actions.is_empty() { actions } else { format!("<nav>{actions}</nav>") };
        let diagnosis = self.diagnosis.map(|diagnosis| {
            let heading = encode_text(language.says(Text::DiagnosisHeading));
            format!("<section><h2>{heading}</h2><p lang=\"en\">{}</p></section>", encode_text(diagnosis))
        });
        let diagnosis = diagnosis.unwrap_or_default();
        let script = self.message.as_ref().map(OpenerMessage::html).unwrap_or_default();
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{title}{behind}</title>\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{style}</style></head>\
             <body><main>{header}<h1>{title}</h1>{paragraphs}{actions}{diagnosis}<footer>{} · {} {}</footer></main>{script}</body></html>",
            encode_double_quoted_attribute(language.tag()),
            encode_text(self.reason),
            encode_text(language.says(Text::Request)),
            encode_text(self.request_id),
        )
    }
}

/// The style sheet. Text on a filled button has the colour of the card, so that it can be read if the button's colour can be read
/// on the card.
fn style(accent: Accent) -> String {
    let colours = |card, deed| format!(":root{{--paper:{card};--deed:{deed}}}");
    let (light, dark) = (colours(CARD.light, accent.light), colours(CARD.dark, accent.dark));
    format!("{STYLE}{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

/// The SHA-256 hash of a text in base64, as a content security policy contains it.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

impl Action<'_> {
    fn html(&self) -> String {
        match self {
            Self::Go { label, href } => {
                format!("<a href=\"{}\">{}</a>", encode_double_quoted_attribute(href), encode_text(label))
            }
            Self::Post { label, action } => format!(
                "<form method=\"post\" action=\"{}\"><button>{}</button></form>",
                encode_double_quoted_attribute(action),
                encode_text(label)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Language {
        Language::new("en", Vec::new())
    }

    #[test]
    fn nothing_written_into_a_page_becomes_markup() {
        let evil = "\"><script>alert(1)</script>";
        let page = Page {
            status: 403,
            title: evil,
            paragraphs: vec![evil.into()],
            actions: vec![Action::Go { label: evil, href: evil.into() }, Action::Post { label: evil, action: evil }],
            diagnosis: Some(evil),
            reason: evil,
            request_id: evil,
            at_home: true,
            message: None,
        };
        let named = Site { name: Some(evil.into()), ..Site::default() };
        for site in [Site { logo: Some(Logo::Path(evil.into())), ..named.clone() }, named] {
            let body = page.respond(&site, &english()).body;
            assert!(!body.contains("<script"), "{body}");
            assert!(!body.contains("\"&quot;&gt;\"") && !body.contains("\"\">"), "{body}");
        }
    }

    #[test]
    fn a_page_loads_nothing_but_the_logo_of_its_site_and_that_only_where_it_can_be_found() {
        let site = |logo| Site { name: Some("Ex & Co".into()), logo, ..Site::default() };
        let (data, path) = (Logo::Data("data:image/png;base64,AAAA".into()), Logo::Path("/logo.svg".into()));
        for (logo, at_home, source, header) in [
            (None, true, None, "<header>Ex &amp; Co</header>"),
            (Some(path.clone()), true, Some("img-src 'self'; "), "<header><img src=\"/logo.svg\" alt=\"Ex &amp; Co\"></header>"),
            (Some(path), false, None, "<header>Ex &amp; Co</header>"),
            (Some(data), false, Some("img-src data:; "), "src=\"data:image/png;base64,AAAA\" alt=\"Ex &amp; Co\""),
        ] {
            let response = Page { title: "Stop", at_home, ..Page::default() }.respond(&site(logo), &english());
            let policy = &response.headers.iter().find(|(name, _)| name == "content-security-policy").unwrap().1;
            assert_eq!(policy.matches("img-src").count(), usize::from(source.is_some()), "{policy}");
            assert!(policy.contains(source.unwrap_or_default()) && policy.starts_with("default-src 'none'; "), "{policy}");
            assert!(
                response.body.contains(header) && response.body.contains("<title>Stop – Ex &amp; Co</title>"),
                "{}",
                response.body
            );
        }
    }

    #[test]
    fn the_policy_allows_the_style_sheet_of_this_site_and_no_other() {
        for accent in [Accent::default(), Accent { light: CARD.dark, dark: CARD.light }] {
            let response = Page::default().respond(&Site { accent, ..Site::default() }, &english());
            let (_, behind) = response.body.split_once("<style>").unwrap();
            let (style, _) = behind.split_once("</style>").unwrap();
            assert!(
                style.contains(&format!("--deed:{}", accent.light)) && style.contains(&format!("--deed:{}", accent.dark)),
                "{style}"
            );
            let policy = &response.headers.iter().find(|(name, _)| name == "content-security-policy").unwrap().1;
            assert!(policy.contains(&format!("style-src 'sha256-{}';", hash(style))), "{policy}");
        }
    }

    #[test]
    fn a_page_can_be_neither_framed_nor_scripted() {
        let headers = Page::default().respond(&Site::default(), &english()).headers;
        let policy = &headers.iter().find(|(name, _)| name == "content-security-policy").unwrap().1;
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn a_form_says_which_origin_it_came_from_and_a_page_without_one_says_nothing() {
        let policy = |actions| {
            let headers = Page { actions, ..Page::default() }.respond(&Site::default(), &english()).headers;
            headers.into_iter().find(|(name, _)| name == "referrer-policy").unwrap().1
        };
        assert_eq!(policy(vec![Action::Post { label: "End", action: "/out" }]), "strict-origin");
        assert_eq!(policy(vec![Action::Go { label: "Go", href: "/".into() }]), "no-referrer");
    }

    #[test]
    fn actions_are_links_and_forms_that_post() {
        let go = Action::Go { label: "Go", href: "/a?b=1&c=2".into() };
        let post = Action::Post { label: "End", action: "/out" };
        let body = Page { actions: vec![go, post], ..Page::default() }.respond(&Site::default(), &english()).body;
        let form = "<form method=\"post\" action=\"/out\"><button>End</button></form>";
        assert!(body.contains(&format!("<nav><a href=\"/a?b=1&amp;c=2\">Go</a>{form}</nav>")), "{body}");
    }

    #[test]
    fn a_policy_names_the_style_and_the_script_by_their_sha_256_hashes() {
        assert_eq!(hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn a_page_says_in_which_language_it_is_and_that_another_request_may_get_another() {
        let response = Page::default().respond(&Site::default(), &Language::new("fr", Vec::new()));
        for field in [("content-language", "fr"), ("vary", "accept-language")] {
            assert!(response.headers.contains(&(field.0.to_owned(), field.1.to_owned())), "{:?}", response.headers);
        }
        assert!(response.body.contains("<html lang=\"fr\">") && response.body.contains(" · demande "), "{}", response.body);
    }
}
