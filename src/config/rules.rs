//! Rules as written → rules that can count. One that never can is refused: its author expects something of it.

use std::rc::Rc;

use crate::access::path;
use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Match, PathMatch, Rule, SharedCache, Unauthenticated, decoded};
use crate::access::taken::{Taken, Verdict};
use crate::config::Refusal;
use crate::config::conditions::Known;
use crate::config::shapes;
use crate::words::url::Origin;

/// The rules, and what is to be told of some of them.
pub(super) type Checked = (Vec<Rule>, Vec<Refusal>);

/// Checks the rules, in order. The paths that are `answered` come before them, by what each is for.
pub(super) fn rules(
    shapes: &[shapes::Rule],
    known: &Known<'_>,
    origins: &[Origin],
    answered: &[(&str, &str)],
) -> Result<Checked, Refusal> {
    let mut hosts: Vec<_> = origins.iter().map(Origin::host).collect();
    hosts.dedup();
    let (mut taken, mut warnings) = (Taken::default(), Vec::new());
    // Of a path with other characters there is a second spelling, which no endpoint answers to.
    let plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    let first = answered.iter().filter(|(_, path)| plain(path)).map(|(name, path)| answered_before(name, path));
    let mut rules: Vec<Rule> = first.collect();
    rules.iter().for_each(|rule| taken.add(&rule.matches.path));
    let answered_before = rules.len();
    for (index, shape) in shapes.iter().enumerate() {
        let path = format!("rules[{index}]");
        let matches = matches(&format!("{path}.match"), &shape.matches, origins, answered)?;
        match taken.verdict(&rules, &matches, &hosts) {
            Verdict::Counts => {}
            Verdict::NeverCounts(takers) => {
                let takers: Vec<_> = takers.iter().filter_map(|position| rules.get(*position)).map(|rule| &*rule.name).collect();
                let takers = takers.join(", ");
                let sentence = format!(
                    "expected requests that nothing before it takes, found that all are taken by {takers}; move this rule up or remove it"
                );
                return Err(Refusal::new(format!("{path}.match"), sentence));
            }
            Verdict::Undecided => warnings.push(Refusal::new(
                format!("{path}.match"),
                "it is not known whether the rules before leave anything for this one, because their patterns have too many stars; try whether it counts, or write fewer",
            )),
        }
        let require = known.requirement(&format!("{path}.require"), &shape.require)?;
        if require == Requirement::Public && shape.unauthenticated.is_some() {
            return Err(Refusal::new(
                format!("{path}.unauthenticated"),
                "expected none, because a public rule lets everybody in; remove it, or require: authenticated",
            ));
        }
        let unauthenticated = match shape.unauthenticated {
            None => Unauthenticated::ByNavigation,
            Some(shapes::Unauthenticated::Redirect) => Unauthenticated::Redirect,
            Some(shapes::Unauthenticated::Respond) => Unauthenticated::Respond,
        };
        let credentials = credentials(&path, shape, &require, known)?;
        let audience = match &shape.audience {
            Some(audience) if audience.is_empty() || !known.identity_jwt => {
                return Err(Refusal::new(
                    format!("{path}.audience"),
                    "expected the name of an audience where forward.identity_jwt is set, found none of both; set it, or remove this",
                ));
            }
            audience => audience.as_deref().map(Rc::from),
        };
        let shared_cache = shared_cache(shape.shared_cache.or(known.shared_cache));
        rules.push(Rule { name: path.into(), matches, require, unauthenticated, credentials, audience, shared_cache });
    }
    Ok((rules.split_off(answered_before), warnings))
}

/// A path that is answered here, as a rule before all others.
fn answered_before(name: &str, path: &str) -> Rule {
    Rule {
        name: format!("endpoints.{name}").into(),
        matches: Match { path: PathMatch::Exact(path.to_owned()), ..Match::default() },
        require: Requirement::Public,
        unauthenticated: Unauthenticated::default(),
        credentials: Credentials::default(),
        audience: None,
        shared_cache: SharedCache::default(),
    }
}

/// Shared caches keep nothing of anybody's, unless it is written.
pub(super) const fn shared_cache(written: Option<shapes::SharedCache>) -> SharedCache {
    match written {
        Some(shapes::SharedCache::Allowed) => SharedCache::Allowed,
        Some(shapes::SharedCache::Refused) | None => SharedCache::Refused,
    }
}

