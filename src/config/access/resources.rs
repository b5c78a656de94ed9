//! The part `resources`: protected resources (RFC 9728), which tell clients where to get a token, and accept no token that is for
//! another one. Which rules decide about their requests is not known here.

mod beside_rules;

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::is_scope;
use crate::access::resources::{AUTHORIZATION_SERVER_METADATA, METADATA, ProtectedResource, ProtectedResources, asked};
use crate::access::route::{Match, PathMatch, Rules};
use crate::config::access::paths::{host_of, prefix_match};
use crate::config::access::resources::beside_rules::{BesideRules, BodyCheckedByWord, asked_for, check_route_policies};
use crate::config::providers::Providers;
use crate::config::providers::bearer::audiences;
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::{Parts, each, origin};
use crate::http::url::{Origin, Url};

shape! {
    pub(crate) struct ResourceShape {
        /// the protected resource is this path and everything below it; no slash at its end
        /// Default: the whole origin
        path: Option<String> where paths(),
        /// the host of one of the `origins`, without port
        /// Default: every host; on each, the resource is one of its own
        host: Option<String> where named("text"),
        /// the providers whose tokens are accepted, and at which clients sign in. Most clients know only the first
        /// Default: every provider with `bearer`
        providers: Option<Vec<Checked<String>>> where list(named("name")).at_least(1),
        /// the scopes that clients ask for when they sign in
        /// Default: every scope that a rule for this path asks for outright (at the top or within `all`), also one for single tools
        scopes: Option<Vec<Checked<String>>> where list(text("scope", "^[!#-\\[\\]-~]+$")).at_least(1),
        /// what stands before each scope where clients ask for it, and not in tokens, such as `api://ID/` at Entra
        /// Default: nothing
        scope_prefix: Option<String> where text("scope", "^[!#-\\[\\]-~]+$"),
        /// what else the `aud` of a token for this resource may be, for [providers](providers.md#protected-resources) that do not know
        /// resource indicators (RFC 8707)
        /// Default: the identifier of the resource alone
        audiences: Option<Vec<Checked<String>>> where list(named("text")).at_least(1),
        /// what people are shown as its name
        name: Option<String> where named("text"),
        /// the address of its documentation, for developers
        documentation: Option<String> where urls(),
        /// the address of its terms
        policy: Option<String> where urls(),
        /// other origins whose pages may call it. A request from any other page is refused
        /// Default: none
        allowed_origins: Vec<Checked<String>> = default where list(origins()),
        /// whether requests for `/.well-known/oauth-authorization-server` on this origin are redirected to those metadata of the
        /// first provider, for clients from before 2025-06-18
        /// Default: no redirect
        authorization_server_metadata: Option<AuthorizationServerWord>,
        /// whether a POST of a version of MCP that does not say what it calls, such as those before 2026-07-28, is refused (`refuse`) or
        /// must meet every rule that it could fall under (`allow`)
        /// Default: `allow`, because many clients speak such a version
        older_versions: Option<OlderVersionsWord>,
        /// who reads the body of a [call to an MCP server](#calls-to-mcp-servers), which may call something else than the header fields
        /// say; needed where rules have `mcp`. Audit lines and counters tell of calls where this is given
        body_checked_by: Option<BodyCheckedByWord>,
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum OlderVersionsWord {
        Allow = "allow",
        Refuse = "refuse",
    }
}

words! {
    #[derive(Clone, Copy)]
    enum AuthorizationServerWord {
        Redirect = "redirect",
    }
}

/// What resources depend on.
pub(crate) struct Ground<'a> {
    pub(crate) origins: &'a Checked<Vec<Origin>>,
    pub(crate) providers: &'a Providers,
    pub(crate) rules: &'a Checked<Rules>,
    /// The policies that routes may name.
    pub(crate) route_policies: &'a [(String, Condition)],
}

/// Checks all resources, the rules for their paths, and that the tokens of each provider are accepted somewhere.
pub(crate) fn resources(
    shapes: Checked<Vec<Checked<ResourceShape>>>,
    ground: &Ground<'_>,
    warnings: &mut Vec<Refusal>,
    refusals: &mut Refusals,
) -> Checked<ProtectedResources> {
    let mut all: Vec<(Origin, ProtectedResource)> = Vec::new();
    let mut checkers = Vec::new();
    let each = each(shapes?, |index, shape| {
        let path = format!("resources[{index}]");
        let checked_by = shape.body_checked_by;
        let mut next = resource(&path, shape, ground, refusals)?;
        for (_, resource) in &mut next {
            resource.body_checked_by = checked_by.ok().flatten().map(BodyCheckedByWord::meaning);
        }
        if next.iter().any(|(_, resource)| all.iter().any(|(_, other)| other.uri == resource.uri)) {
            let sentence = "expected a path of its own, found one that another resource has; change it";
            return Err(refusals.refuse(path, sentence));
        }
        if next.iter().any(|(_, resource)| resource.scopes.is_empty()) {
            warnings.push(Refusal::new(
                path,
                "no rule asks for a scope there, and none are written, so that some clients ask for none and others for all; write scopes: [SCOPE]",
            ));
        }
        checkers.extend(next.iter().map(|_| (index, checked_by)));
        all.extend(next);
        Ok(())
    });
    each?;
    let beside_rules = match (ground.origins, ground.rules) {
        (Ok(origins), Ok(rules)) => BesideRules { all: &all, checkers: &checkers, origins, rules }.check(refusals),
        _ => Ok(()),
    };
    let by_routes = check_route_policies(&checkers, ground.route_policies, refusals);
    accepted_somewhere(&all, ground.providers, refusals)?;
    beside_rules?;
    by_routes?;
    Ok(ProtectedResources::new(all))
}

