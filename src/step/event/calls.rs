//! What events tell of a call to an MCP server: what its request says that it calls, for which client, and under which name it is
//! counted. The texts are a stranger's: they are cut, and credentials in them are left out. Whether the call may be made is not known here.

use std::rc::Rc;

use crate::access::mcp::call::{self, Call, Named, RESOURCES_READ, TOOLS_CALL};
use crate::http::message::Request;
use crate::step::event::parts::RequestRef;
use crate::words::quote::{LEFT_OUT, name};

/// The shortest credential that is looked for in names, in bytes. No token is shorter that nobody can guess.
const SHORTEST_TOKEN: usize = 16;

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
        let (method, about) = match call {
            Call::Named(Named { method, name, .. }) => (Some(method), name.as_ref()),
            Call::Nothing | Call::Any => (None, None),
        };
        let of_resource = method.is_some_and(|method| method == RESOURCES_READ);
        let told = |text: &str| if has_credential(request, text) { LEFT_OUT.to_owned() } else { name(text) };
        Self {
            resource: resource.to_owned(),
            client: client.map(name),
            version: call::dated_version(request).map(str::to_owned),
            method: method.map(|method| told(method)),
            name: about.map(|about| told(&if of_resource { without_secrets(about) } else { about.clone() })),
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

/// Whether a text repeats what the request has in `Authorization`, behind the name of the scheme. (Of several lines, none counts.)
fn has_credential(request: &Request, text: &str) -> bool {
    let lines = request.headers.all("authorization").take(2).filter_map(|line| std::str::from_utf8(line).ok());
    let mut credentials = lines.filter_map(|line| line.trim().rsplit([' ', '\t']).next());
    credentials.any(|credential| credential.len() >= SHORTEST_TOKEN && text.contains(credential))
}

/// A URI without its query, its fragment, and the name and password before its host.
fn without_secrets(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    [scheme, "://", host, path].concat()
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
    fn no_credential_of_a_request_stands_in_what_is_told_of_its_call() {
        const OPAQUE: &str = "mF_9.B5f-4.1JqM-uT3";
        const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let bearer = format!("Bearer {OPAQUE}");
        let authorization = [("authorization", bearer.as_str())];
        for (method, name, shown) in [
            ("tools/call", OPAQUE.to_owned(), LEFT_OUT.to_owned()),
            ("tools/call", format!("read {OPAQUE} note"), LEFT_OUT.to_owned()),
            ("tools/call", format!("{}{OPAQUE}", "x".repeat(190)), LEFT_OUT.to_owned()),
            ("tools/call", JWT.to_owned(), LEFT_OUT.to_owned()),
            ("tools/call", format!("a {JWT} b"), "a [left out] b".to_owned()),
            ("resources/read", format!("https://h/a?access_token={OPAQUE}"), "https://h/a".to_owned()),
            ("resources/read", "https://u:pw@h/a@b#code=1".to_owned(), "https://h/a@b".to_owned()),
            (
                "resources/read",
                "note://3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned(),
                "note://3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned(),
            ),
            (
                "tools/call",
                "github_create_pull_request_review_comment_2".to_owned(),
                "github_create_pull_request_review_comment_2".to_owned(),
            ),
        ] {
            assert_eq!(told(&authorization, method, Some(&name)).name, Some(shown), "{name}");
        }
        assert_eq!(told(&authorization, OPAQUE, None).method.as_deref(), Some(LEFT_OUT));
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
