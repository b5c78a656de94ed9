//! Which headers may carry claims or an identity JWT to the upstream: those that mean nothing else to anybody. What they carry is
//! not known here.

use crate::access::upstream::believed::{ACCESS_TOKEN, ID_TOKEN, PROVIDER, misleads};
use crate::config::reading::refusal::{Checked, Refusals};

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

/// Checks the name of a header that Accredit is to set, and gives it in lower case.
pub(crate) fn header_name(path: &str, name: &str, refusals: &mut Refusals) -> Checked<String> {
    let name = name.to_ascii_lowercase();
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if name.is_empty() || !plain {
        let sentence = "expected a header name of letters, digits and -, found another; write x-forwarded-user";
        return Err(refusals.refuse(path, sentence));
    }
    if misleads(&name)
        || NOT_FOR_CLAIMS.contains(&name.as_str())
        || FAMILIES_NOT_FOR_CLAIMS.iter().any(|family| name.starts_with(family))
    {
        let sentence = "expected a header that has no other use, found one that has; write x-forwarded-user";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(name)
}
