//! Refusals in the form of a protocol, or of the configuration, in place of our own: JSON that programs expect. It never decides that
//! something is refused, nor with which status.

use serde_json::json;

use crate::access::mcp::call::VERSIONS;
use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::oidc::security_event::ErrorCode;
use crate::words::reason::{Failure, Reason};

/// The refusal at the password endpoint. For a wrong name or password a program gets the JSON that is configured.
pub(super) fn of_password(refusal: Response, settings: &Settings, failure: &Failure, wants_page: bool) -> Response {
    let configured = settings.password.as_ref().and_then(|password| password.refusal.as_ref());
    match (failure.reason, configured, wants_page) {
        (Reason::CredentialsRefused, Some(configured), false) => with_json(refusal, configured.clone()),
        _ => refusal,
    }
}

/// The refusal of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.8): `error` as in RFC 6749, section 5.2.
pub(super) fn of_logout_token(refusal: Response, failure: &Failure) -> Response {
    let error = if refusal.status < 500 { "invalid_request" } else { "temporarily_unavailable" };
    with_json(refusal, json!({"error": error, "error_description": failure.reason.id()}).to_string())
}

/// The refusal of a security event token (RFC 8935, section 2.3). While something is not available here, the token may be good, and
/// the status alone says so. The description tells nobody what would be accepted.
pub(super) fn of_security_event(refusal: Response, err: ErrorCode, failure: &Failure, request_id: &str) -> Response {
    if refusal.status >= 500 {
        return refusal;
    }
    let description = format!("{}; the receiver's log says more of request {request_id}", failure.reason.id());
    let mut response = with_json(refusal, json!({"err": err.as_str(), "description": description}).to_string());
    response.headers.retain(|(name, _)| name != "content-language");
    response.headers.push(("content-language".to_owned(), "en".to_owned()));
    response
}

/// The refusal of a call to an MCP server, as clients show it: a JSON-RPC error with a code of MCP 2026-07-28 (Basic, Transports). The
/// request's id stands in its body, which nobody has read. `version` is what the request named as its version.
pub(super) fn of_call(refusal: Response, version: Option<&str>, failure: &Failure) -> Response {
    let mut error = match failure.reason {
        Reason::McpFieldsInvalid => json!({"code": -32_020, "message": failure.detail}),
        Reason::McpVersionRefused => {
            let requested = version;
            json!({"code": -32_022, "message": failure.detail, "data": {"supported": VERSIONS, "requested": requested}})
        }
        _ => return refusal,
    };
    let body = json!({"jsonrpc": "2.0", "id": null, "error": error.take()});
    with_json(refusal, body.to_string())
}

/// The same response with JSON in the place of its body.
fn with_json(mut response: Response, body: String) -> Response {
    response.body = body;
    let json = ("content-type".to_owned(), "application/json".to_owned());
    response.headers.iter_mut().filter(|(name, _)| name == "content-type").for_each(|field| *field = json.clone());
    response
}
