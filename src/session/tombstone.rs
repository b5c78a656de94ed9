//! A short memory of what has ended, shared by the workers of one process: a session after sign-out, an attempt after its
//! callback. It is a table of fixed size (shared data cannot be deleted), so it is a second line of defence and never the only
//! one: cookies are deleted in the browser, codes are spent at the provider.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// What has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// A session, by its identifier: base64url, and either random or a digest.
    Session(&'a str),
    /// A sign-in, by its `state`.
    Attempt(&'a str),
}

impl Ended<'_> {
    /// The place in the table, one of 4,096 of its kind, and the name that stands there.
    fn place(self) -> (String, String) {
        let (kind, name) = match self {
            Self::Session(id) => ("session", id.to_owned()),
            Self::Attempt(state) => ("attempt", URL_SAFE_NO_PAD.encode(Sha256::digest(state))),
        };
        // Not `accredit/1/ended/`: entries there begin with other names, and an older build may still read and write them.
        (["accredit/2/ended/", kind, "/", name.get(..2).unwrap_or_default()].concat(), name)
    }
}

/// Remembers that something has ended, until a moment after which it would not count anyway. Where that has passed, its place is
/// left to what may stand there.
pub fn mark(world: &mut dyn World, ended: Ended<'_>, until: Timestamp) {
    if until <= world.now() {
        return;
    }
    let (key, name) = ended.place();
    // An unconditional write cannot lose against another worker's.
    let _ = world.share(&key, format!("{} {name}", until.millis()).as_bytes(), Version::Any);
}

/// Whether it is remembered to have ended.
pub fn is_marked(world: &dyn World, ended: Ended<'_>, now: Timestamp) -> bool {
    let (key, name) = ended.place();
    let Some(shared) = world.shared(&key) else { return false };
    let Ok(text) = std::str::from_utf8(&shared.value) else { return false };
    text.split_once(' ')
        .is_some_and(|(until, other)| other == name && until.parse().is_ok_and(|until| now < Timestamp::from_millis(until)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    #[test]
    fn another_worker_knows_what_has_ended_until_it_does_not_matter() {
        let mut here = Still::default();
        let there = here.clone();
        mark(&mut here, Ended::Session("abc"), Timestamp::from_seconds(10));
        assert!(is_marked(&there, Ended::Session("abc"), Timestamp::from_seconds(9)));
        assert!(!is_marked(&there, Ended::Session("abc"), Timestamp::from_seconds(10)));
        assert!(!is_marked(&there, Ended::Attempt("abc"), Timestamp::from_seconds(9)));
        assert!(!is_marked(&there, Ended::Session("abd"), Timestamp::from_seconds(9)));
    }

    #[test]
    fn a_flood_of_ended_sessions_takes_no_more_than_the_table() {
        let mut world = Still::default();
        for session in 0..60_000_u32 {
            let id = URL_SAFE_NO_PAD.encode(Sha256::digest(session.to_le_bytes()));
            mark(&mut world, Ended::Session(&id), Timestamp::from_seconds(10));
        }
        assert_eq!(world.memory.borrow().len(), 4_096);
    }
}
