//! The store, whichever kind it is: three exchanges, each a call to send and a function that reads its reply. Another kind of
//! store is one more variant here, and one more file beside `redis`.

use std::time::Duration;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Announced, Claimed, NamedValue, Page};
use crate::revocations::redis::settings::Redis;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// Where replicas tell each other what has ended. The failures of all exchanges have the reason
/// [`crate::words::reason::Reason::RevocationsUnavailable`], and say what to do. None of them says that nothing was stored: what
/// was sent without an acknowledgement may be sent again.
#[derive(Clone, Debug)]
pub enum Store {
    /// Redis or Valkey.
    Redis(Redis),
}

impl Store {
    /// How long an answer may take.
    pub const fn timeout(&self) -> Duration {
        match self {
            Self::Redis(redis) => redis.timeout,
        }
    }

    /// Which store this is: two that have the same names for all of its parts are one.
    pub fn names(&self) -> [&str; 2] {
        match self {
            Self::Redis(redis) => [&redis.cluster, &redis.stream],
        }
    }

    /// Adds these entries to the stream, then claims these names. Of entries that were added before `trim_before` of the store's
    /// clock ([`Page::now`]) it removes most, if it adds any. There are at most [`crate::revocations::exchanged::MOST_ENTRIES`]
    /// entries, each of at most [`crate::revocations::exchanged::LARGEST_ENTRY`] bytes.
    pub fn announce(&self, entries: &[Vec<u8>], claims: &[NamedValue<'_>], trim_before: Option<Timestamp>) -> HttpCall {
        match self {
            Self::Redis(redis) => redis.announce(entries, claims, trim_before),
        }
    }

    /// The acknowledgement of so many entries and claims.
    ///
    /// # Errors
    /// Unless each of them is acknowledged.
    pub fn announced(&self, entries: usize, claims: usize, reply: &Reply) -> Result<Announced, Failure> {
        match self {
            Self::Redis(redis) => redis.announced(entries, claims, reply),
        }
    }

    /// Reads `most` entries at this place and behind it.
    pub fn read(&self, from: Cursor, most: usize) -> HttpCall {
        match self {
            Self::Redis(redis) => redis.read(from, most),
        }
    }

    /// The page that was asked for with this place and number, as far as it came: if the connection ended in the middle, it is
    /// shorter, and there is more.
    ///
    /// # Errors
    /// If not even one entry can be read, or if what came is not what an honest store says: places that are none, that are before
    /// the asked one, or do not increase; more entries than were asked for.
    pub fn page(&self, from: Cursor, most: usize, reply: &Reply) -> Result<Page, Failure> {
        match self {
            Self::Redis(redis) => redis.page(from, most, reply),
        }
    }

    /// Claims a name.
    pub fn claim(&self, claim: &NamedValue<'_>) -> HttpCall {
        self.announce(&[], &[*claim], None)
    }

    /// How the claim of a name ended.
    ///
    /// # Errors
    /// Unless the store has said it.
    pub fn claimed(&self, reply: &Reply) -> Result<Claimed, Failure> {
        match self {
            Self::Redis(redis) => redis.claimed(reply),
        }
    }

    /// Puts a value under a name, whatever is there: also in the place of a claim, which ends by that.
    pub fn put(&self, value: &NamedValue<'_>) -> HttpCall {
        match self {
            Self::Redis(redis) => redis.put(value),
        }
    }

    /// Whether the value was put there.
    ///
    /// # Errors
    /// Unless the store has acknowledged it.
    pub fn was_put(&self, reply: &Reply) -> Result<(), Failure> {
        match self {
            Self::Redis(redis) => redis.was_put(reply),
        }
    }

    /// Asks for the value under a name, which stays there.
    pub fn get(&self, name: &str) -> HttpCall {
        match self {
            Self::Redis(redis) => redis.get(name),
        }
    }

    /// The value under the name; `None` if there is none.
    ///
    /// # Errors
    /// Unless the store has said it.
    pub fn got(&self, reply: &Reply) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Redis(redis) => redis.got(reply),
        }
    }
}
