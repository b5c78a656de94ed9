//! Redis or Valkey as the store: a stream for entries, and keys that end for names. One call is one pipeline of commands; Envoy sends
//! its bytes by a cluster with `TcpConnectionPoolProto`, and what the server says until it closes the connection is the body of
//! the reply. What is in an entry or under a name is not known here.
//!
//! Envoy closes its half of the connection behind the commands, and Redis ends a connection as soon as it sees that, even if it
//! has not sent all of its reply: it sends 64 KiB, then looks at the connection again. Short replies always come whole; a page
//! may come in part.

mod refusal;
mod resp;
pub mod settings;

use std::time::Duration;

use zeroize::Zeroizing;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Announced, Claimed, Entry, LARGEST_ENTRY, NamedValue, Page, Rest};
use crate::revocations::redis::resp::{NoValue, Value, Values, encoded};
use crate::revocations::redis::settings::{Login, Redis};
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The name of the one field of an entry.
const FIELD: &[u8] = b"e";

/// More bytes than an entry of ours has behind its id.
const MOST_BEHIND_AN_ID: usize = LARGEST_ENTRY.saturating_add(32);

impl Redis {
    pub(super) fn announce(&self, entries: &[Vec<u8>], claims: &[NamedValue<'_>], trim_before: Option<Timestamp>) -> HttpCall {
        let trim_before = trim_before.map(|time| time.millis().to_string());
        let keys: Vec<_> = claims.iter().map(|claim| (self.key(claim.name), millis(claim.lifetime))).collect();
        let mut commands = Vec::with_capacity(entries.len().saturating_add(claims.len().saturating_mul(2)));
        for entry in entries {
            let mut add = vec![b"XADD".as_slice(), self.stream.as_bytes()];
            // Once is enough for the whole stream. `~` removes whole nodes of it only, which costs nearly nothing.
            if let Some(millis) = trim_before.as_ref().filter(|_| commands.is_empty()) {
                add.extend([b"MINID".as_slice(), b"~", millis.as_bytes()]);
            }
            add.extend([b"*".as_slice(), FIELD, entry]);
            commands.push(add);
        }
        // A name is claimed behind the entries: if the connection ends between the two, whoever repeats both still wins the claim.
        for (claim, (key, lifetime)) in claims.iter().zip(&keys) {
            commands.push(vec![b"SET", key.as_bytes(), claim.value, b"NX", b"PX", lifetime.as_bytes()]);
            commands.push(vec![b"GET", key.as_bytes()]);
        }
        self.call(commands)
    }

    pub(super) fn announced(&self, entries: usize, claims: usize, reply: &Reply) -> Result<Announced, Failure> {
        let mut answer = self.answer(reply)?;
        let cursors = (0..entries).map(|_| answer.added()).collect::<Result<_, _>>()?;
        let claims = (0..claims).map(|_| answer.claimed()).collect::<Result<_, _>>()?;
        answer.finish()?;
        Ok(Announced { cursors, claims })
    }

    pub(super) fn claimed(&self, reply: &Reply) -> Result<Claimed, Failure> {
        let mut answer = self.answer(reply)?;
        let claimed = answer.claimed()?;
        answer.finish()?;
        Ok(claimed)
    }

    pub(super) fn put(&self, value: &NamedValue<'_>) -> HttpCall {
        let (key, lifetime) = (self.key(value.name), millis(value.lifetime));
        self.call(vec![vec![b"SET", key.as_bytes(), value.value, b"PX", lifetime.as_bytes()]])
    }

    pub(super) fn was_put(&self, reply: &Reply) -> Result<(), Failure> {
        let mut answer = self.answer(reply)?;
        answer.ok("SET")?;
        answer.finish()
    }

    pub(super) fn get(&self, name: &str) -> HttpCall {
        self.call(vec![vec![b"GET", self.key(name).as_bytes()]])
    }

    pub(super) fn got(&self, reply: &Reply) -> Result<Option<Vec<u8>>, Failure> {
        let mut answer = self.answer(reply)?;
        let value = answer.bytes_or_nothing("GET")?.map(<[u8]>::to_vec);
        answer.finish()?;
        Ok(value)
    }

    pub(super) fn read(&self, from: Cursor, most: usize) -> HttpCall {
        let (stream, from, most) = (self.stream.as_bytes(), from.to_string(), most.to_string());
        self.call(vec![vec![b"TIME"], vec![b"XRANGE", stream, from.as_bytes(), b"+", b"COUNT", most.as_bytes()]])
    }

    pub(super) fn page(&self, from: Cursor, most: usize, reply: &Reply) -> Result<Page, Failure> {
        let mut answer = self.answer(reply)?;
        let now = answer.time()?;
        let count = answer.array("XRANGE")?;
        if count > most {
            return Err(answer.unexpected("XRANGE", &format!("at most {most} entries"), &format!("{count}")));
        }
        let rest = if count == most { Rest::More } else { Rest::Nothing };
        let mut page = Page { now, entries: Vec::new(), foreign: 0, next: from, rest };
        for _ in 0..count {
            match answer.entry(&mut page) {
                Ok(()) => {}
                // Each entry that came whole is as good as in a whole page; the rest is read from there.
                Err(_) if answer.ended && page.next > from => return Ok(Page { rest: Rest::More, ..page }),
                Err(failure) => return Err(failure),
            }
        }
        match answer.finish() {
            Err(failure) if !answer.ended => Err(failure),
            _ => Ok(page),
        }
    }

    /// The key of a name.
    fn key(&self, name: &str) -> String {
        [&self.stream, ":", name].concat()
    }

    /// A call with these commands, between those that log in and end the connection.
    fn call(&self, commands: Vec<Vec<&[u8]>>) -> HttpCall {
        let login: Option<Vec<&[u8]>> = match &self.login {
            Login::Nobody => None,
            Login::Password(password) => Some(vec![b"AUTH", password.expose().as_bytes()]),
            Login::User { name, password } => Some(vec![b"AUTH", name.as_bytes(), password.expose().as_bytes()]),
        };
        let quit: Vec<&[u8]> = vec![b"QUIT"];
        let all: Vec<_> = login.into_iter().chain(commands).chain([quit]).collect();
        let body: Zeroizing<Vec<u8>> = encoded(&all);
        HttpCall {
            cluster: self.cluster.clone(),
            // Of what follows, nothing but the body is sent. A call must have it nevertheless.
            method: "POST",
            scheme: "http".to_owned(),
            authority: "revocations".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body,
            timeout: self.timeout,
        }
    }

    /// What the server said, from behind its reply to the login.
    fn answer<'a>(&'a self, reply: &'a Reply) -> Result<Answer<'a>, Failure> {
        let body = refusal::body(self, reply)?;
        let mut answer = Answer { redis: self, values: Values::of(body), length: body.len(), ended: false };
        match self.login {
            Login::Nobody => {}
            Login::Password(_) | Login::User { .. } => answer.ok(refusal::LOGIN)?,
        }
        Ok(answer)
    }
}

/// A time in whole milliseconds, at least one: Redis refuses zero.
fn millis(span: Duration) -> String {
    span.as_millis().max(1).to_string()
}

/// What the server said, read command by command.
struct Answer<'a> {
    redis: &'a Redis,
    values: Values<'a>,
    /// How many bytes came.
    length: usize,
    /// Whether it ended before everything that was expected was read.
    ended: bool,
}

