//! Changes the stream in effect: edits or answers its request, adds fields to its response, keeps the response from caches. It
//! decides nothing.

use proxy_wasm::types::MapType;

use crate::access::caching::caches::speaks_past_cache_control;
use crate::access::caching::private::{NO_STORE, made_private};
use crate::http::message::{CookieEdit, Edits, Response};
use crate::shell::host_calls::{self, Refused};
use crate::words::reason::Reason;

/// Makes these changes to the request's headers.
///
/// # Errors
/// The host's refusal of a change. The request must not go on then.
pub(super) fn edit(edits: &Edits) -> Result<(), Refused> {
    for name in &edits.remove {
        host_calls::remove_header(MapType::HttpRequestHeaders, name)?;
    }
    for (name, value) in &*edits.add {
        host_calls::add_header(MapType::HttpRequestHeaders, name, value.as_bytes())?;
    }
    match &edits.cookie {
        CookieEdit::Untouched => Ok(()),
        CookieEdit::Dropped => host_calls::remove_header(MapType::HttpRequestHeaders, "cookie"),
        CookieEdit::Replaced(left) => host_calls::set_header(MapType::HttpRequestHeaders, "cookie", left),
    }
}

/// Sends this response. `%RESPONSE_CODE_DETAILS%` of Envoy's access log has the reason of a refusal, or of a redirect that the
/// browser did not ask for.
///
/// # Errors
/// The host's refusal. Nobody is answered then.
pub(super) fn respond(response: &Response, diverted: Option<Reason>) -> Result<(), Refused> {
    let refused = response.headers.iter().find(|(name, _)| name == "x-accredit-reason").map(|(_, reason)| reason.as_str());
    let reason = refused.or_else(|| diverted.map(Reason::id));
    let details = ["accredit_", reason.unwrap_or("answered")].concat();
    host_calls::send_local_response(response.status, &details, &response.headers, &response.body)
}

/// Adds the fields of a renewed session to the response, after removing fields by which a cache could store it all the same.
pub(super) fn add_to_response(fields: Vec<(&'static str, String)>) -> Result<(), Refused> {
    let came = host_calls::headers(MapType::HttpResponseHeaders)?;
    for name in came.named(speaks_past_cache_control) {
        host_calls::remove_header(MapType::HttpResponseHeaders, name)?;
    }
    for (name, value) in fields {
        match name {
            "set-cookie" => host_calls::add_header(MapType::HttpResponseHeaders, name, value.as_bytes())?,
            _ => host_calls::set_header(MapType::HttpResponseHeaders, name, value.as_bytes())?,
        }
    }
    Ok(())
}

/// Tells caches behind this filter, in the request, not to store its response. The client's `Cache-Control`, beside which a cache
/// might overlook it, is gone by then.
pub(super) fn ask_for_no_store() -> Result<(), Refused> {
    let (name, value) = NO_STORE;
    host_calls::add_header(MapType::HttpRequestHeaders, name, value.as_bytes())
}

/// Envoy's word for the response (`%RESPONSE_CODE_DETAILS%`); empty while there is no response.
pub(super) fn code_details() -> String {
    let details = host_calls::property("response\0code_details").ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&details).into_owned()
}

/// Keeps shared caches from storing the response.
pub(super) fn keep_private() -> Result<(), Refused> {
    let answer = host_calls::headers(MapType::HttpResponseHeaders)?;
    let (past, cache_control) = made_private(&answer);
    for name in past {
        host_calls::remove_header(MapType::HttpResponseHeaders, name)?;
    }
    if let Some(value) = cache_control {
        // All its lines are removed, and one is added.
        host_calls::remove_header(MapType::HttpResponseHeaders, "cache-control")?;
        host_calls::add_header(MapType::HttpResponseHeaders, "cache-control", value.as_bytes())?;
    }
    Ok(())
}
