//! Calls to a server of the Model Context Protocol, as the header fields of a request name them (MCP 2026-07-28, Basic, Transports,
//! Streamable HTTP). Older versions do not name them, so that what they call is unknown here. The body is never read here: somebody
//! else must compare it with these fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::message::{Following, Request};
use crate::words::quote::{name, quote};

/// The versions whose requests name what they call, and of which servers and Envoy's `mcp` filter compare that with the body. (Envoy
/// 1.40 lets requests of a later version pass without a look at the body.)
pub const VERSIONS: [&str; 1] = ["2026-07-28"];

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const PARAM: &str = "mcp-param-";

/// The shortest credential that is looked for in other fields, in bytes. What is shorter can be guessed, and may stand in any word.
const SHORTEST_TOKEN: usize = 16;

/// The methods whose requests must name what they are about, in `Mcp-Name`.
pub const NAMING: [&str; 3] = [TOOLS_CALL, PROMPTS_GET, RESOURCES_READ];

/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Gets a prompt.
pub const PROMPTS_GET: &str = "prompts/get";
/// Reads a resource of the server.
pub const RESOURCES_READ: &str = "resources/read";

/// What a request calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Call {
    /// Nothing: GET, HEAD, DELETE and OPTIONS without a body carry no call.
    Nothing,
    /// It does not say, so that it may be any call of any tool.
    #[default]
    Any,
    /// This.
    Named(Named),
}

/// A call that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Such as `tools/call`. Methods are case-sensitive.
    pub method: String,
    /// The name of the tool or the prompt, or the URI of the resource; `None` of methods that have none.
    pub name: Option<String>,
    /// The arguments that the tool wants to be named in header fields, by the names of those, in lower case.
    pub params: Vec<(String, String)>,
}

impl Call {
    /// It, as a phrase for the log.
    pub fn says(&self) -> String {
        match self {
            Self::Nothing => "it calls nothing".to_owned(),
            Self::Any => {
                format!("it does not say what it calls, as MCP-Protocol-Version {} does", VERSIONS.join(" or "))
            }
            Self::Named(named) => {
                let method = quote(&name(&named.method));
                named.told().map_or_else(|| format!("it calls {method}"), |told| format!("it calls {method} of {}", quote(&told)))
            }
        }
    }
}

impl Named {
    /// The name of the tool or the prompt, or the URI of the resource, as it may be told: without a JWT, and a URI without its query, its
    /// fragment, and the name and password before its host.
    pub fn told(&self) -> Option<String> {
        let of_resource = self.method == RESOURCES_READ;
        self.name.as_ref().map(|about| if of_resource { name(&without_secrets(about)) } else { name(about) })
    }
}

fn without_secrets(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    [scheme, "://", host, path].concat()
}

