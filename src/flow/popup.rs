//! The end of a sign-in in a window that a page opened: a page of ours that tells that one, at exactly the configured origin, and
//! closes its window. What it is told, others say.

use crate::access::opener::Message;
use crate::access::page::Page;
use crate::config::settings::Settings;
use crate::flow::visit::Visit;
use crate::words::message::Response;
use crate::words::url::Origin;

/// The origin of the page that is told of a popup's sign-in, where there are popups at all. Nothing of a request names it.
pub fn origin<'a>(settings: &'a Settings, visit: &'a Visit) -> Option<&'a Origin> {
    settings.popup.as_ref().map(|popup| popup.origin.as_ref().unwrap_or(&visit.origin))
}

/// The same, if this request may be for a popup.
pub fn opener<'a>(settings: &'a Settings, visit: &'a Visit) -> Option<&'a Origin> {
    origin(settings, visit).filter(|_| visit.in_popup)
}

/// The page that posts `message`, which is JSON, to the one that opened the window.
pub(super) fn answer(settings: &Settings, visit: &Visit, message: &str, cookies: Vec<String>) -> Response {
    let page = Page {
        status: 200,
        title: "You are signed in",
        paragraphs: vec!["You can close this window.".to_owned()],
        actions: Vec::new(),
        reason: "signed_in",
        request_id: &visit.request_id,
        message: opener(settings, visit).map(|origin| Message::new(origin, message)),
    };
    let mut response = page.respond();
    response.headers.push(("cache-control".to_owned(), "private, no-store".to_owned()));
    response.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    response
}
