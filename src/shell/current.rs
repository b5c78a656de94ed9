//! What is done to the stream that is in effect: its request is changed or answered, its response is kept from caches. What is to be
//! done was decided elsewhere.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::access::caches::speaks_past_cache_control;
use crate::access::private::{LOOKED_AT, NO_STORE, is_private, made_private};
use crate::words::message::{CookieEdit, Edits, Headers, Response};

/// Changes the request.
pub(super) fn edit(edits: &Edits) {
    for name in &edits.remove {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }
    for (name, value) in &*edits.set {
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
    }
    let _ = match &edits.cookie {
        CookieEdit::Untouched => Ok(()),
        CookieEdit::Dropped => hostcalls::remove_map_value(MapType::HttpRequestHeaders, "cookie"),
        CookieEdit::Replaced(left) => hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "cookie", Some(left)),
    };
}

/// Answers the request.
pub(super) fn respond(response: &Response) {
    let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = (!response.body.is_empty()).then_some(response.body.as_bytes());
    let _ = hostcalls::send_http_response(u32::from(response.status), headers, body);
}

/// Adds the fields of a renewed session to the response that is leaving.
pub(super) fn add_to_response(fields: Vec<(&'static str, String)>) {
    let came = Headers::new(hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default());
    for name in came.names().filter(|name| speaks_past_cache_control(name)) {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
    }
    for (name, value) in fields {
        let _ = match name {
            "set-cookie" => hostcalls::add_map_value(MapType::HttpResponseHeaders, name, &value),
            _ => hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(&value)),
        };
    }
}

/// Keeps caches before us from keeping the request's response: in place of what the client says, behind which it could be hidden.
pub(super) fn ask_for_no_store() {
    let (name, value) = NO_STORE;
    let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
}

/// What Envoy says of the response; nothing while there is none.
pub(super) fn code_details() -> String {
    let told = hostcalls::get_property(vec!["response", "code_details"]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&told).into_owned()
}

/// Keeps shared caches from keeping the response that is leaving. Most need nothing: single fields that are not there take less
/// time than all that are.
pub(super) fn keep_private() {
    let read = |name| hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten();
    let said = read("cache-control");
    let kept_out = said.is_none_or(|said| is_private(&said));
    if kept_out && LOOKED_AT.into_iter().all(|name| read(name).is_none()) {
        return;
    }
    let answer = Headers::new(hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default());
    let (past, cache_control) = made_private(&answer);
    for name in past {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
    }
    if let Some(value) = cache_control {
        // All lines of it.
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "cache-control");
        let _ = hostcalls::add_map_value(MapType::HttpResponseHeaders, "cache-control", &value);
    }
}
