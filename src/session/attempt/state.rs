//! The form of `state` and of the cookie names of sign-in attempts: both have the attempt's identifier. What is in a cookie, or sealed
//! in `state`, is not known here.

use crate::http::cookie::pairs;
use crate::http::message::Headers;
use crate::session::cookie::CookieSettings;

/// How many random bytes an identifier is made of.
pub(super) const ID_BYTES: usize = 6;
const ID_LENGTH: usize = 8;

/// Follows the identifier in the `state` of a popup's attempt. It proves nothing: it only says which page to tell that the
/// sign-in failed if the attempt's cookie is missing.
pub(super) const POPUP_MARK: &str = ".popup.";

/// Whether a callback's `state` has the form that it has for popups. This proves nothing: anybody can write such a `state`.
pub fn looks_like_popup_state(state: &str) -> bool {
    state.get(ID_LENGTH..).is_some_and(|rest| rest.starts_with(POPUP_MARK))
}

/// The name of the cookie of the attempt with this identifier.
pub(super) fn cookie_name(settings: &CookieSettings, id: &str) -> String {
    format!("{}{id}", settings.attempt_prefix)
}

/// The identifiers and values of all attempt cookies of a request.
pub(super) fn cookies_of<'a>(settings: &'a CookieSettings, headers: &'a Headers) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    pairs(headers, &settings.attempt_prefix).filter_map(|(name, value)| {
        let id = std::str::from_utf8(name.strip_prefix(settings.attempt_prefix.as_bytes())?).ok()?;
        is_id(id).then_some((id, value))
    })
}

/// The value of the cookie of the attempt with this identifier.
pub(super) fn cookie_of<'a>(settings: &'a CookieSettings, headers: &'a Headers, id: &str) -> Option<&'a [u8]> {
    cookies_of(settings, headers).find(|(other, _)| *other == id).map(|(_, value)| value)
}

/// The identifier that a `state` begins with.
pub(super) fn id_of(state: &str) -> Option<&str> {
    state.split_once('.').map(|(id, _)| id).filter(|id| is_id(id))
}

/// The two parts of a `state` that identify an attempt which ends with a session, up to the second dot; and what is behind that dot:
/// the sealed address (`in_state`), which identifies nothing.
pub(super) fn own_and_sealed(state: &str) -> (&str, Option<&str>) {
    let second_dot = state.match_indices('.').nth(1);
    match second_dot.and_then(|(at, _)| state.split_at_checked(at)) {
        Some((own, rest)) => (own, rest.strip_prefix('.')),
        None => (state, None),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
