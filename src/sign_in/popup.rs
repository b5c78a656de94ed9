//! The end of a sign-in in a window that a page opened: a page of ours that tells that one, at exactly the configured origin, and
//! closes its window. What it is told, others say.

use crate::answer::opener::OpenerMessage;
use crate::answer::page::Page;
use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::step::visit::Visit;

/// The page that posts `message`, which is JSON, to the one that opened the window.
pub(super) fn answer(settings: &Settings, visit: &Visit, message: &str, cookies: Vec<String>) -> Response {
    let page = Page {
        status: 200,
        title: "You are signed in",
        paragraphs: vec!["You can close this window.".to_owned()],
        actions: Vec::new(),
        reason: "signed_in",
        request_id: &visit.request_id,
        message: visit.opener(settings).map(|origin| OpenerMessage::new(origin, message)),
    };
    let mut response = page.respond();
    response.headers.push(("cache-control".to_owned(), "private, no-store".to_owned()));
    response.set_cookies(cookies);
    response
}
