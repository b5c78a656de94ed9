//! What is tried at a Redis before it is used: whether it carries out each command that we send, and whether it may throw away what
//! we store. Nothing is left there: the entry has so low an id that no stream with entries takes it, no stream is made for it, and the
//! value ends after a millisecond. Only the command line uses it: it is not in the module.

use crate::http::message::{HttpCall, Reply};
use crate::revocations::redis::answer::{Answer, FIELD};
use crate::revocations::redis::refusal;
use crate::revocations::redis::resp::Value;
use crate::revocations::redis::settings::Redis;
use crate::words::reason::Failure;

/// An id that every stream with entries is beyond. Of the id 0-0, Redis says nothing else than that there is none: it does not look
/// whether the stream takes entries at all.
const LOWEST_ID: &[u8] = b"0-1";

/// What the server says of an entry with that id, if it could have added one with another id.
const TOO_LOW: &str = "equal or smaller than the target stream top item";

/// How a trial ended.
#[derive(Debug, Default)]
pub struct Trial {
    /// What the server did not do.
    pub refused: Vec<Refused>,
    /// Its `maxmemory-policy`, if the user may know it.
    pub maxmemory_policy: Option<String>,
}

/// Something that a server did not do.
#[derive(Debug)]
pub struct Refused {
    /// Why, and what to do.
    pub failure: Failure,
    /// Whether it is only because this is a replica.
    pub by_replica: bool,
}

/// Reads the reply to a command that was carried out.
type Read = fn(&mut Answer<'_>) -> Result<(), Failure>;

/// The commands that the filter needs. The order is that of [`Redis::trial`].
const NEEDED: [(&str, Read); 5] = [
    ("TIME", |answer| answer.time().map(drop)),
    ("XRANGE", |answer| answer.at_most_one_entry()),
    ("XADD", |answer| match answer.value("XADD")? {
        // There is no stream; or there was one that never had an entry, and this one is removed by the same command.
        Value::Nothing | Value::Bulk(LOWEST_ID) => Ok(()),
        other => Err(answer.unexpected("XADD", "null or a refusal of the id 0-1", other.kind())),
    }),
    ("SET", |answer| match answer.value("SET")? {
        Value::Status(b"OK") | Value::Nothing => Ok(()),
        other => Err(answer.unexpected("SET", "OK or null", other.kind())),
    }),
    ("GET", |answer| answer.bytes_or_nothing("GET").map(drop)),
];

impl Redis {
    /// The call of a trial. `name` is one that nobody else uses.
    pub fn trial(&self, name: &str) -> HttpCall {
        let (stream, key) = (self.stream.as_bytes(), self.key(name));
        self.call(vec![
            vec![b"TIME"],
            vec![b"XRANGE", stream, b"-", b"+", b"COUNT", b"1"],
            vec![b"XADD", stream, b"NOMKSTREAM", b"MINID", b"=", b"1", LOWEST_ID, FIELD, b"trial"],
            vec![b"SET", key.as_bytes(), b"trial", b"NX", b"PX", b"1"],
            vec![b"GET", key.as_bytes()],
            vec![b"INFO", b"memory"],
        ])
    }

    /// How the trial ended.
    pub fn tried(&self, reply: &Reply) -> Trial {
        let mut trial = Trial::default();
        if let Err(failure) = self.read_trial(reply, &mut trial) {
            trial.refused.push(Refused { failure, by_replica: false });
        }
        trial
    }

    /// # Errors
    /// Why the reply could not be read on.
    fn read_trial(&self, reply: &Reply, trial: &mut Trial) -> Result<(), Failure> {
        let mut answer = self.answer(reply)?;
        for (command, read) in NEEDED {
            let Some(words) = answer.error() else {
                read(&mut answer)?;
                continue;
            };
            let words = String::from_utf8_lossy(words);
            if command == "XADD" && words.contains(TOO_LOW) {
                continue;
            }
            let failure = refusal::refused(self, command, words.as_bytes());
            if words.starts_with("NOAUTH ") {
                // So are all others.
                return Err(failure);
            }
            trial.refused.push(Refused { failure, by_replica: words.starts_with("READONLY ") });
        }
        // Who may not ask, need not know.
        if answer.error().is_none() {
            trial.maxmemory_policy = maxmemory_policy(answer.bytes("INFO")?);
        }
        answer.finish()
    }
}

impl<'a> Answer<'a> {
    /// Reads an entry of anybody's, or that there is none.
    fn at_most_one_entry(&mut self) -> Result<(), Failure> {
        match self.array("XRANGE")? {
            0 => Ok(()),
            1 => {
                self.pair("XRANGE")?;
                self.id("XRANGE")?;
                self.fields().map(drop)
            }
            count => Err(self.unexpected("XRANGE", "at most 1 entry", &format!("{count}"))),
        }
    }

    /// The words of the next value, which is then read, if it says that a command was refused.
    fn error(&mut self) -> Option<&'a [u8]> {
        let mut ahead = self.values;
        let Ok(Value::Error(words)) = ahead.next() else { return None };
        self.values = ahead;
        Some(words)
    }
}

fn maxmemory_policy(info: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(info).ok()?;
    let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
    Some(policy.trim_end().to_owned())
}
