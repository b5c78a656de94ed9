//! Why a call of ours got a status of 500 or more, as far as the answer's body says it in words that may be repeated. Nothing else
//! of such a body is repeated, because a page about an error may hold what was sent. Whom we called is not known here.

use serde_json::Value;

use crate::words::json;
use crate::words::quote::{quote, quote_prose};

/// How Envoy begins what it answers itself when it has no answer of the cluster: it was not reached, no host of it is healthy, or
/// there is no such cluster.
const OF_ENVOY: [&str; 3] = ["upstream connect error", "no healthy upstream", "no cluster"];

/// What Envoy says before it gives a reason.
const COMMON: &str = "upstream connect error or disconnect/reset before headers. ";

/// The cause, as a part of a sentence behind the status: Envoy's own words, or the error that the answer names (RFC 6749, section
/// 5.2). If the body says neither: that Envoy answers 503 too, or nothing.
pub fn cause(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if OF_ENVOY.iter().any(|begins| text.starts_with(begins)) {
        // The first sentence is always the same, and is left out. `quote_prose` takes long words for secrets, and would leave out
        // CERTIFICATE_VERIFY_FAILED too: with spaces it stays.
        let text = text.strip_prefix(COMMON).unwrap_or(&text).replace('_', " ");
        return format!("; Envoy says {}", quote_prose(&text));
    }
    let members = json::object(body).unwrap_or_default();
    match members.get("error").and_then(Value::as_str) {
        Some(error) => format!(", {}", error_words(error, members.get("error_description").and_then(Value::as_str))),
        None if status == 503 => ", which is also what Envoy says when the connection is refused".to_owned(),
        None => String::new(),
    }
}

/// `error` and `error_description`, made safe for a log.
pub fn error_words(error: &str, description: Option<&str>) -> String {
    match description {
        Some(description) => format!("error {}, {}", quote(error), quote_prose(description)),
        None => format!("error {}", quote(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_words_and_the_error_that_an_answer_names_are_repeated_and_nothing_else_of_it() {
        for (status, body, words) in [
            (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused",
                "; Envoy says \"reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused\"",
            ),
            (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end",
                "; Envoy says \"reset reason: remote connection failure, transport failure reason: TLS error:|268435581:SSL routines:OPENSSL internal:CERTIFICATE VERIFY FAILED:TLS error end\"",
            ),
            (503, "no healthy upstream", "; Envoy says \"no healthy upstream\""),
            (
                500,
                r#"{"error": "server_error", "error_description": "out of disk"}"#,
                ", error \"server_error\", \"out of disk\"",
            ),
            (500, r#"{"error": "server_error"}"#, ", error \"server_error\""),
            (503, "", ", which is also what Envoy says when the connection is refused"),
            (500, "", ""),
            (500, "<html>client_secret=s3cret</html>", ""),
            (502, "An upstream connect error, and code=abc", ""),
            (500, r#"{"client_secret": "s3cret"}"#, ""),
        ] {
            assert_eq!(cause(status, body.as_bytes()), words, "{status} {body}");
        }
    }

    #[test]
    fn what_might_be_a_secret_within_such_words_is_left_out() {
        let secret = "c2VjcmV0".repeat(8);
        let body = format!(r#"{{"error": "server_error", "error_description": "bad secret {secret}"}}"#);
        assert!(!cause(500, body.as_bytes()).contains(&secret));
        assert!(!cause(503, format!("upstream connect error {secret}").as_bytes()).contains(&secret));
    }
}
