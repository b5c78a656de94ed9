//! Under which names the end of a session may stand: its own, its provider's session, its person, or everybody. All are keyed
//! hashes, under each key that opens sessions, so that an end that another replica has announced is found while keys are changed.

use std::cell::Cell;

use crate::crypto::end_key::EndKey;
use crate::session::content::Session;
use crate::words::time::Timestamp;

/// What a name stands for. The numbers stay the same in later versions.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A session of ours, by its identifier.
    Session = 1,
    /// A session of a provider's: the provider, and `sid`.
    AtProvider = 2,
    /// A person: the provider, and `sub` there.
    Person = 3,
    /// Everybody who signed in at a provider; if it is empty, everybody.
    Everybody = 4,
    /// A person's account. It is no name of an end, but says whose a mark is.
    Account = 5,
    /// A person: the provider, and `sub` there, by the time when sessions began by our own clock.
    PersonHere = 7,
    /// A table. It is no name of an end, but says in announcements which table a mark is for.
    Table = 6,
}

/// The names of something, one under each key.
pub(super) fn names(keys: &[EndKey], kind: Kind, parts: &[&str]) -> Vec<u64> {
    keys.iter().map(|key| key.name(kind as u8, parts)).collect()
}

/// All names under which a session may have ended. They are made once, when the session is verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    /// The provider's configured name.
    pub(super) provider: String,
    /// When the session began, by the provider's clock.
    pub(super) begun: Timestamp,
    /// When it began, by our own clock.
    pub(super) begun_here: Timestamp,
    /// Its own, and those of everybody at all providers.
    pub(super) anywhere: Vec<u64>,
    /// Those of its person and of everybody at its provider, and again its own.
    pub(super) at_provider: Vec<u64>,
    /// Those of its person, where the time is one of our own clock.
    pub(super) person_here: Vec<u64>,
    /// Those of its provider's session.
    pub(super) provider_session: Vec<u64>,
    /// The state of the tables in which none of these names was found.
    pub(super) not_found_in: Cell<Option<u64>>,
}

impl Names {
    /// The names of a session.
    pub fn new(keys: &[EndKey], session: &Session) -> Self {
        let provider = session.provider.as_str();
        let own = names(keys, Kind::Session, &[&session.id]);
        let of_all = |provider: &str| names(keys, Kind::Everybody, &[provider]);
        let person = names(keys, Kind::Person, &[provider, session.subject_at_provider()]);
        let of_sid = |sid: &String| names(keys, Kind::AtProvider, &[provider, sid]);
        Self {
            provider: provider.to_owned(),
            begun: session.issued,
            // A token of another service may not say when it began: then it ends with all that began before.
            begun_here: if session.issued == Timestamp::default() { session.issued } else { session.created },
            anywhere: [own.as_slice(), &of_all("")].concat(),
            at_provider: [own, person, of_all(provider)].concat(),
            person_here: names(keys, Kind::PersonHere, &[provider, session.subject_at_provider()]),
            provider_session: session.provider_session.as_ref().map(of_sid).unwrap_or_default(),
            not_found_in: Cell::new(None),
        }
    }
}
