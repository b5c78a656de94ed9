//! Sessions whose tokens were refreshed. They are kept while requests may still come with the old cookie: the response with the
//! new one may not have arrived, or another tab has a request under way, and a refresh token must not be used twice. They are
//! sealed, in the memory that the workers of one process share, in a table of fixed size, because shared data cannot be deleted:
//! an entry stays until another session needs its place. Each provider has a table of its own, so that the people of another one
//! cannot fill it. Who may refresh tokens, and when, is not known here.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::crypto::seal::{Purpose, Sealer};
use crate::session::content::Session;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, Version, World};

/// How many sessions are kept for one provider. Each takes as much as its cookies: a few KiB, at most 30.
const PLACES: u16 = 2_048;

/// The version of the entries. No other version is read.
const VERSION: u8 = 1;

/// The two places where a session may be kept. There are two, so that two sessions seldom compete for one.
struct Places {
    digest: String,
    keys: [String; 2],
}

impl Places {
    fn of(session: &Session) -> Self {
        let digest = Sha256::digest(format!("refreshed {}", session.id));
        let place = |high: usize, low: usize| {
            let bytes = [digest.get(high), digest.get(low)].map(|byte| byte.copied().unwrap_or_default());
            u16::from_be_bytes(bytes).checked_rem(PLACES).unwrap_or_default()
        };
        let keys = [place(0, 1), place(2, 3)].map(|place| format!("accredit/2/refreshed/{}/{place}", session.provider));
        Self { digest: URL_SAFE_NO_PAD.encode(digest), keys }
    }
}

/// The key of the lease by which workers agree who refreshes a session's tokens. Several sessions of one provider may have the
/// same key, and then wait for each other.
pub fn lease_key(session: &Session) -> String {
    let [place, _] = Places::of(session).keys;
    format!("{place}/lease")
}

/// Keeps a session with refreshed tokens. It replaces the older of the two entries in its places.
///
/// # Errors
/// [`NoRandomness`] if it cannot be sealed.
pub fn keep(world: &mut dyn World, sealer: &Sealer, session: &Session, now: Timestamp) -> Result<(), NoRandomness> {
    let sealed = sealer.seal(world, Purpose::Refreshed, &session.write())?;
    let Places { digest, keys } = Places::of(session);
    let age = |key: &String| match world.shared(key).and_then(|shared| Entry::read(&shared.value)) {
        Some(entry) if entry.owner == digest => Timestamp::default(),
        Some(entry) => entry.kept.plus(Duration::from_millis(1)),
        None => Timestamp::from_millis(1),
    };
    if let Some(key) = keys.iter().min_by_key(|key| age(key)) {
        // A write without a condition succeeds even if another worker writes at the same time.
        let entry = Entry { owner: digest, kept: now, sealed };
        let _ = world.share(key, &entry.write(), Version::Any);
    }
    Ok(())
}

/// The same session with newer tokens, if it is kept. An entry counts only if we have sealed it, and for this session alone.
pub fn newer(world: &dyn World, sealer: &Sealer, session: &Session) -> Option<Session> {
    let Places { digest, keys } = Places::of(session);
    let found = keys.iter().filter_map(|key| {
        let shared = world.shared(key)?;
        let entry = Entry::read(&shared.value).filter(|entry| entry.owner == digest)?;
        let plain = sealer.open(Purpose::Refreshed, entry.sealed.as_bytes())?;
        Session::parse(&plain)
    });
    let same = |other: &Session| other.id == session.id && other.fingerprint == session.fingerprint;
    let newest = found.filter(same).max_by_key(|other| other.tokens.refreshed)?;
    (newest.tokens.refreshed > session.tokens.refreshed).then_some(newest)
}

/// An entry of the table: a digest of the session's identifier, when it was kept, and the sealed session.
struct Entry {
    owner: String,
    kept: Timestamp,
    sealed: String,
}

