//! What is done to the stream that is in effect: its request is changed or answered, its response is kept from caches. What is to be
//! done was decided elsewhere.

use proxy_wasm::types::MapType;

use crate::access::caches::speaks_past_cache_control;
use crate::access::private::{LOOKED_AT, NO_STORE, is_private, made_private};
use crate::http::message::{CookieEdit, Edits, Response};
use crate::shell::host_calls::{self, Refused};

/// Changes the request. One of which a field could not be changed must not go on.
pub(super) fn edit(edits: &Edits) -> Result<(), Refused> {
    for name in &edits.remove {
        host_calls::remove_header(MapType::HttpRequestHeaders, name)?;
    }
    for (name, value) in &*edits.set {
        host_calls::set_header(MapType::HttpRequestHeaders, name, value.as_bytes())?;
    }
    match &edits.cookie {
        CookieEdit::Untouched => Ok(()),
        CookieEdit::Dropped => host_calls::remove_header(MapType::HttpRequestHeaders, "cookie"),
        CookieEdit::Replaced(left) => host_calls::set_header(MapType::HttpRequestHeaders, "cookie", left),
    }
}

/// Answers the request. In `%RESPONSE_CODE_DETAILS%` of Envoy's access log, a refusal has its reason.
pub(super) fn respond(response: &Response) {
    let reason = response.headers.iter().find(|(name, _)| name == "x-accredit-reason");
    let details = ["accredit_", reason.map_or("answered", |(_, reason)| reason)].concat();
    // Without an answer it stays paused.
    let _ = host_calls::send_local_response(response.status, &details, &response.headers, &response.body);
}

/// Adds the fields of a renewed session to the response that is leaving: what keeps it from caches first.
pub(super) fn add_to_response(fields: Vec<(&'static str, String)>) -> Result<(), Refused> {
    let came = host_calls::headers(MapType::HttpResponseHeaders)?;
    for name in came.names().filter(|name| speaks_past_cache_control(name)) {
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

/// Keeps caches before us from keeping the request's response: in place of what the client says, behind which it could be hidden.
pub(super) fn ask_for_no_store() -> Result<(), Refused> {
    let (name, value) = NO_STORE;
    host_calls::set_header(MapType::HttpRequestHeaders, name, value.as_bytes())
}

/// What Envoy says of the response; nothing while there is none.
pub(super) fn code_details() -> String {
    let told = host_calls::property("response\0code_details").ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&told).into_owned()
}

/// Keeps shared caches from keeping the response that is leaving. Most need nothing: single fields that are not there take less
/// time than all that are.
pub(super) fn keep_private() -> Result<(), Refused> {
    let read = |name| host_calls::header(MapType::HttpResponseHeaders, name);
    let kept_out = read("cache-control")?.is_none_or(|said| is_private(&said));
    if kept_out && LOOKED_AT.into_iter().all(|name| read(name) == Ok(None)) {
        return Ok(());
    }
    let answer = host_calls::headers(MapType::HttpResponseHeaders)?;
    let (past, cache_control) = made_private(&answer);
    for name in past {
        host_calls::remove_header(MapType::HttpResponseHeaders, name)?;
    }
    if let Some(value) = cache_control {
        // All lines of it.
        host_calls::remove_header(MapType::HttpResponseHeaders, "cache-control")?;
        host_calls::add_header(MapType::HttpResponseHeaders, "cache-control", value.as_bytes())?;
    }
    Ok(())
}
