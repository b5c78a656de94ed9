//! Signature algorithms of a provider, by their registered names (RFC 7518, section 3.1). HMAC is never among them: who can
//! verify it can also sign. What is signed is not known here.

use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;
use crate::crypto::key::Algorithm;

/// The list of algorithms as an operator writes it.
pub(crate) type Names = Checked<Option<Vec<Checked<String>>>>;

/// The algorithms that are accepted unless the configuration lists others.
const DEFAULT: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// The names of the algorithms that a provider's published keys can be for.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn published() -> impl Iterator<Item = &'static str> {
    Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric()).map(|algorithm| algorithm.as_str())
}

/// Checks the algorithms at `path`; [`DEFAULT`] where none are listed.
pub(crate) fn algorithms(path: &str, names: Names, refusals: &mut Refusals) -> Checked<Vec<Algorithm>> {
    let Some(names) = names? else { return Ok(DEFAULT.to_vec()) };
    if names.is_empty() {
        let sentence = "expected at least one algorithm, found none; remove it for RS256, PS256 and ES256";
        return Err(refusals.refuse(path, sentence));
    }
    let published = || Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric());
    let known: Vec<_> = published().map(|algorithm| algorithm.as_str()).collect();
    each(names, |index, name| {
        published().find(|algorithm| algorithm.as_str() == name).copied().ok_or_else(|| {
            let meant = if name == Algorithm::HS256.as_str() { String::new() } else { did_you_mean(known.iter().copied(), &name) };
            let known = known.join(", ");
            let sentence = format!(
                "expected one of {known}, found another{meant}; HS256 is for bearer tokens with a secret alone, and none is for nothing"
            );
            refusals.refuse(format!("{path}[{index}]"), sentence)
        })
    })
}
