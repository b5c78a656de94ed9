//! HTTP calls by the host: sending one, and reading what came back. Whose call it is, others know.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::http::message::{Headers, HttpCall, Reply};

/// No answer of a provider is read further than this, in bytes; the core refuses what is larger than 256 KiB.
const MOST_READ: usize = 300 * 1_024;

/// Sends a call on behalf of whoever is in effect; `None` when Envoy cannot, for example without such a cluster.
pub(super) fn dispatch(call: &HttpCall) -> Option<u32> {
    let mut headers =
        vec![(":method", call.method), (":scheme", &call.scheme), (":authority", &call.authority), (":path", &call.path)];
    headers.extend(call.headers.iter().map(|(name, value)| (&**name, value.as_str())));
    let body = (!call.body.is_empty()).then_some(call.body.as_bytes());
    hostcalls::dispatch_http_call(&call.cluster, headers, body, Vec::new(), call.timeout).ok()
}

/// Reads the answer that a callback announced with these counts.
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
