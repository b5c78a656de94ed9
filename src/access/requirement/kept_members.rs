//! The lists of which a session keeps only the members that conditions name. Whatever a condition says of the whole list, it says of
//! what is kept, under `not` too: only members are left out that no test could match. Which claims a session keeps at all is not
//! known here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::words::principal::{ClaimPath, Claims};

/// What one test compares a claim with.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Where the claim stands.
    pub claim: ClaimPath,
    /// The values that the test lists.
    pub values: Vec<Value>,
}

/// The claims whose lists are kept in part, each with the texts that are kept, sorted. By default none is: lists are kept whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptMembers(Vec<(ClaimPath, Vec<String>)>);

impl KeptMembers {
    /// Of the claims that are `kept`, those whose lists need not be whole for what is `compared`, which must be all tests that
    /// there are. The claims that are `whole` are wanted as they are elsewhere. So is a claim that is kept as a part of another
    /// one, or that contains another one, because other tests may look at it there; and one that must be verified.
    pub fn new(compared: &[Compared], kept: &[ClaimPath], whole: &[ClaimPath]) -> Self {
        let is_in_part = |path: &&ClaimPath| {
            let overlaps = |other: &ClaimPath| other != *path && (other.covers(path) || path.covers(other));
            path.verdict().is_none() && !whole.contains(path) && !kept.iter().any(overlaps)
        };
        let in_part = kept.iter().filter(is_in_part);
        Self(in_part.filter_map(|path| Some((path.clone(), texts(compared, path)?))).collect())
    }

    /// Whether all lists are kept whole.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text for each of these claims, with all that is kept of its lists: sessions that were made by other texts may lack what
    /// conditions need now. The texts must stay the same across versions (`config::sessions::fingerprints`).
    pub fn written(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(path, texts)| format!("{path:?} {texts:?}"))
    }

    /// Removes from the lists the texts that are not kept. Members that are no texts stay, and so does a list without members.
    pub fn shorten(&self, claims: &mut Claims) {
        for (path, texts) in &self.0 {
            if let Some(Value::Array(members)) = path.find_mut(claims) {
                members.retain(|member| member.as_str().is_none_or(|text| texts.iter().any(|kept| kept == text)));
            }
        }
    }
}

/// All texts that tests compare this claim with. `None` if no test looks at it, or if one lists no text: for such a test a text
/// is of another type than all of its values, so that the answer is unknown, and without the text it would be false.
fn texts(compared: &[Compared], path: &ClaimPath) -> Option<Vec<String>> {
    let mut texts = BTreeSet::new();
    let mut is_compared = false;
    for compared in compared.iter().filter(|compared| compared.claim == *path) {
        is_compared = true;
        let mut listed = compared.values.iter().filter_map(Value::as_str).peekable();
        listed.peek()?;
        texts.extend(listed.map(str::to_owned));
    }
    is_compared.then(|| texts.into_iter().collect())
}

#[cfg(test)]
mod tests;
