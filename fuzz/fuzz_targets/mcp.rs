//! Fuzzes what a request to an MCP server says it calls: lines of header fields, `name: value`, and lines `@path value` of the metadata that
//! Envoy's filter leaves of the body. Fields name a call only if each says it once; a body that was read names it too, and what the fields say
//! beside it must be the same.

#![no_main]

use accredit::access::mcp::call::{Call, Named, call, call_by_body};
use accredit::access::mcp::{calls, metadata};
use accredit::http::message::{Headers, Request};
use accredit_fuzz::field;
use libfuzzer_sys::fuzz_target;

const NAMING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

fuzz_target!(|bytes: &[u8]| {
    let (left, fields): (Vec<_>, Vec<_>) = bytes.split(|byte| *byte == b'\n').partition(|line| line.starts_with(b"@"));
    let left: Vec<(&[u8], &[u8])> = left
        .into_iter()
        .filter_map(|line| {
            let space = line.iter().position(|byte| *byte == b' ')?;
            Some((&line[1..space], &line[space + 1..]))
        })
        .collect();
    let read = |path: &[&str]| {
        let path = path.join(".");
        left.iter().find(|(name, _)| *name == path.as_bytes()).map(|(_, value)| value.to_vec())
    };
    let by_body = metadata::call(read);
    if let Some(Named { method, name, .. }) = &by_body {
        assert!(read(&["passthrough_reason"]).is_none() && read(&["is_exceeding_limit"]).is_none());
        assert_eq!(name.is_some(), NAMING.contains(&method.as_str()));
        assert!(!method.contains(char::is_control) && !name.as_deref().unwrap_or_default().contains(char::is_control));
    }
    let begin = [(":method", "POST"), (":authority", "app.example.com"), (":path", "/mcp")];
    let begin = begin.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let fields: Vec<_> = begin.chain(fields.into_iter().filter_map(field).filter(|(name, _)| !name.starts_with(':'))).collect();
    let Ok(request) = Request::from_headers(Headers::new(fields)) else { return };

    let by_fields = call(&request);
    if let Ok(Call::Named(named)) = &by_fields {
        let once = |name: &str| request.headers.all(name).count() == 1;
        assert!(once("mcp-method") && once("mcp-protocol-version") && !request.headers.contains("content-encoding"));
        assert_eq!(named.name.is_some(), NAMING.contains(&named.method.as_str()));
        assert!(named.name.is_none() || once("mcp-name"));
    }
    match call_by_body(&request, by_body.clone()) {
        Ok(Call::Named(named)) => {
            assert!(by_fields.is_ok(), "fields that contradict themselves are passed over");
            assert_eq!(Some(&named), by_body.as_ref());
            assert!(!request.headers.contains("upgrade") && !request.headers.contains("content-encoding"));
            if let Ok(Call::Named(fields)) = by_fields {
                assert_eq!((fields.method, fields.name), (named.method, named.name));
            }
        }
        Ok(other) => assert!(other == Call::Any && by_fields.is_ok(), "a POST that calls nothing"),
        Err(fault) => assert!(!fault.says().is_empty()),
    }
    if let Some(Named { name: Some(name), .. }) = &by_body {
        // As a pattern, a name with `*` may have what is special beside it; a configuration refuses that.
        assert!(calls::fits("*", name) && (name.contains('*') || calls::fits(name, name)));
        assert_eq!(calls::fits("delete_*", name), name.starts_with("delete_"));
    }
});
