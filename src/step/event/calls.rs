//! What events tell of a call to an MCP server: what its request says that it calls, for which client, and under which name it is
//! counted. The texts are a stranger's, and are cut. Whether the call may be made is not known here.

use std::rc::Rc;

use crate::access::mcp::call::{self, Call, Named, TOOLS_CALL};
use crate::http::message::Request;
use crate::step::event::parts::RequestRef;
use crate::words::quote::name;

/// A call to an MCP server, as an audit line tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct McpCall {
    /// The identifier of the protected resource.
    pub resource: String,
    /// The client that the token was issued to; `None` if it does not say so, and of nobody.
    pub client: Option<String>,
    /// The version that the request names; `None` if that is no date.
    pub version: Option<String>,
    /// Such as `tools/call`; `None` of a request that does not say what it calls.
    pub method: Option<String>,
    /// The name of the tool or the prompt, or the URI of the resource, without what may be secret there; `None` of methods without.
    pub name: Option<String>,
}

/// A call that was let through, as its audit line tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct AllowedCall {
    pub request: RequestRef,
    /// The name of the rule that let it through.
    pub rule: String,
    /// `None` if nobody had to say who they are.
    pub subject: Option<String>,
    pub call: McpCall,
}

/// Under which name a call is counted. No name comes from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A call of a tool that the configuration names: its name or pattern there.
    Tool(Rc<str>),
    /// Any other call that says what it calls.
    Other,
    /// A call that does not say it.
    Unnamed,
}

impl McpCall {
    /// What a request tells that makes this call at this resource, for a client.
    pub fn of(request: &Request, resource: &str, call: &Call, client: Option<&str>) -> Self {
        let named = if let Call::Named(named) = call { Some(named) } else { None };
        Self {
            resource: resource.to_owned(),
            client: client.map(name),
            version: call::dated_version(request).map(str::to_owned),
            method: named.map(|named| name(&named.method)),
            name: named.and_then(Named::told),
        }
    }
}

impl Counted {
    /// Under the first of these tools that it calls. They are names, and patterns for names.
    pub fn of(tools: &[Rc<str>], call: &Call) -> Self {
        match call {
            Call::Named(Named { method, name: Some(name), .. }) if method == TOOLS_CALL => {
                let found = tools.iter().find(|tool| fast_glob::glob_match(tool.as_bytes(), name.as_bytes()));
                found.map_or(Self::Other, |tool| Self::Tool(Rc::clone(tool)))
            }
            Call::Named(_) => Self::Other,
            Call::Nothing | Call::Any => Self::Unnamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::Headers;

    fn told(fields: &[(&str, &str)], method: &str, name: Option<&str>) -> McpCall {
        let own = [(":method", "POST"), (":authority", "app.example.com"), (":path", "/mcp")];
        let all = own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let request = Request::from_headers(Headers::new(all.collect())).unwrap();
        let call = Call::Named(Named { method: method.into(), name: name.map(str::to_owned), params: vec![] });
        McpCall::of(&request, "https://app.example.com/mcp", &call, None)
    }

    #[test]
    fn what_may_be_secret_in_a_name_is_not_told() {
        const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let note = "note://3f2504e0-4f89-11d3-9a0c-0305e82c3301";
        let long = "github_create_pull_request_review_comment_2";
        for (method, name, shown) in [
            ("tools/call", JWT, "[left out]"),
            ("tools/call", &*format!("a {JWT} b"), "a [left out] b"),
            ("tools/call", long, long),
            ("tools/call", "what?", "what?"),
            ("resources/read", "https://h/a?access_token=mF_9.B5f-4.1JqM", "https://h/a"),
            ("resources/read", "https://u:pw@h/a@b#code=1", "https://h/a@b"),
            ("resources/read", "https://u:pw@h", "https://h"),
            ("resources/read", note, note),
        ] {
            assert_eq!(told(&[], method, Some(name)).name.as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn only_what_looks_like_a_version_is_told_as_one() {
        for (lines, version) in [
            (vec!["2025-11-25"], Some("2025-11-25")),
            (vec!["2025-11-25", "2026-07-28"], None),
            (vec!["accredit audit"], None),
            (vec![], None),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("mcp-protocol-version", *line)).collect();
            assert_eq!(told(&fields, "tools/list", None).version.as_deref(), version, "{lines:?}");
        }
    }

    #[test]
    fn a_call_is_counted_under_a_name_of_the_configuration_and_no_other() {
        let tools: Vec<Rc<str>> = vec!["delete_*".into(), "delete_all".into(), "read".into()];
        let named = |method: &str, name: Option<&str>| {
            Call::Named(Named { method: method.into(), name: name.map(str::to_owned), params: vec![] })
        };
        for (call, counted) in [
            (named("tools/call", Some("delete_all")), Counted::Tool("delete_*".into())),
            (named("tools/call", Some("read")), Counted::Tool("read".into())),
            (named("tools/call", Some("write")), Counted::Other),
            (named("prompts/get", Some("read")), Counted::Other),
            (named("tools/list", None), Counted::Other),
            (Call::Any, Counted::Unnamed),
        ] {
            assert_eq!(Counted::of(&tools, &call), counted, "{call:?}");
        }
    }
}
