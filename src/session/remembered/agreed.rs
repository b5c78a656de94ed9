//! What replicas leave for each other in the store that they share, about the refresh of one session: which process refreshes it, and
//! then the session with its new tokens. All of it is sealed, and bound to the name under which it stands. What kind of store that
//! is, and when somebody refreshes, is not known here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::crypto::seal::{Purpose, Sealer};
use crate::session::content::Session;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// The size of the longest value, in bytes. What is longer is not ours.
const LONGEST: usize = 32 * 1_024;

/// The length of the name of a process, in bytes.
pub const PROCESS_BYTES: usize = 16;

/// The first byte of what is sealed.
const CLAIM: u8 = 1;
const REFRESHED: u8 = 2;

/// What stands under the name of a refresh.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A process refreshes the session.
    Claim(Claim),
    /// The session with newer tokens.
    Refreshed(Box<Session>),
    /// Something that was left there with a key that is not here, by another build, or about another session: nothing to go by.
    Unreadable,
    /// Something that nobody with our keys has left there.
    Forged,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The random name of its process.
    pub process: [u8; PROCESS_BYTES],
    /// When it claimed the refresh, by its own clock.
    pub at: Timestamp,
}

impl Claim {
    fn write(&self) -> Vec<u8> {
        [[CLAIM].as_slice(), &self.process, &self.at.millis().to_le_bytes()].concat()
    }

    fn read(written: &[u8]) -> Option<Self> {
        let (process, at) = written.split_first_chunk()?;
        Some(Self { process: *process, at: Timestamp::from_millis(u64::from_le_bytes(at.try_into().ok()?)) })
    }
}

/// What is to stand under a name of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct Left {
    pub name: String,
    pub value: String,
    /// Until when it stands there.
    pub until: Timestamp,
    /// How often it is sent again if the store does not acknowledge it.
    pub tries_left: u32,
}

/// The name under which replicas agree about the next refresh of a session: a digest of its identifier, its refresh token and how
/// often it was refreshed. The first two are random, and known to nobody who could try them; `session.keys` are not needed for it, so
/// replicas agree also while these are changed. `None` without a refresh token.
pub fn name(session: &Session) -> Option<String> {
    let refresh_token = session.tokens.refresh_token.as_ref()?;
    let mut digest = Sha256::new();
    for part in ["accredit 1 refresh", &session.id, refresh_token.expose(), &session.tokens.refreshed.to_string()] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    Some(format!("refresh:{}", URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>()?)))
}

/// What a process leaves there that refreshes the session.
///
/// # Errors
/// [`NoRandomness`] if it cannot be sealed.
pub fn claim(world: &mut dyn World, sealer: &Sealer, name: &str, claim: &Claim) -> Result<String, NoRandomness> {
    sealer.seal_bound(world, Purpose::AgreedRefresh, name, &claim.write())
}

/// What is left there after the refresh: the session with its new tokens.
///
/// # Errors
/// [`NoRandomness`] if it cannot be sealed.
pub fn refreshed(world: &mut dyn World, sealer: &Sealer, name: &str, session: &Session) -> Result<String, NoRandomness> {
    sealer.seal_bound(world, Purpose::AgreedRefresh, name, &[[REFRESHED].as_slice(), &session.write()].concat())
}

/// What this value is that stands under the name of a refresh of `session`. A session is taken only if it is the same one, lasts no
/// longer, and was refreshed more often.
pub fn read(sealer: &Sealer, name: &str, session: &Session, value: &[u8]) -> Found {
    if value.len() > LONGEST {
        return Found::Forged;
    }
    let Some(plain) = sealer.open_bound(Purpose::AgreedRefresh, name, value) else {
        return if sealer.unknown_key(value).is_some() { Found::Unreadable } else { Found::Forged };
    };
    let found = match plain.split_first() {
        Some((&CLAIM, written)) => Claim::read(written).map(Found::Claim),
        Some((&REFRESHED, written)) => {
            Session::parse(written).filter(|other| is_newer(other, session)).map(|newer| Found::Refreshed(Box::new(newer)))
        }
        _ => None,
    };
    found.unwrap_or(Found::Unreadable)
}

