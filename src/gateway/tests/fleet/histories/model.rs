//! The model: who may be signed in as whom. It knows neither cookies nor keys nor messages, only what has happened.

use std::time::Duration;

use crate::words::time::Timestamp;

pub(super) const LIFETIME: Duration = Duration::from_secs(8 * 3_600);
pub(super) const IDLE: Duration = Duration::from_secs(3_600);

/// A sign-in of a person. `ended` says at which replica it was ended, until all know it.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) person: usize,
    pub(super) begun: Timestamp,
    pub(super) ended: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    No,
    /// Whoever ended it had a cookie about which the model does not decide.
    Perhaps,
    /// While nobody can tell the others, those replicas know it.
    At(usize),
    Everywhere,
}

/// What a browser has: the cookie of a sign-in, which was renewed then and sealed with this key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookie {
    pub(super) login: usize,
    pub(super) renewed: Timestamp,
    pub(super) key: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Says {
    Nobody,
    Person(usize),
    /// One of both: a clock is at the limit, or the replica cannot have heard of the end.
    Either(usize),
}

/// All that has happened.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) logins: Vec<Login>,
    /// The session keys, the one that seals first.
    pub(super) keys: Vec<u8>,
    /// By how much clocks may differ.
    pub(super) skew: Duration,
    /// When each person last ended all their sessions.
    pub(super) ended_before: [Timestamp; 2],
}

impl Model {
    /// Who is signed in at a replica with this cookie.
    pub(super) fn says(&self, cookie: Option<Cookie>, replica: usize, now: Timestamp) -> Says {
        let Some((cookie, login)) = cookie.map(|cookie| (cookie, &self.logins[cookie.login])) else { return Says::Nobody };
        let end = login.begun.plus(LIFETIME).min(cookie.renewed.plus(IDLE));
        if !self.keys.contains(&cookie.key)
            || now >= end.plus(self.skew)
            || login.ended == Ended::Everywhere
            || login.ended == Ended::At(replica)
        {
            return Says::Nobody;
        }
        if login.ended != Ended::No || now.plus(self.skew) >= end {
            Says::Either(login.person)
        } else {
            Says::Person(login.person)
        }
    }

    /// Somebody signs in. Who does so at once after ending all their sessions may be taken for somebody who did it before, where clocks
    /// differ.
    pub(super) fn begins(&mut self, person: usize, now: Timestamp) {
        let at_once = now < self.ended_before[person].plus(self.skew);
        self.logins.push(Login { person, begun: now, ended: if at_once { Ended::Perhaps } else { Ended::No } });
    }

    /// What these sign-ins are ended by happens at a replica; `told`: it can tell the others.
    pub(super) fn end(&mut self, which: impl Fn(&Login) -> bool, replica: usize, told: bool) {
        for login in self.logins.iter_mut().filter(|login| login.ended != Ended::Everywhere && which(login)) {
            login.ended = if told { Ended::Everywhere } else { Ended::At(replica) };
        }
    }
}
