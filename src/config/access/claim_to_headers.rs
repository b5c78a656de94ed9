//! The parts `claim_to_headers` and `request_headers_to_remove`: which claims the upstream is told in which headers, and which
//! further headers of clients are removed. Which claims somebody has is not known here.

use std::rc::Rc;

use crate::access::upstream::believed::{SHORTEST_FAMILY, spelled};
use crate::access::upstream::headers::{ClaimHeader, IdentityHeaders};
use crate::config::access::header_names::header_name;
use crate::config::access::requirements::written::EMPTY_SEPARATOR;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::ClaimName;
use crate::config::reading::values::{Parts, claim_path, each};
use crate::words::principal::ClaimPath;

shape! {
    pub(crate) struct ClaimToHeaderShape {
        /// the claim
        claim_name: ClaimName,
        /// letters, digits, `-`; a name that has no other use
        header_name: String where header_names(),
        /// the separator, if a text is to become a list
        split: Option<String> where named("text"),
    }
}

/// What both parts say.
pub(crate) struct Identity {
    /// The settings, if nothing was refused.
    pub(crate) headers: Checked<IdentityHeaders>,
    /// The claims that headers need, without those that were refused.
    pub(crate) named: Vec<ClaimPath>,
}

/// Checks both parts. `only` are the claims that sessions have, where these are JWTs; `header` is the one that carries the
/// identity JWT, if there is one; `removed` are the further headers to remove.
pub(crate) fn identity(
    shapes: Checked<Option<Vec<Checked<ClaimToHeaderShape>>>>,
    only: Option<&[ClaimPath]>,
    header: Option<&str>,
    removed: Checked<Vec<Checked<String>>>,
    refusals: &mut Refusals,
) -> Identity {
    let mut parts = Parts::default();
    let pairs = match parts.part(shapes.map(Some)) {
        None => Vec::new(),
        Some(None) => default_pairs(only),
        Some(Some(shapes)) => {
            let mut pairs = Vec::new();
            parts.part(each(shapes, |index, shape| add_pair(index, shape, header, &mut pairs, refusals)));
            pairs
        }
    };
    let mut taken: Vec<_> = header.into_iter().map(str::to_owned).collect();
    let removed = removed.and_then(|removed| {
        each(removed, |index, name| {
            let is_set = |name: &String| taken.contains(name) || pairs.iter().any(|set| *set.name == **name);
            let Some(name) = removable(&name).filter(|name| !is_set(name)) else {
                return Err(refusals.refuse(
                    format!("request_headers_to_remove[{index}]"),
                    "expected a header that is for applications alone, or a family such as x-team-*, found another name, or one that is set here and so taken away anyway; remove it, or let Envoy's route remove it, behind Accredit",
                ));
            };
            taken.push(name);
            Ok(())
        })
    });
    parts.part(removed);
    let headers = IdentityHeaders::new(pairs, &taken);
    Identity { named: headers.claims().collect(), headers: parts.whole(headers) }
}

/// The pairs where `claim_to_headers` is not written: of four usual claims those that sessions have.
fn default_pairs(only: Option<&[ClaimPath]>) -> Vec<ClaimHeader> {
    const DEFAULT: [(&str, &str); 4] = [
        ("sub", "x-forwarded-user"),
        ("email", "x-forwarded-email"),
        ("groups", "x-forwarded-groups"),
        ("preferred_username", "x-forwarded-preferred-username"),
    ];
    let all =
        DEFAULT.iter().map(|(claim, name)| ClaimHeader { claim: ClaimPath::named(*claim), name: Rc::from(*name), split: None });
    let has = |claim: &ClaimPath| only.is_none_or(|only| claim.first() == "sub" || only.contains(claim));
    all.filter(|pair| has(&pair.claim)).collect()
}

/// Checks one element of `claim_to_headers`, and adds it to the pairs.
fn add_pair(
    index: usize,
    shape: ClaimToHeaderShape,
    header: Option<&str>,
    pairs: &mut Vec<ClaimHeader>,
    refusals: &mut Refusals,
) -> Checked<()> {
    let path = format!("claim_to_headers[{index}]");
    let at_header = format!("{path}.header_name");
    let claim = shape.claim_name.and_then(|name| claim_path(&format!("{path}.claim_name"), name, refusals));
    let split = shape.split.and_then(|split| match split.as_deref() {
        Some("") => Err(refusals.refuse(format!("{path}.split"), EMPTY_SEPARATOR)),
        _ => Ok(split),
    });
    let name = shape.header_name.and_then(|name| header_name(&at_header, &name, refusals))?;
    if header == Some(&*name) || pairs.iter().any(|taken| *taken.name == *name) {
        let sentence = "expected a header of its own, found one that is taken; rename it";
        return Err(refusals.refuse(at_header, sentence));
    }
    pairs.push(ClaimHeader { claim: claim?, name: name.into(), split: split? });
    Ok(())
}

/// The name of a header to remove, or of a family of headers (with a star at its end), as it is compared; `None` if that would
/// break requests, because HTTP, Envoy or Accredit need the header.
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
    let begins = spelled(begins.as_bytes());
    let is_needed = NEEDED.iter().any(|needed| *needed == begins || (is_family && needed.starts_with(&begins)));
    (plain && begins.len() >= shortest && !is_needed).then(|| if is_family { begins + "*" } else { begins })
}