/// Whether this is a session after a later refresh.
fn is_newer(newer: &Session, session: &Session) -> bool {
    let person = |session: &Session| {
        let Session { id, origin, provider, subject, provider_subject, provider_session, fingerprint, .. } = session.clone();
        (id, origin, provider, subject, provider_subject, provider_session, fingerprint)
    };
    person(newer) == person(session)
        && (newer.created, newer.issued) == (session.created, session.issued)
        && newer.ends <= session.ends
        && newer.tokens.refreshed > session.tokens.refreshed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{alice, session};
    use crate::words::secret::Secret;
    use crate::words::world::testing::Still;

    fn sealer(bytes: &[u8]) -> Sealer {
        let keys: Vec<_> = bytes.iter().map(|byte| Secret::new(URL_SAFE_NO_PAD.encode([*byte; 32]))).collect();
        Sealer::new(&keys).ok().unwrap()
    }

    fn before() -> Session {
        let mut session = session(alice());
        session.tokens.refresh_token = Some(Secret::new("a-refresh-token"));
        session
    }

    fn after() -> Session {
        let mut session = before();
        session.tokens.refreshed += 1;
        session.tokens.refresh_token = Some(Secret::new("another-refresh-token"));
        session
    }

    /// A change of a session.
    type Change = fn(&mut Session);

    #[test]
    fn each_refresh_of_each_session_has_a_name_of_its_own_that_tells_nothing() {
        let name_after = |change: Change| {
            let mut session = before();
            change(&mut session);
            name(&session).unwrap()
        };
        let ours = name(&before()).unwrap();
        assert!(ours.starts_with("refresh:") && ours.len() == 30, "{ours}");
        // A cookie that was only renewed is the same session.
        assert_eq!(name_after(|session| session.renewed = Timestamp::from_seconds(5)), ours);
        let others: [Change; 3] = [
            |session| session.id = "other".into(),
            |session| session.tokens.refreshed += 1,
            |session| session.tokens.refresh_token = Some(Secret::new("other")),
        ];
        for other in others {
            assert_ne!(name_after(other), ours);
        }
        assert_eq!(name(&session(alice())), None);
    }

    #[test]
    fn replicas_read_what_they_left_also_while_keys_are_changed() {
        let mut world = Still::default();
        let (session, name) = (before(), name(&before()).unwrap());
        for (one, other) in [(&[1][..], &[1, 2][..]), (&[1, 2], &[2, 1]), (&[2, 1], &[2])] {
            for (writer, reader) in [(one, other), (other, one)] {
                if !reader.contains(&writer[0]) {
                    continue;
                }
                let ours = Claim { process: [7; PROCESS_BYTES], at: Timestamp::from_millis(1_234) };
                let claimed = claim(&mut world, &sealer(writer), &name, &ours).unwrap();
                assert_eq!(read(&sealer(reader), &name, &session, claimed.as_bytes()), Found::Claim(ours));
                let left = refreshed(&mut world, &sealer(writer), &name, &after()).unwrap();
                assert_eq!(read(&sealer(reader), &name, &session, left.as_bytes()), Found::Refreshed(Box::new(after())));
                assert!(!left.contains("token") && !left.contains("alice"));
            }
        }
    }

    #[test]
    fn what_was_moved_changed_or_made_by_somebody_else_is_not_believed() {
        let mut world = Still::default();
        let (ours, session, place) = (sealer(&[1]), before(), name(&before()).unwrap());
        let left = refreshed(&mut world, &ours, &place, &after()).unwrap();
        // To the place of another session, or of a later refresh of the same one.
        for other in [name(&after()).unwrap(), "refresh:".to_owned(), String::new()] {
            assert_eq!(read(&ours, &other, &session, left.as_bytes()), Found::Forged);
        }
        for position in 0..left.len() {
            let mut changed = left.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let found = read(&ours, &place, &session, &changed);
            assert!(matches!(found, Found::Forged | Found::Unreadable), "{position}");
        }
        let cookie = ours.seal(&mut world, Purpose::Session, &after().write()).unwrap();
        let in_memory = ours.seal(&mut world, Purpose::Refreshed, &after().write()).unwrap();
        let huge = vec![b'A'; 5_000_000];
        for junk in [cookie.as_bytes(), in_memory.as_bytes(), &huge, b"", b"1", b"refresh", "\u{1}".as_bytes()] {
            assert_eq!(read(&ours, &place, &session, junk), Found::Forged);
        }
    }

    #[test]
    fn a_session_is_taken_only_for_the_same_one_that_lasts_no_longer_and_was_refreshed_more_often() {
        let mut world = Still::default();
        let (ours, session, place) = (sealer(&[1]), before(), name(&before()).unwrap());
        let changes: [Change; 11] = [
            |other| other.id = "other".into(),
            |other| other.origin = "https://other.example.com".into(),
            |other| other.provider = "other".into(),
            |other| other.subject = "mallory".into(),
            |other| other.provider_subject = Some("mallory".into()),
            |other| other.provider_session = Some("other".into()),
            |other| other.fingerprint = crate::session::content::Fingerprint::of(["other"]),
            |other| other.created = Timestamp::from_seconds(1),
            |other| other.issued = Timestamp::from_seconds(1),
            |other| other.ends = Timestamp::from_millis(other.ends.millis() + 1),
            |other| other.tokens.refreshed -= 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = after();
            change(&mut other);
            let left = refreshed(&mut world, &ours, &place, &other).unwrap();
            assert_eq!(read(&ours, &place, &session, left.as_bytes()), Found::Unreadable, "{number}");
        }
    }

    #[test]
    fn what_was_left_with_a_key_that_is_not_here_or_by_another_build_is_neither_believed_nor_called_a_forgery() {
        let mut world = Still::default();
        let (ours, session, place) = (sealer(&[1]), before(), name(&before()).unwrap());
        let by_others = refreshed(&mut world, &sealer(&[2]), &place, &after()).unwrap();
        assert_eq!(read(&ours, &place, &session, by_others.as_bytes()), Found::Unreadable);
        for plain in [&b""[..], b"\x03later", b"\x01", b"\x02"] {
            let by_another_build = ours.seal_bound(&mut world, Purpose::AgreedRefresh, &place, plain).unwrap();
            assert_eq!(read(&ours, &place, &session, by_another_build.as_bytes()), Found::Unreadable);
        }
    }
}
