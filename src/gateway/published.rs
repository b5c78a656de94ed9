//! Publishes the public halves of the keys that sign tokens of ours (RFC 7517): services and other gateways verify with them, and
//! no secret is shared. Nothing about a request but its method is looked at.

use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::step::decision::{Journey, Step};
use crate::step::stop::Stop;
use crate::step::visit::Visit;

/// The keys endpoint.
pub(super) fn keys(settings: &Settings, visit: &Visit) -> Journey {
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    let headers = [
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        // Whoever caches them this long still knows a new key before it signs, if it stood behind the old one for a while.
        ("cache-control", "public, max-age=300"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(Step::answered(Response { status: 200, headers, body: settings.published_keys.clone() }, Vec::new()))
}