impl<'a> Answer<'a> {
    /// The next value in the reply to this command, which was carried out.
    fn value(&mut self, command: &'static str) -> Result<Value<'a>, Failure> {
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

    fn unexpected(&self, command: &'static str, expected: &str, found: &str) -> Failure {
        refusal::unexpected(self.redis, command, expected, found)
    }

    fn ok(&mut self, command: &'static str) -> Result<(), Failure> {
        match self.value(command)? {
            Value::Status(b"OK") => Ok(()),
            other => Err(self.unexpected(command, "OK", other.kind())),
        }
    }

    fn array(&mut self, command: &'static str) -> Result<usize, Failure> {
        match self.value(command)? {
            Value::Array(length) => Ok(length),
            other => Err(self.unexpected(command, "an array", other.kind())),
        }
    }

    fn bytes(&mut self, command: &'static str) -> Result<&'a [u8], Failure> {
        match self.value(command)? {
            Value::Bulk(bytes) => Ok(bytes),
            other => Err(self.unexpected(command, "bytes", other.kind())),
        }
    }

    fn bytes_or_nothing(&mut self, command: &'static str) -> Result<Option<&'a [u8]>, Failure> {
        match self.value(command)? {
            Value::Bulk(bytes) => Ok(Some(bytes)),
            Value::Nothing => Ok(None),
            other => Err(self.unexpected(command, "bytes or null", other.kind())),
        }
    }

    fn pair(&mut self, command: &'static str) -> Result<(), Failure> {
        match self.array(command)? {
            2 => Ok(()),
            length => Err(self.unexpected(command, "an array of two", &format!("one of {length}"))),
        }
    }

    fn id(&mut self, command: &'static str) -> Result<Cursor, Failure> {
        let id = self.bytes(command)?;
        Cursor::read(id).ok_or_else(|| self.unexpected(command, "the id of an entry, such as 1764500000000-0", "something else"))
    }

    /// The place of an entry that was added.
    fn added(&mut self) -> Result<Cursor, Failure> {
        self.id("XADD")
    }

    /// How a claim ended: the reply to SET, and that to GET.
    fn claimed(&mut self) -> Result<Claimed, Failure> {
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
    fn time(&mut self) -> Result<Timestamp, Failure> {
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
    fn entry(&mut self, page: &mut Page) -> Result<(), Failure> {
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
    fn fields(&mut self) -> Result<Option<&'a [u8]>, Failure> {
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
    fn finish(&mut self) -> Result<(), Failure> {
        self.ok("QUIT")?;
        match self.values.left().len() {
            0 => Ok(()),
            more => Err(self.unexpected("QUIT", "nothing behind it", &format!("{more} bytes"))),
        }
    }
}

#[cfg(test)]
mod tests;
