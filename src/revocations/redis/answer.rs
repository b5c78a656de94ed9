//! What a Redis said, read command by command: each value must be one that the command gives. What was asked is not known here.

use std::time::Duration;

use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Claimed, Entry, LARGEST_ENTRY, Page};
use crate::revocations::redis::refusal;
use crate::revocations::redis::resp::{NoValue, Value, Values};
use crate::revocations::redis::settings::Redis;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The name of the one field of an entry.
pub(super) const FIELD: &[u8] = b"e";

/// More bytes than an entry of ours has behind its id.
const MOST_BEHIND_AN_ID: usize = LARGEST_ENTRY.saturating_add(32);

/// What the server said, read command by command.
pub(super) struct Answer<'a> {
    pub(super) redis: &'a Redis,
    pub(super) values: Values<'a>,
    /// How many bytes came.
    pub(super) length: usize,
    /// Whether it ended before everything that was expected was read.
    pub(super) ended: bool,
}

impl<'a> Answer<'a> {
    /// The next value in the reply to this command, which was carried out.
    pub(super) fn value(&mut self, command: &'static str) -> Result<Value<'a>, Failure> {
        let left = self.values.left();
        match self.values.next() {
            Ok(Value::Error(words)) => Err(refusal::refused(self.redis, command, words)),
            Ok(value) => Ok(value),
            Err(NoValue::Ended) => {
                self.ended = true;
                Err(refusal::ended(self.redis, command, self.length))
            }
            Err(NoValue::Malformed) => Err(refusal::malformed(self.redis, command, left)),
        }
    }

    pub(super) fn unexpected(&self, command: &'static str, expected: &str, found: &str) -> Failure {
        refusal::unexpected(self.redis, command, expected, found)
    }

    pub(super) fn ok(&mut self, command: &'static str) -> Result<(), Failure> {
        match self.value(command)? {
            Value::Status(b"OK") => Ok(()),
            other => Err(self.unexpected(command, "OK", other.kind())),
        }
    }

    pub(super) fn array(&mut self, command: &'static str) -> Result<usize, Failure> {
        match self.value(command)? {
            Value::Array(length) => Ok(length),
            other => Err(self.unexpected(command, "an array", other.kind())),
        }
    }

    pub(super) fn bytes(&mut self, command: &'static str) -> Result<&'a [u8], Failure> {
        match self.value(command)? {
            Value::Bulk(bytes) => Ok(bytes),
            other => Err(self.unexpected(command, "bytes", other.kind())),
        }
    }

    pub(super) fn bytes_or_nothing(&mut self, command: &'static str) -> Result<Option<&'a [u8]>, Failure> {
        match self.value(command)? {
            Value::Bulk(bytes) => Ok(Some(bytes)),
            Value::Nothing => Ok(None),
            other => Err(self.unexpected(command, "bytes or null", other.kind())),
        }
    }

    pub(super) fn pair(&mut self, command: &'static str) -> Result<(), Failure> {
        match self.array(command)? {
            2 => Ok(()),
            length => Err(self.unexpected(command, "an array of two", &format!("one of {length}"))),
        }
    }

    pub(super) fn id(&mut self, command: &'static str) -> Result<Cursor, Failure> {
        let id = self.bytes(command)?;
        Cursor::read(id).ok_or_else(|| self.unexpected(command, "the id of an entry, such as 1764500000000-0", "something else"))
    }

    /// The place of an entry that was added.
    pub(super) fn added(&mut self) -> Result<Cursor, Failure> {
        self.id("XADD")
    }

    /// How a claim ended: the reply to SET, and that to GET.
    pub(super) fn claimed(&mut self) -> Result<Claimed, Failure> {
        let won = match self.value("SET")? {
            Value::Status(b"OK") => true,
            Value::Nothing => false,
            other => return Err(self.unexpected("SET", "OK or null", other.kind())),
        };
        let value = self.bytes_or_nothing("GET")?;
        Ok(match (won, value) {
            (true, _) => Claimed::Won,
            (false, Some(value)) => Claimed::Lost(value.to_vec()),
            (false, None) => Claimed::JustEnded,
        })
    }

    /// The server's clock: seconds, and microseconds of the next one.
    pub(super) fn time(&mut self) -> Result<Timestamp, Failure> {
        self.pair("TIME")?;
        let [seconds, micros] = [self.bytes("TIME")?, self.bytes("TIME")?];
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
        match (number(seconds), number(micros)) {
            (Some(seconds), Some(micros)) => Ok(Timestamp::from_seconds(seconds).plus(Duration::from_micros(micros))),
            _ => Err(self.unexpected("TIME", "two numbers", "something else")),
        }
    }

    /// Reads the next entry of a page into it. One that is not ours is counted. So is one that has not come whole, but is longer
    /// than ours by then: otherwise a huge one would keep everybody from what is behind it.
    pub(super) fn entry(&mut self, page: &mut Page) -> Result<(), Failure> {
        self.pair("XRANGE")?;
        let cursor = self.id("XRANGE")?;
        if cursor < page.next {
            return Err(self.unexpected("XRANGE", &format!("ids from {} on", page.next), &format!("{cursor}")));
        }
        let behind_id = self.values.left().len();
        let fields = self.fields();
        if fields.is_ok() || (self.ended && behind_id > MOST_BEHIND_AN_ID) {
            page.next = cursor.next();
            match fields.as_ref().ok().copied().flatten() {
                Some(bytes) => page.entries.push(Entry { cursor, bytes: bytes.to_vec() }),
                None => page.foreign = page.foreign.saturating_add(1),
            }
        }
        fields.map(|_| ())
    }

    /// The bytes in the fields of an entry, if it is one of ours.
    pub(super) fn fields(&mut self) -> Result<Option<&'a [u8]>, Failure> {
        let length = self.array("XRANGE")?;
        if length != 2 {
            for _ in 0..length {
                self.bytes("XRANGE")?;
            }
            return Ok(None);
        }
        let [name, value] = [self.bytes("XRANGE")?, self.bytes("XRANGE")?];
        Ok((name == FIELD && value.len() <= LARGEST_ENTRY).then_some(value))
    }

    /// Makes sure that the connection was ended as it was asked for, and that nothing follows.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.ok("QUIT")?;
        match self.values.left().len() {
            0 => Ok(()),
            more => Err(self.unexpected("QUIT", "nothing behind it", &format!("{more} bytes"))),
        }
    }
}
