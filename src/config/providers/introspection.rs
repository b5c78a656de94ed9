//! When a provider is asked about bearer tokens (RFC 7662), and for how long its answer is kept. Who may ask it is not known
//! here.

use std::time::Duration;

use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::oidc::bearer::accepted::{IntrospectedTokens, Introspection, MissingAudience};

shape! {
    pub(super) struct IntrospectionShape {
        pub(super) cache: Option<Span>,
        pub(super) when: Option<String>,
        pub(super) allow_missing_audience: bool = default,
    }
}

/// Checks how a provider is asked about bearer tokens.
pub(super) fn introspection(path: &str, shape: IntrospectionShape, refusals: &mut Refusals) -> Checked<Introspection> {
    let cache = shape.cache.and_then(|span| cache(path, span, refusals));
    let tokens = shape.when.and_then(|word| tokens(path, word, refusals));
    let missing_audience = if shape.allow_missing_audience? { MissingAudience::Allowed } else { MissingAudience::Refused };
    Ok(Introspection { tokens: tokens?, cache: cache?, missing_audience })
}

fn cache(path: &str, span: Option<Span>, refusals: &mut Refusals) -> Checked<Duration> {
    const LONGEST: Duration = Duration::from_secs(300);
    let span = span.map_or(Duration::from_secs(30), |span| span.0);
    if span > LONGEST {
        let sentence = "expected at most 5m, found more; a token that was withdrawn is accepted for so long";
        return Err(refusals.refuse(format!("{path}.cache"), sentence));
    }
    Ok(span)
}

fn tokens(path: &str, word: Option<String>, refusals: &mut Refusals) -> Checked<IntrospectedTokens> {
    match word.as_deref() {
        None | Some("opaque") => Ok(IntrospectedTokens::OpaqueTokens),
        Some("jwt") => Ok(IntrospectedTokens::Jwts),
        Some("always") => Ok(IntrospectedTokens::EveryToken),
        Some(word) => {
            let meant = did_you_mean(["opaque", "jwt", "always"], word);
            let sentence = format!("expected opaque, jwt or always, found another word{meant}; write opaque");
            Err(refusals.refuse(format!("{path}.when"), sentence))
        }
    }
}
