//! Protected resources (RFC 9728): which requests are for one, which tokens are meant for it, from which origins a browser may call
//! it, and where its metadata stand. No token is verified here, and no rule is known.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::access::route::decoded;
use crate::http::message::Headers;
use crate::http::url::Origin;
use crate::words::principal::Principal;
use crate::words::quote::quote;

/// The path of the metadata of a resource that is a whole origin. The path of any other resource stands behind it (RFC 9728, section 3.1).
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The path at which clients of MCP before 2025-06-18 look for the metadata of the authorization server (RFC 8414, section 3).
pub const AUTHORIZATION_SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";

/// A protected resource on one origin.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtectedResource {
    /// The resource identifier, without a slash at its end (RFC 9728, section 1.2).
    pub uri: Rc<str>,
    /// Its path as [`decoded`], without a slash at its end: the resource is this path and everything below it. Empty for a whole origin.
    pub path: String,
    /// One of these must be in `aud` of a token: the resource identifier, and what else is configured.
    pub audiences: Vec<String>,
    /// The names of the providers whose tokens are accepted, in the order in which clients are told of them.
    pub providers: Vec<String>,
    /// The scopes that clients are told to ask for, each once, as they ask for them.
    pub scopes: Vec<String>,
    /// What stands before a scope where clients ask for it, but not in their tokens; mostly empty.
    pub scope_prefix: String,
    /// The origins beside its own whose pages may call it.
    pub allowed_origins: Vec<Origin>,
    /// The address of its metadata.
    pub metadata: String,
    /// Its metadata, in JSON (RFC 9728, section 2).
    pub document: String,
    /// Who compares what the header fields of a request call at an MCP server with its body; `None` if no rule looks at calls.
    pub body_checked_by: Option<BodyCheckedBy>,
    /// Whether a POST is refused whose version of MCP does not say what it calls.
    pub refuses_older_versions: bool,
    /// Where a request for the metadata of the authorization server on this origin is sent; `None` if it is not.
    pub authorization_server: Option<String>,
}

/// Who reads the body of a request to an MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCheckedBy {
    /// The server, which refuses a request whose header fields say something else.
    Server,
    /// Envoy's `mcp` filter behind us, which does the same.
    EnvoyMcpFilter,
    /// Envoy's `mcp` filter before us, which tells us what the body calls.
    EnvoyMcpFilterBefore,
}

impl ProtectedResource {
    /// Whether a token that was verified is meant for this resource, and of one of its providers.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn check_token(&self, principal: &Principal) -> Result<(), String> {
        if !self.providers.contains(&principal.provider) {
            return Err(format!("its provider is {}, whose tokens are not accepted at {}", principal.provider, self.uri));
        }
        check_audience(principal, &self.audiences)
    }

    /// A scope as clients ask for it, of which tokens have this name. (Those of OpenID Connect are the same everywhere.)
    pub fn asked(&self, scope: &str) -> String {
        asked(&self.scope_prefix, scope)
    }

    /// Whether a request may come from where its `Origin` says; without one, no page has sent it. (A page of another site whose host's
    /// address changes could otherwise call a server on the reader's own network.)
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn check_origin(&self, own: &Origin, headers: &Headers) -> Result<(), String> {
        let mut lines = headers.all("origin");
        let line = match (lines.next(), lines.next()) {
            (None, _) => return Ok(()),
            (Some(line), None) => line,
            (Some(_), Some(_)) => return Err("several Origin lines came".to_owned()),
        };
        let text = String::from_utf8_lossy(line);
        match Origin::parse(&text) {
            Ok(origin) if origin == *own || self.allowed_origins.contains(&origin) => Ok(()),
            _ => Err(format!("Origin is {}, which is neither {own} nor one of the resource's allowed_origins", quote(&text))),
        }
    }
}

/// A scope as clients ask for it, where this prefix stands before all but those of OpenID Connect (Core, sections 5.4 and 11).
pub fn asked(prefix: &str, scope: &str) -> String {
    let of_openid = ["openid", "profile", "email", "address", "phone", "offline_access"].contains(&scope);
    if of_openid || scope.starts_with(prefix) { scope.to_owned() } else { [prefix, scope].concat() }
}

