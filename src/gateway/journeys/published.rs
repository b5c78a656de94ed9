//! Publishes the public keys that belong to our signing keys, as a JWK Set (RFC 7517, section 5): services and other gateways
//! verify our tokens with them. It looks at nothing of a request but its method.

use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::step::decision::{Journey, Step};
use crate::step::stop::Stop;
use crate::step::visit::Visit;

/// The keys endpoint: GET or HEAD.
pub(super) fn keys(settings: &Settings, visit: &Visit) -> Journey {
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    let headers = [
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        // A new key that is published beside the old one for longer than this, before it signs, is known to every reader by then.
        ("cache-control", "public, max-age=300"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(Step::answered(Response { status: 200, headers, body: settings.published_keys.clone() }, Vec::new()))
}
