//! A mark: that something has ended, and until when that matters. It has 16 bytes, because there may be hundreds of thousands. It
//! does not know what its name stands for.

use std::time::Duration;

use crate::words::time::Timestamp;

/// The size of a mark, in bytes: 8 for its name, 4 for its end, and 4 for what it ends.
pub const MARK_BYTES: usize = 16;

/// Times of sessions are told in seconds since 2020, so that 31 bits are enough until 2088.
const EPOCH: u64 = 1_577_836_800;

/// In the last four bytes: one session ends, and the other bits are the number of its account.
const ONE: u32 = 1 << 31;

/// That something has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name of what has ended: a keyed hash.
    pub name: u64,
    /// Until when it matters, in seconds since 1970: after that, no session is left that it could end.
    pub until: u32,
    /// Which of the sessions of this name have ended.
    pub ends: Ends,
}

/// Which of the sessions of a name have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// All of them. Of what one account has ended itself, there is the account's number, so that it can fill only its share.
    All {
        /// A hash of 31 bits; 0 where it was not the account.
        account: u32,
    },
    /// Those that began at this time or before: in seconds since 2020, rounded down.
    Begun {
        /// That time.
        by: u32,
    },
}

impl Ends {
    /// All sessions of a name, at the wish of this account, which is told by a keyed hash.
    pub fn by_account(account: u64) -> Self {
        Self::All { account: u32::try_from(account & u64::from(!ONE)).unwrap_or_default() }
    }

    /// The sessions of a name that began at this time or before, to the second.
    pub fn begun_by(time: Timestamp) -> Self {
        Self::Begun { by: seconds_since_epoch(time) }
    }

    /// Whether a session that began at this time is among them.
    pub fn end(self, begun: Timestamp) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Begun { by } => seconds_since_epoch(begun) <= by,
        }
    }

    /// What ends by both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Begun { by: one }, Self::Begun { by: other }) => Self::Begun { by: one.max(other) },
            (Self::All { account }, _) | (_, Self::All { account }) => Self::All { account },
        }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::All { account } => ONE | account,
            Self::Begun { by } => by & !ONE,
        }
    }

    const fn of(bits: u32) -> Self {
        if bits & ONE == 0 { Self::Begun { by: bits } } else { Self::All { account: bits & !ONE } }
    }
}

fn seconds_since_epoch(time: Timestamp) -> u32 {
    u32::try_from(time.seconds().saturating_sub(EPOCH)).unwrap_or(u32::MAX).min(!ONE)
}

