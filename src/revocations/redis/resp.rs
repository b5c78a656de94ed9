//! Redis's protocol RESP2: commands as bytes, and the values in a reply, one after another. Which commands there are is not known
//! here.
//!
//! The crate that reads single values would read an array by calling itself for each array in it, however deep they are nested, so
//! that a reply could use up the stack. Therefore it never sees an array: the head of an array is read here, and whoever asks for
//! values decides how many follow. Nothing is allocated for the lengths and counts that a reply claims.

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::encode::encode_borrowed;
use redis_protocol::resp2::types::{BorrowedFrame, RangeFrame};
use zeroize::Zeroizing;

/// More bytes than the head of a command or of one of its arguments has: a sign, a length and the end of two lines.
const MOST_OF_A_HEAD: usize = 32;

/// The most digits of an array's length.
const MOST_DIGITS: usize = 10;

/// The commands, one after another. They lie in memory only once, and are wiped there, because one of them holds a password.
pub(super) fn encoded(commands: &[Vec<&[u8]>]) -> Zeroizing<Vec<u8>> {
    let of_one = |argument: &&[u8]| argument.len().saturating_add(MOST_OF_A_HEAD);
    let room = commands.iter().flatten().map(of_one).fold(commands.len().saturating_mul(MOST_OF_A_HEAD), usize::saturating_add);
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut end: usize = 0;
    for command in commands {
        let arguments: Vec<_> = command.iter().map(|argument| BorrowedFrame::BulkString(argument)).collect();
        let left = bytes.get_mut(end..).unwrap_or_default();
        match encode_borrowed(left, &BorrowedFrame::Array(&arguments), false) {
            Ok(written) => end = end.saturating_add(written),
            // There is always room. If there were not, nothing would be sent, and nothing be acknowledged.
            Err(_) => return Zeroizing::default(),
        }
    }
    bytes.truncate(end);
    bytes
}

/// A value in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A short text, such as `OK`.
    Status(&'a [u8]),
    /// Why a command was not carried out.
    Error(&'a [u8]),
    Integer(i64),
    /// Bytes with a length.
    Bulk(&'a [u8]),
    /// Null.
    Nothing,
    /// An array of so many values, which follow.
    Array(usize),
}

/// Why there is no further value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// The reply ended in the middle of one, or before it.
    Ended,
    /// What follows is not RESP2.
    Malformed,
}

/// The values of a reply.
#[derive(Clone, Copy)]
pub(super) struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    pub(super) const fn of(reply: &'a [u8]) -> Self {
        Self(reply)
    }

    /// What was not read.
    pub(super) const fn left(self) -> &'a [u8] {
        self.0
    }

    /// Reads the next value.
    pub(super) fn next(&mut self) -> Result<Value<'a>, NoValue> {
        match self.0.strip_prefix(b"*") {
            Some(rest) => self.array(rest),
            None => self.single(),
        }
    }

    fn single(&mut self) -> Result<Value<'a>, NoValue> {
        let (frame, length) = decode_range(self.0).map_err(|_| NoValue::Malformed)?.ok_or(NoValue::Ended)?;
        let (read, left) = self.0.split_at_checked(length).ok_or(NoValue::Malformed)?;
        let part = |(from, to): (usize, usize)| read.get(from..to).ok_or(NoValue::Malformed);
        let value = match frame {
            RangeFrame::SimpleString(range) => Value::Status(part(range)?),
            RangeFrame::Error(range) => Value::Error(part(range)?),
            RangeFrame::Integer(number) => Value::Integer(number),
            // The crate takes any two bytes for the end of the line.
            RangeFrame::BulkString(range) if read.ends_with(b"\r\n") => Value::Bulk(part(range)?),
            RangeFrame::Null => Value::Nothing,
            RangeFrame::BulkString(_) | RangeFrame::Array(_) => return Err(NoValue::Malformed),
        };
        self.0 = left;
        Ok(value)
    }

    /// Reads the head of an array, whose sign was read already.
    fn array(&mut self, rest: &'a [u8]) -> Result<Value<'a>, NoValue> {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
        let (length, left) = rest.split_at_checked(digits).ok_or(NoValue::Malformed)?;
        if digits > MOST_DIGITS || !(b"\r\n".starts_with(left) || left.starts_with(b"\r\n")) {
            return Err(NoValue::Malformed);
        }
        let left = left.strip_prefix(b"\r\n").ok_or(NoValue::Ended)?;
        let value = match length {
            b"-1" => Value::Nothing,
            digits => {
                let digits = std::str::from_utf8(digits).map_err(|_| NoValue::Malformed)?;
                Value::Array(digits.parse().map_err(|_| NoValue::Malformed)?)
            }
        };
        self.0 = left;
        Ok(value)
    }
}

impl Value<'_> {
    /// What kind of value it is, in words. Nothing of the value is in them.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Status(_) => "another status",
            Self::Error(_) => "an error",
            Self::Integer(_) => "a number",
            Self::Bulk(_) => "bytes",
            Self::Nothing => "null",
            Self::Array(_) => "an array",
        }
    }
}
