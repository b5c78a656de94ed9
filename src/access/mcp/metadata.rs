//! What a request calls at an MCP server by its body, as Envoy's filter `envoy.filters.http.mcp` has read it before us: it leaves that in
//! the request's dynamic metadata, whatever the version of MCP. Where the filter did not read the whole body, or there is any doubt, nothing
//! is known. Which calls are allowed is not decided here.

use crate::access::mcp::call::{NAMING, Named, RESOURCES_READ};

/// The namespace in which the filter writes.
pub const NAMESPACE: &str = "envoy.filters.http.mcp";

/// What stands in the place of a method if the body has a `result` or an `error`. It may have a method beside that, which is not told, and
/// which a server would call.
const ANSWER: &str = "__jsonrpc_response";

/// What a POST calls; `None` if that is not known. `read` gives the bytes at a path of the filter's metadata, and `None` where there is
/// nothing.
pub fn call(read: impl Fn(&[&str]) -> Option<Vec<u8>>) -> Option<Named> {
    let is = |name: &str, wanted: &[u8]| read(&[name]).is_some_and(|value| value == wanted);
    let whole = read(&["passthrough_reason"]).is_none() && read(&["is_exceeding_limit"]).is_none();
    // A message of JSON-RPC 2.0. (Where the metadata came from cannot be seen: with `attribute_source: HEADERS` they look the same.)
    let was_read = is("is_mcp_request", &[1]) && is("status", b"mcp_ok") && is("jsonrpc", b"2.0");
    let method = read(&["method"]).and_then(text).filter(|method| whole && was_read && method != ANSWER)?;
    if !NAMING.contains(&method.as_str()) {
        return Some(Named { method, ..Named::default() });
    }
    let member = if method == RESOURCES_READ { "uri" } else { "name" };
    let name = Some(read(&["params", member]).and_then(text)?);
    Some(Named { method, name, params: Vec::new() })
}

/// A text. The host does not tell which type a value has: one that holds no text has other bytes than a name has.
fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty() && !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(fields: &[(&str, &[u8])]) -> Option<Named> {
        call(|path| fields.iter().find(|(name, _)| *name == path.join(".")).map(|(_, value)| value.to_vec()))
    }

    const GOOD: [(&str, &[u8]); 5] = [
        ("is_mcp_request", &[1]),
        ("status", b"mcp_ok"),
        ("jsonrpc", b"2.0"),
        ("method", b"tools/call"),
        ("params.name", b"read_note"),
    ];

    /// The good metadata with another value, or without one.
    fn with(name: &'static str, value: Option<&'static [u8]>) -> Option<Named> {
        let others = GOOD.into_iter().filter(|(other, _)| *other != name);
        called(&others.chain(value.map(|value| (name, value))).collect::<Vec<_>>())
    }

    #[test]
    fn a_body_that_was_read_whole_says_what_it_calls_by_whatever_version() {
        let named = |method: &str, name: Option<&str>| {
            Some(Named { method: method.into(), name: name.map(str::to_owned), params: vec![] })
        };
        assert_eq!(called(&GOOD), named("tools/call", Some("read_note")));
        assert_eq!(with("params.name", Some("gr\u{f6}\u{df}e".as_bytes())), named("tools/call", Some("gr\u{f6}\u{df}e")));
        assert_eq!(with("method", Some(b"tools/list")), named("tools/list", None));
        let read = [&GOOD[..3], &[("method", &b"resources/read"[..]), ("params.uri", b"file:///a")]].concat();
        assert_eq!(called(&read), named("resources/read", Some("file:///a")));
    }

    #[test]
    fn a_body_that_was_not_read_or_is_in_doubt_may_call_anything() {
        for (name, value) in [
            ("is_mcp_request", None),
            ("is_mcp_request", Some(&[0][..])),
            ("status", None),
            ("status", Some(b"mcp_error")),
            ("jsonrpc", None),
            ("jsonrpc", Some(b"1.0")),
            ("passthrough_reason", Some(b"mcp_body_too_large")),
            ("passthrough_reason", Some(b"")),
            ("is_exceeding_limit", Some(&[1])),
            ("is_exceeding_limit", Some(&[0])),
            // An answer to the server, or a call that has a result beside it.
            ("method", Some(b"__jsonrpc_response")),
            ("method", None),
            ("method", Some(b"")),
            ("method", Some(b"\xff")),
            ("method", Some(b"tools/call\n")),
            ("params.name", None),
            ("params.name", Some(b"")),
            ("params.name", Some(&[0, 0, 0, 0, 0, 0, 0x52, 0x40])),
            ("params.name", Some(&[1])),
        ] {
            assert_eq!(with(name, value), None, "{name} {value:?}");
        }
        assert_eq!(called(&[]), None);
    }
}
