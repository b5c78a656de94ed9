//! Values that several parts of a configuration have: spans of time, and what counts without a verdict.

use std::time::Duration;

use crate::config::Refusal;
use crate::config::spellings::{Span, written};
use crate::words::principal::AssumedVerified;

/// A span of at least a second and at most `longest`.
pub(super) fn positive(path: &str, span: Option<Span>, usual: Duration, longest: Duration) -> Result<Duration, Refusal> {
    let span = span.map_or(usual, |span| span.0);
    if span < Duration::from_secs(1) || span > longest {
        let sentence = format!("expected a span from 1s to {}, found {}; write another", written(longest), written(span));
        return Err(Refusal::new(path, sentence));
    }
    Ok(span)
}

/// Which addresses and numbers count without a verdict.
pub(super) fn assumed_verified(path: &str, claims: &[String]) -> Result<AssumedVerified, Refusal> {
    let mut assumed = AssumedVerified::default();
    for (index, claim) in claims.iter().enumerate() {
        match claim.as_str() {
            "email" => assumed.email = true,
            "phone_number" => assumed.phone_number = true,
            _ => {
                let sentence = "expected email or phone_number, found another claim; others need no verdict, remove it";
                return Err(Refusal::new(format!("{path}[{index}]"), sentence));
            }
        }
    }
    Ok(assumed)
}