/// Which credentials count: what is written, else what the requirement can only be met by.
fn credentials(path: &str, shape: &shapes::Rule, require: &Requirement, known: &Known<'_>) -> Result<Credentials, Refusal> {
    let refused = |sentence: &str| Err(Refusal::new(format!("{path}.credentials"), sentence));
    let by_token_only = matches!(require, Requirement::When(condition) if condition.demands_token());
    let credentials = match shape.credentials {
        // Nobody can sign in where there is no provider.
        None if by_token_only || !known.cookies => Credentials::Bearer,
        None | Some(shapes::Credentials::Any) => Credentials::Any,
        Some(shapes::Credentials::Session) if by_token_only => {
            return refused("expected bearer or any, because the requirement asks for a bearer token, found session; remove it");
        }
        Some(shapes::Credentials::Session) => Credentials::Session,
        Some(shapes::Credentials::Bearer) => Credentials::Bearer,
    };
    if credentials == Credentials::Bearer && known.bearer_providers.is_empty() && !known.session_tokens {
        return refused(
            "expected a provider whose bearer tokens are accepted, found none; write bearer: {audiences: […]} at a provider, or session.jwt.bearer: true",
        );
    }
    if credentials == Credentials::Bearer && shape.unauthenticated == Some(shapes::Unauthenticated::Redirect) {
        return Err(Refusal::new(
            format!("{path}.unauthenticated"),
            "expected respond, because signing in brings no bearer token, found redirect; remove it",
        ));
    }
    Ok(credentials)
}

fn matches(path: &str, shape: &shapes::Match, origins: &[Origin], answered: &[(&str, &str)]) -> Result<Match, Refusal> {
    let at = |member: &str| format!("{path}.{member}");
    let host = shape.host.as_ref().map(|host| host.to_ascii_lowercase());
    if let Some(host) = &host
        && !origins.iter().any(|origin| origin.host() == host)
    {
        return Err(Refusal::new(
            at("host"),
            "expected the host of one of the origins, without port, found another; it could never match",
        ));
    }
    if let Some(methods) = &shape.methods {
        if methods.is_empty() {
            return Err(Refusal::new(at("methods"), "expected at least one method, found none; remove it for every method"));
        }
        if let Some(index) = methods.iter().position(|method| path::check_method(method).is_err()) {
            return Err(Refusal::new(
                format!("{path}.methods[{index}]"),
                "expected a method in upper case, found another; write POST",
            ));
        }
    }
    let path_match = match (&shape.path, &shape.path_separated_prefix) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new(path, "expected path or path_separated_prefix, found both; keep one"));
        }
        (Some(pattern), None) => pattern_match(&at("path"), pattern)?,
        (None, Some(prefix)) => prefix_match(&at("path_separated_prefix"), prefix)?,
        (None, None) => PathMatch::Any,
    };
    if let PathMatch::Exact(exact) = &path_match
        && answered.iter().any(|(_, path)| path == exact)
    {
        return Err(Refusal::new(
            at("path"),
            "expected another path, found one of the endpoints; they are answered before any rule",
        ));
    }
    Ok(Match { host, methods: shape.methods.clone(), path: path_match })
}

fn prefix_match(path: &str, prefix: &str) -> Result<PathMatch, Refusal> {
    if prefix == "/" {
        return Ok(PathMatch::Any);
    }
    if path::check(prefix).is_err() || prefix.ends_with('/') || prefix.contains('*') {
        return Err(Refusal::new(path, "expected an absolute path without a slash at its end, and without *; write /api"));
    }
    Ok(PathMatch::SeparatedPrefix(decoded(prefix).into_owned()))
}

fn pattern_match(path: &str, pattern: &str) -> Result<PathMatch, Refusal> {
    let refused = |sentence: &str| Err(Refusal::new(path, sentence));
    if path::check(pattern).is_err() {
        return refused(
            "expected an absolute path that can be read in one way only, found another; a request for it is always refused",
        );
    }
    // What is compared is the decoded path, so that this is what must hold no other wildcard.
    let decoded = decoded(pattern).into_owned();
    if !pattern.contains('*') {
        return Ok(PathMatch::Exact(decoded));
    }
    if decoded.matches('*').count() != pattern.matches('*').count() {
        return refused("expected no escaped star beside wildcards, found one; write one rule for each case");
    }
    if decoded.contains(['[', ']', '{', '}', '!', '?', '\\']) {
        return refused("expected * and ** as the only wildcards, found others; write one rule for each case");
    }
    let double_within = decoded.split('/').any(|segment| segment.contains("**") && segment != "**");
    if double_within {
        return refused("expected ** to be a whole segment, found it within one; write /a/**");
    }
    if decoded.contains("**/**") {
        return refused("expected ** to stand alone, found two in a row; write one of them");
    }
    // `/x/**` is for `/x` and everything below it, as a prefix is.
    match decoded.strip_suffix("/**") {
        Some("") => Ok(PathMatch::Any),
        Some(prefix) if !prefix.contains('*') => Ok(PathMatch::SeparatedPrefix(prefix.to_owned())),
        _ => Ok(PathMatch::Glob(decoded)),
    }
}
