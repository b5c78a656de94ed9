//! The end of a sign-in in a popup: a page that posts a message to the window that opened it, at exactly the configured origin,
//! and closes. It does not know what the message says.

use crate::answer::opener::OpenerMessage;
use crate::answer::page::Page;
use crate::answer::texts::Text;
use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::step::visit::Visit;

/// The page that posts `message`, a JSON text, to its opener.
pub(super) fn answer(settings: &Settings, visit: &Visit, message: &str, cookies: Vec<String>) -> Response {
    let language = visit.language(settings);
    let page = Page {
        status: 200,
        title: language.says(Text::SignedInHeading),
        paragraphs: vec![language.says(Text::SignedInText).to_owned()],
        actions: Vec::new(),
        diagnosis: None,
        reason: "signed_in",
        request_id: &visit.request_id,
        at_home: true,
        message: visit.opener(settings).map(|origin| OpenerMessage::new(origin, message)),
    };
    let mut response = page.respond(&settings.site, language);
    response.headers.push(("cache-control".to_owned(), "private, no-store".to_owned()));
    response.set_cookies(cookies);
    response
}
