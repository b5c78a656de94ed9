//! Under which names the end of a session may stand: its own, its provider's session, its person, or everybody. All are keyed
//! hashes, under each key that opens sessions, so that an end that another replica has announced is found while keys are changed.

use std::cell::Cell;

use crate::crypto::end_key::EndKey;
use crate::session::content::{People, Session};
use crate::words::principal::{AssumedVerified, Claims, canonical_email, is_verified};
use crate::words::time::Timestamp;

/// Under how many names a session may have ended at most, for each key.
const MOST: usize = 12;

/// What a name stands for. The numbers stay the same in later versions.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A session of ours, by its identifier.
    Session = 1,
    /// A session of a provider's: the provider, and `sid`.
    AtProvider = 2,
    /// A person: the provider, and `sub` there.
    Person = 3,
    /// A person's account. It is no name of an end, but says whose a mark is.
    Account = 5,
    /// A person: the provider, and `sub` there, by the time when sessions began by our own clock.
    PersonHere = 7,
    /// A table. It is no name of an end, but says in announcements which table a mark is for.
    Table = 6,
    /// Everybody who signed in at a provider; if it is empty, everybody: by our own clock. (4 was the same by the provider's clock,
    /// and nobody has announced it.)
    EverybodyHere = 8,
    /// A person: the provider, and the subject that is not `sub` there, by our own clock.
    SubjectHere = 9,
    /// The provider, and two or three of: `sub` there, `sid`, and an e-mail address; or the address alone.
    Matching = 10,
    /// A person, in sessions without `sid`: the provider, and `sub` there.
    PersonWithoutSid = 12,
    /// The network of a client. It is no name of an end, but says who has ended something that nobody has proved.
    Client = 11,
}

/// The names of something, one under each key.
pub(super) fn names(keys: &[EndKey], kind: Kind, parts: &[&str]) -> Vec<u64> {
    let mut list = List::of(keys, 1);
    list.add(kind, parts);
    list.names
}

/// The names of the sessions of which all is true that is given. An empty text stands for what is not given, as none of these is
/// empty.
pub(super) fn matching(keys: &[EndKey], provider: &str, sub: Option<&str>, sid: Option<&str>, address: Option<&str>) -> Vec<u64> {
    match (sub, sid, address) {
        (Some(sub), None, None) => names(keys, Kind::Person, &[provider, sub]),
        (None, Some(sid), None) => names(keys, Kind::AtProvider, &[provider, sid]),
        _ => names(
            keys,
            Kind::Matching,
            &[provider, sub.unwrap_or_default(), sid.unwrap_or_default(), address.unwrap_or_default()],
        ),
    }
}

/// Names that are made one after the other, each under every key.
struct List<'a> {
    keys: &'a [EndKey],
    names: Vec<u64>,
    message: Vec<u8>,
}

impl<'a> List<'a> {
    /// No names yet, and room for those of so many things.
    fn of(keys: &'a [EndKey], things: usize) -> Self {
        Self { keys, names: Vec::with_capacity(keys.len().saturating_mul(things)), message: Vec::with_capacity(128) }
    }

    fn add(&mut self, kind: Kind, parts: &[&str]) {
        self.message.clear();
        EndKey::write_named(&mut self.message, kind as u8, parts);
        self.names.extend(self.keys.iter().map(|key| key.name_of(&self.message)));
    }

    /// The names of a session for whatever a security event may say of it together. Every session has them, whether a transmitter is
    /// configured now or not: what has ended stays so when it is configured no longer.
    fn add_reported(&mut self, provider: &str, sub: Option<&str>, sid: Option<&str>, address: Option<&str>) {
        for sub in with_and_without(sub) {
            for sid in with_and_without(sid) {
                for address in with_and_without(address) {
                    // The others are names that it has anyway.
                    if address.is_some() || (sub.is_some() && sid.is_some()) {
                        let parts = [provider, sub.unwrap_or_default(), sid.unwrap_or_default(), address.unwrap_or_default()];
                        self.add(Kind::Matching, &parts);
                    }
                }
            }
        }
    }
}

/// What is given, and nothing.
fn with_and_without(given: Option<&str>) -> impl Iterator<Item = Option<&str>> {
    given.map(Some).into_iter().chain([None])
}