/// Whether one of these audiences is in the `aud` of a token.
///
/// # Errors
/// What was expected and found, for the log.
pub fn check_audience(principal: &Principal, audiences: &[String]) -> Result<(), String> {
    let found = principal.claims.get("aud");
    let is_one = |value: &Value| value.as_str().is_some_and(|audience| audiences.iter().any(|ours| ours == audience));
    let meant = match found {
        Some(Value::Array(all)) => all.iter().any(is_one),
        Some(audience) => is_one(audience),
        None => false,
    };
    if meant {
        return Ok(());
    }
    let found = found.map_or_else(|| "none".to_owned(), |found| quote(&found.to_string()));
    Err(format!("expected aud {}, found {found}", quote(&audiences.join(" or "))))
}

/// What stands at an address below `/.well-known/` that belongs to resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WellKnown<'a> {
    /// The metadata of a resource.
    Metadata(&'a str),
    /// The metadata of an authorization server, which stand at this address.
    AuthorizationServer(&'a str),
    /// Nothing.
    Nothing,
}

/// All protected resources.
#[derive(Clone, Debug, Default)]
pub struct ProtectedResources {
    /// Those of each origin, by its authority; the longest paths first. The keys come from the configuration alone, so that a quick
    /// hash without a secret will do.
    of_origins: HashMap<String, Vec<ProtectedResource>, FixedState>,
}

impl ProtectedResources {
    /// From the resources of each origin.
    pub fn new(all: impl IntoIterator<Item = (Origin, ProtectedResource)>) -> Self {
        let mut of_origins: HashMap<String, Vec<ProtectedResource>, FixedState> = HashMap::default();
        for (origin, resource) in all {
            of_origins.entry(origin.authority().to_owned()).or_default().push(resource);
        }
        for resources in of_origins.values_mut() {
            resources.sort_by_key(|resource| std::cmp::Reverse(resource.path.len()));
        }
        Self { of_origins }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of_origins.is_empty()
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &ProtectedResource> {
        self.of_origins.values().flatten()
    }

    /// The resource that a request is for, the innermost of several. `path` is as it came, without the query.
    pub fn find(&self, origin: &Origin, path: &str) -> Option<&ProtectedResource> {
        let resources = if self.is_empty() { None } else { self.of_origins.get(origin.authority()) }?;
        let path = decoded(path);
        resources.iter().find(|resource| {
            let below = path.strip_prefix(resource.path.as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        })
    }

    /// What stands at this address, if it is one that belongs to resources; `None` of all others, and on origins without resources.
    /// `path` is as it came, without the query.
    pub fn well_known(&self, origin: &Origin, path: &str) -> Option<WellKnown<'_>> {
        let resources = if path.starts_with("/.well-known/") { self.of_origins.get(origin.authority()) } else { None }?;
        let path = decoded(path);
        let below = |beginning: &str| {
            let below = path.strip_prefix(beginning).filter(|below| below.is_empty() || below.starts_with('/'));
            below.map(|below| below.strip_suffix('/').unwrap_or(below).to_owned())
        };
        let at = |path: &str| match (resources.iter().find(|resource| resource.path == path), resources.as_slice()) {
            (None, [only]) if path.is_empty() => Some(only),
            (found, _) => found,
        };
        if let Some(path) = below(METADATA) {
            return Some(at(&path).map_or(WellKnown::Nothing, |resource| WellKnown::Metadata(&resource.document)));
        }
        // Their clients know nothing of several resources on one origin, and look at its root.
        let path = below(AUTHORIZATION_SERVER_METADATA)?;
        let found = at(&path).or_else(|| resources.first().filter(|_| path.is_empty()));
        found.and_then(|resource| resource.authorization_server.as_deref()).map(WellKnown::AuthorizationServer)
    }
}

#[cfg(test)]
mod tests;
