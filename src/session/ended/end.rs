//! What can end, with the marks that stand for it, and what found no room, as values. Nothing ends here.

use crate::crypto::end_key::EndKey;
use crate::session::content::Session;
use crate::session::ended::mark::{Ends, Mark};
use crate::session::ended::names::{Kind, matching, names};
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
        /// It began at this time or before, by the clock of any replica.
        begun_by: Timestamp,
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
    /// The sessions of a person that have no `sid`: nobody knows that the provider means other ones, when it names the person and a
    /// session of its own.
    PersonWithoutSid {
        /// The provider's configured name.
        provider: &'a str,
        /// `sub` at the provider.
        sub: &'a str,
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
    /// The sessions of somebody by their subject here, which may be the user service's and another one than `sub` at the provider, that
    /// began at this time or before, by our own clock.
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

impl<'a> End<'a> {
    /// The configured name of the provider whose sessions end, which is empty if it is none's or anybody's; and the marks that stand
    /// for the end, one under each key.
    pub(super) fn marks(&self, keys: &[EndKey]) -> (&'a str, Vec<Mark>) {
        let (provider, named, until, ends) = match *self {
            End::Session(session) => {
                let provider = session.provider.as_str();
                let parts = [Some(provider), Some(&session.subject), session.provider_subject.as_deref()];
                let account = names(keys, Kind::Account, &parts.into_iter().flatten().collect::<Vec<_>>());
                let account = account.first().copied().unwrap_or_default();
                (provider, names(keys, Kind::Session, &[&session.id]), session.ends, Ends::by_account(account))
            }
            End::SessionId { id, begun_by, until } => ("", names(keys, Kind::Session, &[id]), until, Ends::begun_by(begun_by)),
            End::AtProvider { provider, sid, begun_by, until } => {
                (provider, names(keys, Kind::AtProvider, &[provider, sid]), until, Ends::begun_by(begun_by))
            }
            End::Person { provider, sub, begun_by, until } => {
                (provider, names(keys, Kind::Person, &[provider, sub]), until, Ends::begun_by(begun_by))
            }
            End::PersonWithoutSid { provider, sub, begun_by, until } => {
                (provider, names(keys, Kind::PersonWithoutSid, &[provider, sub]), until, Ends::begun_by(begun_by))
            }
            End::Matching { provider, sub, sid, address, begun_by, until } => {
                (provider, matching(keys, provider, sub, sid, address), until, Ends::begun_by(begun_by))
            }
            End::PersonHere { provider, sub, begun_by, until } => {
                (provider, names(keys, Kind::PersonHere, &[provider, sub]), until, Ends::begun_by(begun_by))
            }
            End::SubjectHere { provider, subject, begun_by, until } => {
                (provider, names(keys, Kind::SubjectHere, &[provider, subject]), until, Ends::begun_by(begun_by))
            }
            End::EverybodyHere { provider, begun_by, until } => {
                (provider, names(keys, Kind::EverybodyHere, &[provider]), until, Ends::begun_by(begun_by))
            }
        };
        (provider, named.into_iter().map(|name| Mark::new(name, until, ends)).collect())
    }
}

/// How many ends found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// In the table: they hold nowhere.
    pub without_room: usize,
    /// In the queue: they hold in this process.
    pub not_queued: usize,
}