/// The e-mail address among the claims of a session, if it is verified.
fn address(claims: &Claims, assumed: AssumedVerified) -> Option<String> {
    let address = claims.get("email").filter(|_| is_verified("email", claims, assumed))?;
    address.as_str().map(canonical_email)
}

/// Where each group of names ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Groups {
    own: usize,
    person: usize,
    provider_session: usize,
    reported: usize,
    here: usize,
}

/// All names under which a session may have ended. They are made once, when the session is verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    /// The session's own identifier.
    session: String,
    /// The provider's configured name.
    pub(super) provider: String,
    /// When the session began, by the provider's clock.
    pub(super) begun: Timestamp,
    /// When it began, by our own clock.
    pub(super) begun_here: Timestamp,
    /// All of them, in the order of the groups below.
    names: Vec<u64>,
    /// Where each group ends in `names`.
    groups: Groups,
    /// The state of the tables in which none of these names was found.
    pub(super) not_found_in: Cell<Option<u64>>,
}

impl Names {
    /// The session's own identifier, for the log.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The configured name of the session's provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Its own.
    pub(super) fn own(&self) -> &[u64] {
        self.names.get(..self.groups.own).unwrap_or_default()
    }

    /// Its own, those of its person where the time is one of the provider's clock, and those of its provider's session.
    pub(super) fn at_provider(&self) -> &[u64] {
        self.names.get(..self.groups.provider_session).unwrap_or_default()
    }

    /// Those of its provider's session.
    pub(super) fn provider_session(&self) -> &[u64] {
        self.names.get(self.groups.person..self.groups.provider_session).unwrap_or_default()
    }

    /// Those of `at_provider`, and those by which a security event may have ended it, of several things that it said.
    pub(super) fn reported(&self) -> &[u64] {
        self.names.get(..self.groups.reported).unwrap_or_default()
    }

    /// Those of its person and of everybody at its provider, where the time is one of our own clock.
    pub(super) fn here(&self) -> &[u64] {
        self.names.get(self.groups.reported..self.groups.here).unwrap_or_default()
    }

    /// Those of everybody at all providers.
    pub(super) fn everybody(&self) -> &[u64] {
        self.names.get(self.groups.here..).unwrap_or_default()
    }

    /// The names of a session. `people` says what is known of those who sign in at its provider.
    pub fn new(keys: &[EndKey], people: People, session: &Session) -> Self {
        let provider = session.provider.as_str();
        let sub = session.subject_at_provider(people.subjects);
        let sid = session.provider_session.as_deref().filter(|sid| !sid.is_empty());
        let address = address(&session.claims, people.assumed);
        let (mut list, mut groups) = (List::of(keys, MOST), Groups::default());
        list.add(Kind::Session, &[&session.id]);
        groups.own = list.names.len();
        if let Some(sub) = sub {
            list.add(Kind::Person, &[provider, sub]);
            if sid.is_none() {
                list.add(Kind::PersonWithoutSid, &[provider, sub]);
            }
        }
        groups.person = list.names.len();
        if let Some(sid) = sid {
            list.add(Kind::AtProvider, &[provider, sid]);
        }
        groups.provider_session = list.names.len();
        list.add_reported(provider, sub, sid, address.as_deref());
        groups.reported = list.names.len();
        if let Some(sub) = sub {
            list.add(Kind::PersonHere, &[provider, sub]);
        }
        // A user service may have another subject for them: it is no `sub` of the provider, which may give the same to another. Both
        // may be one text; and a session that a service has made need not say what `sub` is.
        list.add(Kind::SubjectHere, &[provider, &session.subject]);
        list.add(Kind::EverybodyHere, &[provider]);
        groups.here = list.names.len();
        list.add(Kind::EverybodyHere, &[""]);
        Self {
            session: session.id.clone(),
            provider: provider.to_owned(),
            begun: session.issued,
            // Of what does not say when it began (0), nobody knows that it began later: it ends with everybody.
            begun_here: if session.issued == Timestamp::default() { session.issued } else { session.created },
            names: list.names,
            groups,
            not_found_in: Cell::new(None),
        }
    }
}
