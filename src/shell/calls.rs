//! HTTP calls by Envoy: sends one, and reads the reply. It does not know what a call is for.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::http::message::{Headers, HttpCall, Reply};

/// The most bytes that are read of a reply's body. The core refuses a body of more than 256 KiB.
const MOST_READ: usize = 300 * 1_024;

/// Sends a call from the context in effect, which gets the reply; returns the call's token, or `None` if Envoy cannot send it,
/// for instance because there is no such cluster.
pub(super) fn dispatch(call: &HttpCall) -> Option<u32> {
    let mut headers =
        vec![(":method", call.method), (":scheme", &call.scheme), (":authority", &call.authority), (":path", &call.path)];
    headers.extend(call.headers.iter().map(|(name, value)| (&**name, value.as_str())));
    let body = (!call.body.is_empty()).then_some(call.body.as_slice());
    hostcalls::dispatch_http_call(&call.cluster, headers, body, Vec::new(), call.timeout).ok()
}

/// Reads the reply that a callback has announced with these numbers of header fields and of body bytes.
pub(super) fn reply(headers: usize, body: usize) -> Reply {
    if headers == 0 {
        return Reply::Reset;
    }
    let fields = Headers::new(hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default());
    let Some(status) = fields.single(":status").and_then(|status| status.parse().ok()) else { return Reply::Reset };
    let body = match body {
        0 => Vec::new(),
        size => {
            hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size.min(MOST_READ)).ok().flatten().unwrap_or_default()
        }
    };
    Reply::Answered { status, headers: fields, body }
}
