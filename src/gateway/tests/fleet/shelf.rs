//! A Redis for tests, as a plain value: what it keeps, and what it answers to the commands of a call.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::http::message::{Headers, HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::words::time::Timestamp;

/// A Redis.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    pub(super) entries: BTreeMap<Cursor, Vec<u8>>,
    pub(super) names: BTreeMap<Vec<u8>, (Vec<u8>, Timestamp)>,
    /// How far its clock is ahead of that of the replicas.
    pub(super) ahead: Duration,
    /// What it answers in place of the truth.
    pub(super) instead: Option<Reply>,
    /// Whether it takes no more entries.
    pub(super) is_full: bool,
    /// How many claims are not answered from now on.
    pub(super) claims_fail: usize,
    /// After how many further calls it answers no more.
    pub(super) stops_after: Option<usize>,
    /// How many calls came.
    pub(super) calls: usize,
    /// How many entries were read.
    pub(super) read: usize,
}

impl Shelf {
    pub(super) fn answer(&mut self, call: &HttpCall, now: Timestamp) -> Reply {
        self.calls += 1;
        if let Some(left) = &mut self.stops_after {
            let Some(fewer) = left.checked_sub(1) else { return Reply::Reset };
            *left = fewer;
        }
        if let Some(reply) = &self.instead {
            return reply.clone();
        }
        if self.claims_fail > 0 && call.body.windows(14).any(|part| part == b"announce-again") {
            self.claims_fail -= 1;
            return Reply::Reset;
        }
        let now = now.plus(self.ahead);
        let mut body = Vec::new();
        for command in commands(&call.body) {
            body.extend(self.does(&command, now));
        }
        Reply::Answered { status: 200, headers: Headers::new(vec![(":status".into(), "200".into())]), body }
    }

    fn does(&mut self, command: &[Vec<u8>], now: Timestamp) -> Vec<u8> {
        let text = |position: usize| String::from_utf8(command[position].clone()).unwrap();
        match text(0).as_str() {
            "AUTH" | "QUIT" => b"+OK\r\n".to_vec(),
            "TIME" => {
                let [seconds, micros] = [now.seconds().to_string(), (now.millis() % 1_000 * 1_000).to_string()];
                [b"*2\r\n".to_vec(), bulk(seconds.as_bytes()), bulk(micros.as_bytes())].concat()
            }
            "XADD" if self.is_full => b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_vec(),
            "XADD" => {
                if text(2) == "MINID" {
                    let oldest = Cursor::at(Timestamp::from_millis(text(4).parse().unwrap()));
                    self.entries = self.entries.split_off(&oldest);
                }
                let last = self.entries.last_key_value().map(|(cursor, _)| cursor.next());
                let cursor = Cursor::at(now).max(last.unwrap_or(Cursor::START));
                self.entries.insert(cursor, command.last().unwrap().clone());
                bulk(cursor.to_string().as_bytes())
            }
            "XRANGE" => {
                let position = command.iter().position(|word| word == b"COUNT");
                let most = position.map_or(usize::MAX, |position| text(position + 1).parse().unwrap());
                let from = match text(2).as_str() {
                    "-" => Cursor::START,
                    from => Cursor::read(from.as_bytes()).unwrap(),
                };
                let found: Vec<_> = self.entries.range(from..).take(most).collect();
                self.read += found.len();
                let mut answer = format!("*{}\r\n", found.len()).into_bytes();
                for (cursor, bytes) in found {
                    answer.extend(b"*2\r\n");
                    answer.extend(bulk(cursor.to_string().as_bytes()));
                    answer.extend([b"*2\r\n".to_vec(), bulk(b"e"), bulk(bytes)].concat());
                }
                answer
            }
            "SET" => {
                self.names.retain(|_, (_, until)| now < *until);
                let only_if_absent = command.iter().any(|word| word == b"NX");
                if only_if_absent && self.names.contains_key(&command[1]) {
                    return b"$-1\r\n".to_vec();
                }
                let until = now.plus(Duration::from_millis(text(command.len() - 1).parse().unwrap()));
                self.names.insert(command[1].clone(), (command[2].clone(), until));
                b"+OK\r\n".to_vec()
            }
            "GET" => {
                self.names.retain(|_, (_, until)| now < *until);
                self.names.get(&command[1]).map_or(b"$-1\r\n".to_vec(), |(value, _)| bulk(value))
            }
            other => panic!("{other}"),
        }
    }
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The commands of a call: arrays of bulk strings.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn number(bytes: &mut &[u8], mark: u8) -> usize {
        assert_eq!(bytes[0], mark);
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        let number = std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap();
        *bytes = &bytes[end + 2..];
        number
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let words = number(&mut bytes, b'*');
        let mut command = Vec::new();
        for _ in 0..words {
            let length = number(&mut bytes, b'$');
            command.push(bytes[..length].to_vec());
            bytes = &bytes[length + 2..];
        }
        commands.push(command);
    }
    commands
}