impl Mark {
    /// A mark that matters until the given time, rounded up to seconds.
    pub fn new(name: u64, until: Timestamp, ends: Ends) -> Self {
        let until = u32::try_from(until.millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        Self { name, until, ends }
    }

    /// Whether it still matters.
    pub fn matters(&self, now: Timestamp) -> bool {
        now < Timestamp::from_seconds(self.until.into())
    }

    /// The same, where what has begun lasts at most for this time: it matters for so long after what it ends has begun, although whoever
    /// has made it may have known shorter sessions alone.
    #[must_use]
    pub fn lasting(self, span: Duration) -> Self {
        let Ends::Begun { by } = self.ends else { return self };
        let begun = Timestamp::from_seconds(EPOCH.saturating_add(by.into()));
        let until = u32::try_from(begun.plus(span).seconds()).unwrap_or(u32::MAX);
        Self { until: self.until.max(until), ..self }
    }

    /// Whether it ends a session that began at this time, and still matters.
    pub fn ended(&self, begun: Timestamp, now: Timestamp) -> bool {
        self.matters(now) && self.ends.end(begun)
    }

    /// What both marks of one name say together.
    pub fn and(self, other: Self) -> Self {
        Self { until: self.until.max(other.until), ends: self.ends.and(other.ends), ..self }
    }

    /// As it is kept and told.
    pub fn write(&self) -> [u8; MARK_BYTES] {
        let mut written = [0; MARK_BYTES];
        let (name, rest) = written.split_at_mut(8);
        let (until, ends) = rest.split_at_mut(4);
        name.copy_from_slice(&self.name.to_be_bytes());
        until.copy_from_slice(&self.until.to_be_bytes());
        ends.copy_from_slice(&self.ends.bits().to_be_bytes());
        written
    }

    /// The name of a mark that [`Mark::write`] has written.
    pub fn name_in(written: &[u8; MARK_BYTES]) -> u64 {
        written.first_chunk().map(|name| u64::from_be_bytes(*name)).unwrap_or_default()
    }

    /// Reads what [`Mark::write`] has written. Any 16 bytes are a mark.
    pub fn read(written: &[u8; MARK_BYTES]) -> Self {
        let number = u128::from_be_bytes(*written);
        let part = |shift: u32, mask: u128| (number >> shift) & mask;
        Self {
            name: u64::try_from(part(64, u128::from(u64::MAX))).unwrap_or_default(),
            until: u32::try_from(part(32, u128::from(u32::MAX))).unwrap_or_default(),
            ends: Ends::of(u32::try_from(part(0, u128::from(u32::MAX))).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_mark_is_read_as_it_was_written_and_its_bytes_stay_the_same_in_later_versions() {
        let by = Ends::begun_by(NOW);
        for ends in [Ends::All { account: 0 }, Ends::by_account(u64::MAX), by, Ends::begun_by(Timestamp::default())] {
            let mark = Mark::new(u64::MAX - 1, NOW, ends);
            assert_eq!(Mark::read(&mark.write()), mark);
        }
        let written = Mark::new(0x0102_0304_0506_0708, NOW, Ends::by_account(0x0909_0909)).write();
        assert_eq!(written, [1, 2, 3, 4, 5, 6, 7, 8, 0x6b, 0x49, 0xd2, 0, 0x89, 9, 9, 9]);
    }

    #[test]
    fn a_later_sign_in_is_not_ended_and_one_of_the_same_second_is() {
        let ends = Ends::begun_by(NOW);
        let at = |millis: u64| ends.end(Timestamp::from_millis(NOW.millis() + millis));
        assert_eq!([at(0), at(999), at(1_000)], [true, true, false]);
        assert!(ends.end(Timestamp::default()) && !ends.end(Timestamp::from_millis(u64::MAX)));
        assert!(Ends::by_account(7).end(Timestamp::from_millis(u64::MAX)));
    }

    #[test]
    fn of_two_ends_of_one_name_neither_is_lost() {
        let mark = |until, ends| Mark::new(1, Timestamp::from_seconds(until), ends);
        let (early, late) = (Ends::Begun { by: 5 }, Ends::Begun { by: 9 });
        for (one, other, both) in [
            (mark(10, early), mark(20, late), mark(20, late)),
            (mark(30, early), mark(20, late), mark(30, late)),
            (mark(10, early), mark(20, Ends::All { account: 3 }), mark(20, Ends::All { account: 3 })),
        ] {
            assert_eq!([one.and(other), other.and(one)], [both, both]);
        }
    }

    #[test]
    fn where_sessions_last_longer_a_mark_of_what_began_by_a_time_matters_longer_and_never_less_than_it_says() {
        let mark = |ends| Mark::new(1, Timestamp::from_seconds(NOW.seconds() + 500), ends);
        for (ends, span, seconds) in [
            (Ends::begun_by(NOW), 900, 900),
            (Ends::begun_by(NOW), 500, 500),
            (Ends::begun_by(NOW), 0, 500),
            (Ends::begun_by(Timestamp::default()), 900, 500),
            // A single session says itself when it ends.
            (Ends::by_account(7), 900, 500),
        ] {
            let lasting = mark(ends).lasting(Duration::from_secs(span));
            assert_eq!(lasting, Mark { until: lasting.until, ..mark(ends) });
            assert_eq!(u64::from(lasting.until), NOW.seconds() + seconds, "{ends:?} {span}");
        }
        assert_eq!(mark(Ends::begun_by(Timestamp::from_millis(u64::MAX))).lasting(Duration::MAX).until, u32::MAX);
    }

    #[test]
    fn a_mark_matters_until_its_time_and_is_never_forgotten_early() {
        let mark = Mark::new(1, Timestamp::from_millis(10_001), Ends::All { account: 0 });
        assert!(mark.matters(Timestamp::from_millis(10_999)) && !mark.matters(Timestamp::from_millis(11_000)));
        assert_eq!(Mark::new(1, Timestamp::from_millis(u64::MAX), Ends::All { account: 0 }).until, u32::MAX);
    }
}
