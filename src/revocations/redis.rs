//! Redis or Valkey as the store: a stream for entries, and keys that end for names. One call is one pipeline of commands; Envoy sends
//! its bytes by a cluster with `TcpConnectionPoolProto`, and what the server says until it closes the connection is the body of
//! the reply. What is in an entry or under a name is not known here.
//!
//! Envoy closes its half of the connection behind the commands, and Redis ends a connection as soon as it sees that, even if it
//! has not sent all of its reply: it sends 64 KiB, then looks at the connection again. Short replies always come whole; a page
//! may come in part.

mod answer;
mod refusal;
mod resp;
pub mod settings;
pub mod trial;

use std::time::Duration;

use zeroize::Zeroizing;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Announced, Claimed, NamedValue, Page, Rest};
use crate::revocations::redis::answer::{Answer, FIELD};
use crate::revocations::redis::resp::{Values, encoded};
use crate::revocations::redis::settings::{Login, Redis};
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

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

#[cfg(test)]
mod tests;
