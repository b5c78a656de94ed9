//! What Envoy's router says of a redirect that it follows itself. What follows from that is not known here.

use crate::http::message::Headers;
use crate::http::url::Origin;

/// The field in which the router says, at each internal redirect, which URL the pass before was for.
pub const ENVOYS_URL: &str = "x-envoy-original-url";

/// Whether an internal redirect led to the origin `own` from another one, which so chose what is asked for. Envoy names the scheme of
/// the connection, which is not the browser's where a proxy in front has ended TLS: the host alone tells the origin.
pub fn is_from_elsewhere(headers: &Headers, own: &Origin) -> bool {
    let from_own = |url: &[u8]| {
        let rest = std::str::from_utf8(url).ok().and_then(|url| Some(url.split_once("://")?.1));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        own.answers_to(&authority.to_ascii_lowercase())
    };
    !headers.all(ENVOYS_URL).all(from_own)
}
