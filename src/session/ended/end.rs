//! What can end, and what found no room, as values. Nothing ends here.

use crate::session::content::Session;
use crate::words::time::Timestamp;

/// Something that ends. `until` says when no session can be left that it ends.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// This session.
    Session(&'a Session),
    /// The session with this identifier.
    SessionId {
        /// The session's identifier.
        id: &'a str,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions that began with this session of the provider's.
    AtProvider {
        /// The provider's configured name.
        provider: &'a str,
        /// `sid`: the provider's name for its session. Some providers use one again.
        sid: &'a str,
        /// Those whose ID token was issued at this time or before, by the provider's clock.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions of a person.
    Person {
        /// The provider's configured name.
        provider: &'a str,
        /// `sub` at the provider.
        sub: &'a str,
        /// Those whose ID token was issued at this time or before, by the provider's clock.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions of which all is true that is given; of `sub`, `sid` and `address` there is at least one.
    Matching {
        /// The provider's configured name.
        provider: &'a str,
        /// `sub` at the provider.
        sub: Option<&'a str>,
        /// `sid`: the provider's name for its session.
        sid: Option<&'a str>,
        /// The verified e-mail address that the session keeps, as [`crate::words::principal::canonical_email`] has it.
        address: Option<&'a str>,
        /// Those whose ID token was issued at this time or before, by the provider's clock.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions of a person that began at this time or before, by our own clock.
    PersonHere {
        /// The provider's configured name.
        provider: &'a str,
        /// `sub` at the provider.
        sub: &'a str,
        /// That time.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions of somebody whose subject is the user service's, and not `sub` at the provider, that began at this time or before,
    /// by our own clock.
    SubjectHere {
        /// The provider's configured name.
        provider: &'a str,
        /// The subject.
        subject: &'a str,
        /// That time.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
    /// The sessions of everybody that began at this time or before, by our own clock.
    EverybodyHere {
        /// The provider's configured name; empty for all.
        provider: &'a str,
        /// That time.
        begun_by: Timestamp,
        /// Until when that matters.
        until: Timestamp,
    },
}

/// How many ends found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// In the table: they hold nowhere.
    pub without_room: usize,
    /// In the queue: they hold in this process.
    pub not_queued: usize,
}
