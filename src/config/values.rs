//! Values that several parts of a configuration have: spans of time.

use std::time::Duration;

use crate::config::Refusal;
use crate::config::spellings::{Span, written};

/// A span of at least a second and at most `longest`.
pub(super) fn positive(path: &str, span: Option<Span>, usual: Duration, longest: Duration) -> Result<Duration, Refusal> {
    let span = span.map_or(usual, |span| span.0);
    if span < Duration::from_secs(1) || span > longest {
        let sentence = format!("expected a span from 1s to {}, found {}; write another", written(longest), written(span));
        return Err(Refusal::new(path, sentence));
    }
    Ok(span)
}