/// Checks one resource, and gives it for each origin that it is on.
fn resource(
    path: &str,
    shape: ResourceShape,
    ground: &Ground<'_>,
    refusals: &mut Refusals,
) -> Checked<Vec<(Origin, ProtectedResource)>> {
    let at = |member: &str| format!("{path}.{member}");
    let mut parts = Parts::default();
    let written = parts.part(shape.path).filter(|written| written != "/").unwrap_or_default();
    let plain = if written.is_empty() { Ok(PathMatch::Any) } else { prefix_match(&at("path"), &written, refusals) };
    let matches = parts.part(plain.map(|path| Match { path, ..Match::default() }));
    let host = parts.part(shape.host).map(|host| host_of(path, &host, ground.origins, refusals)).transpose();
    let host = parts.part(host);
    let providers = parts.part(issuers(&at("providers"), shape.providers, ground.providers, refusals));
    let scopes = parts.part(shape.scopes.and_then(|scopes| scopes.map(|each| self::scopes(path, each, refusals)).transpose()));
    let prefix = parts.part(shape.scope_prefix.and_then(|prefix| scope_prefix(path, prefix, refusals)));
    let further = parts.part(shape.audiences.and_then(|written| written.map(|each| audiences(path, each, refusals)).transpose()));
    let allowed_origins = parts.part(shape.allowed_origins.and_then(|origins| allowed_origins(path, origins, refusals)));
    let mut told = Map::new();
    if let Some(name) = parts.part(shape.name) {
        told.insert("resource_name".to_owned(), name.into());
    }
    for (member, name, written) in
        [("documentation", "resource_documentation", shape.documentation), ("policy", "resource_policy_uri", shape.policy)]
    {
        if let Some(text) = parts.part(written) {
            let checked = Url::parse(&text).map_err(|found| {
                refusals.refuse(at(member), format!("expected an absolute https URL, {found}; write https://example.com/docs"))
            });
            parts.part(checked.map(drop));
            told.insert(name.to_owned(), text.into());
        }
    }
    let older_versions = parts.part(shape.older_versions);
    let redirects = parts.part(shape.authorization_server_metadata).is_some();
    let issuers: Vec<_> = providers.iter().map(|(_, issuer)| issuer.clone()).collect();
    let authorization_server = issuers.first().filter(|_| redirects).and_then(|issuer| metadata_of(issuer));
    let origins = ground.origins.as_ref().map_err(|refused| *refused)?;
    let on = origins.iter().filter(|origin| host.as_deref().is_none_or(|host| origin.host() == host));
    let each = on.map(|origin| {
        let uri = format!("{origin}{written}");
        let scopes = match (&scopes, ground.rules) {
            (Some(scopes), _) => scopes.clone(),
            (None, Ok(rules)) => asked_for(rules, origin, &matches),
            (None, Err(_)) => Vec::new(),
        };
        let scopes: Vec<_> = scopes.iter().map(|scope| asked(&prefix, scope)).collect();
        let mut document = told.clone();
        document.insert("resource".to_owned(), uri.as_str().into());
        document.insert("authorization_servers".to_owned(), json!(issuers));
        document.insert("bearer_methods_supported".to_owned(), json!(["header"]));
        if !scopes.is_empty() {
            document.insert("scopes_supported".to_owned(), json!(scopes));
        }
        // Clients write the address of a whole origin with a slash or without.
        let root = written.is_empty().then(|| format!("{uri}/"));
        let resource = ProtectedResource {
            uri: uri.as_str().into(),
            path: matches.path.literal().to_owned(),
            audiences: [uri].into_iter().chain(root).chain(further.iter().flatten().cloned()).collect(),
            providers: providers.iter().map(|(name, _)| name.clone()).collect(),
            scopes,
            scope_prefix: prefix.clone(),
            allowed_origins: allowed_origins.clone(),
            metadata: format!("{origin}{METADATA}{written}"),
            document: Value::Object(document).to_string(),
            body_checked_by: None,
            refuses_older_versions: older_versions == Some(OlderVersionsWord::Refuse),
            authorization_server: authorization_server.clone(),
        };
        (origin.clone(), resource)
    });
    let each: Vec<_> = each.collect();
    parts.whole(each)
}

