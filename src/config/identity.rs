//! Claims as written → headers for the upstream, and the claims that a session must keep for everything that names one.

use crate::access::believed::{ACCESS_TOKEN, ID_TOKEN, PROVIDER, SHORTEST_FAMILY, misleads, spelled};
use crate::access::condition::Condition;
use crate::access::headers::IdentityHeaders;
use crate::access::requirement::Requirement;
use crate::access::route::Rule;
use crate::config::Refusal;
use crate::config::conditions::claim_path;
use crate::config::shapes;
use crate::config::spellings::ClaimName;
use crate::words::principal::ClaimPath;

/// Which claims become which headers.
/// `only` are the claims that there will be, where that is known, `header` is another header of ours, and `removed` are those that
/// the configuration takes away from clients beside them.
pub(super) fn identity(
    shapes: Option<Vec<shapes::ClaimToHeader>>,
    only: Option<&[ClaimPath]>,
    header: Option<&str>,
    removed: &[String],
) -> Result<IdentityHeaders, Refusal> {
    const USUAL: [(&str, &str); 4] = [
        ("sub", "x-forwarded-user"),
        ("email", "x-forwarded-email"),
        ("groups", "x-forwarded-groups"),
        ("preferred_username", "x-forwarded-preferred-username"),
    ];
    let mut pairs = Vec::new();
    match shapes {
        None => {
            let usual = USUAL.iter().map(|(claim, name)| (ClaimPath::named(*claim), (*name).to_owned()));
            let there = |(claim, _): &(ClaimPath, String)| only.is_none_or(|only| claim.first() == "sub" || only.contains(claim));
            pairs.extend(usual.filter(there));
        }
        Some(shapes) => {
            for (index, shape) in shapes.iter().enumerate() {
                let path = format!("claim_to_headers[{index}]");
                let name = header_name(&format!("{path}.header_name"), &shape.header_name)?;
                if header == Some(&*name) || pairs.iter().any(|(_, taken)| *taken == name) {
                    return Err(Refusal::new(
                        format!("{path}.header_name"),
                        "expected a header of its own, found one that is taken; rename it",
                    ));
                }
                pairs.push((claim_path(&format!("{path}.claim_name"), &shape.claim_name)?, name));
            }
        }
    }
    let mut further: Vec<_> = header.into_iter().map(str::to_owned).collect();
    for (index, name) in removed.iter().enumerate() {
        let is_set = |name: &String| further.iter().chain(pairs.iter().map(|(_, set)| set)).any(|set| set == name);
        let Some(name) = removable(name).filter(|name| !is_set(name)) else {
            return Err(Refusal::new(
                format!("request_headers_to_remove[{index}]"),
                "expected a header that is for applications alone, or a family such as x-team-*, found another name, or one that is set here and so taken away anyway; remove it, or let Envoy's route remove it, behind Accredit",
            ));
        };
        further.push(name);
    }
    Ok(IdentityHeaders::new(pairs, &further))
}

/// A header, or a family with a star at its end, that may be taken away without breaking the request: neither what HTTP and Envoy
/// need, nor what Accredit takes away itself, as far as it must.
fn removable(name: &str) -> Option<String> {
    const NEEDED: [&str; 19] = [
        "host",
        // The handshake of a WebSocket (RFC 6455, section 4.1).
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "content-type",
        "content-encoding",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "cookie",
        "authorization",
        "x-request-id",
        "x-forwarded-proto",
    ];
    let (begins, is_family) = name.strip_suffix('*').map_or((name, false), |begins| (begins, true));
    let plain = begins.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let shortest = if is_family { SHORTEST_FAMILY } else { 1 };
    let begins = spelled(begins);
    let is_needed = NEEDED.iter().any(|needed| *needed == begins || (is_family && needed.starts_with(&begins)));
    (plain && begins.len() >= shortest && !is_needed).then(|| if is_family { begins + "*" } else { begins })
}

/// A header that may carry something of ours.
pub(super) fn header_name(path: &str, name: &str) -> Result<String, Refusal> {
    const NOT_FOR_CLAIMS: [&str; 26] = [
        "accept",
        "host",
        "cookie",
        "set-cookie",
        "authorization",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "date",
        "range",
        "origin",
        "referer",
        "user-agent",
        "via",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        ACCESS_TOKEN,
        ID_TOKEN,
        PROVIDER,
    ];
    const FAMILIES_NOT_FOR_CLAIMS: [&str; 8] =
        ["accept-", "access-control-", "cache-", "content-", "if-", "proxy-", "sec-", "x-envoy-"];
    let name = name.to_ascii_lowercase();
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if name.is_empty() || !plain {
        return Err(Refusal::new(path, "expected a header name of letters, digits and -, found another; write x-forwarded-user"));
    }
    if misleads(&name)
        || NOT_FOR_CLAIMS.contains(&name.as_str())
        || FAMILIES_NOT_FOR_CLAIMS.iter().any(|family| name.starts_with(family))
    {
        return Err(Refusal::new(path, "expected a header that has no other use, found one that has; write x-forwarded-user"));
    }
    Ok(name)
}

/// The claims that headers, rules and policies name.
pub(super) fn named_claims(identity: &IdentityHeaders, policies: &[(String, Condition)], rules: &[Rule]) -> Vec<ClaimPath> {
    let mut named: Vec<_> = identity.claims().collect();
    policies.iter().for_each(|(_, policy)| policy.claims(&mut named));
    for rule in rules {
        if let Requirement::When(condition) = &rule.require {
            condition.claims(&mut named);
        }
    }
    named
}

/// The claims that a session keeps: those that are named, and those that the session endpoint is to tell.
pub(super) fn kept_claims(mut named: Vec<ClaimPath>, told: &[ClaimName]) -> Result<Vec<ClaimPath>, Refusal> {
    named.push(ClaimPath::named("sub"));
    for (index, claim) in told.iter().enumerate() {
        named.push(claim_path(&format!("session.claims[{index}]"), claim)?);
    }
    // An address or a number means little without this.
    let verdicts: Vec<_> = named.iter().filter_map(ClaimPath::verdict).collect();
    named.extend(verdicts);
    // In order, each once. (A set that is collected, or a sort, would add a sort of this kind to the module.)
    let mut kept: Vec<ClaimPath> = Vec::with_capacity(named.len());
    for claim in named {
        if let Err(place) = kept.binary_search(&claim) {
            kept.insert(place, claim);
        }
    }
    Ok(kept)
}