/// Why a request's fields do not say in one way only what it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This field came more than once.
    Twice(&'static str),
    /// This field is not there.
    Missing(&'static str),
    /// The value of this field cannot be read.
    Unreadable(&'static str),
    /// The value of this field has the request's own credential in it, which would get into logs, and to a server that must not see it.
    Credential(&'static str),
    /// By this field, the body is another text than its bytes.
    Recoded(&'static str),
    /// A field has `_` in its name where these have `-`.
    Lookalike,
    /// The body says something else than these fields.
    Differs,
}

impl Fault {
    /// It, as a sentence for the client and for the log.
    pub fn says(&self) -> String {
        match self {
            Self::Twice(field) => format!("{field} came more than once"),
            Self::Missing(field) => format!("{field} is missing, which this version of MCP demands"),
            Self::Unreadable(field) => format!("{field} cannot be read"),
            Self::Credential(field) => format!("{field} has the token in it, which belongs into Authorization alone"),
            Self::Recoded(field) => format!("{field} says something else of the body than that it is JSON in UTF-8"),
            Self::Lookalike => {
                "a field came whose name has _ where others have -, which many servers take for one of them".to_owned()
            }
            Self::Differs => "Mcp-Method or Mcp-Name is not what the body calls".to_owned(),
        }
    }
}

/// The version that a request names: the value of `MCP-Protocol-Version`, if it came once.
pub fn version(request: &Request) -> Option<&str> {
    request.headers.single(VERSION).map(|text| text.trim_matches([' ', '\t']))
}

/// The version that a request names, if it looks like one: nothing else of a stranger's is told.
pub fn dated_version(request: &Request) -> Option<&str> {
    version(request).filter(|text| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// Whether a request names a version whose requests say what they call.
pub fn says_what_it_calls(request: &Request) -> bool {
    version(request).is_some_and(|version| VERSIONS.contains(&version))
}

/// Whether a request certainly calls nothing: by its method, and because nothing follows in which a server could look for a call.
pub fn carries_no_call(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS")
        && request.following == Following::Nothing
        && !request.headers.contains("upgrade")
}

/// What a request calls.
///
/// # Errors
/// If it comes with fields of which servers would believe one or another, or without one that its version demands.
pub fn call(request: &Request) -> Result<Call, Fault> {
    if carries_no_call(request) {
        return Ok(Call::Nothing);
    }
    // What comes behind an upgrade, such as to a WebSocket, and by a method that a server takes for POST, nobody compares.
    if request.method != "POST" || request.headers.contains("upgrade") {
        return Ok(Call::Any);
    }
    // Many servers read `_` in a name as `-`, and would believe one field or the other.
    let is_like_ours = |name: &[u8]| (name.starts_with(b"mcp") || name.starts_with(b"content")) && name.contains(&b'_');
    if request.headers.named(is_like_ours).next().is_some() {
        return Err(Fault::Lookalike);
    }
    if request.headers.all(VERSION).nth(1).is_some() {
        return Err(Fault::Twice("MCP-Protocol-Version"));
    }
    if !says_what_it_calls(request) {
        return Ok(Call::Any);
    }
    check_coding(request)?;
    let method = once(request, METHOD, "Mcp-Method")?.ok_or(Fault::Missing("Mcp-Method"))?;
    let name = once(request, NAME, "Mcp-Name")?;
    if name.is_none() && NAMING.contains(&method.as_str()) {
        return Err(Fault::Missing("Mcp-Name"));
    }
    let name = name.filter(|_| NAMING.contains(&method.as_str()));
    let mut params: Vec<(String, String)> = Vec::new();
    for field in request.headers.named(|name| name.starts_with(PARAM.as_bytes())) {
        let Some(value) = once(request, field, "an Mcp-Param field")? else { continue };
        params.push((field.strip_prefix(PARAM).unwrap_or_default().to_owned(), value));
    }
    Ok(Call::Named(Named { method, name, params }))
}

/// What a request calls whose body was read before, unless there was a doubt. What its fields say, if they say anything, must be the same.
///
/// # Errors
/// If it is not, and as [`call`].
pub fn call_by_body(request: &Request, by_body: Option<Named>) -> Result<Call, Fault> {
    // The server may read another text than the one that was read before.
    let is_whole = check_coding(request).is_ok() && !request.headers.contains("upgrade");
    match (call(request)?, by_body.filter(|_| is_whole)) {
        (Call::Nothing, _) => Ok(Call::Nothing),
        (Call::Named(fields), Some(body)) if fields.method != body.method || fields.name != body.name => Err(Fault::Differs),
        (_, Some(body)) => Ok(Call::Named(body)),
        (_, None) => Ok(Call::Any),
    }
}

/// Checks that the body is JSON as it comes, in UTF-8 (RFC 8259, section 8.1), if anything is said of it. Many servers first decompress a
/// body, or read it by any `charset`: in UTF-7, `+AGQ-elete_note` is `delete_note`. Who compares it with the fields does not.
fn check_coding(request: &Request) -> Result<(), Fault> {
    if request.headers.contains("content-encoding") {
        return Err(Fault::Recoded("Content-Encoding"));
    }
    let mut lines = request.headers.all("content-type");
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(()),
        (Some(line), None) => line,
        (Some(_), Some(_)) => return Err(Fault::Twice("Content-Type")),
    };
    if line == b"application/json" {
        return Ok(());
    }
    let mut plain = line.to_ascii_lowercase();
    plain.retain(|byte| !matches!(byte, b' ' | b'\t' | b'"'));
    let is_plain = [&b"application/json"[..], b"application/json;charset=utf-8"].contains(&&*plain);
    if is_plain { Ok(()) } else { Err(Fault::Recoded("Content-Type")) }
}

/// The decoded value of a field that may come once.
fn once(request: &Request, field: &str, called: &'static str) -> Result<Option<String>, Fault> {
    let mut lines = request.headers.all(field);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => match decoded(line) {
            None => Err(Fault::Unreadable(called)),
            Some(text) if has_credential(request, &text) => Err(Fault::Credential(called)),
            Some(text) => Ok(Some(text)),
        },
        (Some(_), Some(_)) => Err(Fault::Twice(called)),
    }
}

/// Whether a text repeats what the request has in `Authorization`, behind the name of the scheme. (Who sends several is refused.)
fn has_credential(request: &Request, text: &str) -> bool {
    if text.len() < SHORTEST_TOKEN {
        return false;
    }
    let is_in_text = |credential: &[u8]| text.as_bytes().windows(credential.len()).any(|part| part == credential);
    request.headers.all("authorization").take(2).any(|line| {
        let line = line.trim_ascii_end();
        // A credential that is longer than the text is not in it, so that no more than that is looked at: most have a thousand bytes.
        let (before, end) = line.split_at(line.len().saturating_sub(text.len().saturating_add(1)));
        let credential = end.rsplit(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
        let is_whole = credential.len() < end.len() || before.is_empty();
        is_whole && credential.len() >= SHORTEST_TOKEN && is_in_text(credential)
    })
}

/// A value, which is printable ASCII, or anything in base64 between `=?base64?` and `?=`; `None` for everything else.
fn decoded(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if text.is_empty() || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let Some(encoded) = text.strip_prefix("=?") else { return Some(text.to_owned()) };
    // A server that knows other spellings would read another name.
    let encoded = encoded.strip_prefix("base64?")?.strip_suffix("?=")?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests;
