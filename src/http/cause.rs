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

/// The longest body that an error is read from, in bytes.
const LONGEST: usize = 16 * 1_024;

/// Why Envoy has no answer of the server that was called, in its own words, as a part of a sentence behind the status, and which counters of the
/// cluster tell more. Of anything else in the body nothing is repeated.
pub fn by_envoy(status: u16, body: &[u8], cluster: &str) -> String {
    let text = String::from_utf8_lossy(body.get(..LONGEST).unwrap_or(body));
    if OF_ENVOY.iter().any(|begins| text.starts_with(begins)) {
        let says = ["; Envoy says ", &quote_prose(&spaced(text.strip_prefix(COMMON).unwrap_or(&text)))].concat();
        // A cluster that does not exist has no counters.
        return if text.starts_with("no cluster") { says } else { says + &counters(cluster, &text) };
    }
    // Other proxies answer so too.
    match status {
        503 => [", which is also what Envoy says when the connection is refused", &counters(cluster, "")].concat(),
        _ => String::new(),
    }
}

/// Which counters of Envoy tell more about a cluster that was not reached, as a part of a sentence. `words` are Envoy's own.
pub fn counters(cluster: &str, words: &str) -> String {
    let names = if words.contains("no healthy upstream") {
        "membership_healthy, update_failure"
    } else if words.contains("TLS") {
        "ssl.connection_error, ssl.fail_verify_error, ssl.fail_verify_san"
    } else {
        // Envoy often says nothing of TLS, whatever is wrong with a certificate.
        "upstream_cx_connect_fail, upstream_cx_connect_timeout; with TLS look whether the certificate was refused: ssl.fail_verify_error, ssl.fail_verify_san"
    };
    ["; look at the counters of cluster.", cluster, " in Envoy's /stats: ", names].concat()
}

/// Like [`by_envoy`], or the error that a provider's answer names (RFC 6749, section 5.2).
pub fn by_provider(status: u16, body: &[u8], cluster: &str) -> String {
    let members = if body.len() > LONGEST { None } else { json::object(body).ok() };
    let text = |name: &str| members.as_ref()?.get(name).and_then(Value::as_str);
    match text("error") {
        Some(error) => format!(", {}", error_words(error, text("error_description"))),
        None => by_envoy(status, body, cluster),
    }
}

/// `error` and `error_description`, made safe for a log.
pub fn error_words(error: &str, description: Option<&str>) -> String {
    // Anything else than the name of an error might hold a code or a token.
    let is_name = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let error = if is_name { quote(error) } else { quote_prose(error) };
    match description {
        Some(description) => format!("error {error}, {}", quote_prose(description)),
        None => format!("error {error}"),
    }
}

/// The names of TLS errors with spaces: `quote_prose` takes long words for secrets, and would leave out
/// `CERTIFICATE_VERIFY_FAILED`. Words with small letters stay as they are.
fn spaced(text: &str) -> String {
    let words = text.split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || "_-".contains(character)));
    let is_name = |word: &str| !word.contains(|character: char| character.is_ascii_lowercase() || character == '-');
    words.map(|word| if is_name(word) { word.replace('_', " ") } else { word.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused";
    const CONNECTION: &str = "upstream_cx_connect_fail, upstream_cx_connect_timeout; with TLS look whether the certificate was refused: ssl.fail_verify_error, ssl.fail_verify_san";
    const TLS: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end";

    #[test]
    fn envoys_words_and_the_error_that_a_provider_names_are_repeated_and_nothing_else_of_an_answer() {
        for (status, body, words) in [
            (
                503,
                REFUSED,
                "; Envoy says \"reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused\"",
            ),
            (
                503,
                TLS,
                "; Envoy says \"reset reason: remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE VERIFY FAILED:TLS_error_end\"",
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
            let said = by_provider(status, body.as_bytes(), "sso");
            assert_eq!(said.split("; look at").next(), Some(words), "{status} {body}");
        }
    }

    #[test]
    fn the_counters_that_tell_more_are_named_where_the_cluster_was_not_reached() {
        let named =
            |status, body: &str| by_provider(status, body.as_bytes(), "sso").split("; look at ").nth(1).map(str::to_owned);
        let of = |names: &str| Some(format!("the counters of cluster.sso in Envoy's /stats: {names}"));
        for (status, body, expected) in [
            (503, REFUSED, of(CONNECTION)),
            (503, "", of(CONNECTION)),
            (503, TLS, of("ssl.connection_error, ssl.fail_verify_error, ssl.fail_verify_san")),
            (503, "no healthy upstream", of("membership_healthy, update_failure")),
            (503, "no cluster match for URL '/'", None),
            (500, r#"{"error": "server_error"}"#, None),
            (500, "", None),
        ] {
            assert_eq!(named(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn of_a_user_service_only_envoys_words_are_repeated() {
        for body in [r#"{"error": "no such user: alice"}"#, r#"{"error": "x", "error_description": "password hunter2"}"#, "alice"]
        {
            assert_eq!(by_envoy(500, body.as_bytes(), "users"), "", "{body}");
        }
        assert!(by_envoy(503, b"no healthy upstream", "users").starts_with("; Envoy says \"no healthy upstream\"; look at"));
    }

    #[test]
    fn what_might_be_a_secret_within_such_words_is_left_out() {
        for secret in ["c2VjcmV0".repeat(8), "c2VjcmV0_c2VjcmV0_c2VjcmV0_c2Vj".to_owned(), "a_b-C9".repeat(8)] {
            for body in [
                format!(r#"{{"error": "server_error", "error_description": "bad secret {secret}"}}"#),
                format!(r#"{{"error": "{secret}"}}"#),
                format!("upstream connect error {secret}"),
            ] {
                assert!(!by_provider(500, body.as_bytes(), "sso").contains(&secret[..20]), "{body}");
            }
        }
    }

    #[test]
    fn a_huge_body_is_not_read() {
        let body = format!(r#"{{"error": "server_error", "x": "{}"}}"#, "x".repeat(LONGEST));
        assert_eq!(by_provider(500, body.as_bytes(), "sso"), "");
    }
}