impl Entry {
    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(&self.owner);
        writer.number(self.kept.millis());
        writer.text(&self.sealed);
        writer.finish(VERSION)
    }

    fn read(written: &[u8]) -> Option<Self> {
        let mut read = Reader::new(written, VERSION)?;
        let entry = Self { owner: read.text()?, kept: Timestamp::from_millis(read.number()?), sealed: read.text()? };
        read.is_empty().then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{alice, at, session};
    use crate::words::secret::Secret;
    use crate::words::world::testing::Still;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&[Secret::new(URL_SAFE_NO_PAD.encode([byte; 32]))]).ok().unwrap()
    }

    fn refreshed(session: &Session, times: u32) -> Session {
        let mut session = session.clone();
        session.tokens.refreshed = times;
        session
    }

    #[test]
    fn another_worker_finds_a_session_with_newer_tokens() {
        let (mut here, sealer) = (Still::default(), sealer(7));
        let there = here.clone();
        let first = session(alice());
        assert_eq!(newer(&there, &sealer, &first), None);
        for times in [1, 2, 3] {
            keep(&mut here, &sealer, &refreshed(&first, times), at(0)).unwrap();
            assert_eq!(newer(&there, &sealer, &first), Some(refreshed(&first, times)));
            assert_eq!(newer(&there, &sealer, &refreshed(&first, times)), None);
        }
    }

    #[test]
    fn an_entry_of_another_session_key_or_writer_is_not_used() {
        let mut world = Still::default();
        let first = session(alice());
        let mut other = refreshed(&first, 1);
        other.id = "other".into();
        keep(&mut world, &sealer(7), &other, at(0)).unwrap();
        let planted: Vec<_> = world.memory.borrow().values().cloned().collect();
        let Places { digest, keys } = Places::of(&first);
        for (key, (value, _)) in keys.iter().zip(planted.iter().cycle()) {
            // Another plugin could copy the sealed text of one session to the place of another.
            let entry = Entry { owner: digest.clone(), ..Entry::read(value).unwrap() };
            world.share(key, &entry.write(), Version::Any).unwrap();
        }
        assert_eq!(newer(&world, &sealer(7), &first), None);
        keep(&mut world, &sealer(8), &refreshed(&first, 1), at(0)).unwrap();
        assert_eq!(newer(&world, &sealer(7), &first), None);
        assert_eq!(newer(&world, &sealer(8), &first), Some(refreshed(&first, 1)));
        for junk in ["", " ", "x y z", "\u{0}"] {
            keys.iter().for_each(|key| world.share(key, junk.as_bytes(), Version::Any).unwrap());
            assert_eq!(newer(&world, &sealer(8), &first), None, "{junk}");
        }
    }

    #[test]
    fn many_sessions_take_no_more_than_the_table_and_the_latest_are_kept() {
        let (mut world, sealer) = (Still::default(), sealer(7));
        let mut all = Vec::new();
        for number in 0..3_000 {
            let mut one = refreshed(&session(alice()), 1);
            one.id = number.to_string();
            keep(&mut world, &sealer, &one, at(number)).unwrap();
            all.push(one);
        }
        assert!(world.memory.borrow().len() <= usize::from(PLACES));
        let found = |one: &&Session| newer(&world, &sealer, &refreshed(one, 0)).is_some();
        assert!(all.iter().rev().take(100).filter(found).count() >= 99);
    }

    #[test]
    fn refreshes_at_one_provider_do_not_replace_sessions_of_another() {
        let (mut world, sealer) = (Still::default(), sealer(7));
        let ours = refreshed(&session(alice()), 1);
        keep(&mut world, &sealer, &ours, at(0)).unwrap();
        for number in 0..8_000 {
            let mut theirs = ours.clone();
            (theirs.id, theirs.provider) = (number.to_string(), "partner".into());
            assert_ne!(lease_key(&theirs), lease_key(&ours));
            keep(&mut world, &sealer, &theirs, at(1)).unwrap();
        }
        assert_eq!(newer(&world, &sealer, &refreshed(&ours, 0)), Some(ours));
    }
}