/// The names and the issuers of the providers whose tokens are accepted.
fn issuers(
    path: &str,
    written: Checked<Option<Vec<Checked<String>>>>,
    providers: &Providers,
    refusals: &mut Refusals,
) -> Checked<Vec<(String, String)>> {
    let with_bearer = providers.names(|listed| listed.has_bearer)?;
    let names = match written? {
        None => with_bearer.clone(),
        Some(names) => each(names, |index, name| {
            if with_bearer.contains(&name) {
                return Ok(name);
            }
            let meant = did_you_mean(with_bearer.iter().map(String::as_str), &name);
            let sentence = format!("expected a provider with bearer, found {name}{meant}; write bearer: {{}} there");
            Err(refusals.refuse(format!("{path}[{index}]"), sentence))
        })?,
    };
    if names.is_empty() {
        let sentence = "expected a provider whose tokens are accepted, found none with bearer; write bearer: {} at a provider";
        return Err(refusals.refuse(path, sentence));
    }
    let mut good = Vec::new();
    for name in names {
        // What is wrong with a provider is told elsewhere.
        let Some((_, provider)) = providers.good().find(|(_, provider)| provider.name == name) else {
            return Err(refusals.told_before());
        };
        if Url::parse(provider.issuer()).is_err() {
            let sentence =
                format!("expected providers whose issuer is a URL, where clients can sign in, found {name}; leave it out");
            return Err(refusals.refuse(path, sentence));
        }
        good.push((name, provider.issuer().to_owned()));
    }
    Ok(good)
}

/// Checks the scopes that clients are told of.
fn scopes(path: &str, scopes: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    if scopes.is_empty() || !scopes.iter().flatten().all(|scope| is_scope(scope)) {
        let sentence = "expected scopes without spaces, found none or others; write scopes: [mcp:read]";
        return Err(refusals.refuse(format!("{path}.scopes"), sentence));
    }
    let mut once: Vec<String> = Vec::new();
    for scope in scopes.into_iter().collect::<Checked<Vec<_>>>()? {
        if !once.contains(&scope) {
            once.push(scope);
        }
    }
    Ok(once)
}

fn scope_prefix(path: &str, prefix: Option<String>, refusals: &mut Refusals) -> Checked<String> {
    match prefix {
        None => Ok(String::new()),
        Some(prefix) if is_scope(&prefix) => Ok(prefix),
        Some(_) => {
            let sentence = "expected the beginning of scopes, found none, or one with spaces or quotes; write api://ID/";
            Err(refusals.refuse(format!("{path}.scope_prefix"), sentence))
        }
    }
}

fn allowed_origins(path: &str, origins: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<Vec<Origin>> {
    each(origins, |index, text| origin(&format!("{path}.allowed_origins[{index}]"), &text, refusals))
}

/// Refuses a provider whose tokens would be accepted nowhere.
fn accepted_somewhere(all: &[(Origin, ProtectedResource)], providers: &Providers, refusals: &mut Refusals) -> Checked<()> {
    let nowhere = providers.good().filter(|(_, provider)| {
        let without = provider.bearer.as_ref().is_some_and(|bearer| bearer.audiences.is_empty());
        without && !all.iter().any(|(_, resource)| resource.providers.contains(&provider.name))
    });
    let mut checked = Ok(());
    for (index, _) in nowhere {
        let sentence = "expected the audiences that tokens for these services have, or a resource that accepts tokens of this provider, found none of both; write audiences: [app], or name it in resources";
        checked = Err(refusals.refuse(format!("providers[{index}].bearer.audiences"), sentence));
    }
    checked
}

/// Where the metadata of an authorization server stand (RFC 8414, section 3.1): between the host and the path of its issuer.
fn metadata_of(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let path = url.target().trim_end_matches('/');
    Some(format!("{}{AUTHORIZATION_SERVER_METADATA}{path}", url.origin()))
}

/// The audiences of all resources that accept tokens of this provider, each once.
pub(crate) fn audiences_of(resources: &ProtectedResources, provider: &str) -> Vec<String> {
    let accepting = resources.all().filter(|resource| resource.providers.iter().any(|name| name == provider));
    let mut all: Vec<_> = accepting.flat_map(|resource| resource.audiences.clone()).collect();
    all.sort_by(|one, other| match one.len().cmp(&other.len()) {
        Ordering::Equal => one.cmp(other),
        different => different,
    });
    all.dedup();
    all
}
